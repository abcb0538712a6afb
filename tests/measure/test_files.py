"""Many files to one table."""

import csv
import sys

import numpy as np
import pytest
import tifffile

from seamwise.io.images import write_labels
from seamwise.io.ome_zarr import create_labels, write_image
from seamwise.io.volume import Volume
from seamwise.measure import (
    MeasureJob,
    MeasureOptions,
    field,
    measure,
    measure_file,
    measure_files,
    pair_images,
)
from seamwise.report import segmentation_report
from seamwise.synth import crowded_cells
from support.files import one_line

ALL = MeasureOptions()


def scene(seed, shape=(50, 60)):
    drawn = crowded_cells(shape, cells=8, radius=6, rng=seed)
    return np.stack([drawn.image, drawn.image // 3 + seed]), drawn.labels


def folders(tmp_path, *names, axes="CYX"):
    """Images and labels of these names; each pixel is 0.5 µm wide."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        image, labels = scene(seed)
        tifffile.imwrite(
            tmp_path / "images" / f"{name}.tif", image, imagej=True,
            metadata={"axes": axes, "unit": "um"}, resolution=(2, 2),
        )  # fmt: skip
        write_labels(tmp_path / "labels" / f"{name}.tif", labels)
    return tmp_path / "images", tmp_path / "labels"


def rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def run(tmp_path, pairs, options=ALL, name="out.csv", **more):
    """The messages of all files, whether any failed, and the lines of the table."""
    outcomes = list(measure_files(pairs, tmp_path / name, options, **more))
    messages = [line for outcome in outcomes for line in outcome.messages]
    assert not any("\n" in line for line in messages)
    has_failed = any(outcome.failed for outcome in outcomes)
    return messages, has_failed, rows(tmp_path / name) if name.endswith("csv") else None


def test_the_table_of_a_folder_holds_what_measure_gives(tmp_path):
    images, labels = folders(tmp_path, "a b", "ü")
    messages, has_failed, lines = run(tmp_path, pair_images(images, labels))
    assert not has_failed
    assert messages == [f"{images / 'a b.tif'}: 8 cells", f"{images / 'ü.tif'}: 8 cells"]
    assert [line["file"] for line in lines] == ["a b.tif"] * 8 + ["ü.tif"] * 8
    expected = measure(*scene(1), spacing=(0.5, 0.5))
    for name, column in expected.columns.items():
        text = [line[name] for line in lines[8:]]
        if column.dtype.kind == "f":
            written = np.array([float(value or "nan") for value in text])
            np.testing.assert_allclose(written, column, rtol=1e-12)
    assert {line["touches_edge"] for line in lines} == {"TRUE", "FALSE"}
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_name_that_is_a_formula_is_harmless(tmp_path):
    images, labels = folders(tmp_path, "=1+1", "@x", "+y", "-z")
    _, _, lines = run(tmp_path, pair_images(images, labels), MeasureOptions(names=("=a", "b")))
    assert {line["file"][0] for line in lines} == {"'"}
    assert "'=a_mean" in lines[0]
    assert {line["file"][0] for line in rows(tmp_path / "out_summary.csv")[:4]} == {"'"}


def test_the_summary_counts_for_image_and_time(tmp_path):
    images, labels = folders(tmp_path)
    frames = [scene(seed) for seed in range(3)]
    series = np.stack([image for image, _ in frames])
    tifffile.imwrite(images / "t.tif", series, imagej=True, metadata={"axes": "TCYX"})
    # as tifffile stores three frames unless told otherwise: they look like colours
    true = np.stack([one for _, one in frames]).astype(np.uint16)
    tifffile.imwrite(labels / "t.tif", true, photometric="rgb", planarconfig="separate")
    options = MeasureOptions(positive="ch1", threshold=7000, spacing=(0.5, 0.5))
    messages, has_failed, lines = run(tmp_path, pair_images(images, labels), options, plots=True)
    assert not has_failed
    assert messages[0].endswith("8 + 8 + 8 cells")
    assert [line["time"] for line in lines] == ["0"] * 8 + ["1"] * 8 + ["2"] * 8
    positive = [line["ch1_positive"] == "TRUE" for line in lines]
    assert positive == [float(line["ch1_mean"]) > 7000 for line in lines]
    summary = rows(tmp_path / "out_summary.csv")
    assert [(line["scope"], line["time"], line["cells"]) for line in summary] == [
        ("image and time", "0", "8"), ("image and time", "1", "8"), ("image and time", "2", "8"),
        ("image", "", "24"), ("time", "0", "8"), ("time", "1", "8"), ("time", "2", "8"),
    ]  # fmt: skip
    assert int(summary[3]["positive"]) == sum(positive)
    assert float(summary[3]["positive_share"]) == sum(positive) / 24
    assert np.isclose(float(summary[3]["cells_per_mm2"]), 24 / (3 * 50 * 60 * 0.25e-6))
    pictures = {path.name for path in tmp_path.glob("out_*.png")}
    assert pictures == {"out_histogram.png", "out_scatter.png", "out_over_time.png"}


def test_the_summary_of_single_images_counts_each_once_and_all(tmp_path):
    images, labels = folders(tmp_path, "a", "b")
    run(tmp_path, pair_images(images, labels))
    summary = rows(tmp_path / "out_summary.csv")
    assert [(line["scope"], line["file"], line["time"], line["cells"]) for line in summary] == [
        ("image", "a.tif", "", "8"), ("image", "b.tif", "", "8"), ("all", "", "", "16"),
    ]  # fmt: skip
    run(tmp_path, pair_images(images / "a.tif", labels / "a.tif"), overwrite=True)
    assert [line["scope"] for line in rows(tmp_path / "out_summary.csv")] == ["image"]


def test_images_without_a_pixel_size_are_named_once(tmp_path):
    images, labels = folders(tmp_path, "a", "b")
    for name in "ab":
        tifffile.imwrite(images / f"{name}.tif", scene(0)[0], metadata={"axes": "CYX"})
    messages, *_ = run(tmp_path, pair_images(images, labels))
    (line,) = [message for message in messages if "pixel size" in message]
    assert line.startswith("the pixel size of 2 of 2 images is not known")
    assert "--spacing 0.5,0.5" in line
    options = MeasureOptions(spacing=(0.5, 0.5))
    messages, *_ = run(tmp_path, pair_images(images, labels), options, overwrite=True)
    assert not any("pixel size" in message for message in messages)


def test_files_may_be_the_frames_of_a_series(tmp_path):
    images, labels = folders(tmp_path, "f1", "f2")
    options = MeasureOptions(frames=True)
    _, _, lines = run(tmp_path, pair_images(images, labels), options, plots=True)
    assert {(line["file"], line["time"]) for line in lines} == {("f1.tif", "0"), ("f2.tif", "1")}
    assert (tmp_path / "out_over_time.png").exists()


def test_parts_of_an_ome_zarr_give_the_same_table(tmp_path, monkeypatch):
    image, labels = scene(3, (90, 110))
    write_image(tmp_path / "x.ome.zarr", image, axes="CYX", spacing=(0.5, 0.4))
    with create_labels(tmp_path / "x.ome.zarr", "cells", chunks=(16, 16)) as draft:
        draft.array[...] = labels
    pairs = pair_images(tmp_path / "x.ome.zarr", tmp_path / "x.ome.zarr")
    options = MeasureOptions(shape=True)
    whole = measure_file(pairs.jobs[0], options).cells
    monkeypatch.setattr(field, "HELD_BYTES", 0)
    monkeypatch.setattr(field, "BLOCK_PIXELS", 90 * 40)
    asked = []
    real = Volume.read
    monkeypatch.setattr(Volume, "read", lambda *a, **b: asked.append(a[1]) or real(*a, **b))
    parts = measure_file(pairs.jobs[0], options).cells
    assert (slice(0, 90), slice(0, 110)) not in asked
    expected = measure(image, labels, options, spacing=(0.5, 0.4))
    for name, column in expected.columns.items():
        if column.dtype == object:
            assert whole[name].tolist() == parts[name].tolist() == column.tolist()
        elif not name.endswith(("background", "corrected")):
            np.testing.assert_allclose(whole[name], column, rtol=1e-9)
            np.testing.assert_allclose(parts[name], column, rtol=1e-9)


def test_nuclei_and_a_region_come_from_files(tmp_path):
    images, labels = folders(tmp_path, "a", "b")
    (tmp_path / "nuclei").mkdir()
    for seed, name in enumerate("ab"):
        _, cells = scene(seed)
        small = np.where(np.roll(cells, 2, 0) == cells, cells, 0)
        write_labels(tmp_path / "nuclei" / f"{name}.tif", np.where(cells == 1, 0, small))
    left = np.zeros((50, 60), bool)
    left[:, :30] = True
    tifffile.imwrite(tmp_path / "left.tif", left)
    pairs = pair_images(images, labels, nuclei=tmp_path / "nuclei", region=tmp_path / "left.tif")
    _, has_failed, lines = run(
        tmp_path, pairs, MeasureOptions(positive="ch0", positive_by="nucleus_mean")
    )
    assert not has_failed
    assert all(float(line["centroid_x_px"]) < 32 for line in lines)
    assert {line["nuclei"] for line in lines if line["id"] != "1"} == {"1"}
    assert len(lines) < 16


def test_an_empty_region_costs_no_table(tmp_path):
    images, labels = folders(tmp_path, "a", "b")
    (tmp_path / "regions").mkdir()
    for name, inside in (("a", 0), ("b", 1)):
        write_labels(tmp_path / "regions" / f"{name}.tif", np.full((50, 60), inside))
    pairs = pair_images(images, labels, region=tmp_path / "regions")
    messages, has_failed, lines = run(tmp_path, pairs)
    assert not has_failed
    assert [line["file"] for line in lines] == ["b.tif"] * 8
    note = f"{tmp_path / 'regions' / 'a.tif'} is 0 everywhere: no cell is measured there"
    assert messages == [note, f"{images / 'a.tif'}: 0 cells", f"{images / 'b.tif'}: 8 cells"]
    summary = [line for line in rows(tmp_path / "out_summary.csv") if line["scope"] == "image"]
    assert [line["cells"] for line in summary] == ["0", "8"]
    assert summary[0]["cells_per_mm2"] == ""
    assert np.isclose(float(summary[1]["cells_per_mm2"]), 8 / (50 * 60 * 0.25e-6))


def test_a_region_that_is_empty_at_times_says_at_how_many(tmp_path):
    cells = np.zeros((2, 9, 10), np.uint16)
    cells[:, 2:5, 3:6] = 4
    region = np.stack([np.ones((9, 10)), np.zeros((9, 10))]).astype(np.uint16)
    for name, array in (("image", cells), ("labels", cells), ("region", region)):
        write_image(tmp_path / f"{name}.ome.zarr", array, axes="TYX", spacing=(0.5, 0.5))
    paths = [tmp_path / f"{name}.ome.zarr" for name in ("image", "labels", "region")]
    messages, has_failed, lines = run(tmp_path, pair_images(*paths[:2], region=paths[2]))
    assert not has_failed
    assert [(line["id"], line["time"]) for line in lines] == [("4", "0")]
    assert f"{paths[2]} is 0 everywhere at 1 of 2 time points: no cell" in messages[0]


def test_bad_files_are_reported_and_the_others_measured(tmp_path):
    images, labels = folders(tmp_path, "a", "cut", "nan", "text", "times", "lonely")
    write_labels(labels / "cut.tif", scene(1)[1][:40])
    tifffile.imwrite(
        images / "nan.tif", np.full((2, 50, 60), np.nan, np.float32), metadata={"axes": "CYX"}
    )
    (labels / "text.tif").write_text("no image")
    tifffile.imwrite(
        labels / "times.tif", np.ones((2, 50, 60), np.uint16), imagej=True, metadata={"axes": "TYX"}
    )
    (labels / "lonely.tif").rename(labels / "other.tif")
    messages, has_failed, lines = run(tmp_path, pair_images(images, labels))
    assert has_failed
    assert {line["file"] for line in lines} == {"a.tif"}
    text = "\n".join(messages)
    assert "lonely.tif has no labels of the same name: segment it first, or call its " in text
    assert "1 label image without an image (e.g. " in text
    assert "cut.tif must have the size (50, 60) of" in text
    assert "nan.tif: the image has NaN" in text
    assert "cannot read" in text
    assert "times.tif must have the 1 time point of" in text


def test_one_number_for_the_pixel_size_shows_how_to_give_two():
    with pytest.raises(ValueError, match=r"such as 0\.5,0\.5, not 1 of them"):
        MeasureOptions(spacing=(0.5,))


def test_a_channel_that_does_not_exist_is_one_line(tmp_path):
    images, labels = folders(tmp_path, "a")
    for options, words in (
        (MeasureOptions(channel=2), "channel=2 does not fit"),
        (
            MeasureOptions(positive="ch7"),
            "positive must be one of the channels (ch0, ch1), not 'ch7'",
        ),
        (MeasureOptions(names=("x",)), "it has 2 channels, 1 with a name"),
    ):
        (outcome,) = measure_files(pair_images(images, labels), tmp_path / "o.csv", options)
        assert outcome.failed
        assert words in outcome.messages[0]
    assert not (tmp_path / "o.csv").exists()
    options = MeasureOptions(positive="ch1", positive_by="nucleus_mean")
    with pytest.raises(ValueError, match="needs nuclei: give --nuclei"):
        measure_files(pair_images(images, labels), tmp_path / "o.csv", options)


def test_images_without_cells_give_a_table_with_headers(tmp_path):
    images, labels = folders(tmp_path, "a")
    write_labels(labels / "a.tif", np.zeros((50, 60), int))
    options = MeasureOptions(positive="ch1", shape=True)
    messages, has_failed, lines = run(tmp_path, pair_images(images, labels), options, plots=True)
    assert not has_failed
    assert lines == []
    header = (tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert header[0].startswith("id,file,time,area_px,area_um2")
    assert header[0].endswith("ch1_positive")
    assert messages[0].endswith(": 0 cells")


def test_masks_next_to_images_are_their_labels(tmp_path):
    image, labels = scene(0)
    tifffile.imwrite(tmp_path / "a.tif", image[0])
    write_labels(tmp_path / "a_masks.tif", labels)
    pairs = pair_images(tmp_path, tmp_path)
    assert pairs.jobs == (MeasureJob(tmp_path / "a.tif", tmp_path / "a_masks.tif"),)


def test_nothing_that_pairs_up_is_an_error(tmp_path):
    images, labels = folders(tmp_path, "a", "b")
    for path in sorted(labels.iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(ValueError, match="none of the 2 images has labels") as caught:
        pair_images(images, labels)
    assert one_line(caught)


def test_the_table_has_a_known_ending_and_replaces_no_input(tmp_path):
    images, labels = folders(tmp_path, "a")
    pairs = pair_images(images, labels)
    with pytest.raises(ValueError, match=r"ending in \.csv or \.parquet"):
        measure_files(pairs, tmp_path / "out.xls")
    with pytest.raises(OSError, match="its folder does not exist"):
        measure_files(pairs, tmp_path / "no" / "out.csv")


def test_parquet_holds_the_same_and_says_what_to_install(tmp_path, monkeypatch):
    images, labels = folders(tmp_path, "a", "b")
    pairs = pair_images(images, labels)
    run(tmp_path, pairs, name="out.parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    run(tmp_path, pairs)
    lines = rows(tmp_path / "out.csv")
    assert table["file"] == [line["file"] for line in lines]
    assert table["ch1_mean"] == [float(line["ch1_mean"]) for line in lines]
    times = parquet.read_table(tmp_path / "out_summary.parquet").to_pydict()["time"]
    assert times == [None, None, None]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("seamwise.io.parquetfile.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install 'seamwise") as caught:
        measure_files(pairs, tmp_path / "out.parquet")
    assert one_line(caught, "pyarrow is not installed")


def test_a_single_image_takes_the_nuclei_and_the_region_of_its_name(tmp_path):
    images, labels = folders(tmp_path, "a", "b")
    pairs = pair_images(images / "b.tif", labels / "b.tif", nuclei=labels, region=labels)
    assert pairs.jobs[0].nuclei == pairs.jobs[0].region == labels / "b.tif"
    (labels / "b.tif").rename(tmp_path / "b.tif")
    with pytest.raises(ValueError, match=r"b\.tif has no nuclei of the same name"):
        pair_images(images / "b.tif", tmp_path / "b.tif", nuclei=labels)


def test_folders_of_one_file_each_pair_by_name(tmp_path):
    images, labels = folders(tmp_path, "a")
    (images / "a.tif").rename(images / "x.tif")
    with pytest.raises(ValueError, match="same name"):
        pair_images(images, labels)
    assert pair_images(images / "x.tif", labels / "a.tif").jobs


def test_frames_are_numbered_in_natural_order_also_without_labels(tmp_path):
    images, labels = folders(tmp_path, "t1", "t2", "t10", "t20")
    (labels / "t2.tif").unlink()
    _, has_failed, lines = run(tmp_path, pair_images(images, labels), MeasureOptions(frames=True))
    assert has_failed
    times = {line["file"]: line["time"] for line in lines}
    assert times == {"t1.tif": "0", "t10.tif": "2", "t20.tif": "3"}


def test_a_table_that_exists_is_not_replaced_unasked(tmp_path):
    pairs = pair_images(*folders(tmp_path, "a"))
    (tmp_path / "out_summary.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out_summary\.csv already exists: --overwrite"):
        measure_files(pairs, tmp_path / "out.csv")
    assert run(tmp_path, pairs, overwrite=True)[2]
    assert (tmp_path / "out_summary.csv").read_text() != "mine"


def test_fields_of_a_plate_have_names_of_their_own(tmp_path):
    fields = [tmp_path / "pl.zarr" / well / "0" for well in ("A/1", "B/2")]
    for seed, place in enumerate(fields):
        image, labels = scene(seed)
        place.parent.mkdir(parents=True)
        write_image(place, image, axes="CYX")
        write_labels(tmp_path / f"pl_{place.parts[-3]}_{place.parts[-2]}_0.tif", labels)
    masks = [tmp_path / f"pl_{name}_0.tif" for name in ("A_1", "B_2")]
    pairs = pair_images(fields, masks)
    _, has_failed, lines = run(tmp_path, pairs)
    assert not has_failed
    assert {line["file"] for line in lines} == {"pl_A_1_0", "pl_B_2_0"}
    summary = rows(tmp_path / "out_summary.csv")
    assert {"pl_A_1_0", "pl_B_2_0"} <= {line["file"] for line in summary}
    page = tmp_path / "report.html"
    list(segmentation_report(pairs, page))
    assert all(page.read_text().count(f"pl_{name}_0") >= 3 for name in ("A_1", "B_2"))

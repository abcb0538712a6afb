"""Files of other programs: written, read, damaged."""

import json
import weakref
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import roifile
import tifffile

from seamwise.exchange import (
    ctc,
    export_labels,
    fill,
    import_labels,
    read_coco,
    read_geojson,
    read_rois,
    trace,
    write_geojson,
    write_rois,
)
from seamwise.io.ctc import CtcTrack, write_ctc
from seamwise.io.images import read_labels, write_labels
from seamwise.io.ome_zarr import create_labels, write_image
from seamwise.io.volume import open_labels
from seamwise.measure import MeasureOptions, measure_files, pair_images
from seamwise.synth import crowded_cells
from support.files import one_line

HOLES = np.zeros((12, 14), np.uint32)
HOLES[1:8, 1:9] = 70_000
HOLES[3:5, 3:6] = 0  # a hole
HOLES[10, 2:6] = 70_000  # a second part
HOLES[3, 4] = 5  # a cell in the hole
STACK = np.stack([HOLES, np.roll(HOLES, 2, 1), np.zeros_like(HOLES)])


def messages(outcomes):
    outcomes = list(outcomes)
    lines = [line for outcome in outcomes for line in outcome.messages]
    assert not any("\n" in line for line in lines)
    return any(outcome.failed for outcome in outcomes), lines


@pytest.mark.parametrize("format", ["roi", "geojson", "coco"])
def test_labels_come_back_as_they_were(tmp_path, format):
    scene = crowded_cells((60, 70), cells=12, radius=7, rng=0)
    folder = tmp_path / "labels"
    folder.mkdir()
    write_labels(folder / "größe 1.tif", scene.labels)
    write_labels(folder / "b.tif", HOLES)
    write_labels(folder / "empty.tif", HOLES * 0)
    assert not messages(export_labels(folder, tmp_path / "out", format))[0]
    has_failed, lines = messages(
        import_labels(
            [tmp_path / "out"], tmp_path / "back", images=folder if format != "coco" else None
        )
    )
    assert not has_failed, lines
    np.testing.assert_array_equal(read_labels(tmp_path / "back" / "größe 1.tif"), scene.labels)
    np.testing.assert_array_equal(read_labels(tmp_path / "back" / "b.tif"), HOLES)
    assert not read_labels(tmp_path / "back" / "empty.tif").any()


@pytest.mark.parametrize("format", ["roi", "geojson"])
def test_a_stack_has_outlines_for_each_slice(tmp_path, format):
    write_labels(tmp_path / "s.tif", STACK, spacing=(2, 0.5, 0.5))
    assert not messages(export_labels(tmp_path / "s.tif", tmp_path / "out", format))[0]
    imported = import_labels([tmp_path / "out"], tmp_path / "back", images=tmp_path / "s.tif")
    assert not messages(imported)[0]
    np.testing.assert_array_equal(read_labels(tmp_path / "back" / "s.tif"), STACK)
    has_failed, lines = messages(export_labels(tmp_path / "s.tif", tmp_path / "c", "coco"))
    assert has_failed
    assert "COCO has flat images only" in lines[0]


@pytest.mark.parametrize("format", ["roi", "geojson"])
@pytest.mark.parametrize("series", [STACK, np.stack([STACK, STACK[::-1]])])
def test_a_time_series_comes_back_as_ome_zarr(tmp_path, format, series):
    axes = "TZYX"[-series.ndim :] if series.ndim == 4 else "TYX"
    write_image(tmp_path / "t.ome.zarr", series, axes=axes, labels=True)
    assert not messages(export_labels(tmp_path / "t.ome.zarr", tmp_path / "out", format))[0]
    for images in (None, tmp_path / "t.ome.zarr"):
        target = tmp_path / f"back-{images is None}"
        has_failed, lines = messages(import_labels([tmp_path / "out"], target, images=images))
        assert not has_failed, lines
        if images is not None:
            labels = open_labels(target / "t.ome.zarr")
            assert labels.times == len(series)
            for time, frame in enumerate(series):
                box = tuple(slice(0, n) for n in labels.shape)
                np.testing.assert_array_equal(labels.read(box, time=time)[0], frame)


def test_the_same_cells_are_the_same_bytes_on_another_day(tmp_path):
    write_rois(tmp_path / "rois.zip", trace(HOLES))
    with zipfile.ZipFile(tmp_path / "rois.zip") as archive:
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_other_rois_of_imagej_are_read(tmp_path):
    oval, box, line = roifile.ImagejRoi(), roifile.ImagejRoi(), roifile.ImagejRoi()
    for roi, kind in ((oval, "OVAL"), (box, "RECT"), (line, "LINE")):
        roi.roitype = roifile.ROI_TYPE[kind]
        roi.left, roi.top, roi.right, roi.bottom = 2, 3, 12, 9
        roi.name = kind
    drawn = roifile.ImagejRoi.frompoints([[14.5, 1.2], [18.2, 1.4], [16, 6.0]], name="free")
    roifile.roiwrite(tmp_path / "x.zip", [oval, box, line, drawn])
    outlines, note = read_rois(tmp_path / "x.zip")
    assert [outline.name for outline in outlines] == ["OVAL", "RECT", "free"]
    assert note == "ROIs that are not areas, skipped: 1"
    one = fill(outlines[:1], (1, 20, 20)).labels[0]
    y, x = np.mgrid[:20, :20] + 0.5
    np.testing.assert_array_equal(one > 0, ((x - 7) / 5) ** 2 + ((y - 6) / 3) ** 2 < 1)
    assert (fill(outlines[1:2], (1, 20, 20)).labels > 0).sum() == 60
    assert (fill(outlines[2:], (1, 20, 20)).labels > 0).any()


def test_the_slice_of_a_plain_stack_is_read(tmp_path):
    roi = roifile.ImagejRoi.frompoints([[0, 0], [2, 0], [2, 2]], name="a", position=3)
    roi.tofile(tmp_path / "x.roi")
    assert [outline.z for outline in read_rois(tmp_path / "x.roi")[0]] == [3]


def test_geojson_has_the_form_of_qupath(tmp_path):
    write_geojson(tmp_path / "x.geojson", trace(HOLES, z=2))
    content = json.loads((tmp_path / "x.geojson").read_text())
    first, second = content["features"]
    assert content["type"] == "FeatureCollection"
    assert first["properties"] == {"objectType": "detection", "name": "5"}
    assert first["geometry"]["plane"] == {"c": -1, "z": 2, "t": 0}
    assert first["geometry"]["type"] == "Polygon"
    assert first["geometry"]["coordinates"][0][0] == first["geometry"]["coordinates"][0][-1]
    assert second["geometry"]["type"] == "MultiPolygon"
    assert [len(polygon) for polygon in second["geometry"]["coordinates"]] == [2, 1]


def test_a_table_of_measure_gives_measurements_to_qupath(tmp_path):
    image = np.zeros((9, 12), np.uint8)
    labels = np.zeros((9, 12), np.uint8)
    labels[1:4, 1:5], labels[1:4, 5:9], labels[6:8, 2:4] = 3, 4, 9
    image[labels == 3], image[labels == 4] = 50, 80
    write_labels(tmp_path / "=a.tif", image)
    write_labels(tmp_path / "=a_masks.tif", labels)
    pairs = pair_images(tmp_path / "=a.tif", tmp_path / "=a_masks.tif")
    list(measure_files(pairs, tmp_path / "cells.csv", MeasureOptions(positive="ch0", threshold=60)))
    text = (tmp_path / "cells.csv").read_text(encoding="utf-8-sig")
    without_9 = "\n".join(line for line in text.splitlines() if not line.startswith("9,"))
    (tmp_path / "cells.csv").write_text(without_9, encoding="utf-8-sig")
    options = {"table": tmp_path / "cells.csv"}
    (outcome,) = export_labels(tmp_path / "=a_masks.tif", tmp_path / "out", "geojson", **options)
    target = tmp_path / "out" / "=a.geojson"
    assert outcome.messages[0].endswith(f": 3 cells to {target}, 2 with measurements")
    content = json.loads((tmp_path / "out" / "=a.geojson").read_text())
    of = {one["properties"]["name"]: one["properties"] for one in content["features"]}
    assert "measurements" not in of["9"]
    for name, mean, positive in (("3", 50, 0), ("4", 80, 1)):
        numbers = of[name]["measurements"]
        assert (numbers["area_px"], numbers["ch0_mean"]) == (12, mean)
        assert numbers["ch0_positive"] == positive
        assert "neighbour_ids" not in numbers  # "4" is the name of a cell, not a number
        assert "area_um2" not in numbers  # the pixel size is not known
    assert len(read_geojson(tmp_path / "out" / "=a.geojson")[0]) == 3


def test_files_that_were_frames_of_a_series_get_their_numbers(tmp_path):
    labels = np.zeros((9, 12), np.uint8)
    labels[1:4, 1:5], labels[6:8, 2:4] = 3, 9
    for name in ("a", "b"):
        write_labels(tmp_path / f"{name}.tif", labels)
    files = [tmp_path / "a.tif", tmp_path / "b.tif"]
    options = MeasureOptions(frames=True)
    list(measure_files(pair_images(files, files), tmp_path / "cells.csv", options))
    outcomes = export_labels(files, tmp_path / "o", "geojson", table=tmp_path / "cells.csv")
    assert [one.messages[0].split(", ")[-1] for one in outcomes] == ["2 with measurements"] * 2


def test_fields_of_a_plate_with_dots_in_its_name_get_their_own_numbers(tmp_path):
    plate = tmp_path / "2024.05.01.zarr"
    for well, value in (("A/3", 50), ("B/1", 80)):
        labels = np.zeros((9, 12), np.uint8)
        labels[1:4, 1:5] = 3
        (plate / well).mkdir(parents=True)
        write_image(plate / well / "0", labels * value, axes="YX")
        with create_labels(plate / well / "0", "cells") as draft:
            draft.array[...] = labels
    fields = [plate / "A/3/0", plate / "B/1/0"]
    list(measure_files(pair_images(fields, fields), tmp_path / "cells.csv"))
    list(export_labels(fields, tmp_path / "o", "geojson", table=tmp_path / "cells.csv"))
    for name, value in (("A_3_0", 150), ("B_1_0", 240)):
        content = json.loads((tmp_path / "o" / f"2024.05.01_{name}.geojson").read_text())
        (feature,) = content["features"]
        assert feature["properties"]["measurements"]["ch0_mean"] == value


def test_a_table_that_is_none_is_refused_in_one_line(tmp_path):
    write_labels(tmp_path / "a.tif", np.ones((3, 3), np.uint8))
    (tmp_path / "x.csv").write_text("id,file\n1,a.tif\n")
    (tmp_path / "y.csv").write_text("id,file,time\none,a.tif,0\n")
    (tmp_path / "z.csv").write_text("id,file,time\n1,a.tif,0\n01,a.png,0\n")
    (tmp_path / "short.csv").write_text("time,id,file\n0,1\n")
    (tmp_path / "long.csv").write_text("id,file,time\n1,a.tif,0,5\n")
    for name, format, words in (
        ("x.csv", "geojson", "has no column time"),
        ("y.csv", "geojson", "give one of seamwise measure"),
        ("z.csv", "geojson", "two rows are of cell 1 of a.png, time 0"),
        ("short.csv", "geojson", "a row has more or fewer fields than the first"),
        ("long.csv", "geojson", "a row has more or fewer fields than the first"),
        ("x.parquet", "geojson", "is not a table in a .csv file"),
        ("x.csv", "roi", "table needs the format geojson, not roi"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            export_labels(tmp_path / "a.tif", tmp_path / "o", format, table=tmp_path / name)
        assert one_line(caught)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("wrap", ["list", "feature", "geometry"])
def test_other_forms_of_geojson_are_read(tmp_path, wrap):
    ring = [[0, 0, 9.0], [3, 0, 9.0], [3, 3, 9.0], [0, 0, 9.0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": geometry, "properties": None}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}
    content = {"list": [feature, point], "feature": feature, "geometry": geometry}[wrap]
    (tmp_path / "x.geojson").write_text(json.dumps(content))
    outlines, note = read_geojson(tmp_path / "x.geojson")
    assert len(outlines) == 1
    assert bool(note) == (wrap == "list")


def coco_file(height="3", width="5", code="[[0, 0, 4, 0, 4, 4]]"):
    image = '{"id": 1, "file_name": "x.png", "height": HEIGHT, "width": WIDTH}'
    image = image.replace("HEIGHT", height).replace("WIDTH", width)
    annotation = '{"image_id": 1, "segmentation": ' + code + "}"
    return f'{{"images": [{image}], "annotations": [{annotation}]}}'.encode()


TRIANGLE = b'{"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [0, 9]]], "plane": {"z": 1}}'


def test_a_run_length_code_is_that_of_its_columns(tmp_path):
    (tmp_path / "x.json").write_bytes(coco_file(code='{"size": [3, 5], "counts": [7, 3, 5]}'))
    (image,) = read_coco(tmp_path / "x.json")
    labels = fill(image.outlines, (1, 3, 5)).labels[0]
    assert labels.tolist() == [[0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]


def test_a_code_of_a_large_image_takes_the_memory_of_its_cell(tmp_path):
    side = 100_000
    code = {"size": [side, side], "counts": [side * 9 + 4, 2, side**2 - side * 9 - 6]}
    content = coco_file(height=str(side), width=str(side), code=json.dumps(code))
    (tmp_path / "x.json").write_bytes(content)
    (image,) = read_coco(tmp_path / "x.json")
    assert image.outlines[0].rings[0].min(axis=0).tolist() == [9, 4]
    assert image.outlines[0].rings[0].max(axis=0).tolist() == [10, 6]


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    write_rois(tmp_path / "x.zip", trace(HOLES))
    monkeypatch.setattr("seamwise.exchange.roi._MOST_BYTES", 100)
    with pytest.raises(ValueError, match="it unpacks to 0 MB, too many for outlines"):
        read_rois(tmp_path / "x.zip")


def test_an_roi_at_an_endless_time_is_refused(tmp_path):
    write_rois(tmp_path / "x.zip", [replace(outline, t=2**30) for outline in trace(HOLES)])
    has_failed, lines = messages(import_labels([tmp_path / "x.zip"], tmp_path / "out"))
    assert has_failed
    assert "give the image that was outlined" in lines[0]


def test_coco_reads_polygons_and_both_run_length_codes(tmp_path):
    mask = HOLES == 70_000
    pixels = np.diff(np.flatnonzero(np.diff(mask.T.ravel(), prepend=0)), prepend=0)
    plain = [*pixels.tolist(), int(mask.size - pixels.sum())]
    codes = [[[0, 0, 4, 0, 4, 4]], {"size": [12, 14], "counts": plain}]
    codes.append({"size": [12, 14], "counts": compressed(plain)})
    content = {
        "images": [{"id": 3, "file_name": "sub/x.jpg", "width": 14, "height": 12}],
        "annotations": [{"image_id": 3, "segmentation": code} for code in codes],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    (image,) = read_coco(tmp_path / "x.json")
    for outline in image.outlines[1:]:
        np.testing.assert_array_equal(fill([outline], (1, 12, 14)).labels[0] > 0, mask)
    assert not messages(import_labels([tmp_path / "x.json"], tmp_path / "out"))[0]
    assert read_labels(tmp_path / "out" / "x.tif").shape == (12, 14)


def compressed(counts):
    """The code of pycocotools, written out: 5 bits a letter, differences from the third on."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | 32 if more else bits) + 48)
            if not more:
                break
    return text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.zip", b"PK\x03\x04 cut"),
        ("x.zip", b""),
        ("x.roi", b"Iout\x00"),
        ("x.roi", b"not an ROI"),
        ("x.geojson", b"{"),
        ("x.geojson", b"[" * 100_000),
        ("x.geojson", b'{"features": 3}'),
        ("x.geojson", b'{"type": "Polygon", "coordinates": [[[0, 0], ["a", 1], [2, 2]]]}'),
        ("x.geojson", b'{"type": "Polygon", "coordinates": [[[0, 0], [NaN, 1], [2, 2]]]}'),
        ("x.geojson", b"\xff\xfe\x00"),
        ("x.json", b"[]"),
        ("x.json", b"[" * 100_000),
        ("x.json", b'{"images": [{"id": 1}], "annotations": []}'),
        ("x.json", b'{"images": [], "annotations": [{"image_id": 1}]}'),
        # numbers that a small file makes large, or that are none
        (
            "x.geojson",
            b'{"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [1000000, 1000000]]]}',
        ),
        ("x.geojson", TRIANGLE.replace(b"1}", b"1e999}")),
        ("x.geojson", TRIANGLE.replace(b"1}", b"1000000000}")),
        ("x.geojson", TRIANGLE.replace(b"z", b"t").replace(b"1}", b"1000000000}")),
        ("x.json", coco_file(height="1e999")),
        ("x.json", coco_file(height="1000000", width="1000000")),
        ("x.json", coco_file(code="[[0, 0, NaN, 5, 5, 5]]")),
        ("x.json", coco_file(code="[[0, 0, 1e12, 5, 5, 5]]")),
        ("x.json", coco_file(code='{"size": [3, 5], "counts": [7, 2, 7]}')),
        ("x.json", coco_file(code='{"size": [3, 5], "counts": [7, 9, -1]}')),
        ("x.json", coco_file(code='{"size": [1000000, 1000000], "counts": [0, 1000000000000]}')),
    ],
)
def test_a_damaged_file_is_one_line_and_the_others_are_read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    write_rois(tmp_path / "good.zip", trace(HOLES))
    has_failed, lines = messages(
        import_labels([tmp_path / name, tmp_path / "good.zip"], tmp_path / "out")
    )
    assert has_failed
    assert len(lines) == 2
    assert str(tmp_path / name) in lines[0]
    assert (tmp_path / "out" / "good.tif").exists()
    assert not (tmp_path / "out" / "x.tif").exists()


def test_existing_files_stay_unless_asked(tmp_path):
    write_labels(tmp_path / "a.tif", HOLES)
    for overwrite, fails in ((False, False), (False, True), (True, False)):
        outcomes = export_labels(tmp_path / "a.tif", tmp_path / "o", "roi", overwrite=overwrite)
        assert messages(outcomes)[0] == fails
        outcomes = import_labels([tmp_path / "o"], tmp_path / "m", overwrite=overwrite)
        assert messages(outcomes)[0] == fails


def test_bad_calls_are_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("b_RES", "c_RES", "a_RES"):
        (tmp_path / "tracks" / name).mkdir(parents=True)
        (tmp_path / "tracks" / name / "res_track.txt").touch()
    tifffile.imwrite(tmp_path / "a.tif", HOLES)
    for files, words in (
        (["tracks"], r"tracks holds tracks: name a folder of them, e.g. .*a_RES"),
        (["empty"], "holds no outlines"),
        (["nowhere.zip"], "does not exist"),
        (["a.tif"], "is not of a known kind"),
    ):
        with pytest.raises((ValueError, OSError), match=words) as caught:
            import_labels([tmp_path / name for name in files], tmp_path / "out")
        assert one_line(caught)


def test_an_outline_without_its_image_is_reported(tmp_path):
    (tmp_path / "images").mkdir()
    for name in "ab":
        write_labels(tmp_path / "images" / f"{name}.tif", HOLES)
    write_rois(tmp_path / "c_rois.zip", trace(HOLES))
    write_rois(tmp_path / "b_rois.zip", trace(HOLES))
    has_failed, lines = messages(
        import_labels(
            [tmp_path / "c_rois.zip", tmp_path / "b_rois.zip"],
            tmp_path / "out",
            images=tmp_path / "images",
        )
    )
    assert has_failed
    assert "no image of the name c" in lines[0]
    assert (tmp_path / "out" / "b.tif").exists()


def square(low, high):
    return [[low, low], [high, low], [high, high], [low, high], [low, low]]


def features(*names_and_squares):
    return json.dumps(
        [
            {
                "type": "Feature",
                "properties": {"name": name},
                "geometry": {"type": "MultiPolygon", "coordinates": [[one] for one in squares]},
            }
            for name, *squares in names_and_squares
        ]
    )


def test_parts_that_overlap_are_one_area(tmp_path):
    (tmp_path / "a.geojson").write_text(features(("3", square(0, 10), square(5, 15))))
    assert not messages(import_labels([tmp_path / "a.geojson"], tmp_path / "out"))[0]
    labels = read_labels(tmp_path / "out" / "a.tif")
    assert (labels == 3).sum() == 100 + 100 - 25


def test_cells_of_the_same_name_stay_apart(tmp_path):
    (tmp_path / "a.geojson").write_text(
        features(("1", square(0, 4)), ("1", square(6, 9)), ("2", square(10, 12)))
    )
    assert not messages(import_labels([tmp_path / "a.geojson"], tmp_path / "out"))[0]
    assert np.unique(read_labels(tmp_path / "out" / "a.tif")).tolist() == [0, 1, 2, 3]


def coco(*names_and_sizes):
    images = [
        {"id": i, "file_name": name, "height": size, "width": size}
        for i, (name, size) in enumerate(names_and_sizes)
    ]
    cells = [
        {"id": i, "image_id": i, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}
        for i in range(len(images))
    ]
    return json.dumps({"images": images, "annotations": cells})


def test_an_image_of_another_size_than_the_outlines_is_refused(tmp_path):
    (tmp_path / "all.json").write_text(coco(("a.png", 20), ("b.png", 30)))
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.zeros((20, 20), np.uint8))
    tifffile.imwrite(tmp_path / "images" / "b.tif", np.zeros((20, 20), np.uint8))
    has_failed, lines = messages(
        import_labels([tmp_path / "all.json"], tmp_path / "out", images=tmp_path / "images")
    )
    assert has_failed
    assert any("b.tif has 20 × 20 pixels, the outlines are of 30 × 30" in line for line in lines)
    assert not (tmp_path / "out" / "b.tif").exists()


def test_labels_never_replace_their_image_or_each_other(tmp_path):
    (tmp_path / "all.json").write_text(coco(("a.png", 20), ("d/a.png", 20)))
    has_failed, lines = messages(
        import_labels([tmp_path / "all.json"], tmp_path / "out", overwrite=True)
    )
    assert has_failed
    assert any("two images have the name a: rename one" in line for line in lines)
    tifffile.imwrite(tmp_path / "a.tif", np.full((20, 20), 77, np.uint8))
    (tmp_path / "a.geojson").write_text(features(("1", square(0, 4))))
    has_failed, lines = messages(
        import_labels([tmp_path / "a.geojson"], tmp_path, images=tmp_path / "a.tif", overwrite=True)
    )
    assert has_failed
    assert "could replace" in lines[0]
    assert (tifffile.imread(tmp_path / "a.tif") == 77).all()


def test_positions_in_a_series_without_slices_are_time_points(tmp_path):
    # as Fiji saves them from a time-lapse of which it does not know that it is one
    rois = []
    for time in range(3):
        square = np.array([[2 + time, 3], [6 + time, 3], [6 + time, 7], [2 + time, 7]])
        roi = roifile.ImagejRoi.frompoints(square, name=f"000{time + 1}-0005-0004")
        roi.position = time + 1
        rois.append(roi)
    roifile.roiwrite(tmp_path / "a_rois.zip", rois)
    write_image(tmp_path / "a.ome.zarr", np.zeros((3, 12, 14), np.uint8), axes="TYX")
    has_failed, lines = messages(
        import_labels([tmp_path / "a_rois.zip"], tmp_path / "out", images=tmp_path / "a.ome.zarr")
    )
    assert not has_failed, lines
    labels = open_labels(tmp_path / "out" / "a.ome.zarr")
    assert labels.times == 3
    for time in range(3):
        frame = labels.read((slice(0, 12), slice(0, 14)), time=time)[0]
        assert (frame > 0).sum() == 16
        assert frame[3:7, 2 + time : 6 + time].all()


def test_a_series_of_the_tracking_challenge_comes_back(tmp_path):
    frames = np.stack([STACK[0], STACK[1], STACK[0] * 0, STACK[0]])
    (tmp_path / "l").mkdir()
    write_image(tmp_path / "l" / "s.ome.zarr", frames, axes="TYX", labels=True)
    has_failed, lines = messages(export_labels(tmp_path / "l", tmp_path / "out", "ctc"))
    assert not has_failed, lines
    folder = tmp_path / "out" / "s_RES"
    # two cells, each with a gap: four tracks, each second one the child of the one before
    text = (folder / "res_track.txt").read_text()
    assert text == "1 0 1 0\n2 3 3 1\n3 0 1 0\n4 3 3 3\n"
    has_failed, lines = messages(import_labels([folder], tmp_path / "back"))
    assert not has_failed, lines
    back = open_labels(tmp_path / "back" / "s_RES.ome.zarr")
    for time, frame in enumerate(frames):
        ours = back.read((slice(0, 12), slice(0, 14)), time=time)[0]
        assert ((ours > 0) == (frame > 0)).all()
        assert len(np.unique(ours)) == len(np.unique(frame))
    has_failed, lines = messages(import_labels([folder], tmp_path / "back"))
    assert has_failed
    assert "--overwrite" in lines[0]


def test_masks_of_a_series_that_differ_in_size_are_refused(tmp_path):
    write_labels(tmp_path / "mask000.tif", HOLES.clip(0, 9).astype(np.uint16))
    write_labels(tmp_path / "mask001.tif", HOLES[:5].clip(0, 9).astype(np.uint16))
    (tmp_path / "res_track.txt").write_text("")
    has_failed, lines = messages(import_labels([tmp_path], tmp_path / "out"))
    assert has_failed
    assert "2 sizes" in lines[0]


def test_masks_of_a_series_are_read_one_by_one(tmp_path, monkeypatch):
    write_ctc(tmp_path / "s_RES", [np.array([[0, 1]])] * 5, (CtcTrack(1, 0, 4, 0),))
    alive, most = weakref.WeakSet(), []

    class Frame(np.ndarray):
        """An array that can be counted."""

        def __hash__(self):
            return id(self)

        def __eq__(self, other):
            return self is other

    def read(path):
        frame = read_labels(path).view(Frame)
        alive.add(frame)
        most.append(len(alive))
        return frame

    monkeypatch.setattr(ctc, "read_labels", read)
    has_failed, lines = messages(import_labels([tmp_path / "s_RES"], tmp_path / "back"))
    assert not has_failed, lines
    assert max(most) <= 2


def test_a_ring_far_beyond_any_image_is_refused_in_one_line(tmp_path):
    ring = [[0, 0], [1e12, 0], [0, 5]]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    with pytest.raises(ValueError, match=r"reaches 1e\+12, farther than 1,000,000 pixels"):
        read_geojson(path)

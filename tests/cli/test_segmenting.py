"""`seamwise segment` and `demo`."""

import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from seamwise.io import read_image
from seamwise.segmentation import batch, overlay, segment
from seamwise.synth import crowded_cells

SCENE = crowded_cells((96, 110), cells=12, radius=8, rng=0)


def test_segment_writes_labels_and_overlays(run, images, tmp_path, model):
    code, out, _ = run("segment", images, "-o", tmp_path / "out", "--model", model, "--overlay")
    assert code == 0
    assert str(tmp_path / "out") in out
    for name in "abc":
        labels = tifffile.imread(tmp_path / "out" / f"{name}.tif")
        assert labels.shape == SCENE.image.shape
        assert labels.dtype.kind == "u"
        assert iio.imread(tmp_path / "out" / f"{name}_overlay.png").shape == (96, 110, 3)


def test_segment_takes_files_and_globs(run, images, tmp_path, model):
    code, *_ = run(
        "segment", images / "a.png", images / "*.tif", "-o", tmp_path / "out", "--model", model
    )
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tif")) == [
        "a.tif",
        "b.tif",
        "c.tif",
    ]


def test_a_bad_file_is_reported_and_skipped(run, images, tmp_path, model):
    (images / "b.tif").write_bytes((images / "b.tif").read_bytes()[:300])
    iio.imwrite(images / "d.png", np.full((20, 20), 7, np.uint8))
    code, out, err = run("segment", images, "-o", tmp_path / "out", "--model", model)
    assert code == 1
    assert "1 of 4 files failed" in out
    assert re.search(r"b\.tif", err)
    assert re.search(r"d\.png: 0 cells \(every pixel is 7\)", out + err)
    written = sorted(path.name for path in (tmp_path / "out").glob("*.tif"))
    assert written == ["a.tif", "c.tif", "d.tif"]


def test_a_bad_file_has_one_line_whatever_follows(run, images, tmp_path, model):
    (images / "b.tif").write_bytes((images / "b.tif").read_bytes()[:300])
    labels = tmp_path / "out"
    steps = ("--measure", "--report")
    code, out, err = run("segment", images, "-o", labels, "--model", model, *steps)
    assert code == 1
    assert [line for line in err.splitlines() if "b.tif" in line] == [
        f"cannot read {images / 'b.tif'} as TIFF: its pixels should end at byte 10816, "
        "the file ends at byte 300; is it complete?"
    ]
    assert out.splitlines() == [
        f"labels are in {labels}; 1 of 3 files failed",
        f"wrote {labels / 'cells.csv'} and cells_summary.csv",
        f"wrote {labels / 'report.html'}",
    ]


def test_a_file_that_fails_in_a_later_step_is_reported_then(run, images, tmp_path, model):
    labels = tmp_path / "out"
    run("segment", images, "-o", labels, "--model", model)
    (labels / "c.tif").write_bytes((labels / "c.tif").read_bytes()[:200])
    code, out, err = run("segment", images, "-o", labels, "--model", model, "--measure")
    assert code == 1
    assert err.count("is it complete?") == 1
    assert out.splitlines() == [
        f"labels are in {labels}",
        f"wrote {labels / 'cells.csv'} and cells_summary.csv; 1 of 3 files failed",
    ]


def test_a_second_run_adds_what_is_missing(run, images, tmp_path, model):
    out = tmp_path / "out"
    run("segment", images / "a.png", "-o", out, "--model", model)
    before = (out / "a.tif").stat().st_mtime_ns
    code, _, err = run("segment", images, "-o", out, "--model", model)
    assert code == 0
    assert "already exists" in err
    assert (out / "a.tif").stat().st_mtime_ns == before
    assert (out / "c.tif").exists()
    run("segment", images / "a.png", "-o", out, "--model", model, "--overwrite")
    assert (out / "a.tif").stat().st_mtime_ns > before


def test_results_of_different_options_are_not_mixed(run, images, tmp_path, model):
    run("segment", images / "a.png", "-o", tmp_path / "out", "--model", model)
    code, _, err = run(
        "segment", images, "-o", tmp_path / "out", "--model", model, "--min-size", "9"
    )
    assert code == 2
    assert "min_size = None, not 9" in err
    assert not (tmp_path / "out" / "c.tif").exists()


def test_labels_never_replace_an_input_or_each_other(run, images, tmp_path, model):
    code, _, err = run("segment", images / "*.tif", "-o", images, "--model", model)
    assert code == 2
    assert "would replace" in err
    tifffile.imwrite(images / "a.tif", SCENE.image)
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--model", model)
    assert code == 2
    assert "would both write" in err


def test_channels_are_chosen_by_number(run, tmp_path, model):
    colour = np.stack(
        [SCENE.image // 256, SCENE.image // 512, 255 - SCENE.image // 256], -1
    ).astype(np.uint8)
    iio.imwrite(tmp_path / "rgb.png", colour)
    code, _, err = run("segment", tmp_path / "rgb.png", "-o", tmp_path / "out", "--model", model)
    assert code == 1
    assert "--channel" in err
    code, *_ = run(
        "segment",
        tmp_path / "rgb.png",
        "-o",
        tmp_path / "out",
        "--model",
        model,
        "--channel",
        "0",
        "--overwrite",
    )
    assert code == 0
    code, _, err = run(
        "segment", tmp_path / "rgb.png", "-o", tmp_path / "other", "--model", model,
        "--channel", "0,0",
    )  # fmt: skip
    assert code == 1
    assert "the image has 2 that are equal: give one of them" in err


@pytest.mark.parametrize(("arguments", "word"), [
    (["segment", "nowhere.tif"], "nowhere.tif"),
    (["segment", "{images}", "--model", "nuclei-9d"], "nuclei-9d"),
    (["segment", "{images}", "--model", "{images}/a.png"], "a.png"),
    (["segment", "{images}", "--channel", "red"], "--channel must be a number"),
    (["segment", "{images}", "--memory", "1B"], "--memory 1B is too little for any image"),
    (["segment", "{images}", "--device", "warp"], "device 'warp'"),
    (["train", "{images}/none"], "none does not exist"),
    (["train", "{images}", "--settings", "{images}/missing.toml"], "missing.toml does not exist"),
    (["train", "{images}", "--loss", "hinge"], "--loss must be unet2, unet3, fl, "),
    (["train", "{images}", "--learning-rate", "-1"], "setting learning_rate"),
])  # fmt: skip
def test_bad_calls_are_one_line_and_exit_code_2(run, images, tmp_path, model, arguments, word):
    arguments = [argument.format(images=images) for argument in arguments]
    if "--model" not in arguments and arguments[0] == "segment":
        arguments += ["--model", model]
    code, _, err = run(*arguments, "-o", tmp_path / "out")
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert not list((tmp_path / "out").glob("*.tif"))


def test_an_output_that_cannot_be_written_is_reported(run, images, tmp_path, model):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("segment", images, "-o", tmp_path / "file", "--model", model)
    assert code == 2
    assert "file" in err


def test_interrupted_segmenting_says_so_and_keeps_what_is_done(
    run, images, tmp_path, model, monkeypatch
):
    real, second = batch.segment_image, np.roll(tifffile.imread(images / "b.tif"), 20, 1)
    tifffile.imwrite(images / "b.tif", second)

    def interrupted(image, options, **others):
        if np.array_equal(image[0], second):
            raise KeyboardInterrupt
        return real(image, options, **others)

    monkeypatch.setattr(batch, "segment_image", interrupted)
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--model", model)
    assert code == 130
    assert "interrupted" in err
    names = {path.name for path in (tmp_path / "out").glob("*.tif")}
    assert names - {"c.tif"} == {"a.tif"}  # c may have been in work


def test_the_demo_writes_its_pictures(run, tmp_path):
    code, out, _ = run("demo", "-o", tmp_path / "demo")
    assert code == 0
    real, drawn = (line for line in out.splitlines() if "panoptic quality" in line)
    assert real.startswith("nuclei: 58 cells")
    assert drawn.startswith("drawn cells: 60 cells")
    tutorial = Path(__file__).parents[2] / "docs" / "tutorials" / "cells.md"
    if tutorial.exists():  # processors differ in a cell
        shown = re.search("^nuclei: 58 cells.*$", tutorial.read_text(), re.MULTILINE)[0]
        counts = [[int(n) for n in re.findall(r"\d+ ", text)] for text in (real, shown)]
        assert np.abs(np.subtract(*counts)).max() <= 1
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "image.png",
        "labels.tif",
        "overlay.png",
        "demo.png",
        "drawn.png",
    }
    labels = tifffile.imread(tmp_path / "demo" / "labels.tif")
    assert labels.max() > 40
    image = read_image(tmp_path / "demo" / "image.png").data
    assert (segment(image, keep_probabilities=False).labels == labels).all()


def test_a_report_is_written_next_to_the_labels_and_again_without_the_network(
    run, images, tmp_path, model, monkeypatch
):
    out = tmp_path / "out"
    code, *_ = run("segment", images, "-o", out, "--model", model, "--report")
    assert code == 0
    first = (out / "report.html").read_text()
    assert "doubtful seams</span>" in first
    assert sorted(path.name for path in (out / "seams").iterdir()) == ["a.csv", "b.csv", "c.csv"]
    (out / "report.html").unlink()
    monkeypatch.setattr(batch, "segment_image", None)
    code, *_ = run("segment", images, "-o", out, "--model", model, "--report")
    assert code == 0
    assert (out / "report.html").read_text() == first


def test_the_report_of_a_series_has_seams_by_time(run, tmp_path, model):
    frames = (np.stack([SCENE.image, SCENE.image[::-1]]) // 256).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "s.ome.tif", frames, photometric="minisblack", metadata={"axes": "TYX"}
    )
    out = tmp_path / "out"
    code, *_ = run("segment", tmp_path / "s.ome.tif", "-o", out, "--model", model, "--report")
    assert code == 0
    assert "seams</span>" in (out / "report.html").read_text()
    assert (out / "seams" / "s.csv").read_text("utf-8-sig").startswith("time,cell,neighbour,")


def test_labels_without_seams_are_kept_and_the_seams_are_made_up_for(run, images, tmp_path, model):
    out = tmp_path / "out"
    run("segment", images, "-o", out, "--model", model)
    before = (out / "a.tif").stat().st_mtime_ns
    assert not (out / "seams").exists()
    run("segment", images, "-o", out, "--model", model, "--report")
    assert (out / "seams" / "a.csv").exists()
    assert (out / "a.tif").stat().st_mtime_ns == before


def test_overlays_have_wide_outlines_and_numbers_on_request(run, images, tmp_path, model):
    for name, options in {"thin": (), "wide": ("--outlines", 3, "--numbers")}.items():
        run("segment", images, "-o", tmp_path / name, "--model", model, "--overlay", *options)
    thin, wide = (iio.imread(tmp_path / name / "a_overlay.png") for name in ("thin", "wide"))
    image, labels = iio.imread(images / "a.png"), tifffile.imread(tmp_path / "wide" / "a.tif")
    assert np.array_equal(thin, overlay(image, labels))
    assert np.array_equal(wide, overlay(image, labels, width=3, numbers=True))
    assert np.array_equal(
        tifffile.imread(tmp_path / "thin" / "a.tif"), tifffile.imread(tmp_path / "wide" / "a.tif")
    )


@pytest.mark.parametrize("option", [("--outlines", 3), ("--numbers",)])
def test_options_of_the_overlay_need_it(run, images, tmp_path, model, option):
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--model", model, *option)
    assert code == 2
    assert "--outlines and --numbers need --overlay" in err
    assert not (tmp_path / "out").exists()

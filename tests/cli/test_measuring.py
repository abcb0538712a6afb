"""`seamwise measure`, and `segment --measure`."""

import csv

import numpy as np
import pytest
import tifffile

from cli.conftest import SCENE
from seamwise.synth import time_lapse


@pytest.fixture
def labels(tmp_path, images):
    folder = tmp_path / "labels"
    folder.mkdir()
    for path in images.iterdir():
        tifffile.imwrite(folder / f"{path.stem}.tif", SCENE.labels)
    return folder


def rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_measure_writes_table_summary_and_plots(run, images, labels, tmp_path):
    table = tmp_path / "cells.csv"
    code, said, err = run(
        "measure", images, labels, "-o", table, "--plots", "--spacing", "0.5,0.5", "--ring", "2um",
        "--rim", "1um", "--positive", "0", "--channel-names", "DAPI", "--exclude-edge", "--shape",
    )  # fmt: skip
    assert code == 0, err
    assert str(table) in said
    assert "cells are positive: DAPI_mean > " in err
    lines = rows(table)
    assert {line["file"] for line in lines} == {"a.png", "b.tif", "c.tif"}
    assert {line["touches_edge"] for line in lines} == {"FALSE"}
    assert float(lines[0]["area_um2"]) == float(lines[0]["area_px"]) / 4
    assert lines[0]["solidity"]
    assert rows(tmp_path / "cells_summary.csv")[0]["cells"] == str(len(lines) // 3)
    assert (tmp_path / "cells_scatter.png").exists()


def test_segment_also_measures(run, images, model, tmp_path):
    out = tmp_path / "out"
    code, said, err = run("segment", images, "-o", out, "--model", model, "--measure")
    assert code == 0
    assert str(out / "cells.csv") in said
    assert err.count("a.png") == 1  # not once more when it is measured
    assert "the pixel size of 3 of 3 images is not known" in err
    counts = [int(tifffile.imread(out / f"{name}.tif").max()) for name in "abc"]
    assert len(rows(out / "cells.csv")) == sum(counts)
    (images / "c.tif").write_text("no image")
    (out / "c.tif").unlink()
    code, _, err = run("segment", images, "-o", out, "--model", model, "--measure")
    assert code == 1
    (line,) = [line for line in err.splitlines() if "c.tif" in line]
    assert line.startswith(f"cannot read {images / 'c.tif'} as TIFF: not a TIFF file"), line
    assert len(rows(out / "cells.csv")) == sum(counts[:2])


def test_a_bad_file_ends_with_one_and_the_others_are_measured(run, images, labels, tmp_path):
    tifffile.imwrite(labels / "b.tif", np.ones((3, 4), np.uint8))
    code, said, err = run("measure", images, labels, "-o", tmp_path / "t.csv")
    assert code == 1
    assert "1 of 3 files failed" in said
    assert "b.tif must have the size (96, 110)" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ring", "wide"], "--ring must be a width such as 5, 5px or 2.5um, not 'wide'"),
        (["--threshold", "4"], "threshold needs positive"),
        (["--spacing", "1"], "spacing must be 2 or 3 numbers"),
        (["--channel", "x"], "--channel must be a number"),
        (["--positive-by", "x"], "--positive-by must be mean, median"),
        (["--nuclei", "nowhere"], "nowhere does not exist"),
        (["--max-distance", "9"], "--max-distance and --no-divisions need --track"),
        (["--no-divisions"], "--max-distance and --no-divisions need --track"),
        (["-o", "cells.xlsx"], "expected a name ending in .csv or .parquet"),
    ],
)
def test_bad_calls_are_one_line(run, images, labels, tmp_path, arguments, words):
    code, _, err = run("measure", images, labels, "-o", tmp_path / "t.csv", *arguments)
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_tracks_are_measured_and_segmented_by_one_option(run, tmp_path, model):
    drawn = time_lapse((96, 110), frames=3, cells=8, rng=0, radius=8, divisions=0)
    (tmp_path / "frames").mkdir()
    for time, image in enumerate(drawn.image[:, 0]):
        tifffile.imwrite(tmp_path / "frames" / f"t{time}.tif", image)
    out = tmp_path / "out"
    code, _, err = run("segment", tmp_path / "frames", "-o", out, "--model", model, "--track")
    assert code == 0, err
    assert (out / "cells_tracks" / "out_RES" / "res_track.txt").exists()
    header = (out / "cells.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert "track_id" in header
    arguments = ("measure", tmp_path / "frames", out, "-o", tmp_path / "c.csv", "--track")
    code, _, err = run(*arguments)
    assert code == 2
    assert "--frames" in err
    code, *_ = run(*arguments, "--frames", "--max-distance", "9", "--no-divisions")
    assert code == 0
    assert len(list((tmp_path / "c_tracks" / "out_RES").glob("mask*.tif"))) == 3


def test_one_image_is_no_series_and_is_refused_before_the_work(run, images, tmp_path, model):
    out = tmp_path / "out"
    arguments = ("-o", out, "--model", model, "--track", "--report")
    code, _, err = run("segment", images / "b.tif", *arguments)
    assert code == 2
    assert "--track needs a time series, or several files as its frames" in err
    assert "--frames" not in err
    assert not out.exists()


def test_a_frame_that_stays_alone_is_tracked(run, images, tmp_path, model):
    (images / "a.png").write_bytes(b"broken")
    (images / "c.tif").write_bytes(b"broken")
    out = tmp_path / "out"
    code, _, err = run("segment", images, "-o", out, "--model", model, "--track")
    assert code == 1, err
    assert "track_id" in (out / "cells.csv").read_text(encoding="utf-8-sig").splitlines()[0]


def test_a_page_is_written_if_the_table_cannot_be(run, images, tmp_path, model):
    out = tmp_path / "out"
    (out / "cells.csv").mkdir(parents=True)
    code, _, err = run("segment", images, "-o", out, "--model", model, "--measure", "--report")
    assert code == 2
    assert "cells.csv" in err
    assert (out / "report.html").exists()


def test_options_of_tracks_without_them_are_refused(run, images, labels, tmp_path):
    for option in (("--max-distance", "9"), ("--no-divisions",)):
        code, _, err = run("measure", images, labels, "-o", tmp_path / "cells.csv", *option)
        assert code == 2
        assert "--max-distance and --no-divisions need --track: add it" in err
    assert not (tmp_path / "cells.csv").exists()

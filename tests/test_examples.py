"""The examples run, learn, and write what they say."""

import csv
import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from skimage.measure import regionprops_table

from seamwise.cli import main as seamwise
from seamwise.io.images import read_image, read_labels
from seamwise.labels import semantic_target
from support.curves import no_curves
from support.long_tests import is_nightly, nightly

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_apart(name, *arguments):
    """Run an example in its own process, as a user does; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        # one thread: the networks are small, and the other core may be busy
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example and return what it printed.

    Every night it runs in its own process, and so does each command that it starts. A start takes
    some seconds, so that by day all run in this process.
    """

    def call(command, *, cwd, check):
        assert command[:3] == [sys.executable, "-m", "seamwise"]
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", command[2:])
            with pytest.raises(SystemExit) as stopped:
                seamwise()
        return subprocess.CompletedProcess(command, stopped.value.code or 0)

    def run_here(name, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "run", call)
            patch.setattr(sys, "argv", [name, *map(str, arguments)])
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_apart if is_nightly else run_here


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("plain_torch.py", 60),
        pytest.param("monai_training.py", 30, marks=nightly),
        pytest.param("lightning_module.py", 30, marks=nightly),
    ],
)
def test_training_examples_learn(run, name, steps):
    printed = run(name, "--steps", steps)
    losses = {
        int(step): float(loss) for step, loss in re.findall(r"step +(\d+) +loss ([\d.]+)", printed)
    }
    assert min(losses) == 1
    assert max(losses) == steps
    assert 0 < losses[steps] < 0.6 * losses[1]


@pytest.mark.parametrize(
    ("name", "module", "install"),
    [
        ("monai_training.py", "monai", "this example needs MONAI: pip install monai"),
        ("lightning_module.py", "lightning", "this example needs Lightning: pip install lightning"),
    ],
)
def test_an_example_says_in_one_line_what_to_install(name, module, install, monkeypatch):
    for imported in [other for other in sys.modules if other.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, imported)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(EXAMPLES / name))
    assert stopped.value.code == install  # Python prints it and ends with 1


def test_active_cells_are_counted_right(run, tmp_path):
    printed = run("active_cells.py", "--frames", 5, "--output", tmp_path)
    mean, most = map(float, re.findall(r"off by ([\d.]+) points, ([\d.]+) at most", printed)[0])
    assert mean <= most <= 2
    (measured, true), *_ = re.findall(r"cells: (\d+) measured, (\d+) true", printed)
    assert abs(int(measured) - int(true)) < 0.03 * int(true)
    assert read_image(tmp_path / "active_cells.png").data.std() > 10


FIGURES = sorted(
    path.stem
    for path in (EXAMPLES / "gallery").glob("*.py")
    if path.stem not in ("panels", "sample")
)


@pytest.mark.parametrize("name", FIGURES)
def test_gallery_draws_a_picture_that_fits_a_page(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "gallery")
    figure = import_module(name)
    is_slow = name in ("probability_maps", "tuned_thresholds", "combined_models")
    quick = {"quick": True} if is_slow else {}
    with no_curves():
        path = figure.main(tmp_path, **quick)
    assert path == tmp_path / f"{name}.png"
    picture = read_image(path).data
    assert picture.shape[-1] <= 1600
    assert picture.std() > 10  # not empty
    assert path.stat().st_size < 300_000


def test_gallery_pictures_of_the_docs_are_there():
    drawn = {path.stem for path in (EXAMPLES.parent / "docs" / "images").glob("*.png")}
    assert set(FIGURES) <= drawn


def test_gallery_sample_has_notches_and_seams(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "gallery")
    sample = import_module("sample")
    labels = sample.labels()
    target = semantic_target(labels, classes=3)
    assert set(target[sample.ROW]) == {0, 1, 2}
    # the horseshoe and the crescent enclose background in their hulls
    assert (
        sum(
            solidity < 0.8
            for solidity in regionprops_table(labels, properties=["solidity"])["solidity"]
        )
        == 2
    )


def test_a_biologist_goes_all_the_way(run, tmp_path):
    folder = tmp_path / "run"
    printed = run("biologist.py", "--output", folder, "--steps", 4, "--fine-steps", 2)
    commands = re.findall(r"^\$ seamwise (\S+)", printed, re.MULTILINE)
    assert commands[:4] == ["check", "train", "segment", "train"]
    assert commands[4:] == ["segment", "evaluate", "evaluate", "measure"]
    last = printed.splitlines()[-1]
    assert last == f"The table of cells is {folder / 'cells.csv'}"
    for name in (
        "check/report.html",
        "runs/first/curve.png",
        "labels-first/report.html",
        "corrected/masks/field3.tif",
        "labels-fine/report.html",
        "score-fine.html",
        "cells.csv",
        "cells_histogram.png",
    ):
        assert (folder / name).stat().st_size > 0
        assert name in printed or Path(name).parts[0] in ("corrected", "labels-fine")
    assert "--settings check/settings.toml" in printed
    settings = tomllib.loads((folder / "check" / "settings.toml").read_text())
    assert settings["start"] == "nuclei-2d"
    (fine,) = [
        score["panoptic_quality"]
        for score in json.loads((folder / "score-fine.json").read_text())["pooled"]
        if score["iou"] == 0.5
    ]
    assert fine > 0.5  # two steps have not spoiled the model that it began with
    with (folder / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = list(csv.DictReader(file))
    for name in ("field3", "field4"):
        mask = read_labels(folder / "labels-fine" / f"{name}.tif")
        own = [cell for cell in cells if cell["file"] == f"{name}.png"]
        assert [int(cell["id"]) for cell in own] == np.unique(mask[mask > 0]).tolist()
        assert len(own) >= 5
        assert all(float(cell["ch0_mean"]) > 0 for cell in own)


def test_a_biologist_corrects_as_with_bucket_eraser_and_brush(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    correct = import_module("biologist").correct
    #          merged      |  false |   missed | outline that is a little wrong, kept
    truth = [[1, 1, 2, 2, 0, 0, 0, 0, 3, 3, 0, 4, 4, 4, 0]]
    found = [[1, 1, 1, 1, 0, 2, 2, 0, 0, 0, 0, 3, 3, 3, 3]]
    right = [[1, 1, 4, 4, 0, 0, 0, 0, 5, 5, 0, 3, 3, 3, 3]]
    corrected, counts = correct(np.array(found, np.uint8), np.array(truth, np.uint8))
    assert corrected.tolist() == right
    assert counts == (1, 1, 1)

"""The row of StarDist: what its environment gets and gives, with a stand-in for its Python."""

import json
import sys

import numpy as np
import pytest
import tifffile

from seamwise.segmentation.data import AnnotatedImage

PEER = f"""#!{sys.executable}
import json, pathlib, shutil, sys
command, data = sys.argv[2:4]
output = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
output.mkdir(parents=True)
if command == "train":
    (output / "peer").mkdir()
    (output / "peer" / "thresholds.json").write_text(json.dumps(sys.argv))
else:
    for path in pathlib.Path(data).parent.glob("masks/*.tif"):
        shutil.copy(path, output / path.name)
"""


@pytest.fixture
def environment(tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PEER)
    python.chmod(0o755)
    return tmp_path / "env"


@pytest.fixture
def run(scripts, monkeypatch, tmp_path):
    def command(*arguments):
        folders = ("--runs", tmp_path / "runs", "-o", tmp_path / "results", "--sets", "cells")
        words = map(str, ("stardist_row.py", tmp_path, *folders, "--quick", *arguments))
        monkeypatch.setattr(sys, "argv", list(words))
        scripts.stardist_row.main()
        return json.loads((tmp_path / "results" / "quick" / "stardist-cells.json").read_text())

    return command


def test_images_and_labels_are_written_under_one_name(scripts, tmp_path):
    labels = np.array([[0, 1, 1], [-1, 2, -1]], np.int32)
    image = AnnotatedImage("a", np.arange(6, dtype=np.float32).reshape(1, 2, 3), labels)
    scripts.stardist_row.export([image], tmp_path)
    assert tifffile.imread(tmp_path / "images" / "a.tif").tolist() == [[0, 1, 2], [3, 4, 5]]
    masks = tifffile.imread(tmp_path / "masks" / "a.tif")
    assert masks.tolist() == [[0, 1, 1], [0, 2, 0]]
    assert masks.dtype == np.uint16


def test_small_cells_are_dropped(scripts):
    labels = np.array([[1, 1, 3], [0, 2, 3]])
    assert scripts.stardist_row.without_small(labels, 2).tolist() == [[1, 1, 2], [0, 0, 2]]


def test_it_is_trained_once_and_scored_on_the_test_images(run, environment, tmp_path):
    content = run("--stardist", environment, "--minutes", "3")
    unit = content["units"]["3 minutes/0"]
    assert unit["tp"] == unit["n_pred"]
    assert len(unit["tp"]) == 2
    assert unit["training_seconds"] >= 0
    folder = tmp_path / "runs" / "quick" / "cells-stardist-3"
    assert len(list((folder / "training" / "masks").iterdir())) == 2
    command = json.loads((folder / "model" / "peer" / "thresholds.json").read_text())
    assert command[-2:] == ["--minutes", "3"]
    (tmp_path / "results" / "quick" / "stardist-cells.json").unlink()
    (folder / "cells").rename(folder / "before")
    assert (
        "training_seconds"
        not in run("--stardist", environment, "--minutes", "3")["units"]["3 minutes/0"]
    )


def test_an_environment_that_is_missing_or_fails_is_said_in_a_line(
    scripts, run, environment, capsys
):
    def fails(*arguments):
        with pytest.raises(SystemExit, match="2"):
            scripts.study.command(lambda: run(*arguments))
        return capsys.readouterr().err

    assert fails("--stardist", environment / "none").endswith(
        "bin/python is missing: give an environment with --stardist\n"
    )
    python = environment / "bin" / "python"
    python.write_text(f"#!{sys.executable}\nimport stardust\n")
    assert fails("--stardist", environment) == (
        "StarDist failed: ModuleNotFoundError: No module named 'stardust'\n"
    )


def test_the_report_sets_it_beside_the_study(scripts, tmp_path):
    script = scripts.stardist_row
    assert script.section(tmp_path, tmp_path) == ""

    def scores(quality):
        ones = [1] * 8
        return {"n_true": ones, "n_pred": ones, "tp": ones, "iou": [quality] * 8, "ap": ones}

    kinds = {
        "stardist": {"10 minutes/0": {**scores(0.8), "training_seconds": 240}},
        "instances": {"j4/0": {"WT": scores(0.7)}},
    }
    for kind, units in kinds.items():
        (tmp_path / f"{kind}-dsb2018.json").write_text(json.dumps({"units": units}))
    text = script.section(tmp_path, tmp_path)
    assert "| dsb2018, StarDist, 10 minutes (4.0 of a core) | 1.000 | 1.000 | 0.800 |" in text
    assert "| dsb2018, J4 by WT | 1.000 | 1.000 | 0.700 |" in text
    assert "claim" not in text  # so short a training judges nothing

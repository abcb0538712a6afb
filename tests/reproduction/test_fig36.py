"""The script for users who have the Cell Tracking Challenge's HeLa cells, on made-up files."""

import json
import runpy
import sys

import numpy as np
import pytest
import tifffile

from seamwise.synth import crowded_cells


@pytest.fixture
def run(scripts, monkeypatch):
    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["fig36.py", *map(str, arguments)])
        runpy.run_path(str(scripts.fig36.__file__), run_name="__main__")

    return command


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array)


@pytest.fixture
def challenge(tmp_path):
    folder = tmp_path / "ctc" / "DIC-C2DH-HeLa"
    for series in ("01", "02"):
        for number in range(3):
            scene = crowded_cells((96, 96), cells=12, rng=10 * int(series) + number)
            write(folder / series / f"t{number:03}.tif", scene.image.astype(np.float32))
            truth = folder / f"{series}_GT" / "SEG" / f"man_seg{number:03}.tif"
            write(truth, scene.labels.astype(np.uint16))
    return tmp_path / "ctc"


def test_hela_cells_train_on_one_series_and_are_scored_on_the_other(
    run, challenge, tmp_path, scripts
):
    output = tmp_path / "out"
    run(challenge, "--sets", "dic_hela", "--quick", "-o", output, "--runs", tmp_path / "runs")
    content = json.loads((output / "quick" / "instances-dic_hela.json").read_text())
    assert set(content["units"]) == {"j3/0", "j4/0"}
    assert len(content["units"]["j3/0"]["MAP"]["n_true"]) == 2
    assert (output / "quick" / "fig36-dic_hela.png").exists()
    text = (output / "quick" / "fig36.md").read_text()
    assert "| thesis | 0.895 | 0.855 | 0.763 |" in text
    assert "hold" not in text
    data = scripts.study.read_set(
        "dic_hela", {"training": {}, "sets": scripts.fig36.SETS}, challenge
    )
    assert [image.name for image in data.test] == ["02-t000", "02-t001", "02-t002"]
    assert all(image.name.startswith("01-") for image in (*data.training, *data.validation))


def test_a_folder_without_the_sets_ends_in_one_line(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, "-o", tmp_path / "out", "--runs", tmp_path / "runs")
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds no DIC-C2DH-HeLa" in line

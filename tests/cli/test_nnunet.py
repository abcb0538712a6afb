"""`seamwise nnunet-dataset`, and what comes back from nnU-Net."""

import json

import numpy as np
import pytest

from seamwise.io.images import read_labels
from seamwise.labels import semantic_target


def test_cells_go_to_nnunet_and_come_back(run, training, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    code, said, err = run("nnunet-dataset", tmp_path / "data", "--classes", 3)
    assert code == 0
    assert "4 cases of background, cell, touching in" in said
    assert "nnUNetv2_plan_and_preprocess -d 501" in said
    assert "fold all" in err
    folder = tmp_path / "raw" / "Dataset501_Cells"
    record = json.loads((folder / "dataset.json").read_text())
    assert record["numTraining"] == 4
    # what a perfect network predicts
    assert run("decode", folder / "labelsTr", "-o", tmp_path / "cells")[0] == 0
    mask = read_labels(tmp_path / "data" / "masks" / "2.tif")
    cells = read_labels(tmp_path / "cells" / "2.tif")
    np.testing.assert_array_equal(
        read_labels(folder / "labelsTr" / "2.tif"), semantic_target(mask, classes=3)
    )
    assert len(np.unique(cells)) == len(np.unique(mask))


def test_training_on_classes_is_one_line(run, training, tmp_path):
    assert run("nnunet-dataset", tmp_path / "data", "-o", tmp_path / "raw")[0] == 0
    folder = tmp_path / "raw" / "Dataset501_Cells"
    code, _, err = run("train", folder, "-o", tmp_path / "run", "--steps", 1)
    assert code == 2
    assert "holds the classes cell, touching, gap" in err
    assert not (tmp_path / "run" / "model.safetensors").exists()
    code, said, err = run("check", folder, "-o", tmp_path / "checked")
    assert code == 1
    assert "mask of classes, not of cells: 4" in said + err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "Cells"], "name must be like Dataset501_Cells, with three digits, not 'Cells'"),
        (["--channel", "red"], "--channel must be a number"),
        (["--map", "w4"], "--map must be balance, dwm, pieces, saw, unet or w3, not 'w4'"),
    ],
)
def test_bad_calls_are_one_line(run, training, tmp_path, arguments, words):
    code, _, err = run("nnunet-dataset", tmp_path / "data", "-o", tmp_path / "raw", *arguments)
    assert code == 2
    assert words in err
    assert not (tmp_path / "raw").exists()

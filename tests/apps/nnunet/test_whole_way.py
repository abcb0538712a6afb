"""From numbered cells to numbered cells through nnU-Net: planned, trained, resumed, predicted.

The commands are those of docs/nnunet.md. Only the trainers are shorter, and the device is the CPU.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

pytest.importorskip("nnunetv2", reason="needs nnU-Net: make nightly")

from seamwise.io import read_labels, write_labels, write_png
from seamwise.synth import Camera, crowded_cells
from support.long_tests import nightly
from support.pages import blocks

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "nnunet.md"
FEW = """
import os

import torch

from seamwise_nnunet import trainers


class Few:
    def initialize(self):
        torch.set_num_threads(1)  # nnU-Net asks for all cores
        self.num_epochs = int(os.environ["EPOCHS"])
        self.num_iterations_per_epoch = int(os.environ["STEPS"])
        self.num_val_iterations_per_epoch = 2
        super().initialize()


class nnUNetTrainerJ4(Few, trainers.nnUNetTrainerJ4):
    pass


class nnUNetTrainerW3(Few, trainers.nnUNetTrainerW3):
    pass
"""
MORE = {
    "nnUNetv2_plan_and_preprocess": "-np 1 -npfp 1",
    "nnUNetv2_train": "-device cpu",
    "nnUNetv2_predict": "-device cpu -npp 0 -nps 0 --disable_progress_bar",
}

pytestmark = [nightly, pytest.mark.skipif(not PAGE.is_file(), reason="needs a checkout")]


def write_cells(folder, parts, shape, is_spoilt=False, **options):
    """Images and masks of cells below my-data; with `is_spoilt` a corner is not annotated."""
    seed = 0
    for part, count in parts.items():
        for name in ("images", "masks"):
            (folder / part / name).mkdir(parents=True)
        for _ in range(count):
            scene = crowded_cells(shape, rng=seed, camera=Camera(dtype=np.uint8), **options)
            labels = scene.labels.astype(np.int16)
            if is_spoilt:
                labels[..., :8, :8] = -1
            path = folder / part / "images" / f"c{seed}"
            if len(shape) == 2:
                write_png(path.with_suffix(".png"), scene.image)
            else:
                tifffile.imwrite(path.with_suffix(".tif"), scene.image)
            tifffile.imwrite(folder / part / "masks" / f"c{seed}.tif", labels)
            seed += 1


class Shell:
    """Runs commands in a folder, with nnU-Net's folders below it; prints how long each took."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "few").mkdir()
        (folder / "few" / "few_trainers.py").write_text(FEW)
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "nnUNet_n_proc_DA": "1",
            "nnUNet_def_n_proc": "1",
            "OMP_NUM_THREADS": "1",
        }

    def export(self, words):
        """Set the variables of an `export` as a shell does."""
        for name, value in (
            word.split("=", 1) for word in re.findall(r"\w+=(?:\$\(.*\)|\S+)", words)
        ):
            echo = subprocess.run(
                ["bash", "-c", f'echo -n "{value}"'], cwd=self.folder, env=self.environment,
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            self.environment[name] = echo.stdout
        ours = self.environment.get("nnUNet_extTrainer")
        few = str(self.folder / "few")
        if ours and not ours.startswith(few):
            self.environment["nnUNet_extTrainer"] = os.pathsep.join([few, ours])

    def run(self, line, code=0, **variables):
        """Run a command; return what it printed."""
        line = f"{line} {MORE.get(shlex.split(line)[0], '')}".strip()
        start = time.perf_counter()
        done = subprocess.run(
            shlex.split(line), cwd=self.folder, env={**self.environment, **variables},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        print(f"{time.perf_counter() - start:6.1f} s  {line}")
        assert done.returncode == code, done.stdout[-3000:]
        return done.stdout


def page_lines():
    """The commands of the page, from the data set to the scores, and its exports."""
    texts = [block.text for block in blocks(PAGE) if block.language == "bash"]
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines() if line]
    return [line for line in lines if not line.startswith(("pip", "#"))]


def losses_of(output):
    return [float(number) for number in re.findall(r"train_loss (\S+)", output)]


def test_planes_with_j4_by_the_commands_of_the_page(tmp_path):
    shell = Shell(tmp_path)
    write_cells(
        tmp_path / "my-data", {"train": 5, "val": 1, "test": 2}, (64, 64), cells=8, radius=8
    )
    (tmp_path / "true-labels").mkdir()
    for path in (tmp_path / "my-data" / "test" / "masks").iterdir():
        write_labels(tmp_path / "true-labels" / path.name, read_labels(path))
    commands = 0
    outputs = {}
    for line in page_lines():
        if line.startswith("export"):
            shell.export(line)
            continue
        name = shlex.split(line)[0]
        is_resumed = "--c" in shlex.split(line)
        epochs = {"EPOCHS": "3" if is_resumed else "2", "STEPS": "15"}
        outputs[name, is_resumed] = shell.run(line, **epochs)
        commands += not is_resumed and "evaluate" not in line
    assert commands <= 6
    first, second = (outputs["nnUNetv2_train", is_resumed] for is_resumed in (False, True))
    assert len(losses_of(first)) == 2
    assert "Epoch 2" in second
    assert "Epoch 1" not in second  # it resumed
    (last,) = losses_of(second)
    assert last < losses_of(first)[0]
    for path in (tmp_path / "true-labels").iterdir():
        labels, truth = read_labels(tmp_path / "labels" / path.name), read_labels(path)
        assert labels.shape == truth.shape
        assert labels.max() > 1
    print(outputs["seamwise", False])
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert sum(image[0]["tp"] for image in scores["per_image"]) > 0  # at an IoU of 0.5


def test_stacks_with_w3_and_pixels_to_ignore(tmp_path):
    shell = Shell(tmp_path)
    write_cells(tmp_path / "stacks", {"train": 5, "val": 1, "test": 1}, (12, 32, 32),
                is_spoilt=True, cells=5, radius=6)  # fmt: skip
    for line in page_lines():
        if line.startswith("export"):
            shell.export(line)
    shell.run("seamwise nnunet-dataset stacks --classes 3 --name Dataset502_Stacks")
    record = json.loads((tmp_path / "nnUNet_raw/Dataset502_Stacks/dataset.json").read_text())
    assert record["labels"]["ignore"] == 3
    shell.run("nnUNetv2_plan_and_preprocess -d 502 -c 3d_fullres --verify_dataset_integrity")
    wrong = shell.run(
        "nnUNetv2_train 502 3d_fullres 0 -tr nnUNetTrainerJ4", code=1, EPOCHS="1", STEPS="1"
    )
    assert wrong.splitlines()[-1].startswith("seamwise: nnUNetTrainerJ4 needs the first 4 classes")
    assert "Traceback" not in wrong
    output = shell.run("nnUNetv2_train 502 3d_fullres 0 -tr nnUNetTrainerW3", EPOCHS="3", STEPS="4")
    losses = losses_of(output)
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    shell.run(
        "nnUNetv2_predict -d 502 -c 3d_fullres -f 0 -tr nnUNetTrainerW3 --save_probabilities "
        "-i nnUNet_raw/Dataset502_Stacks/imagesTs -o predictions"
    )
    shell.run("seamwise decode predictions -o labels")
    (path,) = (tmp_path / "labels").glob("*.tif")
    assert read_labels(path).shape == (12, 32, 32)

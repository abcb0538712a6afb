"""Training in two processes, on one CPU over gloo: this file, run as a program, is what each of
them does.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch.utils.data import Dataset

from seamwise.cli import app
from seamwise.engine import devices, loop
from seamwise.engine.devices import is_first_process, launch
from seamwise.engine.loop import fit, run_identity
from seamwise.engine.settings import RunSettings
from seamwise.io.models import Architecture, FusionInfo, load_model
from seamwise.synth import crowded_cells

# weight decay, since Adam alone does not mind a gradient that is twice as large
SETTINGS = RunSettings(
    steps=4,
    batch_size=4,
    width=2,
    depth=1,
    validate_every=2,
    norm="none",
    average=0.9,
    learning_rate=0.01,
    weight_decay=0.1,
    devices=2,
)
INFO = FusionInfo(
    architecture=Architecture(in_channels=6, out_channels=2, width=2, depth=1, norm="none"),
    output="selection",
)


class Images(Dataset):
    """Sample i is a random image, drawn with seed i, and i; `missing` has no sample."""

    def __init__(self, missing=-1):
        self.missing = missing

    def __len__(self):
        return 16

    def __getitem__(self, number):
        if number == self.missing:
            raise OSError(f"sample {number} is gone")
        return torch.rand(6, 4, 4, generator=torch.Generator().manual_seed(number)), number


@dataclass
class Task:
    """Brings both outputs of a network near 1; remembers the samples of each step."""

    missing: int = -1
    spoilt: int = -1
    failure: str = ""
    seen: list[list[int]] = field(default_factory=list)
    info: FusionInfo = INFO

    def samples(self):
        return Images(self.missing)

    def loss(self, net, batch):
        image, number = batch
        self.seen.append(number.tolist())
        loss = ((net(image) - 1) ** 2).mean()
        return loss * float("nan") if self.spoilt in number else loss

    def validate(self, model):
        if self.failure:
            raise OSError(self.failure)
        return {"goodness": float(len(self.seen))}


def train(output, settings, *, task=None, steps=99, resume=False):
    """Train, with a constraint; return what the process has seen and what became of it."""
    task, reports, weights = task or Task(), [], {}

    def constrain(net):
        with torch.no_grad():
            net.head.bias[0] = 0.5
        weights.update({name: tensor.clone() for name, tensor in net.state_dict().items()})

    def report(progress):
        reports.append((progress.step, progress.loss))
        return progress.step < steps

    output.mkdir(exist_ok=True)
    ended = "well"
    try:
        fit(
            task,
            settings,
            output=output,
            device="cpu",
            report=report,
            constrain=constrain,
            resume=resume,
        )
    except (ValueError, OSError) as error:
        ended = f"{type(error).__name__}: {error}"
    return {"seen": task.seen, "reports": reports, "weights": weights, "ended": ended}


def quick_and_exact(patch):
    """No pictures, which take longer than the runs, and float32, so that rounding is small on any
    processor.
    """
    patch.setattr(loop, "plot_curve", lambda path, history: None)
    patch.setattr(devices, "choose_precision", lambda device: torch.float32)


def program(folder):
    """Several runs, one after the other in the same two processes; the last one loses a process."""
    options = "--loss ce2 --steps 1 --batch-size 2 --crop 32 --width 1 --device cpu --devices 2"
    app(
        ["train", str(folder / "data"), "-o", str(folder / "command"), *options.split()],
        standalone_mode=False,
    )
    done = {}
    with pytest.MonkeyPatch.context() as patch:
        quick_and_exact(patch)
        done["whole"] = train(folder / "whole", SETTINGS)
        done["stopped"] = train(folder / "stopped", SETTINGS, steps=1)
        if is_first_process(2):
            shutil.copytree(folder / "stopped", folder / "copied")
        done["resumed"] = train(folder / "stopped", SETTINGS, resume=True)
        done["full disk"] = train(folder / "full", SETTINGS, task=Task(failure="the disk is full"))
        done["spoilt"] = train(folder / "spoilt", SETTINGS, task=Task(spoilt=5))
        done["lost"] = train(folder / "lost", SETTINGS, task=Task(missing=5))
    torch.save(done, folder / f"done-{os.environ['LOCAL_RANK']}.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the program has run; it starts its second process itself."""
    folder = tmp_path_factory.mktemp("ddp")
    (folder / "data").mkdir()
    for number in range(2):
        scene = crowded_cells((40, 40), cells=4, radius=6, rng=number)
        tifffile.imwrite(folder / "data" / f"{number}.tif", scene.image)
        tifffile.imwrite(folder / "data" / f"{number}_masks.tif", scene.labels.astype("int32"))
    done = subprocess.run(
        [sys.executable, __file__, folder],
        env={**os.environ, "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (folder / "said.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def first(folder):
    return torch.load(folder / "done-0.pt")


@pytest.fixture(scope="module")
def second(folder):
    return torch.load(folder / "done-1.pt")


@pytest.fixture(scope="module")
def alone(folder):
    with pytest.MonkeyPatch.context() as patch:
        quick_and_exact(patch)
        return train(folder / "alone", replace(SETTINGS, devices=1))


def assert_same(found, expected, **tolerance):
    torch.testing.assert_close(found, expected, **(tolerance or {"rtol": 0, "atol": 0}))


def test_each_takes_every_other_sample_of_each_step(first, second, alone):
    assert first["whole"]["seen"] == [[0, 2], [4, 6], [8, 10], [12, 14]]
    assert second["whole"]["seen"] == [[1, 3], [5, 7], [9, 11], [13, 15]]
    assert alone["seen"] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]


def test_both_have_the_weights_of_one_process(first, second, alone):
    assert first["whole"]["weights"]
    assert_same(first["whole"]["weights"], second["whole"]["weights"])
    assert_same(first["whole"]["weights"], alone["weights"], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("alone")
def test_the_model_is_that_of_one_process(folder):
    weights, info = load_model(folder / "whole" / "model.safetensors", FusionInfo)
    expected, other = load_model(folder / "alone" / "model.safetensors", FusionInfo)
    assert_same(weights, expected, rtol=1e-5, atol=1e-6)
    assert weights["head.bias"][0] == 0.5
    assert info.training.pop("processes") == 2
    assert other.training.pop("processes") == 1
    assert info.training == other.training


def test_only_the_first_reports_and_it_reports_the_mean_loss(first, second, alone):
    assert second["whole"]["reports"] == []
    np.testing.assert_allclose(first["whole"]["reports"], alone["reports"], rtol=1e-5)


def test_files_appear_once_and_everything_is_said_once(folder):
    names = sorted(path.name for path in (folder / "command").iterdir())
    assert names == ["checkpoint.pt", "curve.png", "log.csv", "model.safetensors"]
    said = (folder / "said.txt").read_text()
    assert [said.count(text) for text in ("step 1: loss", "wrote")] == [1, 1], said


def test_both_stop_together_and_go_on(folder, first, second):
    for done in (first, second):
        assert done["stopped"]["seen"] == done["whole"]["seen"][:1]
        assert done["resumed"]["seen"] == done["whole"]["seen"][1:]
        assert_same(done["resumed"]["weights"], done["whole"]["weights"])
    whole, resumed = (
        load_model(folder / name / "model.safetensors", FusionInfo)[0]
        for name in ("whole", "stopped")
    )
    assert_same(whole, resumed)


def test_one_process_goes_on_where_two_stopped(folder, tmp_path, alone, monkeypatch):
    quick_and_exact(monkeypatch)
    shutil.copytree(folder / "copied", tmp_path / "copied")
    resumed = train(tmp_path / "copied", replace(SETTINGS, devices=1), resume=True)
    assert len(resumed["seen"]) == 3
    assert_same(resumed["weights"], alone["weights"], rtol=1e-5, atol=1e-6)


def test_both_leave_when_the_first_fails(first, second):
    assert first["full disk"]["ended"] == "OSError: the disk is full"
    assert second["full disk"]["ended"] == "well"
    assert len(second["full disk"]["seen"]) == SETTINGS.validate_every


def test_both_leave_when_the_loss_of_either_is_no_number(first, second):
    assert first["spoilt"]["ended"].startswith("ValueError: the loss is nan at step 2")
    assert second["spoilt"]["ended"] == "well"


def test_the_first_hears_at_once_that_the_second_is_gone(first, second):
    assert second["lost"]["ended"] == "OSError: sample 5 is gone"
    assert first["lost"]["ended"].startswith(
        "ConnectionError: another process of this training has ended"
    )


def test_a_batch_must_be_shared_evenly():
    assert replace(SETTINGS, batch_size=8, nodes=2).processes == 4
    with pytest.raises(
        ValueError, match=r"batch_size must be a multiple of devices times nodes, 6, not 4"
    ):
        replace(SETTINGS, nodes=3)


def test_who_computes_is_not_recorded():
    assert run_identity(SETTINGS) == run_identity(replace(SETTINGS, devices=1, nodes=2))


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", r"devices must be at most \d+"),
        ("cuda:1", "device must be cuda for \\d+ devices, not cuda:1"),
        ("mps", "must be 1 on mps"),
    ],
)
def test_devices_that_are_not_there(device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=message), launch(torch.device(device), devices=2):
        pass


def test_a_launcher_with_another_number_is_named(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    for count in (1, 2):
        with (
            pytest.raises(ValueError, match=f"devices × nodes must be 4, .* not {count} × 1"),
            launch(torch.device("cpu"), devices=count),
        ):
            pass


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "3"}, False),
        ({"RANK": "0", "SLURM_PROCID": "1"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
    ],
)
def test_who_is_first(environment, first, monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_process(8) == first
    assert is_first_process(1)


if __name__ == "__main__":
    program(Path(sys.argv[1]))

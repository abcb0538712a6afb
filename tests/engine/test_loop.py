"""The loop with an invented task; the tests of both `train` run it with real ones."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch.utils.data import TensorDataset

from seamwise.engine import loop
from seamwise.engine.loop import fit, learning_rate, run_identity
from seamwise.engine.networks import load_network
from seamwise.engine.settings import RunSettings
from seamwise.io.models import Architecture, FusionInfo, load_model
from support.curves import no_curves

SETTINGS = RunSettings(
    steps=4, batch_size=2, width=2, depth=1, validate_every=1, norm="none", average=0.0
)

INFO = FusionInfo(
    architecture=Architecture(in_channels=6, out_channels=2, width=2, depth=1), output="selection"
)


@dataclass
class Task:
    """Brings both outputs of a network near 1; says that step 2 gave the best model."""

    goodness: list[float] = field(default_factory=lambda: [0.1, 0.9, 0.5, 0.4])
    info: FusionInfo = INFO

    def samples(self):
        return TensorDataset(torch.rand(8, 6, 4, 4, generator=torch.Generator().manual_seed(0)))

    def loss(self, net, batch):
        (image,) = batch
        return ((net(image) - 1) ** 2).mean()

    def validate(self, model):
        return {"goodness": self.goodness.pop(0), "other": 1.0}


@pytest.fixture(autouse=True, scope="module")
def _no_curves():
    with no_curves():
        yield


def test_the_model_with_the_highest_first_score_is_kept(tmp_path):
    seen = []
    path = fit(Task(), SETTINGS, output=tmp_path, device="cpu", report=seen.append)
    assert [progress.scores["goodness"] for progress in seen] == [0.1, 0.9, 0.5, 0.4]
    _, info = load_model(path, FusionInfo)
    assert info.training["step"] == 2
    assert info.training["validation"] == {"goodness": 0.9, "other": 1.0}


def test_a_report_tells_the_time_left_after_some_steps(tmp_path):
    settings = replace(SETTINGS, steps=24, batch_size=1, validate_every=24)
    seen = []
    task = Task([0.1])
    task.samples = lambda: TensorDataset(torch.rand(24, 6, 4, 4))
    fit(task, settings, output=tmp_path, device="cpu", report=seen.append)
    assert [progress.step for progress in seen if progress.seconds_left is None] == [*range(1, 15)]
    assert seen[-1].seconds_left == 0.0
    assert seen[14].seconds_left > 0
    assert "seconds_left" not in (tmp_path / "log.csv").read_text()


def test_a_resumed_run_remembers_the_best_score(tmp_path):
    fit(Task(), SETTINGS, output=tmp_path, device="cpu", report=lambda progress: progress.step < 2)
    fit(Task([0.5, 0.4]), SETTINGS, output=tmp_path, device="cpu", resume=True)
    assert load_model(tmp_path / "model.safetensors", FusionInfo)[1].training["step"] == 2


def test_a_resumed_run_without_steps_left_writes_log_and_curve_again(tmp_path, monkeypatch):
    fit(Task(), SETTINGS, output=tmp_path, device="cpu")
    drawn = []
    monkeypatch.setattr(loop, "plot_curve", lambda path, history: drawn.append(path))
    log, weights = ((tmp_path / name).read_bytes() for name in ("log.csv", "model.safetensors"))
    (tmp_path / "log.csv").unlink()
    fit(Task(), SETTINGS, output=tmp_path, device="cpu", resume=True)
    assert (tmp_path / "log.csv").read_bytes() == log
    assert drawn == [tmp_path / "curve.png"]
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_weights_are_stored_in_the_type_asked_for_and_load_in_full(tmp_path):
    fit(Task(), replace(SETTINGS, stored_as="float16"), output=tmp_path, device="cpu")
    weights, _ = load_model(tmp_path / "model.safetensors", FusionInfo)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    loaded = load_network(tmp_path / "model.safetensors", FusionInfo, device="cpu", runtime="torch")
    assert str(loaded.net.head.weight.dtype) == f"torch.{loaded.precision}"


def test_what_changes_nothing_is_not_recorded():
    assert run_identity(SETTINGS) == run_identity(replace(SETTINGS, workers=3, snapshot_every=2))
    assert run_identity(SETTINGS) != run_identity(replace(SETTINGS, seed=1))


def test_the_first_weights_and_those_of_each_step_are_constrained(tmp_path):
    seen = []

    def constrain(net):
        seen.append(net.head.bias[0].item())
        with torch.no_grad():
            net.head.bias[0] = 0.5

    fit(Task(), SETTINGS, output=tmp_path, device="cpu", constrain=constrain)
    assert seen[0] == 0
    assert len(seen) == SETTINGS.steps + 1
    assert seen[1] != 0.5, "nothing is trained"
    assert load_model(tmp_path / "model.safetensors", FusionInfo)[0]["head.bias"][0] == 0.5


def test_learning_rates_written_out():
    settings = RunSettings(steps=12, warmup=2, schedule="cosine", learning_rate=0.8)
    assert [learning_rate(step, settings) for step in (0, 1, 2, 7)] == pytest.approx(
        [0.4, 0.8, 0.8, 0.4]
    )
    assert learning_rate(12, settings) == pytest.approx(0)
    assert learning_rate(11, RunSettings(learning_rate=0.3, steps=12)) == 0.3
    assert RunSettings().learning_rate == 1e-4
    assert RunSettings().optimizer == "adam"


def steps_down(settings, *gradients):
    """How far one weight moves at each step, with the gradients given."""
    net = torch.nn.Linear(1, 1, bias=False)
    optimizer = loop._optimizer(net, settings)
    moves = []
    for gradient in gradients:
        before = net.weight.item()
        net.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        moves.append(before - net.weight.item())
    return moves


def test_the_steps_of_gradient_descent_written_out():
    """Thesis (2.4): the rate times the gradient; momentum keeps a share of the step before."""
    plain = RunSettings(optimizer="sgd", learning_rate=0.1)
    assert steps_down(plain, 1.0, -2.0) == pytest.approx([0.1, -0.2])
    assert steps_down(replace(plain, momentum=0.5), 1.0, -2.0) == pytest.approx([0.1, -0.15])


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_steps_of_adam_written_out(optimizer):
    """m = (1 − β1)·g₁·β1 + (1 − β1)·g₂, s likewise of the squares; both over 1 − β²."""
    settings = RunSettings(optimizer=optimizer, learning_rate=0.1, betas=(0.5, 0.75), epsilon=1.0)
    mean = (0.25 * 2 + 0.5 * 1) / (1 - 0.25)
    square = (0.1875 * 4 + 0.25 * 1) / (1 - 0.5625)
    expected = [0.1 * 2 / (2 + 1), 0.1 * mean / (square**0.5 + 1)]
    assert steps_down(settings, 2.0, 1.0) == pytest.approx(expected)


def test_a_run_with_gradient_descent_resumes_to_the_same_weights(tmp_path):
    settings = replace(SETTINGS, optimizer="sgd", momentum=0.9, learning_rate=0.01)
    ends = []
    for name, stop in (("whole", 5), ("cut", 2)):
        folder = tmp_path / name
        folder.mkdir()
        fit(
            Task(), settings, output=folder, device="cpu",
            report=lambda progress, stop=stop: progress.step < stop,
        )  # fmt: skip
        if name == "cut":
            fit(Task([0.5, 0.4]), settings, output=folder, device="cpu", resume=True)
        ends.append(torch.load(folder / "checkpoint.pt", weights_only=True)["weights"])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])

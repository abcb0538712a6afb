"""The training loop, whatever is trained; see `fit`."""

import io
import logging
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from lightning_fabric import Fabric
from pydantic import RootModel
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset, Subset

from seamwise import __version__
from seamwise.engine.devices import choose_device, choose_precision, place
from seamwise.engine.history import Progress, plot_curve, write_log
from seamwise.engine.networks import AnyInfo, ReadyNetwork, build_net, ready
from seamwise.engine.settings import RunSettings
from seamwise.io.atomic import atomic_path
from seamwise.io.models import Described, save_model
from seamwise.nets.average import Network

# Fabric announces its precision on every start; ours is in `seamwise info`
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

Report = Callable[[Progress], bool | None]


class Task(Protocol[AnyInfo]):
    """What is trained: the network's description, samples, loss and validation."""

    @property
    def info(self) -> AnyInfo:
        """The model file's description; its `training` must agree when a run is resumed."""

    def samples(self) -> Dataset[tuple[Tensor, ...]]:
        """Samples of all steps in their order, `batch_size` for each, each a pure function of its number."""

    def loss(self, net: Callable[[Tensor], Tensor], batch: Sequence[Tensor]) -> Tensor:
        """Run the network on a batch of samples and return the loss."""

    def validate(self, model: ReadyNetwork[AnyInfo]) -> Mapping[str, float]:
        """Scores by name; the higher the first, the better the model."""


def fit(
    task: Task[AnyInfo],
    settings: RunSettings,
    *,
    output: Path,
    resume: bool = False,
    device: str = "auto",
    report: Report = lambda progress: None,
    constrain: Callable[[Network], None] | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train a network and write it, with log, curve and checkpoint, to a folder.

    Parameters
    ----------
    task : Task
    settings : RunSettings
    output : Path
        An existing folder. Gets ``model.safetensors`` (the weights with the best first score so far), ``log.csv``,
        ``curve.png`` and ``checkpoint.pt``; and ``snapshot-<step>.safetensors`` if `settings.snapshot_every` asks.
    resume : bool
        Go on from ``checkpoint.pt``. On a CPU, with the same number of threads, the weights are then bit
        for bit those of an uninterrupted run: a sample depends only on (seed, step, index), and the learning
        rate on the step. On a GPU they agree up to rounding, since its sums have no fixed order.
    device : str
        See `devices.choose_device`.
    report : function
        Called after each step; returning False stops the run after writing a checkpoint.
    constrain : function, optional
        Called on the first weights and on those after each step, which it may change in place. It must be linear, as
        tied weights are: the moving average of weights that obey then obeys too.
    start : mapping, optional
        The first weights, by name; drawn at random by default.

    Returns
    -------
    Path
        The model file; it is not there yet if `report` stopped the run before the first validation.

    Raises
    ------
    ValueError
        The checkpoint belongs to other settings or images; the loss is no longer finite.
    FileExistsError
        The folder holds a run already, and `resume` is False.
    FileNotFoundError
        There is nothing to resume from.
    """
    check_output(output, resume=resume)
    chosen = choose_device(device)
    half = choose_precision(chosen) == torch.bfloat16
    fabric = Fabric(
        accelerator=chosen.type,
        devices=1 if chosen.index is None or chosen.type == "cpu" else [chosen.index],
        precision="bf16-mixed" if half else "32-true",
    )
    torch.manual_seed(settings.seed)
    weights = place(build_net(task.info.architecture), chosen)
    if start is not None:
        weights.load_state_dict(start)
    if constrain:
        constrain(weights)
    average = AveragedModel(weights, multi_avg_fn=_moving_average(settings.average), use_buffers=True)
    averaged = cast(Network, average.module)
    net, optimizer = fabric.setup(weights, _optimizer(weights, settings))
    state = _State(weights, average, optimizer)
    if resume:
        state.restore(output / "checkpoint.pt", task.info.training)

    began = time.monotonic() - state.seconds
    for batch in _batches(task.samples(), settings, first_step=state.step):
        rate = learning_rate(state.step, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        net.train()
        loss = task.loss(net, fabric.to_device(batch))
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        if constrain:
            constrain(weights)
        average.update_parameters(weights)

        progress = Progress(state.step + 1, loss.item(), rate, time.monotonic() - began)
        if not math.isfinite(progress.loss):
            raise ValueError(
                f"the loss is {progress.loss} at step {progress.step}: lower learning_rate, "
                f"now {settings.learning_rate}"
            )
        validated = progress.step % settings.validate_every == 0 or progress.step == settings.steps
        if validated:
            progress = replace(progress, scores=dict(task.validate(ready(averaged, task.info, chosen))))
            if state.is_best(progress):
                _save(output / "model.safetensors", averaged, task.info, progress, settings)
        if settings.snapshot_every and progress.step % settings.snapshot_every == 0:
            _save(output / f"snapshot-{progress.step}.safetensors", averaged, task.info, progress, settings)
        state.history.append(progress)
        stop = report(progress) is False
        if validated or stop:
            state.save(output / "checkpoint.pt", task.info.training)
            write_log(output / "log.csv", state.history)
            plot_curve(output / "curve.png", state.history)
        if stop:
            break
    return output / "model.safetensors"


def learning_rate(step: int, settings: RunSettings) -> float:
    """Learning rate of step 0, 1, …: linear warm-up, then constant or half a cosine down to 0."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    position = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return settings.learning_rate * (1 + math.cos(math.pi * position)) / 2


def check_output(output: Path, *, resume: bool) -> None:
    """Raise OSError unless the folder exists, and holds a checkpoint to resume from or no run at all."""
    if not output.is_dir():
        raise FileNotFoundError(f"the output folder {output} does not exist: create it first")
    if resume:
        if not (output / "checkpoint.pt").is_file():
            raise FileNotFoundError(f"nothing to resume: {output} holds no checkpoint.pt; train without --resume")
        return
    for name in ("checkpoint.pt", "model.safetensors"):
        if (output / name).exists():
            raise FileExistsError(f"{output} holds a run already ({name}): use --resume, or choose another folder")


def recorded(settings: RunSettings) -> dict[str, Any]:
    """What the weights depend on; who prepares the samples and what is saved along the way is not part of it."""
    fields: dict[str, Any] = RootModel(settings).model_dump()
    return {name: value for name, value in fields.items() if name not in ("workers", "snapshot_every")}


@dataclass
class _State:
    """All that changes during a run; what a checkpoint holds."""

    weights: Network
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    history: list[Progress] = field(default_factory=list)

    @property
    def step(self) -> int:
        return self.history[-1].step if self.history else 0

    @property
    def seconds(self) -> float:
        return self.history[-1].seconds if self.history else 0.0

    def is_best(self, progress: Progress) -> bool:
        earlier = [_first_score(line) for line in self.history if line.scores]
        return not earlier or _first_score(progress) > max(earlier)

    def save(self, path: Path, provenance: dict[str, Any]) -> None:
        content = {
            "provenance": provenance,
            "weights": self.weights.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(progress) for progress in self.history],
        }
        # to memory first: torch's own writer reports a full disk as an internal error
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def restore(self, path: Path, provenance: dict[str, Any]) -> None:
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            before = saved["provenance"]
            self.history[:] = [Progress(**line) for line in saved["history"]]
        except Exception as error:  # torch.load raises whatever pickle and zip raise
            raise ValueError(f"cannot read checkpoint {path}: train without --resume into a new folder") from error
        for name, now in provenance.items():
            if before.get(name) != now:
                raise ValueError(
                    f"{path} belongs to another run: {_first_difference(name, before.get(name), now)}; "
                    "go on with the same, or train without --resume into a new folder"
                )
        self.weights.load_state_dict(saved["weights"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])


def _batches(
    samples: Dataset[tuple[Tensor, ...]], settings: RunSettings, *, first_step: int
) -> DataLoader[tuple[Tensor, ...]]:
    size = settings.batch_size
    remaining = Subset(samples, range(first_step * size, settings.steps * size))
    return DataLoader(remaining, size, num_workers=settings.workers)


def _moving_average(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    """Exponential moving average whose decay rises from 0.18, so that the first weights are soon forgotten."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, 1 - now)
            else:
                average.copy_(weight)  # batch norm counts its batches

    return update


def _optimizer(net: Network, settings: RunSettings) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _save(path: Path, net: Network, info: Described, progress: Progress, settings: RunSettings) -> None:
    """Write the weights and what is known of them."""
    made = {
        "step": progress.step,
        "validation": dict(progress.scores),
        "versions": {"seamwise": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    described = info.model_copy(update={"training": {**info.training, **made}})
    save_model(path, net.state_dict(), described, stored_as=getattr(torch, settings.stored_as))


def _first_score(progress: Progress) -> float:
    return next(iter(progress.scores.values()))


def _first_difference(name: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in now:
            if before.get(key) != now[key]:
                return _first_difference(f"{name}.{key}", before.get(key), now[key])
    if isinstance(now, list):
        return f"{name} differ"
    return f"{name} was {before}, is {now}"

"""The training loop, for any task; see `fit`."""

import io
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from pydantic import RootModel
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset, Subset

from seamwise import __version__
from seamwise.engine.devices import choose_device, launch, place
from seamwise.engine.history import TrainProgress, plot_curve, seconds_left, write_log
from seamwise.engine.networks import ReadyNetwork, build_network, prepare_network
from seamwise.engine.settings import RunSettings
from seamwise.io.atomic import atomic_path
from seamwise.io.models import AnyInfo, ModelInfo, describe_model, save_model
from seamwise.io.provenance import Provenance
from seamwise.nets.average import Network

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_CHECKPOINT, _MODEL = "checkpoint.pt", "model.safetensors"
_NOT_RECORDED = ("workers", "snapshot_every", "devices", "nodes")

Report = Callable[[TrainProgress], bool | None]


class Task(Protocol[AnyInfo]):
    """What is trained: the network's description, samples, loss and validation."""

    @property
    def info(self) -> AnyInfo:
        """The model file's description; a run can be resumed if its `training` is the same."""

    def samples(self) -> Dataset[tuple[Tensor, ...]]:
        """Samples of all steps in order, `batch_size` for each; each depends on its number only."""

    def loss(self, net: Callable[[Tensor], Tensor], batch: Sequence[Tensor]) -> Tensor:
        """Run the network on a batch of samples and return the loss."""

    def validate(self, model: ReadyNetwork[AnyInfo]) -> Mapping[str, float]:
        """Scores by name; the first one chooses the best model, higher is better."""


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
        An existing folder. Gets ``model.safetensors`` (the weights with the best first score so
        far), ``log.csv``, ``curve.png``, ``checkpoint.pt``, and every `settings.snapshot_every`
        steps ``snapshot-<step>.safetensors``.
    resume : bool
        Continue from ``checkpoint.pt``; from the first step, if the run was killed before it wrote
        one. On a CPU with the same number of threads, the weights are
        bit for bit those of an uninterrupted run: a sample depends only on (seed, step, index), and
        the learning rate on the step. On a GPU they agree up to rounding, since its sums have no
        fixed order. The number of processes may differ; the notes tell what then changes.
    device : str
        See `devices.choose_device`.
    report : function
        Called after each step, in the first process. If it returns False, the run writes a
        checkpoint and stops.
    constrain : function, optional
        Called on the first weights and on the weights after each step; it may change them in place.
        The constraint must be linear, like tied weights, so that the moving average obeys it too.
    start : mapping, optional
        The first weights, by name; random by default.

    Returns
    -------
    Path
        The model file; it does not exist yet if `report` stopped the run before the first
        validation.

    Raises
    ------
    ValueError
        The checkpoint was made with other settings or images; the loss is not finite; see
        `devices.launch`.
    FileExistsError
        The folder already holds a run, and `resume` is False.
    FileNotFoundError
        There is nothing to resume from.
    ConnectionError
        Another process of the run has ended.

    Notes
    -----
    With n = `settings.devices` · `settings.nodes` > 1 processes, process r computes the
    loss of samples r, r + n, r + 2n, … of each batch. The gradient is the mean over the processes
    (torch's DistributedDataParallel), and so is the reported loss. If a loss is a mean over the
    same number of pixels of each sample, its gradient is that of one process, up to rounding. Two
    things differ:

    - A loss that pools counts over the batch before it divides (Youden's J, Dice, Tversky), or is a
      mean over the pixels that are not ignored: each process does so over its own samples.
    - Batch norm: each process normalises by the statistics of its own samples. The running
      statistics, which are validated and saved, are those of the first process. (torch's
      SyncBatchNorm runs on GPUs only and is not used.)

    The first process validates, writes and reports. The others wait, half an hour at most, and stop
    when it stops. An error in the first process is raised there; the others return as if stopped.
    Note for scripts: without torchrun or SLURM, the whole script runs again for every additional
    device.
    """
    check_output(output, resume=resume)
    torch_device = choose_device(device)
    checkpoint = _checkpoint(output, task, settings) if resume else None
    with launch(torch_device, devices=settings.devices, nodes=settings.nodes) as fabric:
        torch.manual_seed(settings.seed)
        weights = place(build_network(task.info.architecture), fabric.device)
        if start is not None:
            weights.load_state_dict(start)
        if constrain:
            constrain(weights)
        average = AveragedModel(
            weights, multi_avg_fn=_moving_average(settings.average), use_buffers=True
        )
        net, optimizer = fabric.setup(weights, _optimizer(weights, settings))
        state = _State(weights, average, optimizer)
        if checkpoint is not None:
            state.restore(checkpoint)
        keep = partial(_keep, state, task, settings, output, fabric.device, report)

        began = time.monotonic() - state.seconds
        first_step = settings.steps if state.is_over(settings.patience) else state.step
        if fabric.is_global_zero and first_step == settings.steps:
            # a run that was killed after its last checkpoint may lack them
            _write_history(output, state.history)
        for batch in _batches(
            task.samples(), settings, first_step=first_step, process=fabric.global_rank
        ):
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

            mean = cast(Tensor, fabric.all_reduce(loss.detach())).item()
            state.history.append(
                TrainProgress(state.step + 1, mean, rate, time.monotonic() - began)
            )
            if _first_decides(fabric, keep):
                break
    return output / _MODEL


def _first_decides(fabric: "Fabric", keep: Callable[[], bool]) -> bool:
    """Whether to stop: the first process decides, the others wait; all stop if it fails."""
    stop = True
    try:
        if fabric.is_global_zero:
            stop = keep()
    finally:
        stop = fabric.broadcast(stop)
    return stop


def _keep(
    state: "_State",
    task: Task[AnyInfo],
    settings: RunSettings,
    output: Path,
    device: torch.device,
    report: Report,
) -> bool:
    """Validate, write and report what the last step calls for; return whether to stop."""
    progress = state.history[-1]
    if not math.isfinite(progress.loss):
        raise ValueError(
            f"the loss is {progress.loss} at step {progress.step}: lower learning_rate, "
            f"now {settings.learning_rate}"
        )
    average_net = cast(Network, state.average.module)
    is_validation = progress.step % settings.validate_every == 0 or progress.step == settings.steps
    if is_validation:
        progress = replace(
            progress, scores=dict(task.validate(prepare_network(average_net, task.info, device)))
        )
        if state.is_best(progress):
            _save(output / _MODEL, average_net, task.info, progress, settings)
        state.history[-1] = progress
    is_snapshot = settings.snapshot_every > 0 and progress.step % settings.snapshot_every == 0
    if is_snapshot:
        _save(
            output / f"snapshot-{progress.step}.safetensors",
            average_net,
            task.info,
            progress,
            settings,
        )
    seconds = seconds_left(state.history, first=state.start_step, steps=settings.steps)
    stop = report(replace(progress, seconds_left=seconds)) is False
    stop = stop or state.is_over(settings.patience)
    if is_validation or is_snapshot or stop:
        state.save(output / _CHECKPOINT, task.info.training)
        _write_history(output, state.history)
    return stop


def _write_history(output: Path, history: Sequence[TrainProgress]) -> None:
    write_log(output / "log.csv", history)
    plot_curve(output / "curve.png", history)


def learning_rate(step: int, settings: RunSettings) -> float:
    """Learning rate of step 0, 1, …: linear warm-up, then constant or half a cosine down to 0."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    position = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return settings.learning_rate * (1 + math.cos(math.pi * position)) / 2


def check_output(output: Path, *, resume: bool) -> None:
    """Raise OSError unless the folder exists and holds a run to resume, or no run at all."""
    if not output.is_dir():
        raise FileNotFoundError(f"the output folder {output} does not exist: create it first")
    found = [name for name in (_CHECKPOINT, _MODEL) if (output / name).exists()]
    if resume and not found:
        raise FileNotFoundError(
            f"nothing to resume: {output} holds no {_CHECKPOINT}; train without --resume"
        )
    if found and not resume:
        raise FileExistsError(
            f"{output} already holds a run ({found[0]}): use --resume, or choose another folder"
        )


def has_checkpoint(output: Path) -> bool:
    """Tell whether a run that is resumed begins at a checkpoint, not at the first step."""
    return (output / _CHECKPOINT).exists()


def run_identity(settings: RunSettings) -> dict[str, Any]:
    """Return the settings that identify a run: all but workers, devices, nodes and snapshots."""
    fields: dict[str, Any] = RootModel(settings).model_dump()
    return {name: value for name, value in fields.items() if name not in _NOT_RECORDED}


@dataclass
class _State:
    """All that changes during a run: the content of a checkpoint."""

    weights: Network
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    history: list[TrainProgress] = field(default_factory=list)
    start_step: int = 0

    @property
    def step(self) -> int:
        return self.history[-1].step if self.history else 0

    @property
    def seconds(self) -> float:
        return self.history[-1].seconds if self.history else 0.0

    def is_best(self, progress: TrainProgress) -> bool:
        earlier_scores = [_first_score(line) for line in self.history if line.scores]
        return not earlier_scores or _first_score(progress) > max(earlier_scores)

    def is_over(self, patience: int) -> bool:
        """Whether none of the last `patience` validations, if that is not 0, was better.

        A score of 0 is that of a network that has not yet begun to learn.
        """
        scores = [_first_score(line) for line in self.history if line.scores]
        if not 0 < patience < len(scores):
            return False
        best = max(scores[:-patience])
        return 0 < best >= max(scores[-patience:])

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

    def restore(self, checkpoint: dict[str, Any]) -> None:
        self.history[:] = checkpoint["history"]
        self.start_step = self.step
        self.weights.load_state_dict(checkpoint["weights"])
        self.average.load_state_dict(checkpoint["average"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])


def _checkpoint(output: Path, task: Task[AnyInfo], settings: RunSettings) -> dict[str, Any] | None:
    """Read what `_State.save` wrote; ValueError if it was written by another run.

    None if the run was killed after its first model, before its first checkpoint.
    """
    path = output / _CHECKPOINT
    record = task.info.training
    # earlier versions did not keep the start of a fusion network
    defaults = {"settings": settings.old_defaults, "start_sha256": record.get("start_sha256")}
    provenance = Provenance(record, defaults=defaults)
    if not path.exists():
        info = describe_model(output / _MODEL)
        _check_same(output / _MODEL, provenance.difference(info.training))
        return None
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        difference = provenance.difference(checkpoint["provenance"])
        checkpoint["history"] = [TrainProgress(**line) for line in checkpoint["history"]]
    except Exception as error:  # torch.load raises whatever pickle and zip raise
        raise ValueError(
            f"cannot read checkpoint {path}: train without --resume into a new folder"
        ) from error
    _check_same(path, difference)
    return checkpoint


def _check_same(path: Path, difference: str) -> None:
    if difference:
        raise ValueError(
            f"{path} was {difference}: resume with the same settings, images and start, or train "
            "without --resume into a new folder"
        )


def _batches(
    samples: Dataset[tuple[Tensor, ...]], settings: RunSettings, *, first_step: int, process: int
) -> DataLoader[tuple[Tensor, ...]]:
    """The samples of one process: every n-th of each step, beginning at its number."""
    size, count = settings.batch_size, settings.processes
    remaining = Subset(samples, range(first_step * size + process, settings.steps * size, count))
    return DataLoader(remaining, size // count, num_workers=settings.workers)


def _moving_average(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    """Exponential moving average; its decay rises from 0.18: the first weights soon fade."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
        rate = min(decay, (1 + int(count)) / (10 + int(count)))
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, 1 - rate)
            else:
                average.copy_(weight)  # batch norm counts its batches

    return update


def _optimizer(net: Network, settings: RunSettings) -> torch.optim.Optimizer:
    weights, rate, decay = net.parameters(), settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=rate, weight_decay=decay, momentum=settings.momentum)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, lr=rate, weight_decay=decay, betas=settings.betas, eps=settings.epsilon)


def _save(
    path: Path, net: Network, info: ModelInfo, progress: TrainProgress, settings: RunSettings
) -> None:
    """Write the weights and their description."""
    record = {
        "step": progress.step,
        "processes": settings.processes,
        "validation": dict(progress.scores),
        "versions": {
            "seamwise": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    description = info.model_copy(update={"training": {**info.training, **record}})
    save_model(path, net.state_dict(), description, stored_as=getattr(torch, settings.stored_as))


def _first_score(progress: TrainProgress) -> float:
    return next(iter(progress.scores.values()))

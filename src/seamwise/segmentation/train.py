"""Train a segmentation network; see `train`."""

import hashlib
import io
import logging
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from pydantic import RootModel
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Subset

from seamwise import __version__
from seamwise.io.atomic import atomic_path
from seamwise.io.models import Architecture, DecodeRule, ModelInfo, save_model
from seamwise.metrics import match_dataset
from seamwise.nets.average import Network
from seamwise.segmentation.data import AnnotatedImage, Samples
from seamwise.segmentation.devices import choose_device, choose_precision, place
from seamwise.segmentation.history import Progress, plot_curve, write_log
from seamwise.segmentation.predict import Model, build_net, ready, segment
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.systems import CLASS_NAMES, System
from seamwise.segmentation.transforms import count_classes

# Fabric announces its precision on every start; ours is in `seamwise info`
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def train(
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
    settings: TrainSettings,
    *,
    output: Path,
    resume: bool = False,
    device: str = "auto",
    report: Callable[[Progress], bool | None] = lambda progress: None,
) -> Path:
    """Train a network and write it, with log, curve and checkpoint, to a folder.

    Parameters
    ----------
    training, validation : sequence of AnnotatedImage
        As read by `data.read_pair`.
    settings : TrainSettings
        All the run depends on besides the images.
    output : Path
        An existing folder. Gets ``model.safetensors`` (the weights with the best validation PQ so far), ``log.csv``,
        ``curve.png`` and ``checkpoint.pt``; and ``snapshot-<step>.safetensors`` if `settings.snapshot_every` asks.
    resume : bool
        Go on from ``checkpoint.pt``. On a CPU, with the same number of threads, the weights are then bit
        for bit those of an uninterrupted run: a sample depends only on (seed, step, index), and the learning
        rate on the step. On a GPU they agree up to rounding, since its sums have no fixed order.
    device : str
        See `devices.choose_device`.
    report : function
        Called after each step; returning False stops the run after writing a checkpoint.

    Returns
    -------
    Path
        The model file; it is not there yet if `report` stopped the run before the first validation.

    Raises
    ------
    ValueError
        There are no images, they differ in channels or have no contrast, or no training image has a cell;
        the checkpoint belongs to other settings or images; the loss is no longer finite.
    FileExistsError
        The folder holds a run already, and `resume` is False.
    FileNotFoundError
        There is nothing to resume from.

    Notes
    -----
    The optimizer of the thesis, Adam at 1e-4 (section 5.3), is the default.
    """
    _check_images(training, validation)
    check_output(output, resume=resume)
    chosen = choose_device(device)
    half = choose_precision(chosen) == torch.bfloat16
    fabric = Fabric(
        accelerator=chosen.type,
        devices=1 if chosen.index is None or chosen.type == "cpu" else [chosen.index],
        precision="bf16-mixed" if half else "32-true",
    )
    task = settings.system()
    info = _describe(settings, task, training, validation)
    torch.manual_seed(settings.seed)
    weights = place(build_net(info), chosen)
    average = AveragedModel(weights, multi_avg_fn=_moving_average(settings.average), use_buffers=True)
    averaged = cast(Network, average.module)
    net, optimizer = fabric.setup(weights, _optimizer(weights, settings))
    state = _State(weights, average, optimizer)
    if resume:
        state.restore(output / "checkpoint.pt", info.training)

    began = time.monotonic() - state.seconds
    for image, target, *weight in _batches(training, settings, first_step=state.step):
        rate = learning_rate(state.step, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        net.train()
        # a system without a weight map has no third part
        options = {"weight": fabric.to_device(weight[0])} if weight else {}
        loss = task.loss(net(fabric.to_device(image)), fabric.to_device(target), **options)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        average.update_parameters(weights)

        progress = Progress(state.step + 1, loss.item(), rate, time.monotonic() - began)
        if not math.isfinite(progress.loss):
            raise ValueError(
                f"the loss is {progress.loss} at step {progress.step}: lower learning_rate, "
                f"now {settings.learning_rate}"
            )
        validated = progress.step % settings.validate_every == 0 or progress.step == settings.steps
        if validated:
            progress = validate(ready(averaged, info, chosen), validation, progress)
            if state.is_best(progress):
                save_model(output / "model.safetensors", averaged.state_dict(), _scored(info, progress))
        if settings.snapshot_every and progress.step % settings.snapshot_every == 0:
            snapshot = output / f"snapshot-{progress.step}.safetensors"
            save_model(snapshot, averaged.state_dict(), _scored(info, progress))
        state.history.append(progress)
        stop = report(progress) is False
        if validated or stop:
            state.save(output / "checkpoint.pt", info.training)
            write_log(output / "log.csv", state.history)
            plot_curve(output / "curve.png", state.history)
        if stop:
            break
    return output / "model.safetensors"


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Learning rate of step 0, 1, …: linear warm-up, then constant or half a cosine down to 0."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    position = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return settings.learning_rate * (1 + math.cos(math.pi * position)) / 2


def validate(model: Model, images: Sequence[AnnotatedImage], progress: Progress) -> Progress:
    """Add pooled PQ and mean AP over the images, both at IoU 0.5, to a line of the log."""
    # annotated images are normalised, and normalising them once more changes nothing
    pairs = ((image.labels, segment(image.image, model=model, keep_probabilities=False).labels) for image in images)
    scores = match_dataset(pairs, thresholds=(0.5,))
    return replace(
        progress,
        panoptic_quality=scores.pooled[0].panoptic_quality,
        average_precision=scores.mean[0].accuracy,
    )


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
        earlier = [p.panoptic_quality for p in self.history if p.panoptic_quality is not None]
        return not earlier or (progress.panoptic_quality or 0.0) > max(earlier)

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
    images: Sequence[AnnotatedImage], settings: TrainSettings, *, first_step: int
) -> Iterator[Sequence[Tensor]]:
    """Image, target, and weights if the system has a weight map."""
    transform = settings.transform()
    if transform.map is not None:
        spacings = (image.relative_spacing for image in images)
        counts = count_classes((image.labels for image in images), transform, spacings=spacings)
        transform = settings.transform(counts)
    samples = Samples(
        images,
        seed=settings.seed,
        steps=settings.steps,
        batch_size=settings.batch_size,
        crop=(settings.crop,) * settings.ndim,
        augmentation=settings.augmentation,
        transform=transform,
    )
    remaining = Subset(samples, range(first_step * settings.batch_size, len(samples)))
    return iter(DataLoader(remaining, settings.batch_size, num_workers=settings.workers))


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


def _optimizer(net: Network, settings: TrainSettings) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _check_images(training: Sequence[AnnotatedImage], validation: Sequence[AnnotatedImage]) -> None:
    """Find out now what would stop the run at its first validation, with nothing saved."""
    if not training or not validation:
        raise ValueError(f"{len(training)} training and {len(validation)} validation images: one of each is needed")
    expected = len(training[0].image)
    for image in (*training, *validation):
        if len(image.image) != expected:
            raise ValueError(
                f"image {image.name} has {len(image.image)} channels, {training[0].name} has {expected}: "
                "choose the channels to use with --channel"
            )
        if image.image.min() == image.image.max():
            raise ValueError(f"image {image.name} is constant: leave it out")
    if not any((image.labels > 0).any() for image in training):
        raise ValueError("no training mask holds a cell: every pixel is background or ignored")


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


def _digest(images: Sequence[AnnotatedImage]) -> str:
    """SHA-256 of all pixels and labels: names alone do not tell that a mask was corrected."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.image.tobytes())
        digest.update(image.labels.tobytes())
    return digest.hexdigest()


def _describe(
    settings: TrainSettings, task: System, training: Sequence[AnnotatedImage], validation: Sequence[AnnotatedImage]
) -> ModelInfo:
    first = training[0]
    spacings = {image.spacing for image in training}
    # what the weights depend on; who prepares the samples and what is saved along the way is not part of it
    wanted = {k: v for k, v in RootModel(settings).model_dump().items() if k not in ("workers", "snapshot_every")}
    return ModelInfo(
        architecture=Architecture(
            in_channels=len(first.image),
            out_channels=task.classes,
            ndim=settings.ndim,
            width=settings.width,
            depth=settings.depth,
            norm=settings.norm,
        ),
        classes=CLASS_NAMES[: task.classes],
        channels=first.channels,
        spacing=first.spacing if len(spacings) == 1 else None,
        normalization=settings.normalization,
        decode=DecodeRule(min_size=settings.min_size, min_core=settings.min_core, gap=settings.gap),
        training={
            "settings": wanted,
            "images": [image.name for image in training],
            "validation_images": [image.name for image in validation],
            "data_sha256": _digest([*training, *validation]),
        },
    )


def _scored(info: ModelInfo, progress: Progress) -> ModelInfo:
    scores = {
        "step": progress.step,
        "validation": {
            "panoptic_quality": progress.panoptic_quality,
            "average_precision": progress.average_precision,
        },
        "versions": {
            "seamwise": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    return info.model_copy(update={"training": {**info.training, **scores}})


def _first_difference(name: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in now:
            if before.get(key) != now[key]:
                return _first_difference(f"{name}.{key}", before.get(key), now[key])
    if isinstance(now, list):
        return f"{name} differ"
    return f"{name} was {before}, is {now}"

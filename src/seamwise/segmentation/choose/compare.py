"""Which loss for these images? Train with each under equal conditions, score them on images apart; see `compare`."""

import hashlib
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seamwise import __version__
from seamwise.engine.devices import choose_device, choose_precision
from seamwise.engine.history import TrainProgress, read_log
from seamwise.engine.loop import recorded
from seamwise.engine.networks import build_net
from seamwise.engine.settings import change_settings, make_settings, read_toml
from seamwise.io.atomic import make_folder
from seamwise.io.images import write_labels
from seamwise.labels import CLASS_NAMES
from seamwise.metrics import Matching, match_many
from seamwise.segmentation.data import AnnotatedImage, Samples
from seamwise.segmentation.predict import load, segment
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.systems import SystemName, system
from seamwise.segmentation.train import describe, train

IOUS = (0.5, 0.7, 0.9)
METRICS = {
    "PQ": "panoptic_quality",
    "RQ": "recognition_quality",
    "SQ": "segmentation_quality",
    "AP": "accuracy",
}

OWN_SETTINGS = (  # change neither the first weights nor the crops
    "lam",
    "weights",
    "touching_radius",
    "gap_radius",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "schedule",
    "warmup",
    "average",
    "min_size",
    "min_core",
    "gap",
)
_REPLACED = ("loss", "seed", "lam", "weights")

_LAST = ("head.weight", "head.bias")
LABELS_FOLDER = "labels"  # in the folder of a run: the cells of the test images

Report = Callable[["Run", TrainProgress], bool | None]


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """Annotated images to train on, to validate on, and to test on."""

    training: Sequence[AnnotatedImage]
    validation: Sequence[AnnotatedImage]
    test: Sequence[AnnotatedImage]


@dataclass(frozen=True)
class Run:
    """One loss, trained from one seed."""

    loss: SystemName
    seed: int

    def __str__(self) -> str:
        return f"{self.loss}-{self.seed}"


@dataclass(frozen=True)
class Conditions:
    """What every run of a seed has in common, as SHA-256.

    Attributes
    ----------
    start : str
        First weights; of the last layer, which has a row for each class, those of background and cell.
    crops : str
        The crops of the first, the middle and the last step, before their touching pixels change contrast.
    """

    start: str
    crops: str


@dataclass(frozen=True)
class RunScores:
    """What came of a run.

    Attributes
    ----------
    run : Run
    folder : Path
        Holds the model, its log, and the labels of the scored images.
    seconds : float
        Time of the training.
    steps : tuple of int
        The steps that were validated.
    validation : tuple of float
        PQ on the validation images at these steps.
    per_image : tuple of tuple of Matching
        For each scored image and each IoU of `IOUS`.
    """

    run: Run
    folder: Path
    seconds: float
    steps: tuple[int, ...]
    validation: tuple[float, ...]
    per_image: tuple[tuple[Matching, ...], ...]

    def of_images(self, metric: str, iou: float = IOUS[0]) -> NDArray[np.float64]:
        """A score of `METRICS` of each image, at one of `IOUS`."""
        column = IOUS.index(iou)
        return np.array(
            [getattr(matchings[column], METRICS[metric]) for matchings in self.per_image]
        )


@dataclass(frozen=True)
class Comparison:
    """Losses that were trained and scored under equal conditions.

    Attributes
    ----------
    losses : tuple of str
    seeds : tuple of int
    images : tuple of str
        Names of the scored images.
    conditions : tuple of Conditions
        Of each seed.
    runs : tuple of RunScores
        Loss by loss, and for each loss seed by seed.
    settings : dict
        Of all runs, without what differs by loss and seed.
    own_settings : dict
        What some losses have of their own, by loss.
    made_with : dict
        Versions and processor.
    """

    losses: tuple[SystemName, ...]
    seeds: tuple[int, ...]
    images: tuple[str, ...]
    conditions: tuple[Conditions, ...]
    runs: tuple[RunScores, ...]
    settings: dict[str, Any]
    own_settings: dict[str, dict[str, Any]]
    made_with: dict[str, str]

    def runs_of(self, loss: SystemName) -> tuple[RunScores, ...]:
        """The runs of one loss."""
        return tuple(scores for scores in self.runs if scores.run.loss == loss)

    def table(self, metric: str = "PQ", iou: float = IOUS[0]) -> NDArray[np.float64]:
        """Scores (images, losses), each the mean over the seeds."""
        return np.stack(
            [
                np.mean([run.of_images(metric, iou) for run in self.runs_of(loss)], axis=0)
                for loss in self.losses
            ],
            axis=1,
        )


def compare(
    images: ImageSplit,
    losses: Sequence[SystemName] | Mapping[SystemName, Mapping[str, Any]],
    settings: TrainSettings,
    *,
    output: Path,
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    report: Report = lambda run, progress: None,
) -> Comparison:
    """Train a network with each loss from the same start on the same crops, and score it on the test images.

    Parameters
    ----------
    images : ImageSplit
        The images to train on, to choose the weights of a run by, and to score it on; decoded by arg max.
    losses : sequence of system names, or mapping from these to settings
        See `segmentation.systems`. A mapping gives a loss some settings of its own, those of `OWN_SETTINGS`,
        e.g. ``{"ce3": {}, "w3": {"weights": {"beta": 20}}}``.
    settings : TrainSettings
        Of all runs; `loss` and `seed` are replaced. λ is 1/(C·(C − 1)) unless the loss has its own: J is then the mean
        over the ordered pairs of classes, so that it weighs as much with three classes as with four.
    output : Path
        A folder; gets one for each run, ``<loss>-<seed>``. Finished runs that are there are kept, others go on.
    seeds : sequence of int
        Each loss is trained once from each.
    device : str
    report : function
        Called after each step of a run; returning False stops after a checkpoint.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        Fewer than two losses, one of them twice, no seeds, no test images; `settings` have options of a weight map, or
        several devices; a run that is there belongs to other
        settings or images; and what `train` raises.
    KeyboardInterrupt
        `report` stopped a run.

    Notes
    -----
    Before anything is trained, first weights and crops of all losses of a seed are computed and their hashes
    compared. A network of two or three classes begins as the first rows of one of four. The touching contrast of the
    augmentation follows the touching class: a system of two classes sees its crops without it.
    """
    _check(losses, seeds, images.test, settings)
    own = losses if isinstance(losses, Mapping) else {loss: {} for loss in losses}
    runs = [Run(loss, seed) for loss in own for seed in seeds]
    settings = settings.fitted(images.training[0].ndim)
    of_run = {run: settings_of(run, settings, own[run.loss]) for run in runs}
    conditions = tuple(
        _common([run for run in runs if run.seed == seed], of_run, images) for seed in seeds
    )
    scores = tuple(
        _scored(run, of_run[run], images, output=output, device=device, report=report)
        for run in runs
    )
    return Comparison(
        losses=tuple(losses),
        seeds=tuple(seeds),
        images=tuple(image.name for image in images.test),
        conditions=conditions,
        runs=scores,
        settings={
            name: value for name, value in recorded(settings).items() if name not in _REPLACED
        },
        own_settings={loss: dict(changes) for loss, changes in own.items() if changes},
        made_with=_made_with(device),
    )


def read_comparison(
    path: Path | None, losses: Sequence[str], options: Mapping[str, Any] | None = None
) -> tuple[dict[SystemName, dict[str, Any]], TrainSettings]:
    """Read what `compare` takes from a TOML file: losses with settings of their own, and those of all.

    Parameters
    ----------
    path : Path, optional
        A file as for `TrainSettings`. Its tables ``[loss.w3]``, ``[loss.w3.weights]`` … hold what is for one loss.
    losses : sequence of str
        Names of the losses to compare; "ce" is "ce3".
    options : mapping, optional
        Settings of all runs, which win over the file.

    Raises
    ------
    ValueError
        A table belongs to a loss that is not compared; and as `engine.settings.read_settings`.
    """
    content = {} if path is None else read_toml(path)
    tables = content.pop("loss", {})
    tables = tables if isinstance(tables, Mapping) else {}  # one loss, of a file for `train`
    own = {_full_name(name): table for name, table in tables.items()}
    names = [_full_name(name) for name in losses]
    for name in names:
        system(name)  # raises ValueError if there is no such loss
    for name in own:
        if name not in names:
            raise ValueError(
                f"[loss.{name}] in {path} is for a loss that is not compared: add it to the losses, "
                f"{', '.join(names)}, or remove the table"
            )
    settings = make_settings(TrainSettings, content, options, source=f" in {path}")
    return {name: dict(own.get(name, {})) for name in names}, settings


def settings_of(
    run: Run, settings: TrainSettings, own: Mapping[str, Any] | None = None
) -> TrainSettings:
    """Return the settings of one run: its loss and seed, and what this loss has of its own.

    λ and the options of the weight map are those by default unless they are the loss's own.
    """
    own = own or {}
    source = f" of loss {run.loss}"
    for name in own:
        if name not in OWN_SETTINGS and name in {field.name for field in fields(settings)}:
            raise ValueError(
                f"setting {name}{source} must be the same for all losses: give it once, for all"
            )
    common = replace(settings, loss=run.loss, seed=run.seed, lam=None, weights={})
    return change_settings(common, own, source=source)


def first_weights(
    settings: TrainSettings,
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
) -> dict[str, Tensor]:
    """The weights that a run begins with: those of a network of four classes, without the classes it has not."""
    architecture = describe(settings, training, validation).architecture
    torch.manual_seed(settings.seed)
    weights = build_net(
        architecture.model_copy(update={"out_channels": len(CLASS_NAMES)})
    ).state_dict()
    return {
        name: w[: architecture.out_channels] if name in _LAST else w for name, w in weights.items()
    }


def conditions_of(
    settings: TrainSettings,
    training: Sequence[AnnotatedImage],
    validation: Sequence[AnnotatedImage],
) -> Conditions:
    """Hash what a run begins with and a part of what it sees."""
    start, crops = hashlib.sha256(), hashlib.sha256()
    for name, weights in first_weights(settings, training, validation).items():
        start.update((weights[:2] if name in _LAST else weights).numpy().tobytes())
    samples = Samples(
        training,
        seed=settings.seed,
        steps=settings.steps,
        batch_size=settings.batch_size,
        crop=settings.crop_shape(training[0].ndim),
        augmentation=replace(settings.augmentation, touching_contrast=0.0),
        transform=settings.transform(),
    )
    for step in sorted({0, settings.steps // 2, settings.steps - 1}):
        for index in range(settings.batch_size):
            crops.update(samples[step * settings.batch_size + index][0].numpy().tobytes())
    return Conditions(start.hexdigest(), crops.hexdigest())


def _check(
    losses: Collection[SystemName],
    seeds: Sequence[int],
    test: Sequence[AnnotatedImage],
    settings: TrainSettings,
) -> None:
    if len(losses) < 2 or len(set(losses)) < len(losses):
        raise ValueError(
            f"losses must be two or more, each once, not {', '.join(losses) or 'none'}"
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"seeds must be one or more, each once, not {', '.join(map(str, seeds)) or 'none'}"
        )
    if not test:
        raise ValueError("no test images: at least one is needed")
    if settings.weights:
        raise ValueError(
            f"weights {', '.join(settings.weights)} belong to one map: give them to its loss, "
            "e.g. as [loss.w3.weights]"
        )
    if settings.processes > 1:
        raise ValueError(
            f"{settings.processes} devices cannot compare losses: remove devices and nodes"
        )


def _common(
    runs: Sequence[Run],
    settings: dict[Run, TrainSettings],
    images: ImageSplit,
) -> Conditions:
    """What the runs of a seed have in common; raise if it is not common to all of them."""
    found = {run: conditions_of(settings[run], images.training, images.validation) for run in runs}
    first = found[runs[0]]
    for run, conditions in found.items():
        if conditions != first:
            raise RuntimeError(f"run {run} does not begin like {runs[0]}: {conditions}, {first}")
    return first


def _scored(
    run: Run,
    settings: TrainSettings,
    images: ImageSplit,
    *,
    output: Path,
    device: str,
    report: Report,
) -> RunScores:
    folder = output / str(run)
    make_folder(folder)
    stopped = False

    def follow(progress: TrainProgress) -> bool:
        nonlocal stopped
        stopped = report(run, progress) is False
        return not stopped

    resume = (folder / "checkpoint.pt").exists()
    start = first_weights(settings, images.training, images.validation)
    path = train(
        images.training,
        images.validation,
        settings,
        output=folder,
        resume=resume,
        device=device,
        report=follow,
        start=start,
    )
    if stopped:
        raise KeyboardInterrupt
    history = read_log(folder / "log.csv")
    validated = [progress for progress in history if progress.scores]
    return RunScores(
        run=run,
        folder=folder,
        seconds=history[-1].seconds,
        steps=tuple(progress.step for progress in validated),
        validation=tuple(progress.scores["panoptic_quality"] for progress in validated),
        per_image=_per_image(path, images.test, folder / LABELS_FOLDER, device=device),
    )


def _per_image(
    model: Path, test: Sequence[AnnotatedImage], labels: Path, *, device: str
) -> tuple[tuple[Matching, ...], ...]:
    """Find the cells of each test image, keep them as label images, and score them."""
    loaded = load(model, device=device)
    make_folder(labels)
    scores = []
    for image in test:
        found = segment(image.image, model=loaded, decode="argmax", keep_probabilities=False).labels
        write_labels(labels / f"{image.name}.tif", found, spacing=image.spacing)
        scores.append(match_many(image.labels, found, ious=IOUS))
    return tuple(scores)


def _made_with(device: str) -> dict[str, str]:
    """What a time, and the last digits of a score, depend on besides the settings."""
    chosen = choose_device(device)
    return {
        "seamwise": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else str(chosen),
        "processor": platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
        "numbers": str(choose_precision(chosen)).removeprefix("torch."),
    }


def _full_name(loss: str) -> SystemName:
    return cast(SystemName, "ce3" if loss == "ce" else loss)

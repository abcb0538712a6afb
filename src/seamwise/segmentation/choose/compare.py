"""Which loss for these images? Train with each under equal conditions, score them on images apart; see `compare`."""

import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seamwise import __version__
from seamwise.engine.devices import choose_device, choose_precision
from seamwise.engine.history import TrainProgress, read_log
from seamwise.engine.loop import recorded
from seamwise.engine.networks import build_net
from seamwise.io.atomic import make_folder
from seamwise.io.images import write_labels
from seamwise.labels import CLASS_NAMES
from seamwise.metrics import Matching, match_many
from seamwise.segmentation.data import AnnotatedImage, Samples
from seamwise.segmentation.predict import load, segment
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.systems import SystemName
from seamwise.segmentation.train import describe, train

IOUS = (0.5, 0.7, 0.9)
METRICS = {
    "PQ": "panoptic_quality",
    "RQ": "recognition_quality",
    "SQ": "segmentation_quality",
    "AP": "accuracy",
}

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
        Of the training, without loss and seed.
    made_with : dict
        Versions and processor.
    """

    losses: tuple[SystemName, ...]
    seeds: tuple[int, ...]
    images: tuple[str, ...]
    conditions: tuple[Conditions, ...]
    runs: tuple[RunScores, ...]
    settings: dict[str, Any]
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
    losses: Sequence[SystemName],
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
    losses : sequence of system names
        See `segmentation.systems`.
    settings : TrainSettings
        Of all runs; `loss` and `seed` are replaced. λ of the J systems too, by 1/(C·(C − 1)): J is then averaged over
        the ordered pairs of classes, so that it weighs as much with three classes as with four.
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
    runs = [Run(loss, seed) for loss in losses for seed in seeds]
    of_run = {run: settings_of(run, settings).fitted(images.training[0].ndim) for run in runs}
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
            k: v for k, v in recorded(of_run[runs[0]]).items() if k not in ("loss", "lam", "seed")
        },
        made_with=_made_with(device),
    )


def settings_of(run: Run, settings: TrainSettings) -> TrainSettings:
    """The settings of one run: its loss and seed, λ as a mean over the pairs of classes, its map as it is."""
    return replace(settings, loss=run.loss, seed=run.seed, lam=None, weights={})


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
    losses: Sequence[SystemName],
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
            f"weights {', '.join(settings.weights)} belong to one map: leave [weights] out to compare losses"
        )
    if settings.processes > 1:
        raise ValueError(
            f"{settings.processes} devices cannot compare losses: leave devices and nodes out"
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

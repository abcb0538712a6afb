"""Which loss for these images? Train each under equal conditions and score it; see `compare`."""

import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seamwise import __version__
from seamwise.engine.devices import choose_device, choose_precision
from seamwise.engine.history import TrainProgress, read_log
from seamwise.engine.loop import run_identity
from seamwise.io.atomic import make_folder
from seamwise.io.images import write_labels
from seamwise.metrics import Matching, match_many
from seamwise.segmentation.choose.conditions import (
    Conditions,
    Run,
    conditions_of,
    first_weights,
    settings_of,
)
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.predict import load, segment_normalized
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.train import train
from seamwise.words import SystemName

IOUS = (0.5, 0.7, 0.9)
"""Limits of the IoU at which `compare` scores."""
METRICS = {
    "PQ": "panoptic_quality",
    "RQ": "recognition_quality",
    "SQ": "segmentation_quality",
    "AP": "accuracy",
}
"""Short names of the scores of a comparison."""

_OWN_OF_A_RUN = ("loss", "seed", "lam", "loss_options", "weights")

LABELS_FOLDER = "labels"  # in the folder of a run: the cells of the test images

Report = Callable[["Run", TrainProgress], bool | None]


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """Annotated images to train on, to validate on, and to test on."""

    training: Sequence[AnnotatedImage]
    validation: Sequence[AnnotatedImage]
    test: Sequence[AnnotatedImage]


@dataclass(frozen=True)
class RunScores:
    """Result of a run.

    Attributes
    ----------
    run : Run
    folder : Path
        Holds the model, its log and the labels of the scored images.
    seconds : float
        Duration of the training.
    steps : tuple of int
        Validated steps.
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
        """Return one of the scores `METRICS` for each image, at one of the `IOUS`."""
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
        One for each seed.
    runs : tuple of RunScores
        Loss by loss, and for each loss seed by seed.
    settings : dict
        Settings of all runs, without those that differ by loss and seed.
    own_settings : dict
        Settings of single losses, by loss.
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
        """Return the runs of one loss."""
        return tuple(scores for scores in self.runs if scores.run.loss == loss)

    def table(self, metric: str = "PQ", iou: float = IOUS[0]) -> NDArray[np.float64]:
        """Return the scores (images, losses), each the mean over the seeds."""
        return np.stack([self._mean(loss, metric, iou) for loss in self.losses], axis=1)

    def _mean(self, loss: SystemName, metric: str, iou: float) -> NDArray[np.float64]:
        scores = np.array([run.of_images(metric, iou) for run in self.runs_of(loss)])
        mean: NDArray[np.float64] = scores.mean(axis=0)
        return mean


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
    """Train a network with each loss under equal conditions, and score it on the test images.

    All networks start from the same weights and see the same crops.

    Parameters
    ----------
    images : ImageSplit
        `validation` chooses the weights of a run, `test` gives its scores; decoded by arg max.
    losses : sequence of system names, or mapping from system names to settings
        See `segmentation.systems`. A mapping gives losses settings of their own, which must be
        among `OWN_SETTINGS`, e.g. ``{"ce3": {}, "w3": {"weights": {"beta": 20}}}``.
    settings : TrainSettings
        Settings of all runs; `loss` and `seed` are replaced. λ is 1/(C·(C − 1)) unless the loss has
        its own. J is then the mean over the ordered pairs of classes, so that it weighs the same
        with three classes and with four.
    output : Path
        A folder; gets a folder ``<loss>-<seed>`` for each run. Finished runs in it are kept,
        interrupted ones resume.
    seeds : sequence of int
        Each loss is trained once from each seed.
    device : str
        See `devices.choose_device`.
    report : function
        Called after each step of a run. If it returns False, the run writes a checkpoint and stops.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        Fewer than two losses, a loss twice, no seeds, no test images; `settings` have options of a
        weight map or several devices; a loss has a setting that all must share; a run in `output`
        was made with other settings or images; and as `train`.
    KeyboardInterrupt
        `report` stopped a run.

    Notes
    -----
    Before any training, the first weights and crops of all losses of a seed are
    computed and their hashes compared. The last layer of a network with two or three classes begins
    with the first rows of one with four. The touching contrast of the augmentation needs the
    touching class: a system with two classes sees the crops without it.
    """
    _check(losses, seeds, images.test, settings)
    own_settings = losses if isinstance(losses, Mapping) else {loss: {} for loss in losses}
    runs = [Run(loss, seed) for loss in own_settings for seed in seeds]
    settings = settings.fill_in(images.training[0].ndim)
    of_run = {run: settings_of(run, settings, own_settings[run.loss]) for run in runs}
    conditions = tuple(_common(seed, of_run, images) for seed in seeds)
    scores = tuple(
        _score_run(run, of_run[run], images, output=output, device=device, report=report)
        for run in runs
    )
    return Comparison(
        losses=tuple(losses),
        seeds=tuple(seeds),
        images=tuple(image.name for image in images.test),
        conditions=conditions,
        runs=scores,
        settings={
            name: value
            for name, value in run_identity(settings).items()
            if name not in _OWN_OF_A_RUN
        },
        own_settings={loss: dict(changes) for loss, changes in own_settings.items() if changes},
        made_with=_environment(device),
    )


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
        raise ValueError("no test images: add some, at least one is needed")
    if settings.weights:
        raise ValueError(
            f"weights {', '.join(settings.weights)} belong to one map: give them to its loss, "
            "e.g. as [loss.w3.weights]"
        )
    if settings.loss_options:
        raise ValueError(
            f"loss_options {', '.join(settings.loss_options)} belong to one loss: give them to "
            "that loss, e.g. as [loss.tversky.loss_options]"
        )
    if settings.lam is not None:
        raise ValueError(
            f"lam = {settings.lam} belongs to one loss: give it to that loss, e.g. as [loss.j4]"
        )
    for name in ("start", "patience"):
        if getattr(settings, name):
            raise ValueError(
                f"{name} = {getattr(settings, name)} is for `seamwise train`: remove it; losses "
                "are compared from the same random weights, for the same number of steps"
            )
    if settings.unlabelled != "background":
        raise ValueError(
            f"unlabelled = {settings.unlabelled} is for `seamwise train`: remove it; losses are "
            "compared on complete masks"
        )
    if settings.processes > 1:
        raise ValueError(
            f"{settings.processes} devices cannot compare losses: remove devices and nodes"
        )


def _common(seed: int, settings: dict[Run, TrainSettings], images: ImageSplit) -> Conditions:
    """Return what the runs of a seed have in common; raise if they differ."""
    runs = [run for run in settings if run.seed == seed]
    conditions_by_run = {
        run: conditions_of(settings[run], images.training, images.validation) for run in runs
    }
    first = conditions_by_run[runs[0]]
    for run, conditions in conditions_by_run.items():
        if conditions != first:
            raise RuntimeError(f"run {run} does not begin like {runs[0]}: {conditions}, {first}")
    return first


def _score_run(
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
    is_stopped = False

    def follow(progress: TrainProgress) -> bool:
        nonlocal is_stopped
        is_stopped = report(run, progress) is False
        return not is_stopped

    resume = any((folder / name).exists() for name in ("checkpoint.pt", "model.safetensors"))
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
    if is_stopped:
        raise KeyboardInterrupt
    history = read_log(folder / "log.csv")
    validations = [progress for progress in history if progress.scores]
    return RunScores(
        run=run,
        folder=folder,
        seconds=history[-1].seconds,
        steps=tuple(progress.step for progress in validations),
        validation=tuple(progress.scores["panoptic_quality"] for progress in validations),
        per_image=_per_image(path, images.test, folder / LABELS_FOLDER, device=device),
    )


def _per_image(
    model: Path, test: Sequence[AnnotatedImage], labels: Path, *, device: str
) -> tuple[tuple[Matching, ...], ...]:
    """Segment each test image, write its label image and score it."""
    network = load(model, device=device, runtime="torch")
    make_folder(labels)
    scores = []
    for image in test:
        cells = segment_normalized(image.image, network, network.info.decode.with_name("argmax"))
        write_labels(labels / f"{image.name}.tif", cells, spacing=image.spacing)
        scores.append(match_many(image.labels, cells, ious=IOUS))
    return tuple(scores)


def _environment(device: str) -> dict[str, str]:
    """Versions and hardware, which decide times and the last digits of scores."""
    torch_device = choose_device(device)
    return {
        "seamwise": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(torch_device)
        if torch_device.type == "cuda"
        else str(torch_device),
        "processor": platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
        "numbers": str(choose_precision(torch_device)).removeprefix("torch."),
    }

"""The pair of thresholds that a model decodes best with; see `tune`."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import (
    DecodeRule,
    SegmentationInfo,
    ThresholdPair,
    TuningRecord,
    WatershedPair,
    load_model,
    save_model,
)
from seamwise.labels import CLASS_NAMES, Labels
from seamwise.metrics import match_dataset
from seamwise.segmentation.choose.search import Point, coarse_to_fine
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.decoding import decode_whole
from seamwise.segmentation.model_input import as_model_input
from seamwise.segmentation.normalization import identity_normalization
from seamwise.segmentation.predict import Model, class_probabilities
from seamwise.segmentation.zoom import Zoom, zoom_of
from seamwise.words import BackgroundAs, TunedRule

GRID = tuple(step / 50 for step in range(1, 50))
"""Thresholds that `tune` tries: 0.02, 0.04, … 0.98."""
_GRID_IN_WORDS = "0.02 to 0.98 by 0.02"
# measured: thresholds tuned on fewer images did worse than arg max on others in half of all draws
FEW_IMAGES = 16
# each holds an image while it decodes it; Python's lock keeps more from helping
_WORKERS = min(os.cpu_count() or 1, 4)

THRESHOLD_NAMES: Mapping[TunedRule, tuple[str, str]] = {
    "threshold": ("touching", "cell"),
    "watershed": ("background", "cell"),
}


@dataclass(frozen=True)
class Trial:
    """A pair of thresholds, in the order of `THRESHOLD_NAMES`, and the PQ it reached."""

    thresholds: tuple[float, float]
    panoptic_quality: float


@dataclass(frozen=True)
class Tuning:
    """Result of `tune`.

    Attributes
    ----------
    decode : {"threshold", "watershed"}
    best : Trial
    argmax_panoptic_quality : float
        PQ of the arg max on the same images.
    before : {"argmax", "threshold", "watershed", "relief"}
        The decoder that the pairs are compared with: the model's default so far, or arg max if that
        is tuned again; for `tune_maps` that of its rule.
    before_panoptic_quality : float
        PQ of `before`.
    rule : DecodeRule
        The decode rule with the best pair in it. Its default is `decode` if that beats `before`.
        If `before` has other thresholds of the same decoder and is as good, it stays as it is.
    images : tuple of str
        Names of the images.
    trials : tuple of Trial
        Every pair that was decoded and scored.
    """

    decode: TunedRule
    best: Trial
    argmax_panoptic_quality: float
    before: str
    before_panoptic_quality: float
    rule: DecodeRule
    images: tuple[str, ...]
    trials: tuple[Trial, ...]

    @property
    def is_better(self) -> bool:
        """Whether the best pair beats `before`."""
        return self.best.panoptic_quality > self.before_panoptic_quality

    def __str__(self) -> str:
        """Return the result in a line."""
        first, second = (
            f"{name} {value:.2f}"
            for name, value in zip(THRESHOLD_NAMES[self.decode], self.best.thresholds, strict=True)
        )
        before = (
            ""
            if self.before == "argmax"
            else f"{self.before} as it is PQ {self.before_panoptic_quality:.3f}, "
        )
        return (
            f"argmax PQ {self.argmax_panoptic_quality:.3f}, {before}best {self.decode} "
            f"PQ {self.best.panoptic_quality:.3f} at {first}, {second}"
        )


def tune(
    images: Iterable[AnnotatedImage],
    model: Model,
    *,
    decode: TunedRule = "threshold",
    background_as: BackgroundAs = "marker",
    report: Callable[[Trial], object] = lambda trial: None,
) -> Tuning:
    """Find the pair of thresholds with the best panoptic quality on annotated images.

    The objective is the PQ at IoU 0.5, pooled over the images, of the labels that `segment` returns
    with the pair and the model's `gap`, `min_size` and `min_core`. Both thresholds run over 0.02,
    0.04, …, 0.98: 2,401 pairs.

    Parameters
    ----------
    images : iterable of AnnotatedImage
        As read by `data.read_pair`, one at a time. Best use images that the model was not trained
        on.
    model : Model
    decode : {"threshold", "watershed"}
        The decoder: γ2 and γ1 of `decode.threshold`, or τ0 and τ1 of `decode.watershed`.
    background_as : {"marker", "mask"}
        See `decode.watershed`.
    report : function
        Called with each trial.

    Returns
    -------
    Tuning

    Raises
    ------
    ValueError
        There are no images, none of them has a cell, or one does not fit the model; an unknown
        option.
    OSError
        The folder for temporary files is full.

    Notes
    -----
    *Cost.* One pass of the network, and about 120 decodings of each image instead of
    2,401 (`coarse_to_fine`). Every tried pair is decoded and matched in full, without
    approximation. The search may miss a peak that is narrower than the first, coarse grid. The
    decodings run on up to four threads.

    *Memory.* Probabilities and labels wait in a temporary folder (in ``TMPDIR``), with 4 bytes per
    pixel and class and 4 for the label. The memory holds one image per thread.

    *Ties.* Among equally good pairs, the one nearest to (0.5, 0.5) wins, by the sum of both
    distances; then the one with the smaller first threshold. So it is far from where the surface
    drops.

    *Luck.* On the images that chose it, the PQ of the best of many pairs is too high: by 0.01 on 8
    images and by 0.004 on 32, for the shipped model. Tuned on fewer than about 16 images, its
    thresholds did worse on others than arg max in half of all draws (`benchmarks/README.md`).

    Source: thesis section 4.3 and Tables 4 and 5, whose best pairs are multiples of 0.1.
    """
    maps = (
        StoredMaps(
            image.name,
            _probabilities(image, model, zoom := zoom_of(model.info, stored=image.spacing)),
            image.labels,
            zoom.pixels,
        )
        for image in images
    )
    rule = model.info.decode
    if rule.rule == decode:
        rule = rule.with_name("argmax")
    return tune_maps(maps, rule, decode=decode, background_as=background_as, report=report)


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """What a network said of an image, and the truth.

    Attributes
    ----------
    name : str
    probabilities : (C, *S) float32 array
        Of two to four classes; the guides may follow if the rule needs them.
    labels : (*S) integer array
        The true cells.
    zoom : float
        Pixels that the network saw for each pixel of the image; sizes of the rule are in those.
    """

    name: str
    probabilities: NDArray[np.float32]
    labels: Labels
    zoom: float = 1.0


def tune_maps(
    maps: Iterable[StoredMaps],
    rule: DecodeRule = DecodeRule(),
    *,
    decode: TunedRule = "threshold",
    background_as: BackgroundAs = "marker",
    report: Callable[[Trial], object] = lambda trial: None,
) -> Tuning:
    """Find the pair of thresholds with the best panoptic quality for given maps.

    `tune` does the same for images, whose maps it computes by a model.

    Parameters
    ----------
    maps : iterable of StoredMaps
        Taken one at a time.
    rule : DecodeRule
        What to compare with, also if its thresholds are those of `decode`, and the sizes that
        apply.
    decode, background_as, report
        See `tune`.
    """
    if background_as not in get_args(BackgroundAs):
        raise ValueError(f"background_as must be 'marker' or 'mask', not {background_as!r}")
    if decode not in THRESHOLD_NAMES:
        raise ValueError(
            f"decode must be one of {', '.join(THRESHOLD_NAMES)}, not {decode!r}: "
            "argmax has no thresholds"
        )
    with (
        TemporaryDirectory(prefix="seamwise-tune-") as name,
        ThreadPoolExecutor(_WORKERS) as threads,
    ):
        files = _store(maps, Path(name))
        quality = partial(_quality, images=files)
        trials: dict[Point, Trial] = {}

        def score(points: Sequence[Point]) -> list[float]:
            pairs = [(GRID[first], GRID[second]) for first, second in points]
            rules = [with_pair(rule, decode, pair, background_as) for pair in pairs]
            scores = threads.map(quality, rules)
            for point, pair, result in zip(points, pairs, scores, strict=True):
                trials[point] = Trial(pair, result)
                report(trials[point])
            return [trials[point].panoptic_quality for point in points]

        best = trials[coarse_to_fine(score, len(GRID))]
        argmax, baseline = threads.map(quality, (rule.with_name("argmax"), rule))
    record = TuningRecord(
        panoptic_quality=best.panoptic_quality,
        argmax_panoptic_quality=argmax,
        images=len(files),
        grid=_GRID_IN_WORDS,
        decodings=len(trials),
    )
    tuned = with_pair(rule, decode, best.thresholds, background_as, record)
    if best.panoptic_quality <= baseline:
        tuned = rule if rule.rule == decode else tuned.with_name(rule.rule)
    names = tuple(image.name for image in files)
    return Tuning(decode, best, argmax, rule.rule, baseline, tuned, names, tuple(trials.values()))


def cautions(tuning: Tuning, info: SegmentationInfo | None = None) -> list[str]:
    """Return why the best pair may do worse on other images, a line for each reason.

    `info` is that of the model, if it is known.
    """
    own_images = trained_on(info) if info else frozenset()
    training_names = [name for name in tuning.images if name in own_images]
    lines = []
    if training_names:
        lines.append(
            f"{len(training_names)} of {len(tuning.images)} images have names of training images "
            f"(e.g. {training_names[0]}): thresholds that fit images which the network has "
            "learned by heart may not fit others"
        )
    if tuning.best.panoptic_quality == 0:
        lines.append(
            "no pair of thresholds finds a cell: train the model longer before you tune it"
        )
    elif len(tuning.images) < FEW_IMAGES:
        lines.append(
            f"fewer than {FEW_IMAGES} images: the best pair may do worse than arg max on others; "
            "judge it on images that did not tune it"
        )
    return lines


def with_pair(
    rule: DecodeRule,
    decode: TunedRule,
    thresholds: tuple[float, float],
    background_as: BackgroundAs = "marker",
    record: TuningRecord | None = None,
) -> DecodeRule:
    """Return a decode rule that uses a pair of thresholds, in the order of `THRESHOLD_NAMES`."""
    first, second = thresholds
    pair: ThresholdPair | WatershedPair
    if decode == "threshold":
        pair = ThresholdPair(touching=first, cell=second, tuning=record)
    else:
        pair = WatershedPair(
            background=first, cell=second, background_as=background_as, tuning=record
        )
    return rule.model_copy(update={"rule": decode, decode: pair})


def trained_on(info: SegmentationInfo) -> frozenset[str]:
    """Return the names of the images that a model, or any of its members, was trained on."""
    members = info.training.get("members", [info.training])
    return frozenset(name for member in members for name in member.get("images", ()))


def save_tuned(model: Path, rule: DecodeRule, output: Path) -> None:
    """Write a model file with another decode rule; `output` may be the same file."""
    weights, info = load_model(model, SegmentationInfo)
    save_model(output, weights, info.model_copy(update={"decode": rule}))


@dataclass(frozen=True)
class _Files:
    """Probabilities and true labels of an image, in two files of plain numbers.

    Files in numpy's own format have a header that ``ast`` reads, which sometimes fails if several
    threads do so at once (python/cpython#106905).
    """

    name: str
    probabilities: partial[NDArray[np.float32]]
    labels: partial[NDArray[Any]]
    zoom: float


def _store(maps: Iterable[StoredMaps], folder: Path) -> list[_Files]:
    files, cells = [], False
    for number, image in enumerate(maps):
        _check(image)
        files.append(
            _Files(
                image.name,
                _write(folder / f"{number}-probabilities", image.probabilities),
                _write(folder / f"{number}-labels", image.labels),
                image.zoom,
            )
        )
        cells = cells or bool((image.labels > 0).any())
    if not cells:
        raise ValueError(
            f"images must have annotated cells; the {len(files)} to tune on have none: add some"
        )
    return files


def _check(image: StoredMaps) -> None:
    shape = image.probabilities.shape[1:]
    if shape != image.labels.shape:
        raise ValueError(
            f"{image.name} has probabilities of {shape} pixels and a mask of "
            f"{image.labels.shape}: give those of the same image"
        )


def _write(path: Path, numbers: NDArray[Any]) -> partial[NDArray[Any]]:
    """Write the numbers without a header; the result maps them into memory when it is called."""
    numbers.tofile(path)
    return partial(np.memmap, path, numbers.dtype, "r", shape=numbers.shape)


def _probabilities(image: AnnotatedImage, model: Model, zoom: Zoom) -> NDArray[np.float32]:
    try:
        channels = as_model_input(image.image, model.info)
        guides = model.info.decode.is_guided
        return class_probabilities(
            channels,
            model,
            normalise=identity_normalization(len(channels)),
            guides=guides,
            zoom=zoom,
        )
    except ValueError as error:
        raise ValueError(f"{image.name}: {error}") from error


def _quality(rule: DecodeRule, images: Sequence[_Files]) -> float:
    """Pooled PQ at IoU 0.5 of a decode rule."""

    def cells(image: _Files) -> Labels:
        maps = image.probabilities()
        guides = maps.ndim  # relief and an offset along each axis
        classes = len(maps) - guides * (len(maps) > len(CLASS_NAMES))
        return decode_whole(maps if rule.is_guided else maps[:classes], rule.with_zoom(image.zoom))

    pairs = ((image.labels(), cells(image)) for image in images)
    return match_dataset(pairs, ious=(0.5,)).pooled[0].panoptic_quality

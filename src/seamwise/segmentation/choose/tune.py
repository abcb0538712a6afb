"""The pair of thresholds that a model decodes best with; see `tune`."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path
from seamwise.io.models import (
    DecodeRule,
    SegmentationInfo,
    ThresholdPair,
    TuningRecord,
    WatershedPair,
    load_model,
    save_model,
)
from seamwise.labels import Labels
from seamwise.metrics import match_dataset
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.decoding import decode_whole
from seamwise.segmentation.model_input import as_model_input
from seamwise.segmentation.normalization import identity_normalization
from seamwise.segmentation.predict import Model, class_probabilities
from seamwise.segmentation.zoom import Zoom, zoom_of
from seamwise.words import BackgroundAs, TunedRule

Point = tuple[int, int]

GRID = tuple(step / 50 for step in range(1, 50))  # 0.02 … 0.98
_GRID_IN_WORDS = "0.02 to 0.98 by 0.02"
# measured: thresholds tuned on fewer images did worse than arg max on others in half of all draws
FEW_IMAGES = 16
_STRIDES = (8, 4, 2, 1)
_PEAKS = 3  # points that the search continues from: with one, it may stay on a side peak
# each holds an image while it decodes it; Python's lock keeps more from helping
_WORKERS = min(os.cpu_count() or 1, 4)

THRESHOLD_NAMES: Mapping[TunedRule, tuple[str, str]] = {
    "threshold": ("touching", "cell"),
    "watershed": ("background", "cell"),
}
_SYMBOLS = {
    ("threshold", "touching"): "γ₂",
    ("threshold", "cell"): "γ₁",
    ("watershed", "background"): "τ₀",
    ("watershed", "cell"): "τ₁",
}
_VISIBLE_LOSS = 0.1  # PQ below the best that still has a colour of its own in the plot


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
        The model's default so far; arg max if the default was the decoder that is tuned again.
    before_panoptic_quality : float
        PQ of `before`.
    rule : DecodeRule
        The model's decode rule with the best pair in it. Its default is `decode` if that beats
        `before`.
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
    if background_as not in get_args(BackgroundAs):
        raise ValueError(f"background_as must be 'marker' or 'mask', not {background_as!r}")
    if decode not in THRESHOLD_NAMES:
        raise ValueError(
            f"decode must be one of {', '.join(THRESHOLD_NAMES)}, not {decode!r}: "
            "argmax has no thresholds"
        )
    before = model.info.decode
    if before.rule == decode:
        before = before.with_name("argmax")
    with (
        TemporaryDirectory(prefix="seamwise-tune-") as name,
        ThreadPoolExecutor(_WORKERS) as threads,
    ):
        files = _store(images, model, Path(name))
        quality = partial(_quality, images=files, classes=model.info.architecture.out_channels)
        trials: dict[Point, Trial] = {}

        def score(points: Sequence[Point]) -> list[float]:
            pairs = [(GRID[first], GRID[second]) for first, second in points]
            rules = [with_pair(before, decode, pair, background_as) for pair in pairs]
            scores = threads.map(quality, rules)
            for point, pair, result in zip(points, pairs, scores, strict=True):
                trials[point] = Trial(pair, result)
                report(trials[point])
            return [trials[point].panoptic_quality for point in points]

        best = trials[coarse_to_fine(score, len(GRID))]
        argmax, baseline = threads.map(quality, (before.with_name("argmax"), before))
    record = TuningRecord(
        panoptic_quality=best.panoptic_quality,
        argmax_panoptic_quality=argmax,
        images=len(files),
        grid=_GRID_IN_WORDS,
        decodings=len(trials),
    )
    rule = with_pair(before, decode, best.thresholds, background_as, record)
    if best.panoptic_quality <= baseline:
        rule = rule.with_name(before.rule)
    names = tuple(image.name for image in files)
    return Tuning(decode, best, argmax, before.rule, baseline, rule, names, tuple(trials.values()))


def cautions(tuning: Tuning, info: SegmentationInfo) -> list[str]:
    """Return why the best pair may do worse on other images, a line for each reason."""
    training_names = [name for name in tuning.images if name in trained_on(info)]
    lines = []
    if training_names:
        lines.append(
            f"{len(training_names)} of {len(tuning.images)} images have names of training images "
            f"(e.g. {training_names[0]}): thresholds that fit images which the network has "
            "learned by heart may not fit others"
        )
    if tuning.best.panoptic_quality == 0:
        lines.append(
            "no pair of thresholds finds a cell with this model: train it longer before tuning it"
        )
    elif len(tuning.images) < FEW_IMAGES:
        lines.append(
            f"fewer than {FEW_IMAGES} images: the best pair may do worse than arg max on others; "
            "judge it on images that did not tune it"
        )
    return lines


def coarse_to_fine(score: Callable[[Sequence[Point]], Sequence[float]], length: int) -> Point:
    """Find the highest point of a square grid from a part of its points.

    The search begins with every 8th point of every 8th row. Then it scores the neighbours of the
    best three at distance 4, 2 and 1, each until none of them is new. So the result is at least as
    high as its eight neighbours.

    Parameters
    ----------
    score : function
        From points (i, j) to their heights; called once for each point.
    length : int
        The grid is 0 … length − 1 along both axes.

    Returns
    -------
    (i, j)
        Among equally high points, the one nearest to the middle by the sum of both distances, then
        the first.
    """
    middle = (length - 1) / 2
    heights: dict[Point, float] = {}

    def explore(points: Iterable[Point]) -> bool:
        new_points = [point for point in dict.fromkeys(points) if point not in heights]
        heights.update(zip(new_points, score(new_points), strict=True))
        return bool(new_points)

    def rank(point: Point) -> tuple[float, float, Point]:
        return -heights[point], sum(abs(index - middle) for index in point), point

    def highest() -> list[Point]:
        return sorted(heights, key=rank)[:_PEAKS]

    coarse = range(0, length, _STRIDES[0])
    explore((i, j) for i in coarse for j in coarse)
    for stride in _STRIDES[1:]:
        while explore(
            neighbour for point in highest() for neighbour in _around(point, stride, length)
        ):
            pass
    return highest()[0]


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


def plot_surface(path: Path, tuning: Tuning) -> None:
    """Draw PQ over the two thresholds as PNG.

    The surface is interpolated between the trials, which are dots. The best one is a star; a line
    shows where PQ equals that of the arg max. The colours span 0.1 below the best: the exact height
    far from the optimum matters little.
    """
    from matplotlib.figure import Figure  # slow to import, needed only here

    best, argmax = tuning.best.panoptic_quality, tuning.argmax_panoptic_quality
    height = [trial.panoptic_quality for trial in tuning.trials]
    # the cell threshold is along x for both decoders
    y, x = zip(*(trial.thresholds for trial in tuning.trials), strict=True)
    best_y, best_x = tuning.best.thresholds
    figure = Figure(figsize=(6.6, 5.4), layout="constrained")
    axes = figure.subplots()
    levels = np.linspace(max(best - _VISIBLE_LOSS, 0), max(best, 0.001), 21)
    surface = axes.tricontourf(x, y, height, levels=levels, cmap="viridis", extend="min")
    if min(height) < argmax < best:
        axes.tricontour(x, y, height, levels=[argmax], colors="white", linewidths=1.2)
        axes.plot([], [], color="0.6", lw=1.2, label=f"as good as arg max, {argmax:.3f}")
    axes.plot(
        x,
        y,
        ".",
        color="black",
        ms=3,
        clip_on=False,
        label=f"{len(height)} pairs decoded and scored",
    )
    axes.plot(
        best_x, best_y, "*", color="red", markeredgecolor="white", ms=16, label=f"best, {best:.3f}"
    )
    names = [
        f"{name} threshold {_SYMBOLS[tuning.decode, name]}"
        for name in THRESHOLD_NAMES[tuning.decode]
    ]
    axes.set(xlabel=names[1], ylabel=names[0], aspect="equal", xlim=(0, 1), ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize="small")
    label = f"PQ at IoU 0.5, pooled over {len(tuning.images)} images"
    figure.colorbar(surface, ax=axes, label=label, format="%.3f", ticks=levels[::4])
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


@dataclass(frozen=True)
class _Files:
    """Probabilities and true labels of an image, in two files of plain numbers.

    Files in numpy's own format have a header that ``ast`` reads, which sometimes fails if several
    threads do so at once (python/cpython#106905).
    """

    name: str
    probabilities: partial[NDArray[np.float32]]
    labels: partial[NDArray[Any]]
    zoom: Zoom


def _store(images: Iterable[AnnotatedImage], model: Model, folder: Path) -> list[_Files]:
    files, cells = [], False
    for number, image in enumerate(images):
        zoom = zoom_of(model.info, stored=image.spacing)
        probabilities = _probabilities(image, model, zoom)
        files.append(
            _Files(
                image.name,
                _write(folder / f"{number}-probabilities", probabilities),
                _write(folder / f"{number}-labels", image.labels),
                zoom,
            )
        )
        cells = cells or bool((image.labels > 0).any())
    if not cells:
        raise ValueError(
            f"images must have annotated cells; the {len(files)} to tune on have none: add some"
        )
    return files


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


def _quality(rule: DecodeRule, images: Sequence[_Files], classes: int) -> float:
    """Pooled PQ at IoU 0.5 of a decode rule."""
    channels = None if rule.is_guided else classes

    def cells(image: _Files) -> Labels:
        return decode_whole(image.probabilities()[:channels], rule.with_zoom(image.zoom.pixels))

    pairs = ((image.labels(), cells(image)) for image in images)
    return match_dataset(pairs, ious=(0.5,)).pooled[0].panoptic_quality


def _around(point: Point, stride: int, length: int) -> Iterable[Point]:
    for i, j in product((-stride, 0, stride), repeat=2):
        if 0 <= point[0] + i < length and 0 <= point[1] + j < length:
            yield point[0] + i, point[1] + j

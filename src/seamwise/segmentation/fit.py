"""Whether an image looks like those that a model was trained on: see `Look` and `misfit`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import DecodeRule, Fit, SegmentationInfo
from seamwise.segmentation.percentiles import percentiles
from seamwise.segmentation.zoom import Zoom, diameter_of

_SLACK = 0.9  # of the least certainty in training: below this the model is called unsure
# Of the least certainty in training: below it an image shows nothing that the model knows. With
# `walls-3d`, noise has 0.18 to 0.46 of it, real cells that are found 0.62 or more, see
# benchmarks/README.md ("Noise in stacks").
_NOTHING = 0.5
_OTHER = 2.0  # times larger or smaller than the diameter that was given
_FAR = 1.5  # times the usual range of diameters
FEW = 5
"""Fewer cells say nothing about their usual size."""
_PIXELS = 2**18  # of an image, at least (all of a smaller one), give its skewness

Slab = tuple[tuple[slice, ...], NDArray[Any]]


@dataclass(frozen=True)
class Look:
    """How sure a network is of the cells that it sees; a sum over the parts of an image.

    Attributes
    ----------
    foreground : int
        Pixels of cells, touching ones too.
    certainty : float
        Sum over them, of the relief if there is one, else of the gap between the most likely class
        and the next.
    by_relief : bool
        Which of the two it is.
    """

    foreground: int = 0
    certainty: float = 0.0
    by_relief: bool = False

    def __add__(self, other: "Look") -> "Look":
        return Look(
            self.foreground + other.foreground,
            self.certainty + other.certainty,
            self.by_relief or other.by_relief,
        )

    @property
    def mean(self) -> float:
        """Mean certainty of a foreground pixel, 0 if there is none."""
        return self.certainty / self.foreground if self.foreground else 0.0


def look_at(maps: NDArray[np.floating[Any]], classes: int) -> Look:
    """Return how sure a network is of a part of an image.

    `maps` are class probabilities `(classes, *S)`, with the relief (and offsets) behind them if the
    network has guides.
    """
    probabilities = maps[:classes]
    is_cell = probabilities[1:3].sum(0) > 0.5
    by_relief = len(maps) > classes
    if by_relief:
        certainty = maps[classes][is_cell]
    else:
        sorted_probabilities = np.sort(probabilities[:, is_cell], 0)
        certainty = sorted_probabilities[-1] - sorted_probabilities[-2]
    return Look(int(is_cell.sum()), float(certainty.sum(dtype=np.float64)), by_relief)


class Watch:
    """Slabs of class probabilities on their way to a decoder; `look` sums up what passed."""

    def __init__(self, slabs: Iterable[Slab], classes: int) -> None:
        self._slabs, self._classes, self.look = slabs, classes, Look()

    def __iter__(self) -> Iterator[Slab]:
        for box, slab in self._slabs:
            self.look += look_at(slab, self._classes)
            yield box, slab


def skewness(image: NDArray[Any]) -> float:
    """Return the skewness of an image's intensities, by percentiles.

    ::

        ((p95 − p50) − (p50 − p5)) / (p95 − p5)

    From −1 to 1; positive where few pixels are bright and most are dark; 0 for a constant image.
    Kelly's skewness has p10 and p90 in place of p5 and p95.
    """
    values = image.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        low, middle, high = percentiles(values[:: max(1, values.size // _PIXELS)], [5, 50, 95])
    spread = high - low
    # beyond the range of float64 nothing can be said
    return (high + low - 2 * middle) / spread if 0 < spread < np.inf else 0.0


def fit_of(looks: Sequence[Look], skews: Sequence[float]) -> Fit | None:
    """Return what a model file keeps of its training images; None if no cell was seen in any."""
    means = [look.mean for look in looks if look.foreground]
    if not means:
        return None
    by_relief = any(look.by_relief for look in looks)
    return Fit(certainty=min(means), skewness=min(skews), by_relief=by_relief)


def misfit(
    info: SegmentationInfo,
    look: Look,
    *,
    cells: int,
    zoom: Zoom | None = None,
    skew: float | None = None,
    diameter: float | None = None,
    is_blank: bool = False,
) -> str:
    """Return why an image may not fit a model, in one line; empty if nothing speaks against it.

    Parameters
    ----------
    info : SegmentationInfo
        What the model file says. Without `fit` only sizes are compared, without `diameters` they
        are not.
    look : Look
    cells : int
        How many are kept.
    zoom : Zoom, optional
        How far the image was magnified; by default not at all.
    skew : float, optional
        The image's `skewness`.
    diameter : float, optional
        The usual diameter of the cells in pixels of the image, as the user gave it.
    is_blank : bool
        `Normalization.is_blank`.
    """
    if is_blank and not cells:
        return "nothing can be seen: the image is constant, or noise alone, and no cells are kept"
    across = _across(info, look, cells, zoom)
    is_other = diameter is not None and across and not 1 / _OTHER < across / diameter < _OTHER
    if is_other:
        return (
            f"diameter is {diameter:g}, and the cells that are found are about {across:.0f} pixels "
            f"across: try --diameter {across:.0f}, or none"
        )
    return _doubt(info, look, skew, cells) or _odd_size(info, look, cells, zoom)


def sees_nothing(info: SegmentationInfo, look: Look, rule: DecodeRule) -> bool:
    """Whether all that a model sees is noise to it, so that no cell of a rule is one.

    It is so if the mean gap between the classes is less than half the least one in training. This
    holds for the arg max alone: other rules have thresholds of their own, which may be lower than
    the half from which a `Look` counts.
    """
    return rule.rule == "argmax" and is_comparable(info, look) and _is_noise(info.fit, look)


def is_comparable(info: SegmentationInfo, look: Look) -> bool:
    """Whether a certainty is of the kind that a model file keeps: both by relief, or both not."""
    if info.fit is None:
        return False
    by_relief = info.fit.by_relief
    return look.by_relief == (info.architecture.guides if by_relief is None else by_relief)


def _doubt(info: SegmentationInfo, look: Look, skew: float | None, cells: int) -> str:
    fit = info.fit
    if fit is None or look.mean >= _SLACK * fit.certainty:
        return ""
    if not is_comparable(info, look):
        return ""
    is_inverted = skew is not None and skew < min(fit.skewness, 0) - 0.1
    reason = (
        "are the cells dark on bright ground? It knows bright ones: invert the image"
        if is_inverted
        else "this may be another kind of image than it knows"
    )
    if not look.foreground and not cells:
        return f"the model sees no cells: {reason}"
    if _is_noise(fit, look) and not cells:
        return (
            f"the model sees noise (certainty {look.mean:.2f}, in training at least "
            f"{fit.certainty:.2f}), and no cells are kept: {reason}"
        )
    return (
        f"the model is unsure (certainty {look.mean:.2f}, in training at least "
        f"{fit.certainty:.2f}): {reason}"
    )


def _is_noise(fit: Fit | None, look: Look) -> bool:
    return fit is not None and not look.by_relief and look.mean < _NOTHING * fit.certainty


def _across(info: SegmentationInfo, look: Look, cells: int, zoom: Zoom | None) -> float:
    """Diameter of the cells in pixels of the image, along its last axis; 0 if there are few."""
    if cells < FEW:
        return 0.0
    factors = zoom.factors if zoom is not None else (1.0,)
    pixels = look.foreground / cells * prod(factors)
    return diameter_of(pixels, info.architecture.ndim) / factors[-1]


def _odd_size(info: SegmentationInfo, look: Look, cells: int, zoom: Zoom | None) -> str:
    across = _across(info, look, cells, zoom)
    if info.diameters is None or not across:
        return ""
    factor = zoom.factors[-1] if zoom is not None else 1.0
    least, _, most = (size / factor for size in info.diameters)
    if least / _FAR <= across <= most * _FAR:
        return ""
    # along the last axis, as `zoom_of` takes a diameter
    return (
        f"cells are about {across:.0f} pixels across, the model knows "
        f"{least:.0f} to {most:.0f}: try --diameter {across:.0f}"
    )

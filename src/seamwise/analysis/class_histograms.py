"""Intensities of background, cells and touching regions; see `class_histograms`."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.types import Target

CLASSES = 4
"""Background, cell, touching and gap, as `labels.semantic_target` numbers them."""


@dataclass(frozen=True, eq=False)
class ClassHistograms:
    """How the intensities of each class are distributed.

    Attributes
    ----------
    classes : tuple of int
        The classes that occur, ascending.
    edges : (bins + 1,) float64 array
        Of the bins.
    density : (len(classes), bins) float64 array
        Share of the pixels of a class in each bin; every row sums to 1.
    pixels : (len(classes),) int64 array
        Pixels of each class.
    """

    classes: tuple[int, ...]
    edges: NDArray[np.float64]
    density: NDArray[np.float64]
    pixels: NDArray[np.int64]

    def overlap(self, one: int, other: int) -> float:
        """Return how much two classes have in common: ``Σ_b min(p_b, q_b)``, in [0, 1].

        1: intensity alone says nothing about which of the two it is; 0: it says all.

        Raises
        ------
        ValueError
            A class does not occur.
        """
        for label in (one, other):
            if label not in self.classes:
                raise ValueError(
                    f"class {label} does not occur: expected one of {list(self.classes)}"
                )
        rows = [self.density[self.classes.index(label)] for label in (one, other)]
        return float(np.minimum(*rows).sum())

    def overlaps(self) -> dict[tuple[int, int], float]:
        """Return the overlap of every pair of classes."""
        return {pair: self.overlap(*pair) for pair in combinations(self.classes, 2)}


def class_histograms(
    pairs: Iterable[tuple[NDArray[Any], Target]], *, bins: int = 64
) -> ClassHistograms:
    """Count the intensities of each class, over many images.

    The histograms show why touching regions deserve a class of their own: their intensities lie
    near those of cells and far from those of background. With two classes they count as
    background, which then overlaps with cells.

    Intensities of an image are mapped linearly so that its 1st percentile is 0 and its 99.8th is 1,
    as networks see them by default, and clipped to −0.25..1.25. So images of different exposure can
    be compared.

    Parameters
    ----------
    pairs : iterable of (image, target)
        A grey image `(*S)` of finite numbers and its classes `(*S)`, 0 to 3, −1 is ignored; see
        `labels.semantic_target`. A generator may read them one by one.
    bins : int ≥ 2

    Returns
    -------
    ClassHistograms

    Raises
    ------
    ValueError
        There is no pair or no pixel that counts, the shapes of a pair differ, or a class is above
        3.

    Notes
    -----
    Source: thesis Figure 9, which shows the histograms of background, cell interior and in-between
    cells; it gives no formula for the distance that it speaks of. The overlap of two normalised
    histograms is Swain and Ballard's intersection (IJCV 7, 1991).

    Examples
    --------
    >>> image = np.array([[0, 0, 10, 8, 10, 10]])
    >>> target = np.array([[0, 0, 1, 2, 1, 1]], np.int8)
    >>> histograms = class_histograms([(image, target)], bins=6)
    >>> histograms.classes, histograms.pixels.tolist()
    ((0, 1, 2), [2, 3, 1])
    >>> histograms.overlap(0, 1), histograms.overlap(1, 2)
    (0.0, 0.0)
    """
    if bins < 2:
        raise ValueError(f"bins must be 2 or more, not {bins}")
    counts = np.zeros((CLASSES, bins), np.int64)
    edges = np.linspace(*_RANGE, bins + 1)
    number = -1
    for number, (image, target) in enumerate(pairs):
        counts += _counts(np.asarray(image), np.asarray(target), edges, number)
    if number < 0:
        raise ValueError("pairs must hold at least one (image, target), not none")
    pixels = counts.sum(axis=1)
    classes = np.flatnonzero(pixels)
    if not len(classes):
        raise ValueError("every pixel is ignored: give targets with classes")
    density = counts[classes] / pixels[classes, np.newaxis]
    return ClassHistograms(tuple(classes.tolist()), edges, density, pixels[classes])


_RANGE = (-0.25, 1.25)
_PERCENTILES = (1, 99.8)


def _counts(
    image: NDArray[Any], target: Target, edges: NDArray[np.float64], number: int
) -> NDArray[np.int64]:
    """Pixels of each class and bin of one image."""
    if image.shape != target.shape:
        raise ValueError(
            f"pairs[{number}]: the target must have the shape {image.shape} of the image, "
            f"not {target.shape}"
        )
    if target.max(initial=0) >= CLASSES:
        raise ValueError(f"pairs[{number}]: classes must be 0 to 3, not {target.max()}")
    low, high = np.percentile(image, _PERCENTILES)
    unit = (image.astype(np.float64) - low) / (high - low if high > low else 1)
    bins = len(edges) - 1
    places = np.clip(np.searchsorted(edges, unit.ravel(), side="right") - 1, 0, bins - 1)
    is_counted = target.ravel() >= 0
    keys = target.ravel()[is_counted].astype(np.int64) * bins + places[is_counted]
    return np.bincount(keys, minlength=CLASSES * bins).reshape(CLASSES, bins)

"""How sure a network was of each cell; see `cell_doubt`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from seamwise.array_like import as_array
from seamwise.labels import Labels, as_labels
from seamwise.metrics.entropy import as_class_maps, check_real, entropy_of

LEVELS = np.arange(0.05, 1, 0.05)
"""Probabilities at which `cell_doubt` cuts a cell to find hills in it."""

LEAST_HILL = 0.1
"""Share of the pixels of a cell that a hill must have."""

_CELL = 1


@dataclass(frozen=True, eq=False)
class CellDoubts:
    """Doubts about the cells of an image, one cell a row.

    Attributes
    ----------
    cell : (n,) integer array
        Numbers of the cells.
    pixels : (n,) int64 array
        Their sizes.
    entropy : (n,) float64 array
        Mean entropy of the classes over the pixels of the cell, in [0, 1].
    valley : (n,) float64 array
        How far the probability of a cell falls between two hills in the cell, in [0, 1].
    disagreement : (n,) float64 array, optional
        How far the mirror images of the network disagree, mean over the pixels, in [0, 1].
    """

    cell: NDArray[Any]
    pixels: NDArray[np.int64]
    entropy: NDArray[np.float64]
    valley: NDArray[np.float64]
    disagreement: NDArray[np.float64] | None = None


def cell_doubt(
    probabilities: NDArray[Any],
    labels: Labels,
    *,
    disagreement: NDArray[np.floating[Any]] | None = None,
) -> CellDoubts:
    """Measure how sure a network was of every cell: entropy, and a valley in its middle.

    The entropy of a pixel is that of `seam_doubt`. The valley of a cell is::

        max over t of  min(h_1, h_2) − t

    where h_1 ≥ h_2 are the highest probabilities of a cell in the two highest of those parts, each
    at least a tenth of the cell, that are left of it where this probability is t or more. It is 0
    in a cell with one hill; t runs over 0.05, 0.10, …, 0.95.

    Parameters
    ----------
    probabilities : (C, *S) array
        Of two classes or more, in [0, 1]: background, cell, …
    labels : (*S) integer array
        0 background, positive = one number per cell.
    disagreement : (*S) array, optional
        Of the mirror images, see `segmentation.tile_probabilities`.

    Returns
    -------
    CellDoubts
        In the order of the labels.

    Raises
    ------
    TypeError
        Labels are not of an integer type.
    ValueError
        The shapes do not fit, there are fewer than two classes, or values lie outside [0, 1].

    Notes
    -----
    The valley is the dynamics of the second hill (Grimaud, 1992), in steps. Measured by
    ``benchmarks/cell_flags.py``.

    Examples
    --------
    >>> cell = np.array([[0.9, 0.9, 0.2, 0.7, 0.7, 0.0]])
    >>> doubts = cell_doubt(np.stack([1 - cell, cell]), np.array([[4, 4, 4, 4, 4, 0]]))
    >>> doubts.cell, doubts.entropy.round(2), doubts.valley.round(2)
    (array([4]), array([0.68]), array([0.45]))
    """
    labels = as_labels(labels)
    maps = as_class_maps(probabilities, labels)
    is_cell = labels > 0
    numbers, sizes = np.unique(labels[is_cell], return_counts=True)
    ranks = np.where(is_cell, np.searchsorted(numbers, labels) + 1, 0)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        sums = np.bincount(ranks.ravel(), values.ravel(), minlength=len(numbers) + 1)
        means: NDArray[np.float64] = sums[1:] / sizes
        return means

    return CellDoubts(
        numbers,
        sizes,
        mean(entropy_of(maps)),
        _valleys(maps[_CELL], ranks, sizes),
        None if disagreement is None else mean(_fitting(disagreement, labels)),
    )


def _fitting(disagreement: Any, labels: Labels) -> NDArray[Any]:
    values = as_array(disagreement, name="disagreement", real=True)
    if values.shape != labels.shape:
        raise ValueError(
            f"disagreement must have the shape {labels.shape} of the labels, not {values.shape}"
        )
    check_real("disagreement", values)
    return values


def _valleys(
    chance: NDArray[Any], ranks: NDArray[np.intp], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The valley of each cell; its pixels have its place among all, from 1, in `ranks`."""
    deepest = np.zeros(len(sizes))
    for level in LEVELS:
        hills, count = label(  # type: ignore[no-untyped-call]
            np.where(chance >= level, ranks, 0), connectivity=ranks.ndim, return_num=True
        )
        owner = np.zeros(count + 1, np.intp)
        owner[hills] = ranks
        rank = owner[1:] - 1
        is_large = np.bincount(hills.ravel(), minlength=count + 1)[1:] >= LEAST_HILL * sizes[rank]
        height = ndimage.maximum(chance, hills, np.arange(1, count + 1))
        second, cell = _second_highest(np.asarray(height)[is_large], rank[is_large])
        deepest[cell] = np.maximum(deepest[cell], second - level)
    return deepest


def _second_highest(
    heights: NDArray[Any], cells: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The second highest hill of each cell that has two, and its cell."""
    order = np.lexsort((-heights, cells))
    heights, cells = heights[order], cells[order]
    is_first = np.ones(len(cells), bool)
    is_first[1:] = cells[1:] != cells[:-1]
    is_second = np.zeros(len(cells), bool)
    is_second[1:] = is_first[:-1] & ~is_first[1:]
    return heights[is_second], cells[is_second]

"""The nearest cell of a touching pixel: close by (`nearest_cell`), or far away (`nearest_of`)."""

from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from seamwise.labels import Labels

REACH = 8  # pixels; nearly every seam is narrower than twice this
_PIXELS_AT_ONCE = 2**16


def nearest_cell(
    labels: Labels,
    pixels: NDArray[np.int64],
    region: NDArray[np.integer],
    region_of: NDArray[np.integer],
) -> tuple[Labels, NDArray[np.bool_]]:
    """Find the nearest cell of given pixels, no farther than `REACH` and in the pixel's own region.

    ::

        owner(p) = the cell in which min { |o|² : labels(p + o) in region(p) } is reached,
                   0 if that minimum is reached in two different cells

    Parameters
    ----------
    labels : (*S) unsigned integer array
        0, or the number of a cell. Beyond it nothing is looked at: it must hold `REACH` pixels on
        every side of each pixel asked for.
    pixels : (n,) integer array
        Flat indices into `labels`, which is 0 there.
    region : (n,) integer array
        Region of each of them, from 1. Regions are connected by faces: a cell next to a pixel is of
        its region.
    region_of : (cells + 1,) integer array
        Region of each cell; 0 for number 0.

    Returns
    -------
    owner : (n,) array of the type of `labels`
        0 for a tie, and where nothing was found.
    is_near : (n,) bool array
        Whether a cell lies that near; the others need a longer search.

    Notes
    -----
    Shell by shell of equal distance, all offsets of a shell at once: a seam is a few pixels wide,
    so that most pixels are settled by their 2·d face neighbours, several times faster than by a
    search tree.

    Examples
    --------
    >>> row = np.array([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0], np.uint32)
    >>> region, region_of = np.array([1, 1, 1]), np.array([0, 1, 1])
    >>> owner, is_near = nearest_cell(row, np.array([5, 6, 7]), region, region_of)
    >>> owner.tolist(), is_near.tolist()
    ([1, 0, 2], [True, True, True])
    """
    owner = np.zeros(len(pixels), labels.dtype)
    is_near = np.zeros(len(pixels), bool)
    for start in range(0, len(pixels), _PIXELS_AT_ONCE):
        part = slice(start, start + _PIXELS_AT_ONCE)
        owner[part], is_near[part] = _search(labels, pixels[part], region[part], region_of)
    return owner, is_near


def _search(
    labels: Labels,
    pixels: NDArray[np.int64],
    region: NDArray[np.integer],
    region_of: NDArray[np.integer],
) -> tuple[Labels, NDArray[np.bool_]]:
    """`nearest_cell`, all pixels at once."""
    labels_1d = labels.reshape(-1)
    steps = np.cumprod([1, *labels.shape[:0:-1]])[::-1]
    owner = np.zeros(len(pixels), labels.dtype)
    is_near = np.zeros(len(pixels), bool)
    pending, places, home = np.arange(len(pixels)), pixels, region
    for shell in _shells(labels.ndim):
        if not pending.size:
            break
        offsets = (shell @ steps).tolist()
        lowest, highest = _extremes(labels_1d, places, offsets)
        hit = highest > 0
        # cells of another region are rare: only where one is an extreme they are looked for one by
        # one
        foreign = hit & ((region_of.take(highest) != home) | (region_of.take(lowest) != home))
        if foreign.any():
            lowest[foreign], highest[foreign] = _extremes(
                labels_1d, places[foreign], offsets, region_of=region_of, home=home[foreign]
            )
            hit = highest > 0
        owner[pending[hit]] = np.where(lowest[hit] == highest[hit], highest[hit], 0)
        is_near[pending[hit]] = True
        pending, places, home = pending[~hit], places[~hit], home[~hit]
    return owner, is_near


def _extremes(
    labels_1d: Labels,
    places: NDArray[np.int64],
    offsets: Sequence[int],
    *,
    region_of: NDArray[np.integer] | None = None,
    home: NDArray[np.integer] | None = None,
) -> tuple[Labels, Labels]:
    """Lowest and highest cell at some offsets from each pixel, in any or its own region, or 0."""
    one = labels_1d.dtype.type(1)
    highest = np.zeros(len(places), labels_1d.dtype)
    lowest = np.full(len(places), np.iinfo(labels_1d.dtype).max, labels_1d.dtype)
    for offset in offsets:
        cells = labels_1d.take(places + offset)
        if region_of is not None:
            cells *= region_of.take(cells) == home
        np.maximum(highest, cells, out=highest)
        # 0 wraps round to the largest number, which wins no minimum
        cells -= one
        np.minimum(lowest, cells, out=lowest)
    lowest += one
    return lowest, highest


def rim(
    labels: Labels, *, origin: Sequence[int], region_of: NDArray[np.integer]
) -> tuple[NDArray[np.int64], Labels]:
    """Return the pixels that can be the nearest of their cell: those next to another number.

    Parameters
    ----------
    labels : (*S) integer array
        0, or the number of a cell. Beyond it is taken for cells.
    origin : sequence of int
        Where its first pixel lies.
    region_of : (cells + 1,) integer array
        Region of each cell; 0 for number 0.

    Returns
    -------
    places : (n, ndim + 1) integer array
        Coordinates, and the region as one more.
    cells : (n,) array of the type of `labels`
        Their cells.

    Examples
    --------
    >>> region_of = np.array([0] * 7 + [1, 2])
    >>> places, cells = rim(np.array([7, 7, 7, 0, 8]), origin=[100], region_of=region_of)
    >>> places.tolist(), cells.tolist()
    ([[102, 1], [104, 2]], [7, 8])
    """
    cell = labels > 0
    edge = cell & ~ndimage.binary_erosion(cell, border_value=1)
    cells = labels[edge]
    return np.column_stack([np.argwhere(edge) + np.asarray(origin), region_of[cells]]), cells


def nearest_of(
    places: NDArray[np.int64], cells: Labels, pixels: NDArray[np.int64]
) -> tuple[Labels, NDArray[np.float64]]:
    """Find the nearest cell of any distance, in the pixel's own region.

    Parameters
    ----------
    places, cells
        As `rim` returns them.
    pixels : (n, ndim + 1) integer array
        Coordinates of pixels, none below 0, and their regions as one more.

    Returns
    -------
    owner : (n,) array of the type of `cells`
        0 if two different cells are equally near, and where the region has no cell.
    distance : (n,) float64 array
        In pixels; infinite where the region has no cell.

    Examples
    --------
    >>> places, cells = np.array([[2, 1], [8, 1]]), np.array([5, 6])
    >>> owner, distance = nearest_of(places, cells, np.array([[4, 1], [5, 1], [5, 2]]))
    >>> owner.tolist(), distance.tolist()
    ([5, 0, 0], [2.0, 3.0, inf])
    """
    owner, distance = np.zeros(len(pixels), cells.dtype), np.full(len(pixels), np.inf)
    is_wanted = np.isin(places[:, -1], pixels[:, -1])
    places, cells = places[is_wanted], cells[is_wanted]
    reachable = np.flatnonzero(np.isin(pixels[:, -1], places[:, -1]))
    if not reachable.size:
        return owner, distance
    # regions lie farther apart than any two pixels of one region
    scale = np.ones(places.shape[1])
    scale[-1] = float(np.maximum(places.max(0), pixels.max(0))[:-1].sum() + 1)
    tree = cKDTree(places * scale)
    for start in range(0, len(reachable), _PIXELS_AT_ONCE):
        part = reachable[start : start + _PIXELS_AT_ONCE]
        owner[part], distance[part] = _query(tree, cells, pixels[part] * scale)
    return owner, distance


def _query(
    tree: cKDTree, cells: Labels, pixels: NDArray[np.float64]
) -> tuple[Labels, NDArray[np.float64]]:
    """Cell nearest to each place, 0 for a tie, and its distance."""
    owner, nearest = np.zeros(len(pixels), cells.dtype), np.empty(len(pixels))
    pending = np.arange(len(pixels))
    neighbours = 2
    while pending.size:
        neighbours = min(neighbours, len(cells))
        distance, index = tree.query(pixels[pending], k=np.arange(1, neighbours + 1))
        # squared distances of pixels are whole numbers: rounding makes equality exact
        is_tie = np.rint(distance**2) == np.rint(distance[:, :1] ** 2)
        nearest_cells = cells[index]
        conflict = (is_tie & (nearest_cells != nearest_cells[:, :1])).any(1)
        # if all so far are equally near, an equally near pixel of another cell may still follow
        is_certain = conflict | ~is_tie[:, -1] | (neighbours == len(cells))
        pixels_done = pending[is_certain]
        owner[pixels_done] = np.where(conflict, 0, nearest_cells[:, 0])[is_certain]
        nearest[pixels_done] = distance[is_certain, 0]
        pending = pending[~is_certain]
        neighbours *= 2
    return owner, nearest


@cache
def _shells(ndim: int) -> list[NDArray[np.int64]]:
    """Offsets no longer than `REACH`, those of equal length together, the shortest first."""
    offsets = np.array(list(product(range(-REACH, REACH + 1), repeat=ndim)))
    squared_lengths = (offsets**2).sum(1)
    return [
        offsets[squared_lengths == n]
        for n in range(1, REACH**2 + 1)
        if (squared_lengths == n).any()
    ]

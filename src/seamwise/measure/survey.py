"""Size, place and neighbours of every cell, counted block by block; see `survey`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamwise.labels.runs import row_runs
from seamwise.measure.field import Field, Ranks
from seamwise.types import Box


@dataclass(frozen=True, eq=False)
class Survey:
    """What the pixels of n cells in d axes add up to. Row i belongs to the cell of rank i + 1.

    Attributes
    ----------
    area : (n,) int64 array
        Pixels.
    centroid : (n, d) float64 array
        Mean position in pixels; the middle of the first pixel is 0.
    covariance : (n, d, d) float64 array
        Mean of (p − centroid)(p − centroid)ᵀ, in pixels².
    start, stop : (n, d) int64 arrays
        Bounding box; `stop` is the first pixel behind it.
    pairs : (m, 2) int64 array
        Rows of the cells that share a face of a pixel, each pair once, the lower first.
    faces : (m, d) int64 array
        Faces that a pair shares, by the axis that they stand across.
    """

    area: NDArray[np.int64]
    centroid: NDArray[np.float64]
    covariance: NDArray[np.float64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    pairs: NDArray[np.int64]
    faces: NDArray[np.int64]

    def touches_edge(self, shape: Sequence[int]) -> NDArray[np.bool_]:
        """Tell which cells touch the edge of the image; an axis of length 1 has no edge."""
        long = np.array(shape) > 1
        at_edge = (self.start == 0) | (self.stop == np.array(shape))
        touches: NDArray[np.bool_] = (at_edge & long).any(axis=1)
        return touches


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over each cell in a block: Σ 1, Σ p, Σ (p − mean)(p − mean)ᵀ; and bounding boxes."""

    ranks: Ranks
    area: NDArray[np.float64]
    first: NDArray[np.float64]
    scatter: NDArray[np.float64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]


def survey(field: Field) -> Survey:
    """Measure size, place and neighbours of every cell.

    Each block is split into runs of pixels along the last axis. A run of n pixels with middle m
    along it adds ``n·m² + n(n² − 1)/12`` to the sum of squares, and ``n·m`` to all others.
    Squares count from the first pixel of a cell in a block, so that they are as exact far from the
    origin as near it. Parts a and b of a cell, of m and n pixels, with the scatter
    S = Σ (p − mean)(p − mean)ᵀ, have together ``S = Sₐ + S_b + δδᵀ·mn/(m + n)``, where δ is the
    difference of their means.

    Parameters
    ----------
    field : Field

    Returns
    -------
    Survey
    """
    n, ndim = len(field.ids), len(field.shape)
    area = np.zeros(n + 1)
    first, scatter = np.zeros((n + 1, ndim)), np.zeros((n + 1, ndim, ndim))
    start = np.full((n + 1, ndim), np.iinfo(np.int64).max)
    stop = np.zeros((n + 1, ndim), np.int64)
    keys: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []
    for block in range(len(field.blocks)):
        box = field.blocks.box(block)
        beyond = tuple(
            slice(s.start, min(s.stop + 1, n)) for s, n in zip(box, field.shape, strict=True)
        )
        ranks = field.ranks(beyond)
        inner = ranks[tuple(slice(0, s.stop - s.start) for s in box)]
        cells = _sums(inner, box)
        before = np.maximum(area[cells.ranks], 1)[:, None]  # pixels, from other blocks
        apart = cells.first / cells.area[:, None] - first[cells.ranks] / before
        both = area[cells.ranks] * cells.area / (area[cells.ranks] + cells.area)
        scatter[cells.ranks] += cells.scatter + _outer(apart) * both[:, None, None]
        area[cells.ranks] += cells.area
        first[cells.ranks] += cells.first
        start[cells.ranks] = np.minimum(start[cells.ranks], cells.start)
        stop[cells.ranks] = np.maximum(stop[cells.ranks], cells.stop)
        for key, count in _contacts(ranks, inner.shape, n):
            keys.append(key)
            counts.append(count)
    size = np.maximum(area[1:], 1)
    centroid = first[1:] / size[:, None]
    covariance = scatter[1:] / size[:, None, None]
    pairs, faces = _add_up(keys, counts, n, ndim)
    return Survey(
        area[1:].astype(np.int64), centroid, covariance, start[1:], stop[1:], pairs, faces
    )


def _sums(ranks: Ranks, box: Box) -> _Sums:
    """Add up the runs of each cell in a block."""
    runs = row_runs(np.ascontiguousarray(ranks))
    is_cell = runs.labels > 0
    order = np.argsort(runs.labels[is_cell], kind="stable")
    labels, length = runs.labels[is_cell][order], runs.lengths[is_cell][order].astype(float)
    place = np.stack(np.unravel_index(runs.starts[is_cell][order], ranks.shape), axis=1)
    place = (place + [s.start for s in box]).astype(float)
    end = place + 1
    end[:, -1] += length - 1
    begin = np.flatnonzero(np.diff(labels, prepend=0))
    start = np.minimum.reduceat(place, begin, axis=0)
    middle = place - np.repeat(start, np.diff(begin, append=len(labels)), axis=0)
    middle[:, -1] += (length - 1) / 2
    squares = length[:, None, None] * _outer(middle)
    squares[:, -1, -1] += length * (length**2 - 1) / 12
    area = np.add.reduceat(length, begin)
    first = np.add.reduceat(length[:, None] * middle, begin, axis=0)
    second = np.add.reduceat(squares, begin, axis=0)
    return _Sums(
        labels[begin],
        area,
        first + area[:, None] * start,
        second - _outer(first) / area[:, None, None],
        start.astype(np.int64),
        np.maximum.reduceat(end, begin, axis=0).astype(np.int64),
    )


def _outer(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The product of each vector with itself, `(n, d)` → `(n, d, d)`."""
    products: NDArray[np.float64] = vectors[:, :, None] * vectors[:, None]
    return products


def _contacts(
    ranks: Ranks, size: tuple[int, ...], n: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Faces between two cells, by axis: a number for axis and pair, and how many there are.

    `ranks` may reach a pixel further than the block, which has this size: faces towards the next
    block belong to this one.
    """
    for axis in range(ranks.ndim):
        inside = [slice(0, length) for length in size]
        inside[axis] = slice(0, None)
        along = ranks[tuple(inside)].swapaxes(0, axis)
        before, behind = along[:-1], along[1:]
        meets = (before != behind) & (before > 0) & (behind > 0)
        a, b = before[meets].astype(np.int64), behind[meets].astype(np.int64)
        key = (np.minimum(a, b) * (n + 1) + np.maximum(a, b)) * ranks.ndim + axis
        yield np.unique(key, return_counts=True)


def _add_up(
    keys: Sequence[NDArray[np.int64]], counts: Sequence[NDArray[np.int64]], n: int, ndim: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of cells and the faces that they share, from those of the blocks."""
    key, count = np.concatenate(keys), np.concatenate(counts)
    pair, row = np.unique(key // ndim, return_inverse=True)
    faces = np.zeros((len(pair), ndim), np.int64)
    np.add.at(faces, (row, key % ndim), count)
    return np.stack([pair // (n + 1), pair % (n + 1)], axis=1) - 1, faces

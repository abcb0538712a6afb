"""Runs of equal labels along the rows of an image; see `row_runs`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from seamwise.types import Labels


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of equal labels in scan order; none goes over the end of a row.

    Attributes
    ----------
    labels : (n,) integer array
        The label of each run.
    starts : (n,) int64 array
        Where each begins, as the number of a pixel in scan order.
    lengths : (n,) int64 array
        Pixels of each.
    """

    labels: Labels
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def stops(self) -> NDArray[np.int64]:
        """The pixel behind the last one of each run."""
        return self.starts + self.lengths

    def select(self, is_wanted: NDArray[np.bool_]) -> "Runs":
        """Return some of the runs."""
        return Runs(self.labels[is_wanted], self.starts[is_wanted], self.lengths[is_wanted])

    def pixels(self) -> NDArray[np.int64]:
        """Return the numbers of all pixels of the runs, in scan order.

        Examples
        --------
        >>> row_runs(np.array([0, 0, 7, 7, 0])).select(np.array([False, True, True])).pixels()
        array([2, 3, 4])
        """
        steps = np.ones(int(self.lengths.sum()), np.int64)
        if len(self):
            steps[0] = self.starts[0]
            steps[np.cumsum(self.lengths[:-1])] += self.starts[1:] - self.stops[:-1]
        return np.cumsum(steps, out=steps)


def row_runs(labels: Labels) -> Runs:
    """Split an image into runs of equal labels along its last axis.

    An image of cells has far fewer runs than pixels: what is counted per run is counted fast.

    Examples
    --------
    >>> runs = row_runs(np.array([[0, 7, 7], [7, 0, 0]]))
    >>> runs.labels.tolist(), runs.starts.tolist(), runs.lengths.tolist()
    ([0, 7, 7, 0], [0, 1, 3, 4], [1, 2, 1, 2])
    """
    pixels = labels.reshape(-1)
    is_start = np.ones(pixels.size, bool)
    np.not_equal(pixels[1:], pixels[:-1], out=is_start[1:])
    is_start[:: max(labels.shape[-1], 1)] = True
    starts = np.flatnonzero(is_start)
    return Runs(pixels[starts], starts, np.diff(starts, append=pixels.size))


def facing_runs(
    runs: Runs, shape: Sequence[int], *, diagonal: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the pairs of runs of neighbouring rows that have neighbouring pixels, each once.

    Parameters
    ----------
    runs : Runs
        Some or all of an image.
    shape : sequence of int
        Of the image.
    diagonal : bool
        Pixels are neighbours over faces, edges and corners, not over faces alone.

    Returns
    -------
    first, second : (pairs,) int32 arrays
        Positions in `runs`, of which there are fewer than 2³¹; first < second.

    Examples
    --------
    >>> image = np.array([[5, 5, 0], [0, 5, 5], [5, 0, 0]])
    >>> cells = row_runs(image)
    >>> cells = cells.select(cells.labels > 0)
    >>> [pair.tolist() for pair in facing_runs(cells, image.shape)]
    [[0], [1]]
    >>> [pair.tolist() for pair in facing_runs(cells, image.shape, diagonal=True)]
    [[0, 1], [1, 2]]
    """
    offsets = _row_offsets(len(shape) - 1, diagonal=diagonal)
    pairs = [_facing_at(offset, runs, shape, diagonal=diagonal) for offset in offsets]
    none = np.zeros(0, np.int32)
    first = np.concatenate([none, *(first for first, _ in pairs)])
    return first, np.concatenate([none, *(second for _, second in pairs)])


def _facing_at(
    offset: Sequence[int], runs: Runs, shape: Sequence[int], *, diagonal: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The pairs of `facing_runs` whose second run lies in the row at an offset."""
    *rows, width = shape
    row, column = np.divmod(runs.starts, max(width, 1))
    is_inside = _are_inside(row, offset, rows)
    step = int(np.dot(offset, np.cumprod([1, *rows[:0:-1]])[::-1])) * width
    low, high = runs.starts[is_inside] + step, runs.stops[is_inside] + step
    if diagonal:
        low -= column[is_inside] > 0
        high += column[is_inside] + runs.lengths[is_inside] < width
    del row, column
    begin = np.searchsorted(runs.stops, low, side="right").astype(np.int32)
    end = np.searchsorted(runs.starts, high, side="left").astype(np.int32)
    del low, high
    count = np.maximum(end - begin, 0)
    before = np.cumsum(count, dtype=np.int64) - count
    first = np.repeat(np.flatnonzero(is_inside).astype(np.int32), count)
    second = np.repeat((begin - before).astype(np.int32), count)
    second += np.arange(len(first), dtype=np.int32)
    return first, second


def join_pairs(
    count: int, first: NDArray[np.integer], second: NDArray[np.integer]
) -> NDArray[np.int32]:
    """Number what pairs join, from 0, in the order of the lowest member of each group.

    Examples
    --------
    >>> join_pairs(5, np.array([1, 4]), np.array([3, 3])).tolist()
    [0, 1, 2, 1, 1]
    """
    edges = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    # it visits groups in the order of their lowest member, on which a test in test_runs.py insists
    group: NDArray[np.int32] = connected_components(edges, directed=False)[1]
    return group


def _row_offsets(axes: int, *, diagonal: bool) -> list[tuple[int, ...]]:
    """Steps from a row to the neighbours that follow in scan order, one number for each axis."""
    steps = product((-1, 0, 1), repeat=axes)
    ahead = [step for step in steps if step > (0,) * axes]
    return ahead if diagonal else [step for step in ahead if sum(map(abs, step)) == 1]


def _are_inside(
    row: NDArray[np.int64], offset: Sequence[int], rows: Sequence[int]
) -> NDArray[np.bool_]:
    """Whether the row at an offset lies in the image, too."""
    is_inside = np.ones(len(row), bool)
    for step, length in zip(offset[::-1], rows[::-1], strict=True):
        row, place = np.divmod(row, max(length, 1))
        if step:
            is_inside &= (place + step >= 0) & (place + step < length)
    return is_inside

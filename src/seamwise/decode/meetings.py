"""Cells that meet: which are one, decided block by block; see `meet` and `join_meetings`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.components import cuts, sides
from seamwise.decode.relief import (
    SaddleSums,
    add_up,
    peaks,
    saddle_sums,
    sums_across,
    without_valley,
)
from seamwise.labels import Labels, smallest_dtype
from seamwise.tiling import Blocks


@dataclass(frozen=True, eq=False)
class Meeting:
    """What a labelled block holds about cells that touch; see `meet`.

    Attributes
    ----------
    sums : SaddleSums
        Of the pairs that touch within the block.
    sides, heights : tuples of arrays
        Labels and relief on the sides of the block, as `components.sides` returns them.
    cells : (n,) array
        The cells that have pixels in the block.
    peaks : (n,) array
        Highest relief of each in the block.
    """

    sums: SaddleSums
    sides: tuple[Labels, ...]
    heights: tuple[NDArray[Any], ...]
    cells: Labels
    peaks: NDArray[Any]


def meet(labels: Labels, height: NDArray[Any]) -> Meeting:
    """Measure, from labels and relief of a block, what decides which cells are one."""
    numbers, run, length = runs(labels)
    local = np.repeat(run, length).reshape(labels.shape) + (numbers[0] > 0)
    highest = peaks(height, local)[1:]
    return Meeting(
        saddle_sums(labels, height), sides(labels), sides(height), numbers[numbers > 0], highest
    )


def join_meetings(
    blocks: Blocks, meetings: Callable[[int], Meeting], *, cells: int, saddle: float
) -> Labels:
    """Decide which cells are one since no valley parts them, as `relief` does for the whole image.

    Parameters
    ----------
    blocks : Blocks
    meetings : function
        number of a block → its `Meeting`.
    cells : int
        Number of cells.
    saddle : float
        See `relief`.

    Returns
    -------
    (cells + 1,) array
        Lowest number of the cells that are one with each.
    """
    highest = np.full(cells + 1, -np.inf)
    sums = []
    for block in range(len(blocks)):
        meeting = meetings(block)
        np.maximum.at(highest, meeting.cells, meeting.peaks)
        sums.append(meeting.sums)
    labels = cuts(blocks, lambda n, i: meetings(n).sides[i])
    heights = cuts(blocks, lambda n, i: meetings(n).heights[i])
    sums += [sums_across(*faces, *relief) for faces, relief in zip(labels, heights, strict=True)]
    lowest = without_valley(add_up(sums), highest, saddle=saddle)
    return lowest.astype(smallest_dtype(0, max(cells, 2**16)))


def runs(labels: Labels) -> tuple[Labels, NDArray[np.int64], NDArray[np.int64]]:
    """Numbers that occur, and the runs of equal ones in scan order: which of these, how long.

    As `np.unique` with its inverse, but only the runs are sorted: an image of cells has far fewer
    than pixels.
    """
    pixels = labels.reshape(-1)
    start = np.flatnonzero(np.concatenate([[True], pixels[1:] != pixels[:-1]]))
    numbers, run = np.unique(pixels[start], return_inverse=True)
    return numbers, run, np.diff(start, append=pixels.size)

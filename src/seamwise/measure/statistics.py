"""Statistics of the pixel values of every cell; see `Groups` and `group_statistics`."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.measure.field import Ranks
from seamwise.tiling import Blocks

_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of n groups of values, float64; NaN for a group without values.

    Attributes
    ----------
    count, mean, median, sd, min, max, sum : (n,) arrays
        `sd` divides by the count, not by one less.
    """

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    median: NDArray[np.float64]
    sd: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    sum: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> "Statistics":
        """Return statistics to be filled by `put`."""
        return cls(*(np.full(n, np.nan) for _ in fields(cls)))

    def put(self, rows: NDArray[Any], part: "Statistics") -> None:
        """Fill some rows."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(part, field.name)


class Groups:
    """Pixels that wait until all pixels of their cell were seen.

    Blocks come in scan order. A cell is complete with the block that holds the last corner of its
    box. So only the pixels of cells at the faces of blocks wait.

    Parameters
    ----------
    blocks : Blocks
    stop : (n, d) int array
        Where the box of each cell ends.
    channels : int
    """

    def __init__(self, blocks: Blocks, stop: NDArray[np.int64], channels: int) -> None:
        size = np.array(blocks.size)
        corner = np.clip(stop, 1, np.array(blocks.shape)) - 1
        last = np.ravel_multi_index(tuple((corner // size).T), blocks.counts)
        self._last = np.concatenate([[-1], last])
        self._ranks: Ranks = np.zeros(0, np.int32)
        self._values: tuple[NDArray[Any], ...] = (np.zeros(0, np.uint8),) * channels

    def complete(
        self, block: int, ranks: Ranks, values: tuple[NDArray[Any], ...]
    ) -> tuple[Ranks, tuple[NDArray[Any], ...]]:
        """Add the pixels of a block; return those of the cells that are complete with it.

        Parameters
        ----------
        block : int
        ranks : (p,) array
            Ranks of the cells that the pixels belong to, 1 or more.
        values : tuple of (p,) arrays
            For each channel.
        """
        waiting = self._ranks.size > 0
        if waiting:
            ranks = np.concatenate([self._ranks, ranks])
            pairs = zip(self._values, values, strict=True)
            values = tuple(np.concatenate(pair) for pair in pairs)
        is_complete = self._last[ranks] <= block
        self._ranks = ranks[~is_complete]
        self._values = tuple(channel[~is_complete] for channel in values)
        return ranks[is_complete], tuple(channel[is_complete] for channel in values)


def group_statistics(ranks: Ranks, values: NDArray[Any]) -> tuple[NDArray[np.int64], Statistics]:
    """Return the ranks that occur, ascending, and the statistics of the values of each.

    Parameters
    ----------
    ranks : (p,) int array
        The group of each value, 0 or more.
    values : (p,) array of any integer or real type
        Finite.

    Examples
    --------
    >>> ranks, found = group_statistics(np.array([3, 1, 3, 3]), np.array([2, 7, 9, 4]))
    >>> ranks.tolist(), found.median.tolist(), found.mean.tolist(), found.max.tolist()
    ([1, 3], [7.0, 4.0], [7.0, 5.0], [7.0, 9.0])
    """
    groups, ordered = _sorted(ranks, values)
    begin = np.flatnonzero(np.diff(groups, prepend=-1))
    count = np.diff(begin, append=groups.size)
    total = np.add.reduceat(ordered, begin)
    mean = total / count
    squares = (ordered - np.repeat(mean, count)) ** 2
    middle = ordered[begin + (count - 1) // 2] / 2 + ordered[begin + count // 2] / 2
    return groups[begin].astype(np.int64), Statistics(
        count.astype(float),
        mean,
        middle,
        np.sqrt(np.add.reduceat(squares, begin) / count),
        ordered[begin],
        ordered[begin + count - 1],
        total,
    )


def _sorted(ranks: Ranks, values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ranks and values as float64, by rank and then by value.

    A rank and a value of up to 32 bits are sorted as one number: ten times as fast as `lexsort`.
    """
    code = _ordered_code(values)
    if code is None:
        order = np.lexsort((values, ranks))
        return ranks[order].astype(np.int64), values[order].astype(float)
    keys = ranks.astype(np.uint64) << np.uint64(32)
    keys |= code
    keys.sort()
    groups = (keys >> np.uint64(32)).astype(np.int64)
    return groups, _value_of_code(keys.astype(np.uint32), values.dtype)


def _ordered_code(values: NDArray[Any]) -> NDArray[np.uint32] | None:
    """Numbers of 32 bits in the same order as the values; None for values of 64 bits."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "u" and size <= 4:
        return values.astype(np.uint32)
    if kind == "i" and size <= 4:
        return values.astype(np.int32).view(np.uint32) ^ _SIGN
    if kind == "f" and size <= 4:
        bits = values.astype(np.float32).view(np.uint32)
        # the order of the bits of a float is that of its value, for negative ones reversed
        return np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return None


def _value_of_code(code: NDArray[np.uint32], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Values of the numbers that `_ordered_code` gives."""
    if dtype.kind == "u":
        return code.astype(float)
    if dtype.kind == "i":
        return (code ^ _SIGN).view(np.int32).astype(float)
    return np.where(code & _SIGN, code ^ _SIGN, ~code).view(np.float32).astype(float)

"""An image at every zoom, tile by tile: `Pyramid`."""

from collections import OrderedDict
from math import ceil, prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise_web.answers import RefusalError
from seamwise_web.levels import Levels

TILE = 512
"""Pixels of a tile along each side."""

_SMALL = 1024  # longest side of the coarsest level
_STRIP = 2**22  # pixels that are read at once to make a coarser level
_KEPT = 2**22  # pixels of a level that is kept once it was made
_MOST_KEPT = 4  # planes

Plane = tuple[int, int, int]
"""Channel, time point and slice."""


class Pyramid:
    """An image of which only the tiles that are shown are read.

    Where its own levels end with a large one, coarser ones are made by taking pixels at equal
    distances; those of few pixels are kept.

    Parameters
    ----------
    levels : Levels

    Attributes
    ----------
    name : str
    sizes : list of (int, int)
        Height and width of each level.
    """

    def __init__(self, levels: Levels) -> None:
        self.levels, self.name = levels, levels.path.name
        self.sizes = list(levels.sizes)
        while max(self.sizes[-1]) > _SMALL:
            height, width = self.sizes[-1]
            self.sizes.append((ceil(height / 2), ceil(width / 2)))
        self._made: OrderedDict[tuple[int, Plane], NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def length(self, axis: str) -> int:
        """How long an axis is, of T, C, Z, Y, X; 1 if the image does not have it."""
        return self.levels.lengths.get(axis, 1)

    def check(self, plane: Plane) -> None:
        """Raise RefusalError unless there is such a plane."""
        words = ("C", "channel"), ("T", "time point"), ("Z", "slice")
        for (axis, word), number in zip(words, plane, strict=True):
            if number >= self.length(axis):
                raise RefusalError(404, f"{self.name} has no {word} {number}: choose another")

    def box(self, level: int, row: int, column: int) -> tuple[slice, slice]:
        """Return rows and columns of a tile.

        Raises
        ------
        RefusalError
            The image has no such tile.
        """
        if level >= len(self.sizes):
            raise RefusalError(404, f"{self.name} has no level {level}")
        height, width = self.sizes[level]
        top, left = row * TILE, column * TILE
        if top >= height or left >= width:
            raise RefusalError(404, f"{self.name} has no tile {row}, {column} in level {level}")
        return slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))

    def read(self, level: int, rows: slice, columns: slice, plane: Plane) -> NDArray[Any]:
        """Read a box of a plane of a level, which may be one that is not stored."""
        is_stored = level < len(self.levels.sizes)
        if is_stored or prod(self.sizes[level]) > _KEPT:
            return self._thinned(level, rows, columns, plane)
        with self._lock:
            if (level, plane) not in self._made:
                height, width = self.sizes[level]
                whole = self._thinned(level, slice(0, height), slice(0, width), plane)
                self._made[level, plane] = whole
                while len(self._made) > _MOST_KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end((level, plane))
            return self._made[level, plane][rows, columns]

    def _thinned(self, level: int, rows: slice, columns: slice, plane: Plane) -> NDArray[Any]:
        """Read a box from the level below that is stored, strip by strip."""
        stored = min(level, len(self.levels.sizes) - 1)
        step = 2 ** (level - stored)
        height, width = self.levels.sizes[stored]
        channel, time, z = plane
        slice_there = z * self.levels.depth(stored) // self.length("Z")
        box = {
            "T": slice(time, time + 1),
            "C": slice(channel, channel + 1),
            "Z": slice(slice_there, slice_there + 1),
            "X": slice(columns.start * step, min(columns.stop * step, width)),
        }
        across = box["X"].stop - box["X"].start
        strip = max(1, _STRIP // (across * step))  # rows of the result
        parts = []
        for start in range(rows.start, rows.stop, strip):
            stop = min(start + strip, rows.stop)
            box["Y"] = slice(start * step, min(stop * step, height))
            parts.append(self.levels.read(stored, box)[0, 0, 0, ::step, ::step])
        return np.concatenate(parts)

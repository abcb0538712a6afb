"""The rim of a cell, and the ring around it that tells its background; see `Zones`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels import inner_contour
from seamwise.measure.field import Field, Ranks
from seamwise.types import Box


@dataclass(frozen=True)
class Zones:
    """How wide rim and ring are, in pixels of the finest axis.

    Attributes
    ----------
    steps : tuple of float
        Length of a pixel along each axis, in units of the finest.
    rim : float
        A pixel of a cell is rim if the nearest outermost pixel of the cell is nearer than this.
    gap, ring : float
        A pixel of the background is ring of the nearest cell if it is further from it than `gap`,
        and at most `gap + ring` away.
    """

    steps: tuple[float, ...]
    rim: float
    gap: float
    ring: float

    @property
    def is_empty(self) -> bool:
        """Whether neither is measured."""
        return self.rim == 0 and self.ring == 0

    @property
    def reach(self) -> tuple[int, ...]:
        """Pixels around a block that decide about the pixels in it, along each axis."""
        furthest = max(self.rim, self.gap + self.ring if self.ring else 0)
        return tuple(int(furthest / step) + 2 for step in self.steps)

    def of_block(self, field: Field, box: Box) -> tuple[NDArray[np.bool_], Ranks]:
        """Return where in a block is rim, and for each pixel the cell whose ring it is in, or 0.

        One distance serves both. Let C be the outermost pixels of all cells. On a path from a pixel
        to the nearest pixel outside its cell, the path crosses C first in the same cell. On a path
        from the background to the nearest cell, the first pixel of the cell is in C.
        """
        around = tuple(
            slice(max(s.start - r, 0), min(s.stop + r, n))
            for s, r, n in zip(box, self.reach, field.shape, strict=True)
        )
        inside = tuple(
            slice(s.start - a.start, s.stop - a.start) for s, a in zip(box, around, strict=True)
        )
        ranks = field.ranks(around)
        contour = inner_contour(ranks)
        here = ranks[inside]
        if not contour.any():
            return np.zeros(here.shape, bool), np.zeros(here.shape, np.int32)
        nearest = ndimage.distance_transform_edt(
            ~contour, self.steps, return_distances=False, return_indices=True
        )[(slice(None), *inside)]
        distance = self._distance(nearest, [s.start for s in inside])
        rim = (here > 0) & (distance < self.rim)
        is_ring = (here == 0) & (distance > self.gap) & (distance <= self.gap + self.ring)
        owner = np.zeros(here.shape, np.int32)
        owner[is_ring] = ranks[tuple(axis[is_ring] for axis in nearest)]
        return rim, owner

    def _distance(self, nearest: NDArray[np.int32], start: list[int]) -> NDArray[np.float32]:
        """Distance of each pixel of a box, which starts there, to its nearest pixel.

        scipy's own distances take three times the memory.
        """
        squares = np.zeros(nearest.shape[1:], np.float32)
        for axis, step in enumerate(self.steps):
            length = nearest.shape[axis + 1]
            place = np.arange(start[axis], start[axis] + length, dtype=np.int32)
            apart = nearest[axis] - place.reshape(
                [-1 if a == axis else 1 for a in range(squares.ndim)]
            )
            squares += np.square(apart * np.float32(step), dtype=np.float32)
        return np.sqrt(squares)

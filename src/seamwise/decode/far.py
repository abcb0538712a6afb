"""The nearest cell of pixels far from any, in an image read box by box; see `nearest_far`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.nearest import nearest_of, rim
from seamwise.labels import Labels
from seamwise.tiling import Blocks, grow
from seamwise.types import Box

Read = Callable[[Box], NDArray[Any]]
"""A box of the image → its pixels."""

_FIRST_MARGIN = 16  # pixels around the wanted ones that are searched first


def nearest_far(
    pixels: NDArray[np.int64], blocks: Blocks, read: Read, region_of: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Nearest cell of pixels (coordinates and region), however far.

    The part that is searched grows until the answer is certain.
    """
    owner = np.zeros(len(pixels), np.int64)
    pending = np.arange(len(pixels))
    margin = _FIRST_MARGIN
    while pending.size:
        places = pixels[pending, :-1]
        box = tuple(
            slice(int(a), int(b) + 1) for a, b in zip(places.min(0), places.max(0), strict=True)
        )
        around = grow(box, margin, blocks.shape)
        rims, their_cells = _rims(around, np.unique(pixels[pending, -1]), blocks, read, region_of)
        nearest, distance = nearest_of(rims, their_cells, pixels[pending])
        is_certain = distance <= _clearance(places, around, blocks.shape)
        owner[pending[is_certain]] = nearest[is_certain]
        pending = pending[~is_certain]
        margin *= 4
    return owner


def _rims(
    around: Box,
    regions: NDArray[np.int64],
    blocks: Blocks,
    read: Read,
    region_of: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Labels]:
    """`decode.nearest.rim` of a box and some regions, read in parts little larger than a block."""
    start = [s.start for s in around]
    extent = tuple(s.stop - s.start for s in around)
    parts = Blocks(extent, tuple(size + 2 * _FIRST_MARGIN for size in blocks.size))
    places, numbers = [], []
    for number in range(len(parts)):
        # with the next pixel on every side, so that a face between two parts is not a rim
        inner = grow(parts.box(number), 1, extent)
        part = tuple(
            slice(s.start + first, s.stop + first) for s, first in zip(inner, start, strict=True)
        )
        where, cell = rim(read(part), origin=[s.start for s in part], region_of=region_of)
        is_wanted = np.isin(where[:, -1], regions)
        places.append(where[is_wanted])
        numbers.append(cell[is_wanted])
    return np.concatenate(places), np.concatenate(numbers)


def _clearance(places: NDArray[np.int64], around: Box, shape: Sequence[int]) -> NDArray[np.float64]:
    """How far around each place everything was seen: to the sides of the box within the image."""
    clearance = np.full(len(places), np.inf)
    for axis, (part, length) in enumerate(zip(around, shape, strict=True)):
        if part.start > 0:
            clearance = np.minimum(clearance, places[:, axis] - part.start)
        if part.stop < length:
            clearance = np.minimum(clearance, part.stop - 1 - places[:, axis])
    return clearance

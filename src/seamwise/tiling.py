"""Cut a grid into overlapping tiles whose results are blended (`tiles`, `blend`), or `Blocks`."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

OVERLAP = {2: 64, 3: 32}
"""Pixels that two neighbouring tiles of an image share, by the number of its axes."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A box of the grid and its blending weights.

    Attributes
    ----------
    box : tuple of slice
        Where the tile lies, one slice per axis.
    weights : tuple of 1D float32 arrays
        One per axis; the weight of a pixel is the product over the axes. Over all tiles of a grid
        the weights of each pixel sum to one.
    """

    box: tuple[slice, ...]
    weights: tuple[NDArray[np.float32], ...]

    @property
    def weight(self) -> NDArray[np.float32]:
        """The weights as one array of the tile's shape."""
        return _product(self.weights)


def tiles(
    shape: Sequence[int],
    *,
    size: int | Sequence[int],
    overlap: int | Sequence[int] = 64,
    multiple: int = 1,
) -> list[Tile]:
    """Cover a grid with overlapping tiles, in scan order.

    Parameters
    ----------
    shape : sequence of int
        The grid.
    size : int or one int per axis
        Largest tile. Axes no longer than this are not cut.
    overlap : int or one int per axis
        Least number of pixels that two neighbouring tiles share. There each tile weighs by the cube
        of the distance to its border, as a share of the sum over the tiles: a network errs most
        where a tile ends, and with the cube the labels change several times less from one tile size
        to another than with a linear ramp, at the same cost.
    multiple : int
        Tiles start at multiples of this: for a network with n poolings, 2^n makes the pooling grids
        of all tiles the same as that of the whole image.

    Returns
    -------
    list of Tile

    Raises
    ------
    ValueError
        `overlap` is negative, or leaves no step of at least `multiple` between tiles.
    """
    sizes = _per_axis("size", size, shape)
    overlaps = _per_axis("overlap", overlap, shape)
    if min(overlaps, default=0) < 0:
        raise ValueError(f"overlap must be 0 or more, not {overlap}")
    axes = [_split(n, s, o, multiple) for n, s, o in zip(shape, sizes, overlaps, strict=True)]
    return [Tile(*map(tuple, zip(*parts, strict=True))) for parts in product(*axes)]


def blend(
    parts: Sequence[Tile], compute: Callable[[tuple[slice, ...]], NDArray[Any]]
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.float32]]]:
    """Compute each tile and yield the weighted sum, part by part.

    ``result(p) = Σ_tiles weight(p) · compute(tile)(p)``. Where one tile lies alone, its values are
    yielded as they were computed, without a copy. What several share is held until the last of
    them is computed, not the whole result.

    Parameters
    ----------
    parts : sequence of Tile
        All that `tiles` returned for a grid. They are computed along the longest axis last, so that
        the strip that is held lies across the shorter ones.
    compute : function
        box → array `(channels, *box shape)`.

    Yields
    ------
    box : tuple of slice
        Boxes that cover each pixel of the grid once. The largest of a tile comes last: the next
        tile can be computed while that one is used.
    values : (channels, *box shape) float32 array
    """
    boxes_of_axis = [_boxes_along(parts, axis) for axis in range(len(parts[0].box))]
    held: dict[tuple[int, ...], NDArray[np.float32]] = {}
    for tile in _along_longest(parts):
        values = np.asarray(compute(tile.box), np.float32)
        for shared in _pieces(tile, boxes_of_axis):
            inside = values[(slice(None), *relative_to(shared.box, tile.box))]
            if shared.is_first and shared.is_last:  # the weights are one
                yield shared.box, inside
                continue
            place = tuple(s.start for s in shared.box)
            share = inside * shared.weight
            held[place] = share if shared.is_first else held[place] + share
            if shared.is_last:
                yield shared.box, held.pop(place)


@dataclass(frozen=True)
class Blocks:
    """A grid cut into blocks that do not overlap, numbered in scan order.

    Attributes
    ----------
    shape : tuple of int
        The grid.
    size : tuple of int
        Of a block; the last one along an axis may be smaller.

    Examples
    --------
    >>> blocks = Blocks((5, 4), (2, 4))
    >>> len(blocks), blocks.box(2), blocks.meeting((slice(1, 3), slice(0, 1)))
    (3, (slice(4, 5, None), slice(0, 4, None)), [0, 1])
    """

    shape: tuple[int, ...]
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.size) != len(self.shape) or min(self.size, default=0) < 1:
            raise ValueError(
                f"size must be one positive number per axis of {self.shape}, not {self.size}"
            )

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.size, strict=True))

    def __len__(self) -> int:
        return int(np.prod(self.counts))

    def box(self, number: int) -> tuple[slice, ...]:
        """Where a block lies."""
        where = np.unravel_index(number, self.counts)
        return tuple(
            slice(int(i) * b, min((int(i) + 1) * b, n))
            for i, b, n in zip(where, self.size, self.shape, strict=True)
        )

    def meeting(self, box: Sequence[slice]) -> list[int]:
        """Numbers of the blocks that share a pixel with a box (within the grid), in order."""
        ranges = [range(s.start // b, -(-s.stop // b)) for s, b in zip(box, self.size, strict=True)]
        return [int(np.ravel_multi_index(where, self.counts)) for where in product(*ranges)]


def grow(box: Sequence[slice], margin: int, shape: Sequence[int]) -> tuple[slice, ...]:
    """Return a box with a margin on every side, cut at the borders of the grid.

    Examples
    --------
    >>> grow((slice(0, 4), slice(6, 8)), 3, (9, 9))
    (slice(0, 7, None), slice(3, 9, None))
    """
    return tuple(
        slice(max(s.start - margin, 0), min(s.stop + margin, n))
        for s, n in zip(box, shape, strict=True)
    )


def intersect(box: Sequence[slice], other: Sequence[slice]) -> tuple[slice, ...]:
    """Return the box that two boxes have in common; of length 0 along an axis where there is none.

    Examples
    --------
    >>> intersect((slice(0, 4), slice(2, 9)), (slice(3, 8), slice(0, 1)))
    (slice(3, 4, None), slice(2, 2, None))
    """
    starts = [max(a.start, b.start) for a, b in zip(box, other, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(box, other, strict=True)]
    return tuple(slice(a, max(a, b)) for a, b in zip(starts, stops, strict=True))


def relative_to(box: Sequence[slice], outer: Sequence[slice]) -> tuple[slice, ...]:
    """Return where a box lies in an array that holds the box `outer`.

    Examples
    --------
    >>> relative_to((slice(4, 6),), (slice(3, 9),))
    (slice(1, 3, None),)
    """
    return tuple(
        slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True)
    )


@dataclass(frozen=True, eq=False)
class _Piece(Tile):
    """A part of a tile that each other tile covers whole or not at all.

    `is_first` and `is_last` are whether this tile is the first and the last of those that do.
    """

    is_first: bool
    is_last: bool


def _along_longest(parts: Sequence[Tile]) -> list[Tile]:
    """Tiles by their start along the longest axis, then along the next."""
    ordered = list(parts)
    axes = range(len(parts[0].box))[::-1]
    for axis in sorted(axes, key=partial(_length, parts)):  # the sort is stable
        ordered = sorted(ordered, key=partial(_start, axis))
    return ordered


def _length(parts: Sequence[Tile], axis: int) -> int:
    return max(int(tile.box[axis].stop) for tile in parts)


def _start(axis: int, tile: Tile) -> int:
    return int(tile.box[axis].start)


def _boxes_along(parts: Sequence[Tile], axis: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along an axis, in order, each once."""
    return sorted({(tile.box[axis].start, tile.box[axis].stop) for tile in parts})


def _pieces(tile: Tile, boxes_of_axis: Sequence[Sequence[tuple[int, int]]]) -> list[_Piece]:
    """Cut a tile where others begin and end, given the boxes of all tiles along each axis."""
    cuts = [
        _cut(box, weights, boxes)
        for box, weights, boxes in zip(tile.box, tile.weights, boxes_of_axis, strict=True)
    ]
    pieces = []
    for part in product(*cuts):
        box, weights, is_first, is_last = zip(*part, strict=True)
        pieces.append(_Piece(box, weights, all(is_first), all(is_last)))
    return sorted(pieces, key=lambda piece: math.prod(s.stop - s.start for s in piece.box))


def _cut(
    box: slice, weights: NDArray[np.float32], boxes: Sequence[tuple[int, int]]
) -> list[tuple[slice, NDArray[np.float32], bool, bool]]:
    """The same along one axis."""
    ends = sorted({end for ends in boxes for end in ends if box.start <= end <= box.stop})
    cuts = []
    for start, stop in pairwise(ends):
        covering = [first for first, last in boxes if first <= start and stop <= last]
        inside = weights[start - box.start : stop - box.start]
        is_first, is_last = box.start == covering[0], box.start == covering[-1]
        cuts.append((slice(start, stop), inside, is_first, is_last))
    return cuts


def _product(weights: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Product of the weights of all axes, as one array."""
    product_of_axes = np.ones((), np.float32)
    for axis_weights in weights:
        product_of_axes = product_of_axes[..., np.newaxis] * axis_weights
    return product_of_axes


def _per_axis(name: str, value: int | Sequence[int], shape: Sequence[int]) -> list[int]:
    values = list(value) if isinstance(value, Sequence) else [int(value)] * len(shape)
    if len(values) != len(shape):
        raise ValueError(
            f"{name} must be one number or one per axis of {tuple(shape)}, not {value}"
        )
    return values


def _split(
    length: int, size: int, overlap: int, multiple: int
) -> list[tuple[slice, NDArray[np.float32]]]:
    """Boxes along one axis with their weights."""
    if length <= size:
        return [(slice(0, length), np.ones(length, np.float32))]
    longest_step = (size - overlap) // multiple * multiple
    if longest_step < 1:
        raise ValueError(
            f"tiles of {size} pixels with an overlap of {overlap} do not advance by a multiple of "
            f"{multiple}: "
            f"use tiles of at least {overlap + multiple}"
        )
    count = -(-(length - overlap) // longest_step)
    # as few tiles as the size allows, but no larger than these need be: what two tiles share is
    # computed twice
    step = -(-(length - overlap) // (count * multiple)) * multiple
    count = -(-(length - overlap) // step)
    boxes = [
        slice(start, min(start + step + overlap, length)) for start in range(0, count * step, step)
    ]
    ramps = [_ramp(box, length, overlap) for box in boxes]
    total = np.zeros(length)
    for box, ramp in zip(boxes, ramps, strict=True):
        total[box] += ramp
    return [
        (box, (ramp / total[box]).astype(np.float32))
        for box, ramp in zip(boxes, ramps, strict=True)
    ]


def _ramp(box: slice, length: int, overlap: int) -> NDArray[np.float64]:
    """Cube of the distance to those ends of the box that the axis exceeds; cut at the overlap."""
    distance = np.full(box.stop - box.start, float(max(overlap, 1)))
    middles = np.arange(len(distance)) + 0.5
    if box.start > 0:
        distance = np.minimum(distance, middles)
    if box.stop < length:
        distance = np.minimum(distance, middles[::-1])
    return distance**3

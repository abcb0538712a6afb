"""Cut a grid into overlapping tiles whose results are blended (`tiles`, `blend`), or `Blocks`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray


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

    def add(self, values: NDArray[Any], total: NDArray[np.float32]) -> None:
        """Add weight · values to `total`, in place, both `(channels, *shape of the tile)`.

        Most weights are one: nothing is multiplied by them.
        """
        for part in product(*map(_cuts, self.weights)):
            weights = [w[cut] for w, cut in zip(self.weights, part, strict=True)]
            where = (slice(None), *part)
            if all((w == 1).all() for w in weights):
                total[where] += values[where]
            else:
                total[where] += values[where] * _product(weights)


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
    shape: Sequence[int],
    parts: Sequence[Tile],
    compute: Callable[[tuple[slice, ...]], NDArray[Any]],
    *,
    channels: int,
    axis: int = 0,
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.float32]]]:
    """Compute each tile and yield the weighted sum, slab by slab along one axis.

    ``result(p) = Σ_tiles weight(p) · compute(tile)(p)``. Only the slab that still waits for tiles
    is held in memory, not the whole result: choose the longest axis. A single tile is yielded as it
    was computed, without a copy.

    Parameters
    ----------
    shape : sequence of int
        The grid that `parts` covers.
    parts : sequence of Tile
        As returned by `tiles`.
    compute : function
        box → array `(channels, *box shape)`.
    channels : int
    axis : int ≥ 0
        The axis along which the slabs follow each other.

    Yields
    ------
    box : tuple of slice
        Where the slab lies: a range of `axis`, all of the other axes.
    slab : (channels, *box shape) float32 array
    """
    if len(parts) == 1:  # its weights are one
        yield parts[0].box, np.asarray(compute(parts[0].box), np.float32)
        return
    starts = sorted({tile.box[axis].start for tile in parts})
    # what later tiles still add to; the slab axis comes first
    overlap: NDArray[np.float32] | None = None
    for start, end in zip(starts, [*starts[1:], shape[axis]], strict=True):
        row = [tile for tile in parts if tile.box[axis].start == start]
        total = _sum_of_row(row, shape, compute, channels, axis)
        if overlap is not None:
            total[: len(overlap)] += overlap
        overlap = total[end - start :].copy()
        box = [slice(0, length) for length in shape]
        box[axis] = slice(start, end)
        yield tuple(box), np.moveaxis(total[: end - start], 0, axis + 1)


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


def _sum_of_row(
    row: Sequence[Tile],
    shape: Sequence[int],
    compute: Callable[[tuple[slice, ...]], NDArray[Any]],
    channels: int,
    axis: int,
) -> NDArray[np.float32]:
    """Weighted sum of tiles of one range of `axis`, over all other axes; `axis` comes first."""
    size = list(shape)
    size[axis] = row[0].box[axis].stop - row[0].box[axis].start
    total = np.zeros((channels, *size), np.float32)
    for tile in row:
        region = [slice(None), *tile.box]
        region[axis + 1] = slice(None)
        tile.add(compute(tile.box), total[tuple(region)])
    return np.moveaxis(total, axis + 1, 0)


def _product(weights: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Product of the weights of all axes, as one array."""
    product_of_axes = np.ones((), np.float32)
    for axis_weights in weights:
        product_of_axes = product_of_axes[..., np.newaxis] * axis_weights
    return product_of_axes


def _cuts(weights: NDArray[np.float32]) -> list[slice]:
    """An axis before, within and behind the weights of one, whichever of the three there are."""
    ones = np.flatnonzero(weights == 1)
    start, stop = (ones[0], ones[-1] + 1) if len(ones) else (0, 0)
    cuts = [slice(0, start), slice(start, stop), slice(stop, len(weights))]
    return [cut for cut in cuts if cut.start < cut.stop]


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

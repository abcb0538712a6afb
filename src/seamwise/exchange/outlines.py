"""Cells as polygons and back: `Outline`, `trace` and `fill`.

Corners are points ``(x, y)`` between the pixels: the first pixel reaches from 0 to 1. So do ImageJ,
QuPath and COCO count.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels import Labels, bounding_boxes, relabel, smallest_dtype

Ring = NDArray[np.floating[Any]]
"""Corners of a closed line, `(n, 2)`, each an x and a y; the first is not repeated."""

MOST_PIXELS = 2**28
"""The most that is drawn without an image, as a small file could ask for any size."""

_FARTHEST = 1_000_000  # pixels from the corner of an image
_AT_ONCE = 2**24  # pixels of a mask
_CROSSINGS = 2**19  # of rows by the sides of a ring, at once; each takes some sixty bytes
_SMALLEST_PLANE = 2**16  # pixels; writing a smaller one may take as long
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, down, left, up; the next turns right


@dataclass(frozen=True, eq=False)
class Outline:
    """What a cell covers in one plane.

    Attributes
    ----------
    name : str
        Its number, if it has one.
    parts : tuple of tuple of rings
        For each connected part its outer ring, then its holes.
    z, t : int
        Slice and time point, counted from 0.
    """

    name: str
    parts: tuple[tuple[Ring, ...], ...]
    z: int = 0
    t: int = 0

    @property
    def rings(self) -> tuple[Ring, ...]:
        """All rings. A pixel is inside if it lies in an odd number of those of a part."""
        return tuple(ring for part in self.parts for ring in part)


@dataclass(frozen=True, eq=False)
class Filling:
    """Outlines drawn as labels.

    Attributes
    ----------
    labels : (Z, Y, X) integer array
        Where two cells overlap, the later one is drawn over the earlier one.
    overlap : int
        Pixels that were drawn over.
    lost : int
        Cells without a pixel of their own.
    """

    labels: Labels
    overlap: int
    lost: int


def check_ring(ring: Ring) -> None:
    """Raise ValueError if a point of a ring is not finite or lies beyond any image."""
    if not np.isfinite(ring).all():
        raise ValueError("a ring needs points of finite x and y")
    if len(ring) and np.abs(ring).max() > _FARTHEST:
        raise ValueError(
            f"a ring reaches {np.abs(ring).max():.3g}, farther than {_FARTHEST:,} pixels: "
            "expected pixels of the image"
        )


def check_size(times: int, shape: tuple[int, int, int]) -> None:
    """Raise ValueError if labels of this size, (Z, Y, X), have more than `MOST_PIXELS`.

    Those of a series have levels, too, which take far longer: a quarter is the limit.
    """
    most = MOST_PIXELS // 4 if times > 1 else MOST_PIXELS
    if times * shape[0] * max(math.prod(shape[1:]), _SMALLEST_PLANE) > most:
        raise ValueError(
            f"its outlines need {times} × {shape[0]} planes of {shape[1]} × {shape[2]} pixels: "
            "give the image that was outlined"
        )


def moved(part: Iterable[Ring], corner: NDArray[np.float64]) -> tuple[Ring, ...]:
    """Return rings, moved by the x and y of a corner."""
    return tuple(ring + corner for ring in part)


def trace(labels: Labels, *, z: int = 0, t: int = 0) -> Iterator[Outline]:
    """Yield the outline of every cell of a plane, along the sides of its pixels.

    `fill` gives back the same pixels. Parts that meet at a corner only are parts of their own.

    Parameters
    ----------
    labels : (Y, X) integer array
        0 background, positive = one number per cell; negative pixels are skipped.
    z, t : int
        Slice and time point to note.

    Examples
    --------
    >>> (outline,) = trace(np.array([[0, 7, 7], [0, 7, 7]]))
    >>> outline.name, outline.parts[0][0].tolist()
    ('7', [[3.0, 0.0], [3.0, 2.0], [1.0, 2.0], [1.0, 0.0]])
    """
    cells = np.maximum(labels, 0)
    ids = np.unique(cells)
    ids = ids[ids > 0]
    ranks = relabel(cells)
    for rank, box in enumerate(bounding_boxes(ranks), 1):
        rings = _rings(ranks[box] == rank)
        corner = np.array([box[1].start, box[0].start], float)
        parts = tuple(moved(part, corner) for part in rings)
        yield Outline(str(ids[rank - 1]), parts, z, t)


def fill(outlines: Iterable[Outline], shape: tuple[int, int, int]) -> Filling:
    """Draw outlines as labels. A pixel is inside if its middle lies in an odd number of rings.

    Parameters
    ----------
    outlines : iterable of Outline
        Their names are the labels if all are whole numbers from 1 to 2³² − 1. Otherwise they are
        numbered in their order.
    shape : (Z, Y, X)
        What lies outside is cut off.

    Raises
    ------
    ValueError
        An outline lies in a slice that does not exist.

    Examples
    --------
    >>> square = Outline("a", ((np.array([[1, 0], [3, 0], [3, 2], [1, 2]]),),))
    >>> fill([square], (1, 2, 4)).labels[0].tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    outlines = list(outlines)
    numbers = _numbers(outlines)
    labels = np.zeros(shape, smallest_dtype(0, max(numbers, default=0)))
    overlap = 0
    for number, outline in zip(numbers, outlines, strict=True):
        if not 0 <= outline.z < shape[0]:
            raise ValueError(
                f"cell {outline.name!r} lies in slice {outline.z + 1} of {shape[0]}: "
                "give the image that it was drawn on"
            )
        for box, mask in _masks(outline.parts, shape[1:]):
            plane = labels[outline.z][box]
            overlap += int(np.count_nonzero((plane > 0) & (plane != number) & mask))
            plane[mask] = number
    drawn = np.unique(labels[labels > 0]).size
    return Filling(labels, overlap, len(set(numbers)) - drawn)


def _numbers(outlines: list[Outline]) -> list[int]:
    names = [outline.name for outline in outlines]
    places = {(outline.name, outline.z, outline.t) for outline in outlines}
    if len(places) == len(outlines) and all(
        name.isascii() and name.isdigit() and 0 < int(name) < 2**32 for name in names
    ):
        return [int(name) for name in names]
    return list(range(1, len(names) + 1))


def _masks(
    parts: tuple[tuple[Ring, ...], ...], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """The box around parts, cut at the image, and which pixels in it are inside one of them.

    Inside a part is what an odd number of its rings goes around. A large box comes in slabs.
    """
    rings = [ring for part in parts for ring in part if len(ring)]
    points = np.concatenate(rings) if rings else np.zeros((1, 2))
    left, top = np.clip(np.floor(points.min(axis=0)), 0, shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(points.max(axis=0)), (left, top), shape[::-1]).astype(int)
    rows = max(min(_AT_ONCE // max(right - left, 1), _CROSSINGS // len(points)), 1)
    for start in range(top, bottom, rows):
        mask = np.zeros((min(rows, bottom - start), right - left), bool)
        for part in parts:
            inside = np.zeros_like(mask)
            for ring in part:
                inside ^= _inside(ring - (left, start), mask.shape)
            mask |= inside
        yield (slice(start, start + len(mask)), slice(left, right)), mask


def _inside(ring: Ring, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels have their middle in a ring: to their left it crosses the row an odd number of
    times. A middle on the ring is inside if the ring's inside is to the right of it, or below.
    """
    height, width = shape
    (x, y), (next_x, next_y) = ring.T, np.roll(ring, -1, axis=0).T
    first, end = (
        np.clip(np.ceil(bound(y, next_y) - 0.5), 0, height).astype(int)
        for bound in (np.minimum, np.maximum)
    )
    counts = end - first  # rows whose middle a side crosses
    sides = np.repeat(np.arange(len(ring)), counts)
    rows = np.arange(len(sides)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    share = (rows + 0.5 - y[sides]) / (next_y - y)[sides]
    crossing = x[sides] + share * (next_x - x)[sides]
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
    places, times = np.unique(rows * (width + 1) + columns, return_counts=True)
    is_crossed = np.zeros((height, width + 1), bool)
    is_crossed.ravel()[places[times % 2 == 1]] = True
    return np.logical_xor.accumulate(is_crossed, axis=1)[:, :-1]


def _rings(mask: NDArray[np.bool_]) -> list[list[Ring]]:
    """For each connected part of a mask its outer ring, then its holes.

    Each side of a pixel of the mask towards the outside is a step that has the pixel on its right.
    The steps are chained to rings. Where four of them meet at a corner, turning right stays with
    the own part.
    """
    pieces, count = ndimage.label(mask)
    parts: list[list[Ring]] = [[] for _ in range(count)]
    steps = _steps(mask)
    while steps:
        start, direction = next(iter(steps))
        part = int(pieces[_pixel_on_right(start, direction)])
        ring = _follow(steps, start, direction)
        # outer rings go right first from their top corner, and are met before their holes
        parts[part - 1].append(ring)
    return [sorted(part, key=_is_hole) for part in parts]


def _steps(mask: NDArray[np.bool_]) -> dict[tuple[tuple[int, int], int], None]:
    """All steps as (corner they begin at, direction), in scan order."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    outside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    begins = ((0, 0), (1, 0), (1, 1), (0, 1))  # corner of the pixel, as x and y
    steps: dict[tuple[tuple[int, int], int], None] = {}
    for direction, (other, (dx, dy)) in enumerate(zip(outside, begins, strict=True)):
        rows, columns = np.nonzero(inner & ~other)
        corners = zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True)
        steps |= dict.fromkeys((corner, direction) for corner in corners)
    return steps


def _pixel_on_right(corner: tuple[int, int], direction: int) -> tuple[int, int]:
    x, y = corner
    row, column = ((y, x), (y, x - 1), (y - 1, x - 1), (y - 1, x))[direction]
    return row, column


def _follow(
    steps: dict[tuple[tuple[int, int], int], None], start: tuple[int, int], direction: int
) -> Ring:
    """Take the steps of one ring out, and return its corners."""
    corners = []
    step = (start, direction)
    while True:
        del steps[step]
        (x, y), before = step
        here = (x + _STEPS[before][0], y + _STEPS[before][1])
        turns = ((here, turn % 4) for turn in (before + 1, before, before + 3))
        step = next(turn for turn in turns if turn in steps or turn == (start, direction))
        if step[1] != before:
            corners.append(here)
        if step == (start, direction):
            return np.array(corners, float)


def _is_hole(ring: Ring) -> bool:
    """Whether a ring goes anticlockwise, as seen in an image."""
    x, y = ring.T
    return bool(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) < 0)

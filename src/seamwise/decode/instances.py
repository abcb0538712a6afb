"""From semantic classes to numbered cells; see `instances`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.nearest import REACH, nearest_cell, nearest_of
from seamwise.labels import CELL, TOUCHING, Labels, smallest_dtype
from seamwise.labels.runs import Runs, facing_runs, join_pairs, row_runs
from seamwise.labels.slabs import areas, look_up


def instances(classes: NDArray[np.uint8], *, min_size: int = 0, min_core: int = 0) -> Labels:
    """Label the cells of a semantic class map.

    Parameters
    ----------
    classes : (*S) integer array
        0 background, 1 cell, 2 touching.
    min_size : int
        Cells of fewer pixels are dropped; 0 keeps all.
    min_core : int
        Components of class *cell* of fewer pixels count as touching: a crumb between the seams of a
        fragmented cell goes to its neighbour instead of becoming a cell, and one on its own
        vanishes; 0 keeps all.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        0 background, 1..n cells in scan order.

    Notes
    -----
    Each face-connected component of class 1 is a cell. A touching pixel takes the label of the
    nearest cell (Euclidean, in pixels); if two *different* cells are equally near, it becomes
    background. Thesis Algorithm 2 compares the nearest pixel q0 with the nearest other *pixel* q1 ≠
    q0, which may lie in the same cell, and returns a binary mask, which would merge two cells along
    a strip of even width; we compare cells and propagate their labels. Only cells of the same
    region, joined by cell and touching pixels, are looked at, and touching pixels in a region
    without a cell become background: given to the nearest cell of all, however far, they would be a
    crumb of it. `min_core` is ours.

    A hole is a component of the background (faces and corners) that does not reach the image border
    and has one cell, and only one, around it; it is filled. Background enclosed by several cells
    stays.
    """
    check_sizes(min_size, min_core)
    foreground = find_foreground(classes)
    owners = assign_touching(foreground, foreground.areas() >= max(min_core, 1))
    return clean(owners.labels, min_size)


def check_sizes(min_size: int, min_core: int) -> None:
    """Raise ValueError if a size is negative."""
    if min_size < 0 or min_core < 0:
        raise ValueError(f"min_size and min_core must be 0 or more, not {min_size} and {min_core}")


def smaller_than(size: int, labels: Labels) -> NDArray[np.bool_]:
    """Mark the pixels of the cells that have fewer than `size` pixels."""
    small = areas(labels) < size
    small[0] = False
    return look_up(small, labels)


@dataclass(frozen=True, eq=False)
class Foreground:
    """The cells and touching pixels of a class map `(*S)`, as runs along its rows.

    Attributes
    ----------
    shape : tuple of int
        Of the map.
    runs : Runs
        Of class cell and of class touching.
    first, second : (pairs,) int32 arrays
        Runs of neighbouring rows that share a face.
    number : (runs,) int32 array
        The face-connected component of class cell that each run is part of, 1..count in scan
        order; 0 for touching ones.
    count : int
    """

    shape: tuple[int, ...]
    runs: Runs
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    number: NDArray[np.int32]
    count: int

    def areas(self) -> NDArray[np.int64]:
        """Pixels of each component; 0 for number 0."""
        pixels = np.bincount(self.number, self.runs.lengths, self.count + 1).astype(np.int64)
        pixels[0] = 0
        return pixels

    def peaks(self, height: NDArray[Any]) -> NDArray[Any]:
        """Highest relief, from `(*S)`, of each component; minus infinity for number 0."""
        highest = np.full(self.count + 1, -np.inf, height.dtype)
        cells = self.runs.select(self.number > 0)
        if len(cells):
            ends = np.column_stack([cells.starts, cells.stops]).ravel()
            pixels = height.reshape(-1)[: ends[-1]]
            of_run = np.maximum.reduceat(pixels, ends[:-1])[::2]
            np.maximum.at(highest, self.number[self.number > 0], of_run)
        return highest


def find_foreground(classes: NDArray[np.uint8]) -> Foreground:
    """Return the `Foreground` of a class map: 0 background, 1 cell, 2 touching."""
    runs = row_runs(classes)
    runs = runs.select((runs.labels == CELL) | (runs.labels == TOUCHING))
    first, second = facing_runs(runs, classes.shape)
    is_cell = runs.labels == CELL
    cell = np.cumsum(is_cell, dtype=np.int32) - 1
    is_joined = is_cell[first] & is_cell[second]
    count = int(is_cell.sum())
    group = join_pairs(count, cell[first[is_joined]], cell[second[is_joined]])
    number = np.zeros(len(runs), np.int32)
    number[is_cell] = group + 1
    return Foreground(classes.shape, runs, first, second, number, int(number.max(initial=0)))


@dataclass(frozen=True, eq=False)
class Owners:
    """Cells, and the touching pixels that were given to them.

    Attributes
    ----------
    canvas : uint32 array
        Numbers of the cells, with a margin of `REACH` background pixels around the image.
    touching : Runs
        The touching pixels, in the image.
    """

    canvas: NDArray[np.uint32]
    touching: Runs

    @property
    def labels(self) -> NDArray[np.uint32]:
        """The image itself."""
        return self.canvas[(slice(REACH, -REACH),) * self.canvas.ndim]

    def places(self) -> NDArray[np.int64]:
        """Where the touching pixels lie in the canvas, as numbers in scan order."""
        starts = _in_canvas(self.touching.starts, self.labels.shape)
        return replace(self.touching, starts=starts).pixels()

    def in_image(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where places in the canvas lie in the image."""
        index = np.unravel_index(places, self.canvas.shape)
        return np.ravel_multi_index(tuple(i - REACH for i in index), self.labels.shape)


def _in_canvas(places: NDArray[np.int64], shape: Sequence[int]) -> NDArray[np.int64]:
    """Where places in an image lie in a canvas with a margin of `REACH` around it."""
    index = np.unravel_index(places, tuple(shape))
    canvas_shape = tuple(length + 2 * REACH for length in shape)
    return np.ravel_multi_index(tuple(i + REACH for i in index), canvas_shape)


def _canvas(runs: Runs, number: NDArray[np.int32], shape: Sequence[int]) -> NDArray[np.uint32]:
    """An image of the number of each run, with a margin of `REACH` around it."""
    padded = tuple(length + 2 * REACH for length in shape)
    values = np.zeros((len(runs) + 1, 2), np.uint32)  # of what lies before each run, and of it
    values[:-1, 1] = number
    lengths = np.empty((len(runs) + 1, 2), np.int64)
    starts = _in_canvas(runs.starts, shape)
    lengths[1:, 0], lengths[:-1, 1] = starts + runs.lengths, runs.lengths
    lengths[0, 0], lengths[-1, 1] = 0, 0
    lengths[:, 0] = np.append(starts, math.prod(padded)) - lengths[:, 0]
    del starts
    return np.repeat(values.ravel(), lengths.ravel()).reshape(padded)


def assign_touching(foreground: Foreground, is_cell: NDArray[np.bool_]) -> Owners:
    """Give each touching pixel to the nearest cell of its region; ties stay background.

    `is_cell`, for each number of a component, tells which are cells; the others count as touching.
    """
    runs, shape = foreground.runs, foreground.shape
    number = np.where(is_cell[foreground.number], foreground.number, 0)
    region, region_of = _regions(foreground, number)
    canvas = _canvas(runs, number, shape)
    has_cell = np.zeros(int(region.max(initial=0)) + 1, bool)
    has_cell[region_of[1:][is_cell[1:]]] = True
    is_reachable = (number == 0) & has_cell[region]
    owners = Owners(canvas, runs.select(is_reachable))
    places, home = owners.places(), np.repeat(region[is_reachable], owners.touching.lengths)
    owner, is_near = nearest_cell(canvas, places, home, region_of)
    if not is_near.all():
        is_wanted = (number > 0) & np.isin(region, home[~is_near])
        cells = Owners(canvas, runs.select(is_wanted)).places()
        owner[~is_near] = _far_owner(canvas, places[~is_near], home[~is_near], cells, region_of)
    canvas.reshape(-1)[places] = owner
    return owners


def _regions(
    foreground: Foreground, number: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Regions, from 1, that touching pixels join: of each run, and of each number 0..count.

    `number` is that of the cell that each run is part of, or 0. Number 0 has no region.
    """
    runs, count = foreground.runs, foreground.count
    alone = count + np.arange(len(runs), dtype=np.int32)
    part = np.where(number > 0, number - 1, alone)  # a whole cell, or one run of another class
    width = max(foreground.shape[-1], 1)
    before = np.flatnonzero((runs.stops[:-1] == runs.starts[1:]) & (runs.starts[1:] % width > 0))
    first = part[np.concatenate([foreground.first, before])]
    second = part[np.concatenate([foreground.second, before + 1])]
    is_joined = first != second
    region = join_pairs(count + len(runs), first[is_joined], second[is_joined]) + 1
    return region[part], np.concatenate([np.zeros(1, np.int32), region[:count]])


def _far_owner(
    canvas: NDArray[np.uint32],
    places: NDArray[np.int64],
    home: NDArray[np.int32],
    cells: NDArray[np.int64],
    region_of: NDArray[np.int32],
) -> Labels:
    """Owners of touching pixels that are more than `REACH` away from any cell of their region.

    `cells` are the places of all pixels of the cells of these regions. Only those with a neighbour
    that is not of a cell can be the nearest.
    """
    pixels = canvas.reshape(-1)
    steps = np.cumprod([1, *canvas.shape[:0:-1]])
    is_rim = np.zeros(len(cells), bool)
    for step in (*steps, *-steps):
        is_rim |= pixels[cells + step] == 0
    cells = cells[is_rim]
    numbers = pixels[cells]
    near = np.column_stack([*np.unravel_index(cells, canvas.shape), region_of[numbers]])
    far = np.column_stack([*np.unravel_index(places, canvas.shape), home])
    owner, _ = nearest_of(near, numbers, far)
    return owner


def clean(labels: Labels, min_size: int, table: NDArray[np.int64] | None = None) -> Labels:
    """Fill holes and drop small cells; return the cells, renumbered in the order of their numbers.

    `table` has the number that takes the place of each number 0..n; 0 stays 0.
    """
    runs = row_runs(labels)
    number = runs.labels.astype(np.int64) if table is None else table[runs.labels]
    is_background = number == 0
    number[is_background] = _holes(runs.select(is_background), labels, table)
    pixels = np.bincount(number, runs.lengths)
    is_cell = pixels >= max(min_size, 1)
    is_cell[:1] = False
    final = np.cumsum(is_cell) * is_cell
    final = final.astype(smallest_dtype(0, int(final.max(initial=0))))
    result: Labels = np.repeat(final[number], runs.lengths).reshape(labels.shape)
    return result


def _holes(background: Runs, labels: Labels, table: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The cell that each run of the background is a hole of, or 0.

    A hole is a component (faces and corners) off the image border that one single cell surrounds.
    """
    first, second = facing_runs(background, labels.shape, diagonal=True)
    component = join_pairs(len(background), first, second)
    count = int(component.max(initial=-1)) + 1
    is_open = np.zeros(count, bool)
    is_open[component[_on_border(background, labels.shape)]] = True
    is_closed = ~is_open[component]
    enclosed = background.select(is_closed)
    lowest, highest = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    pixels, where = enclosed.pixels(), np.repeat(component[is_closed], enclosed.lengths)
    index = np.unravel_index(pixels, labels.shape)
    for axis, step in product(_long_axes(labels.shape), (-1, 1)):
        neighbour = labels[(*index[:axis], index[axis] + step, *index[axis + 1 :])].astype(np.int64)
        neighbour = neighbour if table is None else table[neighbour]
        is_contact = neighbour > 0
        np.minimum.at(lowest, where[is_contact], neighbour[is_contact])
        np.maximum.at(highest, where[is_contact], neighbour[is_contact])
    hole_of = np.where((lowest == highest) & ~is_open, highest, 0)
    return hole_of[component]


def _on_border(runs: Runs, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each run has a pixel on the border of an image."""
    *rows, width = shape
    row, column = np.divmod(runs.starts, max(width, 1))
    is_outer = np.zeros(len(runs), bool)
    if width > 1:
        is_outer = (column == 0) | (column + runs.lengths == width)
    for length in rows[::-1]:
        row, place = np.divmod(row, max(length, 1))
        if length > 1:
            is_outer |= (place == 0) | (place == length - 1)
    return is_outer


def _long_axes(shape: Sequence[int]) -> list[int]:
    """Axes with neighbours; a stack of one slice has none across it."""
    return [axis for axis, length in enumerate(shape) if length > 1]


def contacts(labels: Labels, regions: Labels, count: int) -> tuple[Labels, Labels]:
    """Lowest and highest cell among the face neighbours of each region 0..count of the background.

    `regions` are above 0 where `labels` are 0, and nowhere else. Without any cell the lowest is the
    largest number there is, and the highest 0.
    """
    lowest = np.full(count + 1, np.iinfo(labels.dtype).max, labels.dtype)
    highest = np.zeros(count + 1, labels.dtype)
    cell = labels > 0
    for axis in range(labels.ndim):
        edge = np.not_equal(*_neighbours(cell, axis))
        # on each side of an edge one of label and region is 0
        low, high = _neighbours(labels, axis)
        low_region, high_region = _neighbours(regions, axis)
        add_contacts(lowest, highest, low_region[edge] + high_region[edge], low[edge] + high[edge])
    return lowest, highest


def add_contacts(lowest: Labels, highest: Labels, regions: Labels, labels: Labels) -> None:
    """Take the cells that lie opposite of regions, pixel by pixel, into both extremes, in place."""
    contact = (regions > 0) & (labels > 0)
    np.minimum.at(lowest, regions[contact], labels[contact])
    np.maximum.at(highest, regions[contact], labels[contact])


def on_border(regions: Labels, count: int, sides: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Whether each region 0..count has a pixel on a side (axis, 0 or -1); 0 always does."""
    has_pixel = np.zeros(count + 1, bool)
    has_pixel[0] = True
    for axis, end in sides:
        has_pixel[np.take(regions, end, axis)] = True
    return has_pixel


def border_sides(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Sides of an image; a stack of one slice has the sides of a plane only."""
    return [(axis, end) for axis in _long_axes(shape) for end in (0, -1)]


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two views: each pixel but the last along `axis`, and its next neighbour."""
    first: list[slice] = [slice(None)] * array.ndim
    second = first.copy()
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    return array[tuple(first)], array[tuple(second)]

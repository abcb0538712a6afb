"""From semantic classes to numbered cells; see `instances`."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.decode.nearest import REACH, nearest_cell, nearest_of, rim
from seamwise.labels import CELL, TOUCHING, Labels, relabel
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
    labels, _ = ndimage.label(classes == CELL)
    touching = classes == TOUCHING
    if min_core > 1:
        crumb = smaller_than(min_core, labels)
        labels[crumb] = 0
        touching |= crumb
    if not labels.any():
        return np.zeros(classes.shape, np.uint8)
    assign_touching(labels, touching)
    return clean(labels, min_size)


def check_sizes(min_size: int, min_core: int) -> None:
    """Raise ValueError if a size is negative."""
    if min_size < 0 or min_core < 0:
        raise ValueError(f"min_size and min_core must be 0 or more, not {min_size} and {min_core}")


def smaller_than(size: int, labels: Labels) -> NDArray[np.bool_]:
    """Mark the pixels of the cells that have fewer than `size` pixels."""
    small = areas(labels) < size
    small[0] = False
    return look_up(small, labels)


def clean(labels: Labels, min_size: int) -> Labels:
    """Fill holes and drop small cells, in place; return the renumbered cells."""
    _fill_holes(labels)
    if min_size > 1:
        labels[smaller_than(min_size, labels)] = 0
    return relabel(labels)


def assign_touching(labels: Labels, touching: NDArray[np.bool_]) -> None:
    """Give each touching pixel to its region's nearest cell, in place; ties stay background."""
    regions, count = ndimage.label((labels > 0) | touching)
    region_of = np.zeros(int(labels.max()) + 1, regions.dtype)
    core = labels > 0
    region_of[labels[core]] = regions[core]  # all pixels of a cell lie in one region
    has_cell = np.zeros(count + 1, bool)
    has_cell[region_of[1:]] = True
    reachable = touching & look_up(has_cell, regions)
    if not reachable.any():
        return
    home = regions[reachable]
    canvas = np.pad(labels.astype(np.uint32), REACH)
    owner, is_near = nearest_cell(canvas, np.flatnonzero(np.pad(reachable, REACH)), home, region_of)
    del canvas
    if not is_near.all():
        places, cells = rim(labels, origin=(0,) * labels.ndim, region_of=region_of)
        far_pixels = np.column_stack([np.argwhere(reachable)[~is_near], home[~is_near]])
        owner[~is_near], _ = nearest_of(places, cells, far_pixels)
    labels[reachable] = owner


def _fill_holes(labels: Labels) -> None:
    """Fill, in place, background components off the image border that one single cell surrounds."""
    everywhere = ndimage.generate_binary_structure(labels.ndim, labels.ndim)
    regions, count = ndimage.label(labels == 0, everywhere)
    lowest, highest = contacts(labels, regions, count)
    open_to_border = on_border(regions, count, border_sides(labels.shape))
    fill = np.where((lowest == highest) & ~open_to_border, highest, 0)
    np.copyto(labels, look_up(fill, regions), where=regions > 0)


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
    return [(axis, end) for axis, length in enumerate(shape) if length > 1 for end in (0, -1)]


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two views: each pixel but the last along `axis`, and its next neighbour."""
    first: list[slice] = [slice(None)] * array.ndim
    second = first.copy()
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    return array[tuple(first)], array[tuple(second)]

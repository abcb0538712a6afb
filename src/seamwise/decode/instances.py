"""From semantic classes to numbered cells; see `instances`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from seamwise.labels import CELL, TOUCHING, Labels, areas, look_up, relabel

_PIXELS_AT_ONCE = 2**18  # neighbour queries take some hundred bytes a pixel


def instances(classes: NDArray[np.uint8], *, min_size: int = 0, min_core: int = 0) -> Labels:
    """Label the cells of a semantic class map.

    Parameters
    ----------
    classes : (*S) integer array
        0 background, 1 cell, 2 touching.
    min_size : int
        Cells of fewer pixels are dropped; 0 keeps all.
    min_core : int
        Components of class *cell* of fewer pixels count as touching: a crumb between the seams of a fragmented
        cell goes to its neighbour instead of becoming a cell, and one on its own vanishes; 0 keeps all.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        0 background, 1..n cells in scan order.

    Notes
    -----
    Each face-connected component of class 1 is a cell. A touching pixel takes the label of the nearest
    cell (Euclidean, in pixels); if two *different* cells are equally near, it becomes background. Thesis
    Algorithm 2 compares the nearest pixel q0 with the nearest other *pixel* q1 ≠ q0, which may lie in
    the same cell, and returns a binary mask, which would merge two cells along a strip of even width; we
    compare cells and propagate their labels. Only cells of the same region, joined by cell and touching
    pixels, are looked at, and touching pixels in a region without a cell become background: given to the
    nearest cell of all, however far, they would be a crumb of it. `min_core` is ours.

    A hole is a component of the background (faces and corners) that does not reach the image border
    and has one cell, and only one, around it; it is filled. Background enclosed by several cells stays.
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
    _assign_touching(labels, touching)
    return cleaned(labels, min_size)


def check_sizes(min_size: int, min_core: int) -> None:
    """Raise ValueError if a size is negative."""
    if min_size < 0 or min_core < 0:
        raise ValueError(f"min_size and min_core must be 0 or more, not {min_size} and {min_core}")


def smaller_than(size: int, labels: Labels) -> NDArray[np.bool_]:
    """Mark the pixels of the cells that have fewer than `size` pixels."""
    small = areas(labels) < size
    small[0] = False
    return look_up(small, labels)


def cleaned(labels: Labels, min_size: int) -> Labels:
    """Fill holes and drop small cells, in place; return the cells renumbered. The end of every decoder."""
    _fill_holes(labels)
    if min_size > 1:
        labels[smaller_than(min_size, labels)] = 0
    return relabel(labels)


def _assign_touching(labels: Labels, touching: NDArray[np.bool_]) -> None:
    """Give each touching pixel to the nearest cell of its region, in place; ties stay background."""
    regions, count = ndimage.label((labels > 0) | touching)
    has_cell = np.zeros(count + 1, bool)
    has_cell[regions[labels > 0]] = True
    reachable = touching & look_up(has_cell, regions)
    if not reachable.any():
        return
    # the cell pixel nearest to a pixel outside always has a face neighbour outside
    border = (labels > 0) & ~ndimage.binary_erosion(labels > 0, border_value=1)
    pixels, cells = _places(reachable, regions), labels[border]
    tree = cKDTree(_places(border, regions))
    del regions, border
    parts = np.array_split(pixels, len(pixels) // _PIXELS_AT_ONCE + 1)
    labels[reachable] = np.concatenate([_nearest_cell(part, tree, cells) for part in parts])


def _places(mask: NDArray[np.bool_], regions: Labels) -> NDArray[np.float64]:
    """Coordinates of pixels, with the region as one more axis: regions lie farther apart than any two pixels."""
    return np.column_stack([np.argwhere(mask), regions[mask] * float(sum(mask.shape))])


def _nearest_cell(pixels: NDArray[np.float64], tree: cKDTree, cells: Labels) -> Labels:
    """Cell nearest to each pixel, from a tree of cell pixels; 0 where two different cells are equally near."""
    owner = np.zeros(len(pixels), cells.dtype)
    undecided = np.arange(len(pixels))
    neighbours = 2
    while undecided.size:
        neighbours = min(neighbours, len(cells))
        distance, index = tree.query(pixels[undecided], k=np.arange(1, neighbours + 1))
        # squared distances of pixels are whole numbers: rounding makes equality exact
        tied = np.rint(distance**2) == np.rint(distance[:, :1] ** 2)
        nearest = cells[index]
        conflict = (tied & (nearest != nearest[:, :1])).any(1)
        # if all found so far are equally near, an equally near pixel of another cell may still follow
        decided = conflict | ~tied[:, -1] | (neighbours == len(cells))
        owner[undecided[decided]] = np.where(conflict, 0, nearest[:, 0])[decided]
        undecided = undecided[~decided]
        neighbours *= 2
    return owner


def _fill_holes(labels: Labels) -> None:
    """Fill, in place, background components off the image border that one single cell surrounds."""
    everywhere = ndimage.generate_binary_structure(labels.ndim, labels.ndim)
    regions, count = ndimage.label(labels == 0, everywhere)
    lowest = np.full(count + 1, np.iinfo(labels.dtype).max, labels.dtype)
    highest = np.zeros(count + 1, labels.dtype)
    open_to_border = np.zeros(count + 1, bool)
    open_to_border[0] = True
    for axis in range(labels.ndim):
        near, far = _shifted(labels, axis)
        near_region, far_region = _shifted(regions, axis)
        for region, label in ((near_region, far), (far_region, near)):
            contact = (region > 0) & (label > 0)
            np.minimum.at(lowest, region[contact], label[contact])
            np.maximum.at(highest, region[contact], label[contact])
        # a plane that is stored as a stack of one slice is no wider open than the plane
        for end in (0, -1) if labels.shape[axis] > 1 else ():
            open_to_border[np.take(regions, end, axis)] = True
    fill = np.where((lowest == highest) & ~open_to_border, highest, 0)
    np.copyto(labels, look_up(fill, regions), where=regions > 0)


def _shifted(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two views: each pixel but the last along `axis`, and its next neighbour."""
    first: list[slice] = [slice(None)] * array.ndim
    second = first.copy()
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    return array[tuple(first)], array[tuple(second)]

"""Arg-max decoding judged by the relief of the cells; see `relief`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.array_like import as_array
from seamwise.decode.instances import (
    Owners,
    assign_touching,
    check_sizes,
    clean,
    find_foreground,
)
from seamwise.decode.probabilities import (
    Gap,
    as_probabilities,
    background_of,
    check_probabilities,
    check_threshold,
)
from seamwise.labels import CELL, TOUCHING, Labels
from seamwise.labels.runs import join_pairs


def relief(
    maps: NDArray[Any],
    *,
    foreground: float = 0.5,
    core: float = 0.0,
    peak: float = 0.3,
    saddle: float = 0.8,
    min_size: int = 0,
    min_core: int = 0,
    gap: Gap = "background",
) -> Labels:
    """Label the cells of the class map as far as the predicted relief agrees.

    The relief r of a cell (`labels.guides`) is the distance to its boundary in units of its largest
    one: a hill of height 1, whatever the size of the cell. A network that doubts a cell predicts a
    low hill. One that doubts a seam predicts no valley there.

    1. Pixels become background, cell or touching (`foreground_classes`). Pixels of class cell with
       r < `core` count as touching: where cells are crowded, only the middle of each is sure.
    2. Components of class cell whose highest relief is below `peak` are not cells. They count as
       touching: they go to a neighbour, or vanish.
    3. Touching pixels go to the nearest cell (`instances`).
    4. Two cells a and b that touch are one if there is no valley between them::

           mean of r over the pixels where they touch ≥ saddle · min(max_a r, max_b r)

    Parameters
    ----------
    maps : (C + 1 + ndim, *S) floating array
        Class probabilities, C = 2, 3 or 4; then the relief and the offsets. Offsets are not used.
    foreground : float in [0, 1]
        Higher draws outlines closer.
    core : float in [0, 1]
        0 takes all pixels of class cell for the core of a cell.
    peak : float in [0, 1]
        0 takes every component for a cell.
    saddle : float ≥ 0
        In units of the lower of the two peaks; above 1 hardly any cells are joined.
    min_size : int
        Cells of fewer pixels are dropped; 0 keeps all.
    min_core : int
        See `instances`.
    gap : {"background", "second"}
        See `foreground_classes`.

    Returns
    -------
    (*S) array, smallest safe unsigned dtype
        0 background, 1..n cells.

    Raises
    ------
    ValueError
        Wrong number of maps, classes that are not probabilities, a relief that is NaN or infinite,
        `foreground`, `core` or `peak` outside [0, 1], a negative `saddle` or size, or an unknown
        option.

    Notes
    -----
    Source: ours. A distance transform is a common target of a regression (Naylor et al., IEEE TMI
    38, 448–459, 2019). Theirs is in pixels, so that thresholds depend on the size of the cells.

    Examples
    --------
    Two cells with a seam, then a cell with a false one, then a component that the relief denies:

    >>> classes = np.array([1, 1, 2, 2, 1, 1, 0, 1, 1, 2, 2, 1, 1, 0, 1, 1])
    >>> r = np.array([5, 9, 3, 3, 9, 5, 0, 5, 9, 9, 9, 9, 5, 0, 2, 2]) / 10
    >>> relief(np.stack([classes == 0, classes == 1, classes == 2, r, 0 * r]))
    array([1, 1, 1, 2, 2, 2, 0, 3, 3, 3, 3, 3, 3, 0, 0, 0], dtype=uint8)
    """
    probabilities, height = split_maps(maps)
    probabilities = check_probabilities(probabilities)
    if height.dtype.kind in "biu":  # maps of 0 and 1
        height = height.astype(np.float32)
    classes = foreground_classes(probabilities, foreground=foreground, gap=gap)
    return judge_by_relief(
        with_cores(classes, height, core),
        height,
        peak=peak,
        saddle=saddle,
        min_size=min_size,
        min_core=min_core,
    )


def foreground_classes(
    probabilities: NDArray[Any], *, foreground: float = 0.5, gap: Gap = "background"
) -> NDArray[np.uint8]:
    """Class of each pixel: 0 background, 1 cell, 2 touching.

    ::

        background  if z_1 + z_2 < φ · (z_0 + z_1 + z_2),   else touching if z_2 > z_1,   else cell

    with φ = `foreground`. Unlike in `semantic_classes`, cell and touching stand together against
    the background: a pixel of a seam is foreground though neither is likelier than background.

    Parameters
    ----------
    probabilities : (C, *S) floating array, C = 2, 3 or 4
    foreground : float in [0, 1]
    gap : {"background", "second"}
        "background" adds z_3 to z_0; "second" ignores it, as above.

    Returns
    -------
    (*S) uint8 array
    """
    check_threshold("foreground", foreground)
    probabilities = as_probabilities(probabilities)
    background, cell = background_of(probabilities, gap), probabilities[1]
    touching = probabilities[2] if len(probabilities) > 2 else np.zeros_like(cell)
    cell_or_touching = cell + touching
    classes: NDArray[np.uint8] = (
        cell_or_touching >= foreground * (background + cell_or_touching)
    ).astype(np.uint8)
    classes[(classes == CELL) & (touching > cell)] = TOUCHING
    return classes


def with_cores(classes: NDArray[np.uint8], height: NDArray[Any], core: float) -> NDArray[np.uint8]:
    """Classes `(*S)` where class cell with a relief `height` `(*S)` below `core` is touching.

    0 changes nothing, not even where the relief is negative.
    """
    check_threshold("core", core)
    if not core:
        return classes
    return np.where((classes == CELL) & (height < core), np.uint8(TOUCHING), classes)


def split_maps(maps: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Class probabilities `(C, *S)` and relief `(*S)` of the maps of a network with guides."""
    maps = as_array(maps, name="maps", real=True)
    guides = maps.ndim  # relief, and as many offsets as there are axes
    if not guides + 2 <= len(maps) <= guides + 4:
        raise ValueError(
            f"maps must hold 2 to 4 classes, a relief and {guides - 1} offsets, "
            f"not {len(maps)} channels"
        )
    if not np.isfinite(maps[-guides]).all():
        raise ValueError("the relief has NaN or infinite values: compute the maps again")
    return maps[:-guides], maps[-guides]


def judge_by_relief(
    classes: NDArray[np.uint8],
    height: NDArray[Any],
    *,
    peak: float,
    saddle: float,
    min_size: int = 0,
    min_core: int = 0,
) -> Labels:
    """Label the cells of a class map `(*S)`, judged by the relief `height` `(*S)`; see `relief`."""
    check_threshold("peak", peak)
    if saddle < 0:
        raise ValueError(f"saddle must be 0 or more, not {saddle}")
    check_sizes(min_size, min_core)
    foreground = find_foreground(classes)
    highest = foreground.peaks(height)
    is_cell = (foreground.areas() >= max(min_core, 1)) & (highest >= peak)
    owners = assign_touching(foreground, is_cell)
    owner = owners.canvas.reshape(-1)[owners.places()]
    np.maximum.at(highest, owner, height.reshape(-1)[owners.touching.pixels()])
    highest[0] = np.inf
    lowest = without_valley(sums_of_touching(owners, height), highest, saddle=saddle)
    return clean(owners.labels, min_size, lowest)


def sums_of_touching(owners: Owners, height: NDArray[Any]) -> "SaddleSums":
    """`saddle_sums` of owners, from the touching pixels: each face between cells has one."""
    canvas, places, parts = owners.canvas.reshape(-1), owners.places(), []
    for axis in range(owners.canvas.ndim):
        step = int(np.prod(owners.canvas.shape[axis + 1 :]))
        faces = []
        for behind in (places - step, places):
            one, two = canvas[behind], canvas[behind + step]
            faces.append(behind[(one > 0) & (two > 0) & (one != two)])
        low = np.unique(np.concatenate(faces))
        heights = (height.reshape(-1)[owners.in_image(place)] for place in (low, low + step))
        parts.append(sums_across(canvas[low], canvas[low + step], *heights))
    return add_up(parts)


def peaks(height: NDArray[Any], labels: Labels) -> NDArray[Any]:
    """Highest relief of each number 0..n: infinite for 0, minus infinite for one without pixels."""
    highest = np.full(int(labels.max(initial=0)) + 1, -np.inf, height.dtype)
    is_cell = labels > 0
    np.maximum.at(highest, labels[is_cell], height[is_cell])
    highest[0] = np.inf
    return highest


@dataclass(frozen=True, eq=False)
class SaddleSums:
    """What lies between the pairs of cells that touch over faces.

    Attributes
    ----------
    first, second : (pairs,) int64 arrays
        The cells, first < second. A pair may occur several times: its sums then add up.
    total : (pairs,) float64 array
        Sum over the faces of the mean relief of their two sides.
    faces : (pairs,) int64 array
        How many faces.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    total: NDArray[np.float64]
    faces: NDArray[np.int64]


def saddle_sums(labels: Labels, height: NDArray[Any]) -> SaddleSums:
    """`SaddleSums` of labels `(*S)` and their relief `(*S)`."""
    parts = []
    for axis in range(labels.ndim):
        along = (slice(None),) * axis
        low, high = (*along, slice(None, -1)), (*along, slice(1, None))
        parts.append(sums_across(labels[low], labels[high], height[low], height[high]))
    return add_up(parts)


def sums_across(
    low: Labels, high: Labels, low_height: NDArray[Any], high_height: NDArray[Any]
) -> SaddleSums:
    """`SaddleSums` of pixels that face each other, all arrays of one shape."""
    contact = (low != high) & (low > 0) & (high > 0)
    one, two = low[contact].astype(np.int64), high[contact].astype(np.int64)
    middle = (low_height[contact] + high_height[contact]) / 2
    sums = SaddleSums(
        np.minimum(one, two), np.maximum(one, two), middle.astype(np.float64), np.ones_like(one)
    )
    return add_up([sums])


def add_up(parts: Sequence[SaddleSums]) -> SaddleSums:
    """Add up the sums of each pair, so that it occurs once."""

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    first, second, total, faces = map(column, ("first", "second", "total", "faces"))
    base = int(second.max(initial=0)) + 1
    pairs, index = np.unique(first * base + second, return_inverse=True)
    relief_sum = np.bincount(index, total, len(pairs)).astype(np.float64)
    face_sum = np.bincount(index, faces, len(pairs)).astype(np.int64)
    return SaddleSums(pairs // base, pairs % base, relief_sum, face_sum)


def without_valley(sums: SaddleSums, highest: NDArray[Any], *, saddle: float) -> NDArray[np.int64]:
    """Lowest number of the cells that are one with each number 0..n; see `relief`.

    Parameters
    ----------
    sums : SaddleSums
        Of each pair once.
    highest : (n + 1,) array
        Highest relief of each cell.
    saddle : float
    """
    lower = np.minimum(highest[sums.first], highest[sums.second])
    has_no_valley = sums.total >= saddle * lower * sums.faces
    count = len(highest)
    group = join_pairs(count, sums.first[has_no_valley], sums.second[has_no_valley])
    lowest = np.full(int(group.max(initial=-1)) + 1, count)
    np.minimum.at(lowest, group, np.arange(count))
    result: NDArray[np.int64] = lowest[group]
    return result

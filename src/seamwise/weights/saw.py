"""Shape aware weight map; see `saw`."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, cKDTree

from seamwise.labels import (
    IGNORE,
    Labels,
    Target,
    bounding_boxes,
    inner_contour,
    relabel,
    smallest_dtype,
)
from seamwise.labels.parallel import in_parts, threads
from seamwise.labels.slabs import slabs
from seamwise.weights.balance import Balance, balance_map
from seamwise.weights.inputs import check_from_zero, check_inputs, check_positive
from seamwise.weights.skeleton import skeletons

_AT_ONCE = 2**21  # distances between pixels and hull faces


def saw(
    labels: Labels,
    target: Target | None = None,
    *,
    spacing: Sequence[float] | None = None,
    balance: Balance = "rarest",
    counts: Sequence[int] | None = None,
    tau: float | None = None,
    sigma: float = 1.0,
    rounds: int = 20,
) -> NDArray[np.float32]:
    """Shape aware weight map (SAW): contours of narrow cells and notches weigh more.

    ::

        ω(p) = b_{h(p)} + (F∗ω^c)(p) + 1
        ω^c(p) = max(1 − d_K(p)/τ, 0)   for p in Γ,   0 elsewhere

    The cells and their concave complement, the background in the convex hull of a cell, are the
    regions of the map. Γ are the inner contours of all regions and d_K is the distance to the
    skeleton of the pixel's own region. F spreads ω^c inwards and smooths it. In round r = 1, 2, …

    1. the r-th ring of each region (its pixels r face steps from Γ) copies the largest value among
       its face neighbours in the ring before,
    2. a Gaussian of standard deviation σ smooths the whole map,
    3. the map is divided by its maximum.

    Parameters
    ----------
    labels, target, balance, counts
        See `weights.balance`.
    spacing : sequence of float, optional
        Pixel size along each axis; distances are in its units.
    tau : float > 0, optional
        τ, the half width beyond which a region gets no extra weight, in units of `spacing`. By
        default the largest d_K on Γ, so that it changes from image to image.
    sigma : float > 0
        σ, in units of `spacing`.
    rounds : int ≥ 0
        How often F is applied, and how many pixels deep it reaches.

    Returns
    -------
    (*S) float32 array
        1 to 3 with rarest-class weights; 0 on ignored pixels. Without cells the map is b + 1.

    Raises
    ------
    TypeError, ValueError
        As `weights.balance`; an option is out of range.

    Notes
    -----
    The complement is that of all cells together, so that each pixel is in one region: background
    that lies in the hull of any cell, opened with the cross of face neighbours, since the hull of a
    round cell leaves crumbs. Each of its face-connected components is a region. A hull is that of
    the cell's pixel centres; cells that fit in a line (or, in a volume, in a slanted plane) have
    none. Neither the image border nor that of an ignored region is a contour.

    Thesis 3.2.2 says of F no more than that it combines copy padding and Gaussian smoothing and is
    iterated twenty times. Rings, the order of the steps, σ = 1 and the normalisation are how this
    project reads it. It does not say either whether a concave complement may lie on neighbouring
    cells: here it does not.

    Source: thesis (3.3), (3.4); Peña et al., ICIP 2018.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((7, 11), int)
    >>> labels[1:6, 1:10] = 1
    >>> saw(labels, rounds=0, tau=4)[1:4, 4].round(2)  # contour: ω^c = 1 − 2/4
    array([2.21, 1.71, 1.71], dtype=float32)
    """
    tau = None if tau is None else check_positive("tau", tau)
    sigma = check_positive("sigma", sigma)
    rounds = int(check_from_zero("rounds", rounds, whole=True))
    labels, target, steps = check_inputs(labels, target, spacing)
    regions = saw_regions(labels)
    contour = inner_contour(regions)
    spread = _narrowness(regions, contour, steps, tau)
    _spread_inwards(spread, regions, contour, [sigma / step for step in steps], rounds)
    spread += balance_map(target, balance, counts)
    spread += 1
    spread[target == IGNORE] = 0
    return spread


def saw_regions(labels: Labels) -> Labels:
    """Number the regions whose contours `saw` weighs: the cells, and the notches between them.

    Parameters
    ----------
    labels : (*S) integer array

    Returns
    -------
    (*S) integer array
        The m cells have 1..m, the components of their concave complement (see `saw`) m+1, …; 0 for
        other background, −1 for ignored pixels.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.full((6, 7), 7)
    >>> labels[:4, 2:5] = 0  # a notch
    >>> saw_regions(labels)[:4]
    array([[1, 1, 0, 2, 0, 1, 1],
           [1, 1, 2, 2, 2, 1, 1],
           [1, 1, 2, 2, 2, 1, 1],
           [1, 1, 0, 2, 0, 1, 1]], dtype=int8)
    """
    regions = relabel(labels)
    complement = np.zeros(labels.shape, bool)
    for number, box in enumerate(bounding_boxes(regions), start=1):
        complement[box] |= _hull(regions[box] == 0, regions[box] == number)
    if not complement.any():
        return regions
    # by the cross of face neighbours; an axis of one pixel has none
    opening = ndimage.binary_opening(complement.squeeze()).reshape(complement.shape)
    components, count = ndimage.label(opening)
    highest = int(regions.max()) + count
    regions = regions.astype(smallest_dtype(-1, highest), copy=False)
    np.add(components, highest - count, out=regions, where=opening, casting="unsafe")
    return regions


def _hull(candidates: NDArray[np.bool_], cell: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark which candidate pixels lie in the convex hull of a cell's pixel centres."""
    is_inside = np.zeros(cell.shape, bool)
    axes = [axis for axis, length in enumerate(cell.shape) if length > 1]
    rim = np.argwhere(cell & ~ndimage.binary_erosion(cell))[:, axes]
    if len(axes) < 2:
        return is_inside
    try:
        faces = ConvexHull(rim).equations
    except QhullError:  # all pixels on a line or in a plane
        return is_inside
    places = np.argwhere(candidates)
    for part in np.array_split(places, 1 + len(places) * len(faces) // _AT_ONCE):
        lies_inside = (part[:, axes] @ faces[:, :-1].T <= 1e-9 - faces[:, -1]).all(1)
        is_inside[tuple(part[lies_inside].T)] = True
    return is_inside


def _narrowness(
    regions: Labels, contour: NDArray[np.bool_], spacing: Sequence[float], tau: float | None
) -> NDArray[np.float32]:
    """ω^c."""
    skeleton = skeletons(np.maximum(regions, 0))
    result = np.zeros(regions.shape, np.float32)
    if not contour.any():
        return result
    # the region as one more axis: every other region lies farther away than any pixel of one's own
    steps = np.array([*spacing, float(np.dot(regions.shape, spacing))])
    tree = cKDTree(_places(skeleton, regions, steps))
    for slab in slabs(contour):
        places = _places(contour[slab], regions[slab], steps)
        places[:, 0] += slab.start * steps[0]
        result[slab][contour[slab]], _ = tree.query(places, workers=threads())
    largest = result.max() if tau is None else np.float32(tau)
    if largest > 0:
        result /= -largest
    result += 1
    np.maximum(result, 0, out=result)
    result[~contour] = 0
    return result


def _places(
    mask: NDArray[np.bool_], regions: Labels, steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.column_stack([np.argwhere(mask), regions[mask]]) * steps


def _spread_inwards(
    values: NDArray[np.float32],
    regions: Labels,
    contour: NDArray[np.bool_],
    sigma: Sequence[float],
    rounds: int,
) -> None:
    """Apply F to the map, in place."""
    if not contour.any():
        return
    ring = np.flatnonzero(contour)
    round_of = np.zeros(values.shape, np.min_scalar_type(rounds + 1))  # in which round, plus one
    np.put(round_of, ring, 1)
    for number in range(2, rounds + 2):
        for neighbour, is_inside in _face_neighbours(ring, values.shape):
            is_new = is_inside & (round_of.take(neighbour) == 0) & (regions.take(neighbour) > 0)
            np.put(round_of, neighbour[is_new], number)
        ring = np.flatnonzero(round_of == number)
        neighbours = np.zeros(len(ring), np.float32)
        for neighbour, is_inside in _face_neighbours(ring, values.shape):
            is_source = is_inside & (round_of.take(neighbour) == number - 1)
            np.maximum(neighbours, values.take(neighbour), out=neighbours, where=is_source)
        np.put(values, ring, neighbours)
        for axis, deviation in enumerate(sigma):
            in_parts(partial(_smooth, axis=axis, sigma=deviation), values, axis)
        highest = values.max()
        if highest > 0:  # not if every contour is farther than τ from its skeleton
            values /= highest


def _face_neighbours(
    pixels: NDArray[np.intp], shape: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Flat index of each pixel's neighbour on each face, and whether that lies in the image."""
    stride = 1
    for length in reversed(shape):
        place = pixels // stride % length
        for step, is_inside in ((-1, place > 0), (1, place < length - 1)):
            yield np.where(is_inside, pixels + step * stride, pixels), is_inside
        stride *= length


def _smooth(values: NDArray[np.float32], *, axis: int, sigma: float) -> None:
    ndimage.gaussian_filter1d(values, sigma, axis, output=values)

"""Weight map of the original U-Net: background between two near cells; see `unet`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import Labels, Target, bounding_boxes, relabel, smallest_dtype
from seamwise.labels.distance import squared_distance
from seamwise.labels.slabs import look_up, slabs
from seamwise.weights.balance import Balance, background, balance_map
from seamwise.weights.inputs import check_from_zero, check_inputs, check_positive

_REACH = 6.5  # in σ: exp(−6.5²/2) is below 1e-9


def unet(
    labels: Labels,
    target: Target | None = None,
    *,
    spacing: Sequence[float] | None = None,
    balance: Balance = "rarest",
    counts: Sequence[int] | None = None,
    w0: float = 10.0,
    sigma: float = 5.0,
) -> NDArray[np.float32]:
    """U-Net's weight map: background pixels weigh more, the narrower the passage between two cells.

    ::

        ω(p) = b_{h(p)} + w0 · exp( −(d₁(p) + d₂(p))² / (2σ²) )    on background
               b_{h(p)}                                            elsewhere

    with b the class weights and d₁, d₂ the Euclidean distances to the nearest and to the second
    nearest cell.

    Parameters
    ----------
    labels, target, balance, counts
        See `weights.balance`. A cell of several pieces is one cell.
    spacing : sequence of float, optional
        Pixel size along each axis; distances are in its units.
    w0 : float ≥ 0
        Height of the second term.
    sigma : float > 0
        σ, its width, in units of `spacing`.

    Returns
    -------
    (*S) float32 array
        b to w0 + b; 0 on ignored pixels. With a single cell d₂ = d₁; without a cell the map is b.
        Background includes the gap class of a four-class target.

    Raises
    ------
    TypeError, ValueError
        As `weights.balance`; `w0` is negative or σ is not positive.

    Notes
    -----
    Distances are cut at 6.5σ: where d₁ + d₂ is more than that, the second term is below 1e-9·w0
    whatever they are.

    The usual code takes one distance transform per cell. Here cells get colours, so that two cells
    within reach of each other differ. With D_{k,0} and D_{k,1} the distances to the cells whose
    colour has bit k off and on, d₂ = min_k max(D_{k,0}, D_{k,1}): of two such groups the nearest
    cell is in one, the other is no nearer than the second nearest cell, and these two cells differ
    in some bit. A few transforms, however many cells there are.

    Source: thesis (2.7); Ronneberger et al., MICCAI 2015, eq. 2.

    Examples
    --------
    >>> import numpy as np
    >>> unet(np.array([1, 1, 0, 0, 2, 0]), w0=10, sigma=2).round(3)
    array([1.   , 1.   , 4.247, 4.247, 1.   , 1.439], dtype=float32)
    """
    sigma = check_positive("sigma", sigma)
    w0 = check_from_zero("w0", w0)
    labels, target, steps = check_inputs(labels, target, spacing)
    result = balance_map(target, balance, counts)
    if not (labels > 0).any():
        return result
    limit = _REACH * sigma
    nearest, second = _two_nearest(labels, limit, steps)
    for slab in slabs(result):
        passage = np.sqrt(nearest[slab], dtype=np.float32) + np.sqrt(second[slab], dtype=np.float32)
        result[slab] += (
            np.float32(w0)
            * np.exp(passage**2 / np.float32(-2 * sigma**2))
            * background(target[slab])
        )
    return result


def _two_nearest(
    labels: Labels, limit: float, spacing: Sequence[float]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Squared distances to the nearest and to the second nearest cell.

    The second is right where the two distances together are below `limit`; elsewhere it is no less.
    With a single cell, both are the distance to that.
    """
    numbers = np.maximum(relabel(labels), 0)
    colour = _colours(numbers, [limit / step for step in spacing])
    if len(colour) == 2:
        nearest = squared_distance(labels > 0, limit=limit, spacing=spacing)
        return nearest, nearest
    colours = look_up(colour, numbers)
    del numbers

    def both(bit: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Distances to the cells whose colour has this bit, and to the others."""
        on = (colours >> bit & 1).astype(bool)
        return (
            squared_distance(on & (labels > 0), limit=limit, spacing=spacing),
            squared_distance(~on & (labels > 0), limit=limit, spacing=spacing),
        )

    one, other = both(0)
    nearest, second = np.minimum(one, other), np.maximum(one, other, out=other)
    for bit in range(1, int(colour.max()).bit_length()):
        one, other = both(bit)
        np.minimum(second, np.maximum(one, other, out=other), out=second)
    return nearest, second


def _colours(numbers: Labels, reach: Sequence[float]) -> Labels:
    """Colour 0, 1, … of each cell 0..n: cells whose boxes are less than `reach` apart differ.

    Those with the most such neighbours come first, which takes fewer colours.
    """
    neighbours = _near_boxes(bounding_boxes(numbers), np.array(reach))
    colour = np.full(len(neighbours), -1)
    for cell in np.argsort([-len(near) for near in neighbours], kind="stable"):
        used_colours = {-1, *colour[neighbours[cell]].tolist()}
        colour[cell] = min(set(range(len(used_colours))) - used_colours)
    colours = np.zeros(len(neighbours) + 1, smallest_dtype(0, int(colour.max())))
    colours[1:] = colour
    return colours


def _near_boxes(
    boxes: Sequence[tuple[slice, ...]], reach: NDArray[np.float64]
) -> list[NDArray[np.intp]]:
    """Indices of the boxes less than `reach` away from each; the reach is a length of its axis."""
    ends = np.array([(axis.start, axis.stop) for box in boxes for axis in box])
    low, high = np.moveaxis(ends.reshape(len(boxes), len(reach), 2), -1, 0)
    order = np.argsort(low[:, 0], kind="stable")
    starts = low[order, 0]
    # in this order a box can only reach those that start less than its own length, or the longest
    # one, and the reach away
    longest = (high - low)[:, 0].max()
    first = np.searchsorted(starts, low[:, 0] - reach[0] - longest)
    last = np.searchsorted(starts, high[:, 0] + reach[0])
    neighbours = []
    for cell, (begin, end) in enumerate(zip(first, last, strict=True)):
        others = order[begin:end]
        gap = np.maximum(low[cell] - high[others], low[others] - high[cell]) + 1
        is_near = (np.square(gap.clip(min=0) / reach)).sum(1) < 1
        neighbours.append(others[is_near & (others != cell)])
    return neighbours

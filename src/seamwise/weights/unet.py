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
    second = _second_squared(labels, limit, steps)
    nearest = squared_distance(labels > 0, limit=limit, spacing=steps)
    for slab in slabs(result):
        passage = np.sqrt(nearest[slab], dtype=np.float32) + np.sqrt(second[slab], dtype=np.float32)
        result[slab] += (
            np.float32(w0)
            * np.exp(passage**2 / np.float32(-2 * sigma**2))
            * background(target[slab])
        )
    return result


def _second_squared(labels: Labels, limit: float, spacing: Sequence[float]) -> NDArray[Any]:
    """Squared distance to the second nearest cell where this plus the nearest is below `limit`.

    Elsewhere no less than it is. With a single cell, the distance to that.
    """
    numbers = np.maximum(relabel(labels), 0)
    colour = _colours(numbers, [limit / step for step in spacing])
    if len(colour) == 2:
        return squared_distance(labels > 0, limit=limit, spacing=spacing)
    colours = look_up(colour, numbers)
    del numbers

    def farther(bit: int) -> NDArray[Any]:
        on = (colours >> bit & 1).astype(bool)
        off = squared_distance((labels > 0) & ~on, limit=limit, spacing=spacing)
        np.maximum(off, squared_distance((labels > 0) & on, limit=limit, spacing=spacing), out=off)
        return off

    second = farther(0)
    for bit in range(1, int(colour.max()).bit_length()):
        np.minimum(second, farther(bit), out=second)
    return second


def _colours(numbers: Labels, reach: Sequence[float]) -> Labels:
    """Colour 0, 1, … of each cell 0..n: cells whose boxes are less than `reach` apart differ."""
    boxes = bounding_boxes(numbers)
    ends = np.array([(axis.start, axis.stop) for box in boxes for axis in box])
    low, high = np.moveaxis(ends.reshape(len(boxes), numbers.ndim, 2), -1, 0)
    order = np.argsort(low[:, 0], kind="stable")
    low, high = low[order], high[order]
    # in this order, a cell can only reach the earlier ones that start less than a box and the reach
    # before it
    first = np.searchsorted(low[:, 0], low[:, 0] - reach[0] - (high - low)[:, 0].max())
    colour = np.zeros(len(boxes), int)
    for cell, start in enumerate(first):
        gap = np.maximum(low[cell] - high[start:cell], low[start:cell] - high[cell]) + 1
        used_colours = np.unique(colour[start:cell][(gap < reach).all(1)])
        free_colours = np.flatnonzero(used_colours != np.arange(len(used_colours)))
        colour[cell] = free_colours[0] if len(free_colours) else len(used_colours)
    colours = np.zeros(len(boxes) + 1, smallest_dtype(0, int(colour.max())))
    colours[1 + order] = colour
    return colours

"""Weights for Youden's J that count cells, not pixels; see `pieces`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels import CELL, GAP, IGNORE, TOUCHING, Labels, Target, relabel
from seamwise.weights.inputs import check_from_zero, check_inputs


def pieces(
    labels: Labels,
    target: Target | None = None,
    *,
    spacing: Sequence[float] | None = None,
    power: float = 0.5,
) -> NDArray[np.float32]:
    """Weights that balance the pieces of a class: a pixel weighs less, the larger its piece.

    ::

        ω(p) = n_j ^ (−power)    cell, touching and gap, with n_j the pixels of its piece j
               1                 background

    A piece is what is of class cell in one cell, what is of class touching in one cell, or a
    connected part of the gap. For `losses.youden`, whose rates are then

    ::

        M_ik = Σ_j n_j^(1 − power) · m_j / Σ_j n_j^(1 − power)

    with j the pieces of class k and m_j the mean of z_i over piece j. With a power of 1, each cell
    counts the same, however small it is; with 0, each pixel does, which is J without weights.

    Parameters
    ----------
    labels, target
        See `weights.balance`. Pixels of class cell or touching without a number form connected
        parts, as the gap does.
    spacing : sequence of float, optional
        As in the other maps; it only serves to make a missing target.
    power : float ≥ 0
        How far pieces are balanced.

    Returns
    -------
    (*S) float32 array
        Up to 1; 0 on ignored pixels.

    Raises
    ------
    TypeError, ValueError
        As `weights.balance`; `power` is negative.

    Notes
    -----
    Only ratios within a class matter to J. Cross entropy compares classes, too: there these weights
    would leave little more than the background.

    In a crop, a cell that the border cuts is as large as what is seen of it.

    Source: this project; `nuclei-2d` and the other models of cells were trained with a power of
    0.5. The weights of blobs in Kofler et al., IPMI 2023, have the same purpose.

    Examples
    --------
    A cell of four pixels, and one of a single pixel, which touches nothing:

    >>> import numpy as np
    >>> pieces(np.array([5, 5, 5, 5, 0, 0, 0, 9]))
    array([0.5, 0.5, 0.5, 0.5, 1. , 1. , 1. , 1. ], dtype=float32)
    """
    power = check_from_zero("power", power)
    labels, target, _ = check_inputs(labels, target, spacing)
    numbers = np.maximum(relabel(labels), 0)
    weight: NDArray[np.float32] = (target != IGNORE).astype(np.float32)
    for kind in (CELL, TOUCHING, GAP):
        members = target == kind
        owned = members & (numbers > 0) if kind != GAP else np.zeros_like(members)
        parts, _ = ndimage.label(members & ~owned)
        _divide(weight, owned, numbers, power)
        _divide(weight, members & ~owned, parts, power)
    return weight


def _divide(
    weight: NDArray[np.float32], mask: NDArray[np.bool_], owner: Labels, power: float
) -> None:
    """Set the weight of the pixels in the mask by how many of them have the same owner."""
    owners = owner[mask]
    weight[mask] = np.bincount(owners)[owners].astype(np.float32) ** -power

"""Distance transform based weight map; see `dwm`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import CELL, IGNORE, TOUCHING, Labels, Target
from seamwise.labels.distance import distance
from seamwise.weights.balance import Balance, balance_map
from seamwise.weights.inputs import check_inputs, check_positive


def dwm(
    labels: Labels,
    target: Target | None = None,
    *,
    spacing: Sequence[float] | None = None,
    balance: Balance = "rarest",
    counts: Sequence[int] | None = None,
    beta: float = 30.0,
    additive: bool = False,
) -> NDArray[np.float32]:
    """Distance transform based weight map (DWM): background fades with its distance from the cells.

    ::

        ω(p) = b_{h(p)} · (1 − min(d(p)/β, 1)) + 1
        ω(p) = b_{h(p)} + (1 − min(d(p), β)/β) + 1        additive=True

    with b the class weights and d the Euclidean distance to the nearest pixel of class cell or
    touching (0 there).

    Parameters
    ----------
    labels, target, balance, counts
        See `weights.balance`.
    spacing : sequence of float, optional
        Pixel size along each axis; distances are in its units.
    beta : float > 0
        β, the distance at which the weight has fallen to 1 (`additive`: to b + 1), in units of
        `spacing`.
    additive : bool
        The form in the authors' own code.

    Returns
    -------
    (*S) float32 array
        1 to 2 (`additive`: 1 to 3) with rarest-class weights; 0 on ignored pixels. Without cells 1
        everywhere (`additive`: b + 1).

    Raises
    ------
    TypeError, ValueError
        As `weights.balance`; β is not positive.

    Notes
    -----
    Source: thesis (3.2); Peña et al., ICIP 2018.

    Examples
    --------
    >>> import numpy as np
    >>> dwm(np.array([1, 1, 0, 0, 0]), np.array([1, 1, 0, 0, 0]), beta=2).round(3)
    array([2.   , 2.   , 1.333, 1.   , 1.   ], dtype=float32)
    """
    beta = check_positive("beta", beta)
    if not isinstance(additive, bool | np.bool_):
        raise ValueError(f"additive must be true or false, not {additive!r}")
    labels, target, steps = check_inputs(labels, target, spacing)
    class_balance = balance_map(target, balance, counts)
    # in place from here on: a volume has room for few maps
    fading = distance((target == CELL) | (target == TOUCHING), limit=beta, spacing=steps)
    fading /= np.float32(-beta)
    fading += 1
    if additive:
        fading += class_balance
    else:
        fading *= class_balance
    fading += 1
    fading[target == IGNORE] = 0
    return fading

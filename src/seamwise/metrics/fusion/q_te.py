"""Mutual information by Tsallis entropy of a fused picture with its sources; see `q_te`."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.metrics.fusion.levels import entropy, grey_levels, joint_histogram
from seamwise.metrics.fusion.pictures import Grey, check_choice, checked_triple

_NAVA_ORDER, _CVEJIC_ORDER = 0.43137, 1.85


def q_te(
    a: NDArray[Any],
    b: NDArray[Any],
    fused: NDArray[Any],
    *,
    variant: Literal["thesis", "cvejic"] = "thesis",
    marginals: Literal["swapped", "matched"] = "swapped",
) -> float:
    """How much information the fused picture shares with each source; q weighs rare levels.

    ::

        Q_TE = (T(A, F) + T(B, F)) / (H(A)^q + H(B)^q + T(A, B))     variant "thesis", q = 0.43137
        Q_TE =  T(A, F) + T(B, F)                                    variant "cvejic", q = 1.85
        T(X, Y) = (1 − Σ_ij h_ij^q · (x_i y_j)^(1 − q)) / (1 − q)              marginals "matched"
        T(X, Y) = (1 − Σ_ij h_ij^q · (y_i x_j)^(1 − q)) / (1 − q)              marginals "swapped"

    with the joint histogram h of the grey levels of X and Y, each stretched to 0..255, its
    marginals x and y, and the Shannon entropy H in bits.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats.
    variant : "thesis" or "cvejic"
        Normalised, or the plain sum at another order.
    marginals : "swapped" or "matched"
        "swapped" is the slip of the code behind published values: marginal i of one picture meets
        level i of the other. "matched" is Tsallis' relative entropy between h and the product of
        its own marginals.

    Returns
    -------
    float
        Higher is better; "thesis" about 0.4, "cvejic" tens of units with swapped marginals. With
        matched marginals T ≥ 0, and T = 0 for independent pictures. T of a constant picture is 0:
        a constant picture shares nothing. So is Q_TE if both sources are constant.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range; an unknown variant or marginals.

    Notes
    -----
    Source: thesis section 6.3.2; Nava, Cristóbal, Escalante-Ramírez 2007, SPIE Newsroom; Cvejic,
    Canagarajah, Bull 2006, Electronics Letters 42(11). The default reproduces the code that goes
    with Liu et al. 2012, IEEE TPAMI 34(1), whose scale the tables of the thesis have: swapped
    marginals, and Shannon's entropies to the power q where Tsallis' own belong. Pairs whose product
    of marginals is 0 add nothing to the sum. We depart from that code for constant pictures alone,
    where swapped marginals would give about 1 / (1 − q), more than a good fused picture has. The
    survey of Liu et al. 2020 leaves this metric out.

    Examples
    --------
    >>> a = np.array([[0, 0, 255, 255]])
    >>> b = np.array([[0, 255, 0, 255]])
    >>> round(q_te(a, b, b, marginals="matched"), 4)
    0.2864
    """
    check_choice("variant", variant, ("thesis", "cvejic"))
    check_choice("marginals", marginals, ("swapped", "matched"))
    a, b, fused = (grey_levels(picture) for picture in checked_triple(a, b, fused))
    q = _NAVA_ORDER if variant == "thesis" else _CVEJIC_ORDER
    shared_information = sum(
        _tsallis(joint_histogram(source, fused), q, marginals) for source in (a, b)
    )
    if variant == "cvejic":
        return shared_information
    h = joint_histogram(a, b)
    total = entropy(h.sum(axis=1)) ** q + entropy(h.sum(axis=0)) ** q + _tsallis(h, q, marginals)
    return shared_information / total if total != 0 else 0.0


def _tsallis(h: Grey, q: float, marginals: str) -> float:
    x, y = h.sum(axis=1), h.sum(axis=0)
    if np.count_nonzero(x) == 1 or np.count_nonzero(y) == 1:
        return 0.0
    product = np.outer(x, y) if marginals == "matched" else np.outer(y, x)
    occurs = (h > 0) & (product > 0)
    return float((1 - np.sum(h[occurs] ** q * product[occurs] ** (1 - q))) / (1 - q))

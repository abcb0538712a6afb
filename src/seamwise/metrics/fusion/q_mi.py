"""Normalised mutual information of a fused picture with its sources; see `q_mi`."""

from typing import Any

from numpy.typing import NDArray

from seamwise.metrics.fusion.levels import entropy, grey_levels, joint_histogram, mutual_information
from seamwise.metrics.fusion.pictures import Grey, checked_triple


def q_mi(a: NDArray[Any], b: NDArray[Any], fused: NDArray[Any]) -> float:
    """How much information the fused picture shares with each source.

    ::

        Q_MI = 2 · ( I(A, F) / (H(A) + H(F)) + I(B, F) / (H(B) + H(F)) )

    with the mutual information I and the entropies H of the grey levels, each picture stretched to
    0..255.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats.

    Returns
    -------
    float
        0..2, higher is better; 2 only if each picture tells the levels of the others. A constant
        picture shares nothing: its terms are 0, also when both pictures of a term are constant.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range.

    Notes
    -----
    Source: thesis section 6.3.2, which names Hossny's form; Hossny, Nahavandi, Creighton 2008,
    Electronics Letters 44(18), after Qu, Zhang, Yan 2002, whose sum of plain I favours the source
    of higher entropy. The thesis and the survey of Liu, Wang, Cheng, Li, Chen 2020, Information
    Fusion 64, use the same form. Returning a source scores at least 1: the term of that source is
    full.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[0, 0, 255, 255]])
    >>> b = np.array([[0, 255, 0, 255]])
    >>> q_mi(a, b, a), q_mi(a, a, a)
    (1.0, 2.0)
    """
    a, b, fused = (grey_levels(picture) for picture in checked_triple(a, b, fused))
    return _normalised_information(joint_histogram(a, fused)) + _normalised_information(
        joint_histogram(b, fused)
    )


def _normalised_information(h: Grey) -> float:
    total = entropy(h.sum(axis=1)) + entropy(h.sum(axis=0))
    return 2 * mutual_information(h) / total if total > 0 else 0.0

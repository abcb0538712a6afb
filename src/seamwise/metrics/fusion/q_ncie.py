"""Nonlinear correlation information entropy of three pictures; see `q_ncie`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.metrics.fusion.levels import grey_levels, joint_histogram, mutual_information
from seamwise.metrics.fusion.pictures import checked_triple


def q_ncie(a: NDArray[Any], b: NDArray[Any], fused: NDArray[Any]) -> float:
    """How far the three pictures are from independent, by the eigenvalues of their correlations.

    ::

        Q_NCIE = 1 + Σ_i (λ_i / 3) · log_256(λ_i / 3),   λ the eigenvalues of R

        R = [ 1    r_AB  r_AF ]
            [ r_AB  1    r_BF ]    r_XY = I(X, Y) / log₂ 256
            [ r_AF r_BF   1   ]

    with the mutual information I in bits of the grey levels, each picture stretched to 0..255.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats.

    Returns
    -------
    float
        1 − log_256 3 = 0.8019 (independent pictures) .. 1, higher is better. A constant picture is
        independent of every other.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range.

    Notes
    -----
    Source: thesis section 6.3.2; Wang, Shen, Jin 2008, in: Image Fusion (Academic Press), chapter
    19. The agreement of the sources, r_AB, counts too; it is the same for every fused picture. The
    thesis and the survey of Liu et al. 2020 use the same form.

    Examples
    --------
    >>> a = np.array([[0, 0, 255, 255]])
    >>> b = np.array([[0, 255, 0, 255]])
    >>> flat = np.zeros((1, 4))
    >>> round(q_ncie(a, b, flat), 4), round(q_ncie(a, b, a), 4)
    (0.8019, 0.8028)
    """
    a, b, fused = (grey_levels(picture) for picture in checked_triple(a, b, fused))
    r_ab, r_af, r_bf = (
        mutual_information(joint_histogram(x, y)) / 8 for x, y in ((a, b), (a, fused), (b, fused))
    )
    eigenvalues = np.linalg.eigvalsh([[1, r_ab, r_af], [r_ab, 1, r_bf], [r_af, r_bf, 1]])
    # three alike pictures have eigenvalues of 0, and rounding may take them below
    p = eigenvalues[eigenvalues > 0] / 3
    return float(1 + np.sum(p * np.log2(p)) / 8)

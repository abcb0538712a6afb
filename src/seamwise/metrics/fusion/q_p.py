"""Features of the sources that the fused picture keeps; see `q_p`."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seamwise.metrics.fusion.local import gaussian, local_mean
from seamwise.metrics.fusion.phase_congruency import Moments, filter_bank, phase_congruency
from seamwise.metrics.fusion.pictures import Grey, check_choice, checked_triple

_FEATURE = 0.1
_C = 1e-4
_WINDOW = gaussian(5, 1.5) / gaussian(5, 1.5).sum()


def q_p(
    a: NDArray[Any], b: NDArray[Any], fused: NDArray[Any], *, moments: Moments = "reference"
) -> float:
    """How well features of the fused picture follow those of the sources.

    ::

        Q_P = P_total · P_maximum · P_minimum
        P_m = (1/n) Σ_{p ∈ features} max(r(m_A, m_F), r(m_B, m_F), r(m_S, m_F))
        r(x, f) = (cov(x, f) + C) / (√|var x · var f| + C),   C = 10⁻⁴

    with the phase congruency and its two moments m = total, maximum, minimum (`phase_congruency`).
    Features are the n pixels with total > 0.1 in A or B; m_A is 0 where total_A ≤ 0.1, likewise
    m_B; m_S is that of the source with the greater total. Covariance in a Gaussian window, 11 × 11,
    σ = 1.5, zeros beyond the border; the maximum is over the r of those sources that have a feature
    at p.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats; at least 11 × 11 pixels.
    moments : "reference" or "kovesi"
        "kovesi" corrects a slip of the reference code in the maximum and the minimum; see
        `phase_congruency`.

    Returns
    -------
    float
        −1..1, higher is better. Three alike pictures score a little below 1, as the fused map is
        not masked. A constant fused picture keeps no feature: 0.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range; neither source has a feature; unknown
        moments.

    Notes
    -----
    Source: thesis section 6.3.2; Zhao, Laganière, Liu 2007, International Journal of Innovative
    Computing, Information and Control 3(6A). The three powers of the paper are 1, and phase
    congruency has the parameters of the code that goes with Liu et al. 2012, IEEE TPAMI 34(1). The
    thesis and the survey of Liu et al. 2020 use the same form. We depart from it for a constant
    fused picture alone, where every r is C / C = 1 and the score would be the best of all.

    Examples
    --------
    >>> corner = np.zeros((32, 32))
    >>> corner[12:, 9:] = 200
    >>> round(q_p(corner, corner, corner), 2), round(q_p(corner, corner, corner.T), 2)
    (0.99, 0.1)
    """
    check_choice("moments", moments, get_args(Moments))
    a, b, fused = checked_triple(a, b, fused, min_size=11)
    bank = filter_bank(fused.shape)
    with ThreadPoolExecutor(max_workers=3) as pool:
        in_a, in_b, in_f = pool.map(
            partial(phase_congruency, bank=bank, moments=moments), (a, b, fused)
        )
    has_a, has_b = in_a.total > _FEATURE, in_b.total > _FEATURE
    if not (has_a | has_b).any():
        raise ValueError(
            f"a or b must have a feature: no pixel has phase congruency above {_FEATURE}; "
            "give a picture that is not flat"
        )
    if fused.min() == fused.max():
        return 0.0
    stronger_a = in_a.total > in_b.total
    agreement = 1.0
    for m_a, m_b, m_f in (
        (in_a.total, in_b.total, in_f.total),
        (in_a.maximum, in_b.maximum, in_f.maximum),
        (in_a.minimum, in_b.minimum, in_f.minimum),
    ):
        candidates = ((m_a, has_a), (m_b, has_b), (np.where(stronger_a, m_a, m_b), has_a | has_b))
        agreement *= _agreement(candidates, m_f)
    return float(agreement)


def _agreement(candidates: tuple[tuple[Grey, NDArray[np.bool_]], ...], f: Grey) -> float:
    """Mean over the features of the best local correlation of a masked map with `f`."""
    mean_f = local_mean(f, _WINDOW)
    var_f = local_mean(f**2, _WINDOW) - mean_f**2
    correlations = []
    for feature_map, mask in candidates:
        x = feature_map * mask
        mean_x = local_mean(x, _WINDOW)
        var_x = local_mean(x**2, _WINDOW) - mean_x**2
        covariance = local_mean(x * f, _WINDOW) - mean_x * mean_f
        correlations.append(
            np.where(mask, (covariance + _C) / (np.sqrt(np.abs(var_x * var_f)) + _C), 0)
        )
    union = candidates[-1][1]
    return float(np.sum(np.max(correlations, axis=0)) / np.sum(union))

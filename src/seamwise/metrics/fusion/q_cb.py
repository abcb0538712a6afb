"""Contrast that the fused picture keeps, as an eye would see it; see `q_cb`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from seamwise.metrics.fusion.levels import grey_levels
from seamwise.metrics.fusion.local import gaussian, local_mean
from seamwise.metrics.fusion.pictures import Grey, checked_triple


def q_cb(a: NDArray[Any], b: NDArray[Any], fused: NDArray[Any]) -> float:
    """How much of the sources' visible contrast the fused picture keeps.

    ::

        Q_CB = mean_p  λ_A Q_AF + λ_B Q_BF
        λ_A = A'² / (A'² + B'²),   Q_AF = min(A', F') / max(A', F')
        X' = |C|³ / (|C|² + 10⁻⁴),   C = (G₂ * X̂) / (G₄ * X̂) − 1,   G_σ Gaussian, 31 × 31
        X̂ = X filtered by exp(−(r / 15.387)²) − 0.7622 exp(−(r / 1.3456)²),   r = |(u, v)| / 15

    with X stretched to whole levels 0..255, the frequency (u, v) in periods per picture, and zeros
    beyond the border.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats.

    Returns
    -------
    float
        0..1, higher is better; 1 for three alike pictures. Where there is no contrast on either
        side of a comparison it counts as kept, and two sources without contrast share the weight; a
        constant picture has no contrast.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range.

    Notes
    -----
    Source: thesis section 6.3.2; Chen, Blum 2009, Image and Vision Computing 27, with the contrast
    sensitivity of Mannos and Sakrison as a difference of Gaussians. The frequency does not depend
    on the size of the picture, and the absolute value of C is not in the paper: both as in the code
    that goes with Liu et al. 2012, IEEE TPAMI 34(1). The thesis and the survey of Liu et al. 2020
    use the same form.

    Examples
    --------
    >>> a = np.add.outer(np.arange(16.0) ** 2, np.arange(16.0) % 3)
    >>> flat = np.zeros((16, 16))
    >>> q_cb(a, a, a), round(q_cb(a, flat, a), 3), round(q_cb(a, flat, flat), 3)
    (1.0, 1.0, 0.0)
    """
    a, b, fused = checked_triple(a, b, fused)
    sensitivity = _contrast_sensitivity(fused.shape)
    in_a, in_b, in_f = (
        _masked_contrast(grey_levels(x).astype(np.float64), sensitivity) for x in (a, b, fused)
    )
    share = _ratio(in_a**2, in_a**2 + in_b**2, 0.5)
    return float(np.mean(share * _share_kept(in_a, in_f) + (1 - share) * _share_kept(in_b, in_f)))


def _contrast_sensitivity(shape: tuple[int, ...]) -> Grey:
    """Weight of each frequency of a real Fourier transform."""
    rows, columns = shape
    v = fft.fftfreq(rows, 1 / rows)[:, None]
    u = fft.rfftfreq(columns, 1 / columns)[None, :]
    r_squared = (u**2 + v**2) / 15**2
    weight: Grey = np.exp(-r_squared / 15.3870**2) - 0.7622 * np.exp(-r_squared / 1.3456**2)
    return weight


def _masked_contrast(levels: Grey, sensitivity: Grey) -> Grey:
    visible_levels = fft.irfft2(fft.rfft2(levels) * sensitivity, s=levels.shape)
    fine_mean, coarse_mean = (
        local_mean(visible_levels, gaussian(15, sigma) / (np.sqrt(2 * np.pi) * sigma))
        for sigma in (2, 4)
    )
    contrast = np.abs(_ratio(fine_mean, coarse_mean, 1) - 1)
    return contrast**3 / (contrast**2 + 1e-4)


def _share_kept(x: Grey, f: Grey) -> Grey:
    return _ratio(np.minimum(x, f), np.maximum(x, f), 1)


def _ratio(numerator: Grey, denominator: Grey, at_zero: float) -> Grey:
    return np.divide(
        numerator,
        denominator,
        out=np.full(numerator.shape, at_zero, dtype=np.float64),
        where=denominator != 0,
    )

"""Structural similarity of a fused picture with the livelier source of each window; see `q_s`."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.metrics.fusion.local import gaussian, interior, local_mean
from seamwise.metrics.fusion.pictures import Grey, check_choice, checked_triple


@dataclass(frozen=True, eq=False)
class _Window:
    """Weights of one axis of a window, and the constants of SSIM."""

    weights: Grey
    c1: float
    c2: float


@dataclass(frozen=True, eq=False)
class _Moments:
    """A picture with its local mean and variance."""

    picture: Grey
    mean: Grey
    variance: Grey


_GAUSSIAN = gaussian(5, 1.5)
_WINDOWS = {
    "thesis": _Window(_GAUSSIAN / _GAUSSIAN.sum(), c1=(0.01 * 255) ** 2, c2=(0.03 * 255) ** 2),
    "survey": _Window(np.full(8, 1 / 8), c1=(1e-6 * 255) ** 2, c2=(1e-6 * 255) ** 2),
}


def q_s(
    a: NDArray[Any],
    b: NDArray[Any],
    fused: NDArray[Any],
    *,
    variant: Literal["thesis", "survey"] = "thesis",
    form: Literal["S", "W", "E"] = "S",
) -> float:
    """How alike the fused picture and the sources are, window by window.

    The source with the larger variance weighs more.

    ::

        q(w) = λ SSIM(A, F | w) + (1 − λ) SSIM(B, F | w)
        λ(w) = s_A / (s_A + s_B),   s = variance in w
        SSIM(X, F | w) = (2 μ_X μ_F + C₁)(2 σ_XF + C₂) / ((μ_X² + μ_F² + C₁)(σ_X² + σ_F² + C₂))

        form "S":  Q_S = mean_w q(w)
        form "W":  Q_W = Σ_w c(w) q(w) / Σ_w c(w),   c(w) = max(s_A, s_B)
        form "E":  Q_E = Q_W(A, B, F) · Q_W(A', B', F'),   ' = strength of the edges (Prewitt)

        variant "thesis":  w Gaussian, 11 × 11, σ = 1.5;   C₁ = (0.01 · 255)², C₂ = (0.03 · 255)²
        variant "survey":  w a box, 8 × 8;                 C₁ = C₂ = (10⁻⁶ · 255)²

    over every window that lies inside the picture.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats; at least 11 × 11 pixels.
    variant : "thesis" or "survey"
    form : "S", "W" or "E"
        The survey reports its own variant with "E".

    Returns
    -------
    float
        −1..1, higher is better; 1 for three alike pictures. In a window where both sources are flat
        λ is 1/2 and c is 0; where that is everywhere every window has the same c.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range; an unknown variant or form.

    Notes
    -----
    Source: thesis section 6.3.2; Piella, Heijmans 2003, ICIP. "thesis" is the form of the code that
    goes with Liu et al. 2012, IEEE TPAMI 34(1), whose scale the tables of the thesis have: the SSIM
    of Wang et al. 2004 in place of the universal index (C₁ = C₂ = 0) of the paper. "survey" comes
    close to that index, as in Liu et al. 2020, Information Fusion 64. A window that is flat in both
    sources has weight 0 in "W" and "E"; the reference code gives it 1/2 where rounding leaves a
    variance of exactly 0, which moves the sixth digit at most in its published values.

    Examples
    --------
    >>> a = np.add.outer(np.arange(12.0) ** 2, np.arange(12.0))
    >>> flat = np.full((12, 12), 60.0)
    >>> round(q_s(a, flat, a), 3), round(q_s(a, flat, flat), 3)
    (1.0, 0.154)
    """
    check_choice("variant", variant, tuple(_WINDOWS))
    check_choice("form", form, ("S", "W", "E"))
    window = _WINDOWS[variant]
    pictures = checked_triple(a, b, fused, min_size=11)
    if form == "E":
        edges = tuple(_edge_strength(picture) for picture in pictures)
        return _quality(pictures, window, "W") * _quality(edges, window, "W")
    return _quality(pictures, window, form)


def _quality(pictures: tuple[Grey, ...], window: _Window, form: str) -> float:
    a, b, fused = (_moments(picture, window) for picture in pictures)
    total = a.variance + b.variance
    share = np.divide(a.variance, total, out=np.full(total.shape, 0.5), where=total > 0)
    quality = share * _ssim(a, fused, window) + (1 - share) * _ssim(b, fused, window)
    liveliness = np.maximum(a.variance, b.variance)
    if form == "S" or not liveliness.any():
        return float(np.mean(quality))
    return float(np.average(quality, weights=liveliness))


def _moments(picture: Grey, window: _Window) -> _Moments:
    pixels = interior(window.weights.size)
    mean = local_mean(picture, window.weights)[pixels]
    variance = local_mean(picture**2, window.weights)[pixels] - mean**2
    # rounding leaves up to 1e-11 of either sign in a flat window, and λ would be a ratio of such
    return _Moments(picture, mean, np.where(variance < 1e-9, 0, variance))


def _ssim(x: _Moments, f: _Moments, window: _Window) -> Grey:
    product = x.mean * f.mean
    covariance = (
        local_mean(x.picture * f.picture, window.weights)[interior(window.weights.size)] - product
    )
    similarity = (2 * product + window.c1) * (2 * covariance + window.c2)
    return similarity / (
        (x.mean**2 + f.mean**2 + window.c1) * (x.variance + f.variance + window.c2)
    )


def _edge_strength(picture: Grey) -> Grey:
    across = ndimage.prewitt(picture, axis=1, mode="constant")
    down = ndimage.prewitt(picture, axis=0, mode="constant")
    strength: Grey = np.sqrt(across**2 + down**2)
    return strength

"""Edges of the sources that the fused picture keeps; see `q_g`."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.metrics.fusion.pictures import Grey, check_choice, checked_triple

# the reference code puts this in place of a slope or a strength of exactly 0
_TINY = 1e-5


@dataclass(frozen=True)
class _Sigmoid:
    """Γ / (1 + exp(k (x − σ))): how well an edge is preserved of which the share x remains."""

    gamma: float
    k: float
    sigma: float

    def __call__(self, x: Grey) -> Grey:
        return self.gamma / (1 + np.exp(self.k * (x - self.sigma)))


def q_g(
    a: NDArray[Any],
    b: NDArray[Any],
    fused: NDArray[Any],
    *,
    variant: Literal["thesis", "survey"] = "thesis",
) -> float:
    """How well the fused picture keeps the strength and the direction of the sources' edges.

    ::

        Q_AF(p) = Γ_g / (1 + exp(k_g (G_AF − σ_g))) · Γ_α / (1 + exp(k_α (A_AF − σ_α)))
        G_AF(p) = min(g_A, g_F) / max(g_A, g_F),   g = |∇|,   α = atan(∇_y / ∇_x)

        variant "thesis":  A_AF = | |α_A − α_F| − π/2 | · 2/π
                           Q_G  = mean_p (Q_AF g_A + Q_BF g_B) / (g_A + g_B)
                           Γ = 1, 1;  k = −10, −20;  σ = 0.5, 0.75   (strength, direction)
        variant "survey":  A_AF = 1 − |α_A − α_F| · 2/π
                           Q_G  = Σ_p (Q_AF g_A + Q_BF g_B) / Σ_p (g_A + g_B)
                           Γ = 0.9994, 0.9879;  k = −15, −22;  σ = 0.5, 0.8

    with the gradient ∇ by Sobel filters, zeros beyond the border.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Sources and fused picture, grey, values 0..255, integers or floats.
    variant : "thesis" or "survey"

    Returns
    -------
    float
        0..0.987 ("thesis") or 0..0.975 ("survey"), higher is better. Where no picture has a
        gradient nothing is lost: three pictures of 0 have the highest score. A constant other than
        0 has edges at the border.

    Raises
    ------
    TypeError, ValueError
        See `checked_triple`: wrong type, rank, size or range; an unknown variant.

    Notes
    -----
    Source: thesis section 6.3.2; Xydeas, Petrović 2000, Electronics Letters 36(4). "survey" is
    their form, as Liu et al. 2020, Information Fusion 64, corrected it. "thesis" is the form of the
    code that goes with Liu et al. 2012, IEEE TPAMI 34(1), whose scale the tables of the thesis
    have. It departs from the paper in three places: the share of the direction (α near π/2 and α
    near −π/2 are almost one direction, and count so, where the paper takes them for opposite), a
    mean of ratios in place of a ratio of sums, so that flat regions weigh as much as edges, and the
    constants. Both put 10⁻⁵ in place of a ∇_x or a g of exactly 0, but for g_F only after it has
    met A, as the reference code does: swapping a and b may change the seventh digit.

    Examples
    --------
    >>> step = np.repeat([[0.0, 0, 0, 200, 200, 200]], 6, axis=0)
    >>> flat = np.full((6, 6), 100.0)
    >>> sharp, lost = (q_g(step, flat, fused, variant="survey") for fused in (step, flat))
    >>> round(sharp, 3) > round(lost, 3)
    True
    """
    check_choice("variant", variant, ("thesis", "survey"))
    (g_a, alpha_a), (g_b, alpha_b), (g_f, alpha_f) = (
        _edges(x) for x in checked_triple(a, b, fused)
    )
    # the reference code floors g_F only after its first use
    g_f_of_a = np.where((g_f == _TINY) & (g_a > _TINY), 0, g_f)
    q_af = _preservation(g_a, g_f_of_a, alpha_a, alpha_f, variant)
    q_bf = _preservation(g_b, g_f, alpha_b, alpha_f, variant)
    preservation, weight = q_af * g_a + q_bf * g_b, g_a + g_b
    return float(
        np.mean(preservation / weight)
        if variant == "thesis"
        else np.sum(preservation) / np.sum(weight)
    )


def _edges(picture: Grey) -> tuple[Grey, Grey]:
    """Strength and direction of the gradient."""
    along_x = ndimage.sobel(picture, axis=1, mode="constant")
    along_y = ndimage.sobel(picture, axis=0, mode="constant")
    strength = np.sqrt(along_x**2 + along_y**2)
    along_x[along_x == 0] = _TINY
    strength[strength == 0] = _TINY
    return strength, np.arctan(along_y / along_x)


def _preservation(g: Grey, g_f: Grey, alpha: Grey, alpha_f: Grey, variant: str) -> Grey:
    strength = np.minimum(g, g_f) / np.maximum(g, g_f)
    turn = np.abs(alpha - alpha_f)
    if variant == "thesis":
        return _Sigmoid(1, -10, 0.5)(strength) * _Sigmoid(1, -20, 0.75)(
            np.abs(turn - np.pi / 2) * 2 / np.pi
        )
    return _Sigmoid(0.9994, -15, 0.5)(strength) * _Sigmoid(0.9879, -22, 0.8)(1 - turn * 2 / np.pi)

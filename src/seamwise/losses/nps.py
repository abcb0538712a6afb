"""Normalized Positive Sigmoid (NPS) and its bounds term; see `nps` and `intensity_bounds`."""

import math

import torch
from torch import Tensor, nn

from seamwise.losses.inputs import image_pair
from seamwise.losses.pixel import apply_weight, mean, residual


def nps(
    prediction: Tensor,
    truth: Tensor,
    *,
    weight: Tensor | None = None,
    alpha: float = 6.0,
    bounds: bool = True,
) -> Tensor:
    """Sum over channels of the mean of ω(p) · φ_α(y_i(p), ŷ_i(p)), plus the bounds term.

    ::

        L = 1/(N·|Ω|) Σ_n Σ_i Σ_p ω(p) · φ_α(y_i(p), ŷ_i(p)) + intensity_bounds(ŷ, y)

        φ_α(y, ŷ) = tanh(α·|y − ŷ| / 2)

    Steep where a residual is small, level where it is large: with α = 6 the slope ∂φ/∂|y − ŷ| = α/2
    · (1 − φ²) is 3.0, .54, .03, 7e-5 at |y − ŷ| = 0, .5, 1, 2. A prediction far outside the range
    of the truth is brought back by the bounds term alone.

    Parameters
    ----------
    prediction : (N, C, *S) floating tensor
        ŷ, any number of axes; intensities of about 0..1. Clamp to 0..1 at inference, not here.
    truth : (N, C, *S) floating tensor
        y, intensities of 0..1.
    weight : (N, *S) tensor, optional
        ω ≥ 0, one number per pixel, for all of its channels; 1 everywhere by default. A pixel of
        weight 0 has no loss and no gradient, whatever is there, even NaN; it has no part in the
        bounds either.
    alpha : float
        α > 0, the steepness; φ reaches about 1 at a residual of 1 for α > 5.
    bounds : bool
        False: without the bounds term.

    Returns
    -------
    scalar tensor, float32 (float64 for a float64 prediction)
        The first term is in 0..C for weights of 1. Exactly 0, with a gradient of 0, for an empty
        batch or where all weights are 0. Where y = ŷ the gradient of φ is 0, the middle of its
        subgradients ±α/2.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, there are no pixels, or alpha is not in 0 < α < ∞.

    Notes
    -----
    Computed in float32 also under autocast and for half precision.
    Source: thesis (6.4), (6.5); Guerrero Peña et al. 2019, arXiv:1908.10945. Thesis (6.5) prints
    (e^{α|y − ŷ|} − 1) / (e^{α|y − ŷ|} + 1), which is ∞/∞ for large residuals; we use tanh(α|y −
    ŷ|/2), the same number, because it is finite everywhere. Channels are summed, as (6.4) prints,
    not averaged as in `l1`. Thesis (6.4) is for one image; we take the mean over the batch. For
    (6.4) with another φ add `intensity_bounds` to C times `l1` or `l2`.

    Examples
    --------
    >>> import torch
    >>> truth = torch.tensor([[[0.0, 0.5, 1.0]]])
    >>> prediction = torch.tensor([[[0.0, 1.0, 1.0]]])
    >>> nps(prediction, truth)  # tanh(1.5) / 3
    tensor(0.3017)
    """
    loss_map = nps_map(prediction, truth, weight=weight, alpha=alpha)
    loss = loss_map.shape[1] * mean(loss_map)
    return loss + intensity_bounds(prediction, truth, weight=weight) if bounds else loss


def nps_map(
    prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None, alpha: float = 6.0
) -> Tensor:
    """ω(p) · tanh(α·|y_i(p) − ŷ_i(p)|/2) of each value `(N, C, *S)`: the first term of `nps`."""
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be > 0 and finite, not {alpha}")
    return apply_weight(torch.tanh(alpha * residual(prediction, truth, weight).abs() / 2), weight)


def intensity_bounds(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """How far the darkest and brightest pixels are from the truth's: the second term of `nps`.

    ::

        B = (1/N) Σ_n Σ_i |min y_i − min ŷ_i| + |max y_i − max ŷ_i|

    Its gradient is on the darkest and the brightest pixel of each channel only, and is the same
    however far they are: it pulls a prediction into the range of the truth.

    Parameters
    ----------
    prediction : (N, C, *S) floating tensor
        ŷ, any number of axes.
    truth : (N, C, *S) floating tensor
        y, in the units of the prediction.
    weight : (N, *S) tensor, optional
        Pixels of weight 0 do not count in the minima and maxima, whatever is there, even NaN; all
        others count alike.

    Returns
    -------
    scalar tensor, float32 (float64 for a float64 prediction)
        An image whose weights are all 0 counts as 0, as does an empty batch. Pixels that tie for
        the minimum or maximum share its gradient evenly.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, or there are no pixels.

    Notes
    -----
    Computed in float32 also under autocast and for half precision.
    Source: thesis (6.4); Guerrero Peña et al. 2019, arXiv:1908.10945. Printed for one image; we
    take the mean over the batch.

    Examples
    --------
    >>> import torch
    >>> truth = torch.tensor([[[0.0, 0.5, 1.0]]])
    >>> intensity_bounds(torch.tensor([[[0.25, 0.5, 1.5]]]), truth)
    tensor(0.7500)
    """
    prediction, truth = image_pair(prediction, truth, weight)
    is_excluded = (
        torch.zeros_like(truth[:, :1], dtype=torch.bool)
        if weight is None
        else (weight == 0).unsqueeze(1)
    )
    # an image ignored as a whole is 0 throughout; ∞ − ∞ would be NaN
    is_excluded = is_excluded & ~is_excluded.flatten(1).all(1).view(-1, *[1] * (truth.ndim - 1))
    difference = (_ends(prediction, is_excluded) - _ends(truth, is_excluded)).abs()
    return difference.sum() / max(len(truth), 1)


def _ends(image: Tensor, is_excluded: Tensor) -> Tensor:
    """Minimum and maximum of each channel over the pixels that are not ignored `(2, N, C)`."""
    lowest = image.masked_fill(is_excluded, torch.inf).flatten(2).amin(2)
    highest = image.masked_fill(is_excluded, -torch.inf).flatten(2).amax(2)
    return torch.stack([lowest, highest])


class NPS(nn.Module):
    """`nps` as a module."""

    def __init__(self, *, alpha: float = 6.0, bounds: bool = True) -> None:
        super().__init__()
        self.alpha, self.bounds = alpha, bounds

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `nps`."""
        return nps(prediction, truth, weight=weight, alpha=self.alpha, bounds=self.bounds)

"""Losses of each pixel's residual, `l1`, `l2`, `huber`, and what regression losses share."""

import math

from torch import Tensor, nn

from seamwise.losses.inputs import image_pair


def l1(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Mean absolute error: mean over batch, channels and pixels of ω(p) · |y_l(p) − z_l(p)|.

    ::

        L = 1/(N·C·|Ω|) Σ_n Σ_l Σ_p ω(p) · |y_l(p) − z_l(p)|

    Parameters
    ----------
    prediction : (N, C, *S) floating tensor
        z, any range, any number of axes.
    truth : (N, C, *S) floating tensor
        y, in the units of the prediction.
    weight : (N, *S) tensor, optional
        ω ≥ 0, one number per pixel, for all of its channels; 1 everywhere by default. A pixel of
        weight 0 has no loss and no gradient, whatever is there, even NaN.

    Returns
    -------
    scalar tensor, float32 (float64 for a float64 prediction)
        Exactly 0, with a gradient of 0, for an empty batch or where all weights are 0. Where y = z
        the gradient is 0, the middle of the subgradients ±ω/(N·C·|Ω|).

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, or there are no pixels.

    Notes
    -----
    Computed in float32 also under autocast and for half precision.
    Source: thesis (2.14). As in `cross_entropy` the mean is over the number of pixels, not over the
    sum of the weights: doubling a weight map doubles the loss.

    Examples
    --------
    >>> import torch
    >>> l1(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.5, 0.0]]]))
    tensor(0.5000)
    """
    return mean(l1_map(prediction, truth, weight=weight))


def l1_map(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """ω(p) · |y_l(p) − z_l(p)| of each value `(N, C, *S)`; the unreduced form of `l1`."""
    return apply_weight(residual(prediction, truth, weight).abs(), weight)


def l2(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Mean squared error: mean over batch, channels and pixels of ω(p) · (y_l(p) − z_l(p))².

    Arguments, errors and edge cases are those of `l1`. A residual beyond 1.8e19 has a square beyond
    float32: the loss is then infinite, its gradient is not.

    Notes
    -----
    Source: thesis (2.13).

    Examples
    --------
    >>> import torch
    >>> l2(torch.tensor([[[0.5, 2.0]]]), torch.tensor([[[0.5, 0.0]]]))
    tensor(2.)
    """
    return mean(l2_map(prediction, truth, weight=weight))


def l2_map(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """ω(p) · (y_l(p) − z_l(p))² of each value `(N, C, *S)`; the unreduced form of `l2`."""
    return apply_weight(residual(prediction, truth, weight).square(), weight)


def huber(
    prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None, delta: float = 1.0
) -> Tensor:
    """Squares for small residuals, straight lines for large: the mean of ω(p) · H(y_l(p) − z_l(p)).

    ::

        H(a) = a²/2               for |a| ≤ δ
               δ · (|a| − δ/2)    otherwise

    The slope goes from −δ to δ and does not jump at |a| = δ. For images of 0..1 the default δ = 1
    is half of `l2`; choose δ near the noise to be as robust as `l1`.

    Parameters
    ----------
    prediction, truth, weight
        As in `l1`.
    delta : float
        δ > 0, in the units of the prediction.

    Returns
    -------
    scalar tensor, float32 (float64 for a float64 prediction)
        Edge cases as in `l1`.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, there are no pixels, or delta is not in 0 < δ < ∞.

    Notes
    -----
    Source: thesis (2.15), read for each value and averaged as (2.13) and (2.14) are; Cavazza and
    Murino 2016, arXiv:1606.01568; first Huber 1964. Thesis (2.15) gives no δ: 1 is the usual value.

    Examples
    --------
    >>> import torch
    >>> huber(torch.tensor([[[1.0, 3.0]]]), torch.zeros(1, 1, 2), delta=2.0)  # (1/2 + 2·(3 − 1))/2
    tensor(2.2500)
    """
    return mean(huber_map(prediction, truth, weight=weight, delta=delta))


def huber_map(
    prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None, delta: float = 1.0
) -> Tensor:
    """ω(p) · H(y_l(p) − z_l(p)) of each value `(N, C, *S)`; the unreduced form of `huber`."""
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be > 0 and finite, not {delta}")
    size = residual(prediction, truth, weight).abs()
    # both branches in one: no square of a large residual, which would overflow
    low = size.clamp(max=delta)
    return apply_weight(low * (size - low / 2), weight)


def residual(prediction: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
    """Prediction − truth in full precision `(N, C, *S)`, 0 where the weight is 0."""
    prediction, truth = image_pair(prediction, truth, weight)
    return prediction - truth


def apply_weight(loss_map: Tensor, weight: Tensor | None) -> Tensor:
    """ω(p) · ℓ_l(p) of a map `(N, C, *S)`: one weight for all channels of a pixel."""
    return loss_map if weight is None else loss_map * weight.unsqueeze(1).to(loss_map)


def mean(loss_map: Tensor) -> Tensor:
    """Mean of all values; exactly 0 of an empty batch."""
    return loss_map.sum() / max(loss_map.numel(), 1)


class L1(nn.Module):
    """`l1` as a module."""

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `l1`."""
        return l1(prediction, truth, weight=weight)


class L2(nn.Module):
    """`l2` as a module."""

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `l2`."""
        return l2(prediction, truth, weight=weight)


class Huber(nn.Module):
    """`huber` as a module."""

    def __init__(self, *, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `huber`."""
        return huber(prediction, truth, weight=weight, delta=self.delta)

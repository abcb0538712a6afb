"""Absolute error of an image and of its differences between neighbours; see `gradient`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seamwise.losses.pixel import mean, residual


def gradient(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """`l1` of the images plus `l1` of their gradients: blurred edges cost more than brightness.

    ::

        L = 1/(N·C·|Ω|) Σ_n Σ_l Σ_p ( ω(p)·|e_l(p)| + Σ_a ω_a(p)·|e_l(p + a) − e_l(p)| )

        e = y − z,   ω_a(p) = min(ω(p), ω(p + a))

    with one step a along each axis. The gradient is the forward difference; ∇y − ∇z = ∇(y − z).
    A pixel has no difference along an axis on which it is the last.

    Parameters
    ----------
    prediction : (N, C, *S) floating tensor
        z, any range, any number of axes.
    truth : (N, C, *S) floating tensor
        y, in the units of the prediction.
    weight : (N, *S) tensor, optional
        ω ≥ 0, one number per pixel, for all of its channels; 1 everywhere by default. A difference
        weighs the smaller of the weights of its two pixels, so that nothing changes when image and
        weights are flipped, and a pixel of weight 0 has no loss and no gradient, whatever is there,
        even NaN.

    Returns
    -------
    scalar tensor, float32 (float64 for a float64 prediction)
        Exactly 0, with a gradient of 0, for an empty batch or where all weights are 0. An axis of
        one pixel has no differences: a slice costs what the same 2D image costs.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, or there are no pixels.

    Notes
    -----
    Computed in float32 also under autocast and for half precision. Where an error or a difference
    is 0 its subgradient is 0.
    Source: thesis (2.16), after Chaitanya et al. 2017, ACM Transactions on Graphics 36(4). It
    prints |∇y − ∇z| without saying which norm or which differences: we sum the absolute forward
    differences over the axes, in units of intensity per pixel. Divided by the number of pixels, not
    of differences, as printed.

    Examples
    --------
    >>> import torch
    >>> gradient(torch.tensor([[[0.0, 3.0, 3.0]]]), torch.zeros(1, 1, 3))  # errors 3 + 3, a step 3
    tensor(3.)
    """
    return mean(gradient_map(prediction, truth, weight=weight))


def gradient_map(prediction: Tensor, truth: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """ω(p)·|e_l(p)| + Σ_a ω_a(p)·|e_l(p + a) − e_l(p)| of each value: `gradient` unreduced.

    A difference counts at p, the first of its two pixels: flipping the images moves it by one
    pixel.
    """
    error = residual(prediction, truth, weight)
    weights = torch.ones_like(error[:, :1]) if weight is None else weight.unsqueeze(1).to(error)
    loss_map = weights * error.abs()
    for axis in range(2, error.ndim):
        steps = error.shape[axis] - 1
        smaller = torch.minimum(weights.narrow(axis, 0, steps), weights.narrow(axis, 1, steps))
        difference = smaller * error.diff(dim=axis).abs()
        loss_map = loss_map + functional.pad(difference, (0, 0) * (error.ndim - 1 - axis) + (0, 1))
    return loss_map


class Gradient(nn.Module):
    """`gradient` as a module."""

    def forward(self, prediction: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `gradient`."""
        return gradient(prediction, truth, weight=weight)

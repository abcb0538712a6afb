"""Cross entropy with a weight per pixel; see `cross_entropy`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seamwise.losses.inputs import (
    as_target,
    ignore_mask,
    in_full_precision,
    valid_weight,
    without_channel,
)


def cross_entropy(
    logits: Tensor, target: Tensor, *, weight: Tensor | None = None, ignore_index: int = -1
) -> Tensor:
    """Mean over the valid pixels of ω(p) · (−log z_{h(p)}(p)), with z = softmax(logits).

    ::

        L = −(1/|V|) Σ_{p ∈ V} ω(p) · log z_{h(p)}(p),   V = {p : h(p) ≠ ignore_index}

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) or (N, 1, *S) tensor of whole numbers
        Class of each pixel, 0..C−1 or `ignore_index`.
    weight : (N, *S) or (N, 1, *S) tensor, optional
        ω ≥ 0, one number per pixel (a weight map); 1 everywhere by default.
    ignore_index : int
        Pixels of this class have no loss and no gradient.

    Returns
    -------
    scalar tensor, float32 (float64 for float64 logits)
        Exactly 0, with a gradient of 0, when every pixel is ignored.

    Raises
    ------
    ValueError
        The shapes do not fit together, the logits have one channel, or the target holds another
        number (RuntimeError on a GPU and in compiled code).

    Notes
    -----
    Computed in float32 also under autocast and for half-precision logits.
    Source: thesis (2.5), (2.6). Thesis (3.1) and (4.2) print a bare sum over the pixels; we take
    the mean, so that the learning rate does not depend on the size of the crop. The mean is over
    the number of valid pixels, not over the sum of the weights: doubling a weight map doubles the
    loss.

    Examples
    --------
    Two pixels of class 0, which the network gives 0.5 and 0.9:

    >>> logits = torch.tensor([[[0.5, 0.9], [0.5, 0.1]]]).log()
    >>> cross_entropy(logits, torch.tensor([[0, 0]]))  # −(log 0.5 + log 0.9)/2 = (0.693 + 0.105)/2
    tensor(0.3993)
    """
    return weighted_mean(
        cross_entropy_map(logits, target, ignore_index=ignore_index),
        target,
        weight=weight,
        ignore_index=ignore_index,
    )


def cross_entropy_map(logits: Tensor, target: Tensor, *, ignore_index: int = -1) -> Tensor:
    """−log z_{h(p)}(p) for each pixel `(N, *S)`, 0 where ignored: `cross_entropy` unreduced."""
    target = as_target(logits, target, ignore_index=ignore_index)
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(
            in_full_precision(logits), target.long(), ignore_index=ignore_index, reduction="none"
        )


def weighted_mean(
    loss_map: Tensor, target: Tensor, *, weight: Tensor | None = None, ignore_index: int = -1
) -> Tensor:
    """Σ ω·ℓ over the valid pixels, divided by their number (by 1 if there is none).

    `loss_map` is `(N, *S)`; target and weight are `(N, *S)` or `(N, 1, *S)`.
    """
    target = without_channel(target, loss_map.ndim)
    is_valid = ~ignore_mask(target, ignore_index)
    if weight is not None:
        loss_map = loss_map * valid_weight(weight, target, ignore_index=ignore_index).to(loss_map)
    return (loss_map * is_valid).sum() / is_valid.sum().clamp(min=1)


class CrossEntropy(nn.Module):
    """`cross_entropy` as a module."""

    def __init__(self, *, ignore_index: int = -1) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `cross_entropy`."""
        return cross_entropy(logits, target, weight=weight, ignore_index=self.ignore_index)

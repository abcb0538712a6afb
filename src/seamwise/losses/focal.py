"""Cross entropy that looks at what is still wrong; see `focal`."""

import torch
from torch import Tensor, nn

from seamwise.losses.cross_entropy import cross_entropy_map, weighted_mean


def focal(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    gamma: float = 2.0,
) -> Tensor:
    """Mean over the valid pixels of ω(p) · (1 − z_{h(p)}(p))^γ · (−log z_{h(p)}(p)).

    ::

        L = −(1/|V|) Σ_{p ∈ V} ω(p) · (1 − z_{h(p)}(p))^γ · log z_{h(p)}(p)

        z = softmax(logits),   V = {p : h(p) ≠ ignore_index}

    A pixel that is nearly right costs next to nothing: with γ = 2, one of z_h = 0.9 costs 1 % of
    its cross entropy, one of z_h = 0.5 costs 25 %. With γ = 0 this is `cross_entropy`.

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) or (N, 1, *S) tensor of whole numbers
        Class of each pixel, 0..C−1 or `ignore_index`.
    weight : (N, *S) or (N, 1, *S) tensor, optional
        ω ≥ 0, one number per pixel (a weight map); 1 everywhere by default.
    ignore_index : int
        Pixels of this class have no loss and no gradient.
    gamma : float
        γ ≥ 0.

    Returns
    -------
    scalar tensor, float32 (float64 for float64 logits)
        Exactly 0, with a gradient of 0, when every pixel is ignored. The gradient is finite for
        every γ, also for γ < 1 at z_h = 1.

    Raises
    ------
    ValueError
        The shapes do not fit together, the logits have one channel, gamma < 0, or the target holds
        another number (RuntimeError on a GPU and in compiled code).

    Notes
    -----
    Computed in float32 also under autocast and for half-precision logits.
    Source: thesis (2.8), which has γ = 2; Lin et al. 2017, arXiv:1708.02002. Their class factor α
    is a weight map here. As in `cross_entropy` the mean is over the number of valid pixels, not
    over the sum of the weights.

    Examples
    --------
    Two pixels of class 0, which the network gives 0.5 and 0.9:

    >>> logits = torch.tensor([[[0.5, 0.9], [0.5, 0.1]]]).log()
    >>> focal(logits, torch.tensor([[0, 0]]))  # (0.5² · 0.693 + 0.1² · 0.105) / 2
    tensor(0.0872)
    """
    loss_map = focal_map(logits, target, ignore_index=ignore_index, gamma=gamma)
    return weighted_mean(loss_map, target, weight=weight, ignore_index=ignore_index)


def focal_map(
    logits: Tensor, target: Tensor, *, ignore_index: int = -1, gamma: float = 2.0
) -> Tensor:
    """(1 − z_h)^γ · (−log z_h) for each pixel `(N, *S)`, 0 where ignored: `focal` unreduced."""
    if not gamma >= 0:
        raise ValueError(f"gamma must be ≥ 0, not {gamma}")
    cost = cross_entropy_map(logits, target, ignore_index=ignore_index)
    doubt = 1 - torch.exp(-cost)
    # at z_h = 1 and γ < 1 the power has an infinite slope, and ∞ · 0 is not 0
    tiny = torch.finfo(doubt.dtype).tiny
    return doubt.clamp(min=tiny) ** gamma * cost


class Focal(nn.Module):
    """`focal` as a module."""

    def __init__(self, *, ignore_index: int = -1, gamma: float = 2.0) -> None:
        super().__init__()
        self.ignore_index, self.gamma = ignore_index, gamma

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `focal`."""
        return focal(
            logits, target, weight=weight, ignore_index=self.ignore_index, gamma=self.gamma
        )

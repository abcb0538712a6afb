"""Soft Dice with squared denominator, alone and with a loss of pixels; see `dice`."""

import math

import torch
from torch import Tensor, nn

from seamwise.losses.confusion import count_members, mean_over_present, memberships
from seamwise.losses.cross_entropy import cross_entropy
from seamwise.losses.focal import focal


def dice(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    per_sample: bool = False,
) -> Tensor:
    """Mean over the classes present of 1 − their soft Dice coefficient with squared denominator.

    With z = softmax(logits), y the one-hot target and sums over the valid pixels::

        L = (1/|K|) Σ_{k ∈ K} ( 1 − 2·Σ_p ω·y_k·z_k / (Σ_p ω·y_k² + Σ_p ω·z_k²) )

        K = classes present

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) or (N, 1, *S) tensor of whole numbers
        Class of each pixel, 0..C−1 or `ignore_index`.
    weight : (N, *S) or (N, 1, *S) tensor, optional
        ω ≥ 0, one number per pixel; 1 everywhere by default. A pixel of weight 2 counts as two
        pixels: doubling all weights changes nothing.
    ignore_index : int
        Pixels of this class count nowhere.
    per_sample : bool
        False: counts pool over the mini-batch, so a thin class need not be in every crop. True: one
        loss per sample, then their mean, in which a sample with nothing valid counts as 0.

    Returns
    -------
    scalar tensor in 0..1, float32 (float64 for float64 logits)
        A class without a pixel, or with pixels of weight 0 only, is ignored exactly: no epsilon is
        added anywhere. With no class present the loss is exactly 0, with a gradient of 0.

    Raises
    ------
    ValueError
        The shapes do not fit together, the logits have one channel, or the target holds another
        number (RuntimeError on a GPU and in compiled code).

    Notes
    -----
    Accumulated in float32 also under autocast and for half-precision logits.
    Source: thesis (2.9); Milletari et al. 2016, arXiv:1606.04797. Thesis (2.9) sums over all
    classes, absent ones too; we average over those present, so that the loss does not grow with the
    number of classes and a class that is not there does not cost 1 for any trace of it.

    Examples
    --------
    A pixel of class 0 with z = (0.8, 0.2) and one of class 1 with z = (0.4, 0.6):

    >>> logits = torch.tensor([[[0.8, 0.4], [0.2, 0.6]]]).log()
    >>> dice(logits, torch.tensor([[0, 1]]))  # mean of 1 − 2·0.8/(1 + 0.8² + 0.4²) and 1 − 1.2/1.4
    tensor(0.1270)
    """
    with torch.autocast(logits.device.type, enabled=False):
        probabilities, members = memberships(
            logits, target, weight=weight, ignore_index=ignore_index
        )
        counts = count_members(probabilities, members, per_sample=per_sample)
        squares = count_members(probabilities.square(), members, per_sample=per_sample)
        sizes = (counts.truth + squares.joint.sum(-1)).masked_fill(~counts.has_pixels, 1)
        return mean_over_present(1 - 2 * counts.true_positive / sizes, counts.has_pixels)


def cross_entropy_and_dice(
    logits: Tensor, target: Tensor, *, weight: Tensor | None = None, ignore_index: int = -1
) -> Tensor:
    """`cross_entropy(…) + dice(…)`, the system DSC.

    The weight acts on the cross entropy only, as in `cross_entropy_and_youden`; arguments and
    errors are those of the two (see there).
    """
    return cross_entropy(logits, target, weight=weight, ignore_index=ignore_index) + dice(
        logits, target, ignore_index=ignore_index
    )


def dice_and_focal(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    gamma: float = 2.0,
    focal_weight: float = 1.0,
) -> Tensor:
    """`dice(…) + focal_weight · focal(…)`.

    The weight of the pixels acts on the focal term only; arguments and errors are those of the two
    (see there). `focal_weight` ≥ 0 and finite.

    Notes
    -----
    Source: named in thesis section 2.3 without a formula; Zhu et al. 2019, arXiv:1808.05238, whose
    λ is `focal_weight`. Their Dice has no squares.
    """
    if not 0 <= focal_weight < math.inf:
        raise ValueError(f"focal_weight must be ≥ 0 and finite, not {focal_weight}")
    pixels = focal(logits, target, weight=weight, ignore_index=ignore_index, gamma=gamma)
    return dice(logits, target, ignore_index=ignore_index) + focal_weight * pixels


class Dice(nn.Module):
    """`dice` as a module."""

    def __init__(self, *, ignore_index: int = -1, per_sample: bool = False) -> None:
        super().__init__()
        self.ignore_index, self.per_sample = ignore_index, per_sample

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `dice`."""
        return dice(
            logits,
            target,
            weight=weight,
            ignore_index=self.ignore_index,
            per_sample=self.per_sample,
        )


class CrossEntropyAndDice(nn.Module):
    """`cross_entropy_and_dice` as a module."""

    def __init__(self, *, ignore_index: int = -1) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `cross_entropy_and_dice`."""
        return cross_entropy_and_dice(logits, target, weight=weight, ignore_index=self.ignore_index)


class DiceAndFocal(nn.Module):
    """`dice_and_focal` as a module."""

    def __init__(
        self, *, ignore_index: int = -1, gamma: float = 2.0, focal_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.ignore_index, self.gamma, self.focal_weight = ignore_index, gamma, focal_weight

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `dice_and_focal`."""
        return dice_and_focal(
            logits,
            target,
            weight=weight,
            ignore_index=self.ignore_index,
            gamma=self.gamma,
            focal_weight=self.focal_weight,
        )

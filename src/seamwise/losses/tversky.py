"""The Tversky index as a loss, a line on top of the soft confusion counts; see `tversky`."""

import math

import torch
from torch import Tensor, nn

from seamwise.losses.confusion import SoftCounts, mean_over_present, soft_counts


def tversky(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    alpha: float = 0.3,
    beta: float = 0.7,
    per_sample: bool = False,
) -> Tensor:
    """Mean over the classes present of 1 − their Tversky index.

    With z = softmax(logits), y the one-hot target and sums over the valid pixels::

        TP_k = Σ_p ω·y_k·z_k,   FP_k = Σ_p ω·(1 − y_k)·z_k,   FN_k = Σ_p ω·y_k·(1 − z_k)

        L = (1/|K|) Σ_{k ∈ K} ( 1 − TP_k / (TP_k + α·FP_k + β·FN_k) ),   K = classes present

    α = β = 1/2 is soft Dice without squares, α = β = 1 the soft Jaccard index; β > α favours
    recall.

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
    alpha : float
        α ≥ 0, the price of a false positive.
    beta : float
        β > 0, the price of a false negative (with 0, a class that is never predicted would be 0/0).
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
        The shapes do not fit together, the logits have one channel, alpha < 0, beta ≤ 0, or the
        target holds another number (RuntimeError on a GPU and in compiled code).

    Notes
    -----
    Accumulated in float32 also under autocast and for half-precision logits.
    Source: thesis (2.10); Salehi et al. 2017, arXiv:1706.05721, whose best α and β are the
    defaults. Thesis (2.10) sums over all classes, absent ones too; we average over those present.

    Examples
    --------
    A pixel of class 0 with z = (0.8, 0.2) and one of class 1 with z = (0.4, 0.6):

    >>> import torch
    >>> logits = torch.tensor([[[0.8, 0.4], [0.2, 0.6]]]).log()
    >>> target = torch.tensor([[0, 1]])
    >>> tversky(logits, target, alpha=1, beta=1)  # mean of 1 − 0.8/1.4 and 1 − 0.6/1.2
    tensor(0.4643)
    """
    losses, has_pixels = _of_classes(
        soft_counts(
            logits, target, weight=weight, ignore_index=ignore_index, per_sample=per_sample
        ),
        alpha,
        beta,
    )
    return mean_over_present(losses, has_pixels)


def focal_tversky(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    per_sample: bool = False,
) -> Tensor:
    """Mean over the classes present of (1 − their Tversky index) to the power of 1/γ.

    ::

        L = (1/|K|) Σ_{k ∈ K} (1 − T_k)^(1/γ),   T_k = TP_k / (TP_k + α·FP_k + β·FN_k)

    With γ > 1 a class that is nearly right keeps a steep slope, so that thin classes still improve.
    With γ = 1 this is `tversky`.

    Parameters
    ----------
    logits, target, weight, ignore_index, alpha, beta, per_sample
        As in `tversky`.
    gamma : float
        γ > 0; its authors try 1 to 3.

    Returns
    -------
    scalar tensor in 0..1, float32 (float64 for float64 logits)
        Edge cases as in `tversky`. A class with 1 − T_k below the rounding of its type counts with
        1 − T_k itself, whose slope is finite.

    Raises
    ------
    ValueError
        As `tversky`; gamma is not in 0 < γ < ∞.

    Notes
    -----
    Source: named in thesis section 2.3 without a formula; Abraham and Khan 2019, arXiv:1810.07842,
    whose γ is the default. Their α and β have exchanged roles; both have 0.7 for false negatives.

    Examples
    --------
    A pixel of class 0 with z = (0.8, 0.2) and one of class 1 with z = (0.4, 0.6):

    >>> import torch
    >>> logits = torch.tensor([[[0.8, 0.4], [0.2, 0.6]]]).log()
    >>> target = torch.tensor([[0, 1]])
    >>> # mean of the roots of 1 − 0.8/1.4 and 1 − 0.6/1.2
    >>> focal_tversky(logits, target, alpha=1, beta=1, gamma=2)
    tensor(0.6809)
    """
    if not 0 < gamma < math.inf:
        raise ValueError(f"gamma must be > 0 and finite, not {gamma}")
    losses, has_pixels = _of_classes(
        soft_counts(
            logits, target, weight=weight, ignore_index=ignore_index, per_sample=per_sample
        ),
        alpha,
        beta,
    )
    smallest = torch.finfo(losses.dtype).eps
    powers = losses.clamp(min=smallest) ** (1 / gamma)
    return mean_over_present(torch.where(losses > smallest, powers, losses), has_pixels)


def _of_classes(counts: SoftCounts, alpha: float, beta: float) -> tuple[Tensor, Tensor]:
    """1 − the Tversky index of each class, and which classes are present."""
    if not alpha >= 0:
        raise ValueError(f"alpha must be ≥ 0, not {alpha}")
    if not beta > 0:
        raise ValueError(f"beta must be > 0, not {beta}")
    # 1 − TP/(TP + wrong) = wrong/(TP + wrong), which keeps its digits near 0
    errors = alpha * counts.false_positive + beta * counts.false_negative
    total = (counts.true_positive + errors).masked_fill(~counts.has_pixels, 1)
    return errors / total, counts.has_pixels


class Tversky(nn.Module):
    """`tversky` as a module."""

    def __init__(
        self,
        *,
        ignore_index: int = -1,
        alpha: float = 0.3,
        beta: float = 0.7,
        per_sample: bool = False,
    ) -> None:
        super().__init__()
        self.ignore_index, self.alpha, self.beta, self.per_sample = (
            ignore_index,
            alpha,
            beta,
            per_sample,
        )

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `tversky`."""
        return tversky(
            logits,
            target,
            weight=weight,
            ignore_index=self.ignore_index,
            alpha=self.alpha,
            beta=self.beta,
            per_sample=self.per_sample,
        )


class FocalTversky(nn.Module):
    """`focal_tversky` as a module."""

    def __init__(
        self,
        *,
        ignore_index: int = -1,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 4 / 3,
        per_sample: bool = False,
    ) -> None:
        super().__init__()
        self.ignore_index, self.per_sample = ignore_index, per_sample
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `focal_tversky`."""
        return focal_tversky(
            logits,
            target,
            weight=weight,
            ignore_index=self.ignore_index,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            per_sample=self.per_sample,
        )

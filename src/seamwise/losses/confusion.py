"""Count, then score: the soft confusion counts under every region loss; see `SoftCounts`."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seamwise.losses.inputs import as_target, ignore_mask, in_full_precision, valid_weight

BLOCK = 1024  # pixels


@dataclass(frozen=True)
class SoftCounts:
    """Soft counts over the valid pixels of a mini-batch, or of each sample (leading axis N).

    With z = softmax(logits), y = the one-hot target and ω = the weight of a pixel::

        joint_ik = Σ_p ω(p)·z_i(p)·y_k(p)     ([N,] C, C): row i = predicted, column k = true class
        truth_k  = Σ_p ω(p)·y_k(p)            ([N,] C)
    """

    joint: Tensor
    truth: Tensor

    @property
    def has_pixels(self) -> Tensor:
        """Which classes have a pixel whose weight is not 0."""
        return self.truth > 0

    @property
    def rates(self) -> Tensor:
        """M_ik = joint_ik / truth_k, the soft confusion matrix; an absent class has a 0 column."""
        return self.joint / self.truth.masked_fill(~self.has_pixels, 1).unsqueeze(-2)

    @property
    def true_positive(self) -> Tensor:
        """Σ_p ω·y_k·z_k of each class."""
        return self.joint.diagonal(dim1=-2, dim2=-1)

    @property
    def false_positive(self) -> Tensor:
        """Σ_p ω·(1 − y_k)·z_k of each class."""
        return self._errors.sum(-1)

    @property
    def false_negative(self) -> Tensor:
        """Σ_p ω·y_k·(1 − z_k) of each class."""
        return self._errors.sum(-2)

    @property
    def _errors(self) -> Tensor:
        # sums of the other classes, not 1 − z: nothing cancels when a class is nearly right
        return self.joint - self.true_positive.diag_embed()


def soft_counts(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    per_sample: bool = False,
) -> SoftCounts:
    """`SoftCounts` of the softmax of the logits; arguments as in `soft_confusion`."""
    with torch.autocast(logits.device.type, enabled=False):
        probabilities, members = memberships(
            logits, target, weight=weight, ignore_index=ignore_index
        )
        return count_members(probabilities, members, per_sample=per_sample)


def soft_confusion(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    per_sample: bool = False,
) -> tuple[Tensor, Tensor]:
    """Soft confusion matrix M_ik, the weighted mean of z_i over class k, and the classes present.

    ::

        M_ik = Σ_p ω(p)·z_i(p)·y_k(p) / Σ_p ω(p)·y_k(p),   z = softmax(logits)

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) or (N, 1, *S) tensor of whole numbers
    weight : (N, *S) or (N, 1, *S) tensor, optional
        ω ≥ 0, one number per pixel; 1 everywhere by default.
    ignore_index : int
        Pixels of this class count nowhere.
    per_sample : bool
        True: one matrix per sample, with a leading axis N.

    Returns
    -------
    confusion : ([N,] C, C) tensor
        Row i = predicted class, column k = true class; each column of a present class sums to 1,
        the column of an absent class is 0.
    has_pixels : ([N,] C) bool tensor
        Which classes have at least one pixel; one whose pixels all weigh 0 is absent.

    Raises
    ------
    ValueError
        The shapes do not fit together, the logits have one channel, or the target holds another
        number (RuntimeError on a GPU and in compiled code).

    Notes
    -----
    One product of the probabilities with the classes' indicator: no pass per pair of classes.
    """
    counts = soft_counts(
        logits, target, weight=weight, ignore_index=ignore_index, per_sample=per_sample
    )
    return counts.rates, counts.has_pixels


def memberships(
    logits: Tensor, target: Tensor, *, weight: Tensor | None = None, ignore_index: int = -1
) -> tuple[Tensor, Tensor]:
    """z_i(p) and ω(p)·y_k(p) as `(N, C, pixels)`, full precision; ignored pixels have no class."""
    target = as_target(logits, target, ignore_index=ignore_index)
    probabilities = in_full_precision(logits).softmax(1).flatten(2)
    members = indicator(target, probabilities, ignore_index=ignore_index)
    if weight is not None:
        members = apply_weight(members, weight, target, ignore_index=ignore_index)
    return probabilities, members


def count_members(
    probabilities: Tensor, members: Tensor, *, per_sample: bool = False
) -> SoftCounts:
    """`SoftCounts` of two `(N, C, pixels)` arrays z and ω·y: one matrix product."""
    joint: Tensor = _Products.apply(probabilities, members)  # type: ignore[no-untyped-call]
    truth = members.sum(2)
    return SoftCounts(joint, truth) if per_sample else SoftCounts(joint.sum(0), truth.sum(0))


def products(probabilities: Tensor, members: Tensor) -> Tensor:
    """Σ_p z_i(p)·y_k(p) of two `(N, C, pixels)` arrays: `(N, C, C)`, in blocks of pixels.

    One running float32 sum over a million pixels of like value is wrong in its third digit.
    """
    blocks = probabilities.shape[-1] // BLOCK
    head = blocks * BLOCK
    total = probabilities[..., head:] @ members[..., head:].transpose(1, 2)
    for joint, *sample in zip(total, probabilities[..., :head], members[..., :head], strict=True):
        z, y = (x.unflatten(-1, (blocks, BLOCK)).transpose(0, 1) for x in sample)
        joint += (z @ y.transpose(1, 2)).sum(0)
    return total


class _Products(torch.autograd.Function):
    """`products` with the gradient of a plain matrix product."""

    @staticmethod
    def forward(ctx: Any, probabilities: Tensor, members: Tensor) -> Tensor:
        ctx.save_for_backward(probabilities, members)
        return products(probabilities, members)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        probabilities, members = ctx.saved_tensors
        return grad @ members, grad.transpose(1, 2) @ probabilities if ctx.needs_input_grad[
            1
        ] else None


def indicator(target: Tensor, like: Tensor, *, ignore_index: int) -> Tensor:
    """y_k(p) as `(N, C, pixels)` in the type of `like`; an ignored pixel is in no class."""
    classes = like.shape[1]
    if 0 <= ignore_index < classes:
        target = target.long().masked_fill(ignore_mask(target, ignore_index), -1)
    numbers = torch.arange(classes, device=like.device, dtype=like.dtype).view(1, classes, 1)
    target = target.flatten(1).unsqueeze(1).to(like)
    # written as a number at once: several times as fast as comparing and casting
    return torch.eq(target, numbers, out=like.new_empty(like.shape))


def apply_weight(members: Tensor, weight: Tensor, target: Tensor, *, ignore_index: int) -> Tensor:
    """ω(p)·y_k(p), 0 where ignored, whatever the weight there."""
    weight = valid_weight(weight, target, ignore_index=ignore_index).to(members)
    return members * weight.flatten(1).unsqueeze(1)


def mean_over_present(losses: Tensor, has_pixels: Tensor) -> Tensor:
    """Mean over the classes present, of each sample if there is a leading axis; then over samples.

    Exactly 0 where no class is present: such a sample counts as a 0 in the mean over the samples.
    """
    return (losses.masked_fill(~has_pixels, 0).sum(-1) / has_pixels.sum(-1).clamp(min=1)).mean()

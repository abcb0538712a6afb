"""Youden's J as a loss, from one soft confusion matrix; see `youden`."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seamwise.losses.confusion import SoftCounts, indicator, soft_counts
from seamwise.losses.inputs import as_target, in_full_precision, valid_weight

_CACHED = 2**18  # numbers of an array that stays in the cache
_SHORTEST, _LONGEST = 2**10, 2**14  # pixels of a block


def youden(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    lam: float | Tensor | None = None,
    ignore_index: int = -1,
    per_sample: bool = False,
) -> Tensor:
    """J regularisation: every class must beat every other class on that class's own pixels.

    With z = softmax(logits), the soft confusion matrix M_ik = mean of z_i over the pixels of class
    k::

        L_J = −Σ_{i≠k} λ_ik · log( (1 + M_ii − M_ik) / 2 )

    M_ii is the soft true positive rate of class i; M_ik the soft rate at which pixels of class k
    are taken for i. Each term is Youden's J of class i against class k, moved from (−1, 1) to (0,
    1): rates, not counts, so a class of 100 pixels weighs as much as one of a million.

    Added to cross entropy over three classes this is the system J3, over four classes J4.

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) or (N, 1, *S) tensor of whole numbers
        Class of each pixel, 0..C−1 or `ignore_index`.
    weight : (N, *S) or (N, 1, *S) tensor, optional
        ω ≥ 0, one number per pixel; 1 everywhere by default. M_ik becomes the weighted mean
        Σ ω·z_i·y_k / Σ ω·y_k: multiplying all weights of a class by one number changes nothing.
    lam : float or (C, C) tensor, optional
        λ; by default 1/(C(C−1)), which makes L_J the mean over the pairs. A matrix sets λ_ik for
        each pair (its diagonal is not used). With one number λ, a network that knows nothing
        (uniform z) has L_J = C(C−1)·λ·log 2.
    ignore_index : int
        Pixels of this class count nowhere.
    per_sample : bool
        False: counts pool over the mini-batch, so a thin class need not be in every crop. True: one
        loss per sample, then their mean, in which a sample of fewer than two classes counts as 0.

    Returns
    -------
    scalar tensor, float32 (float64 for float64 logits)
        0 ≤ L_J when all λ ≥ 0. Pairs in which either class has no pixel, or only pixels of weight
        0, are ignored (no epsilon is added anywhere: it would distort the value); with fewer than
        two classes present the loss is exactly 0, with a gradient of 0.

    Raises
    ------
    ValueError
        The shapes do not fit together, `lam` is a tensor of another shape than (C, C), the
        logits have one channel, or the target holds another number (RuntimeError on a GPU and in
        compiled code).

    Notes
    -----
    Accumulated in float32 also under autocast and for half-precision logits.
    Source: thesis (5.1)–(5.3); Guerrero Peña et al. 2019, arXiv:1910.09783. Thesis (5.2) sums over
    i = k as well, where the term is the constant log 2; we drop it. The thesis gives no λ. The
    authors' own code has 0.5, which was the default here before; the mean over the pairs trained
    better in our study (``docs/segmentation-thesis.md``).

    Examples
    --------
    A pixel of class 0 with z = (0.8, 0.2) and one of class 1 with z = (0.4, 0.6):

    >>> logits = torch.tensor([[[0.8, 0.4], [0.2, 0.6]]]).log()
    >>> target = torch.tensor([[0, 1]])
    >>> youden(logits, target)  # (1 + 0.8 − 0.4)/2 = (1 + 0.6 − 0.2)/2 = 0.7; −log 0.7 = 0.357
    tensor(0.3567)
    """
    counts = soft_counts(
        logits, target, weight=weight, ignore_index=ignore_index, per_sample=per_sample
    )
    return pairwise_loss(counts, lam)


def cross_entropy_and_youden(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    lam: float | Tensor | None = None,
    ignore_index: int = -1,
) -> Tensor:
    """`cross_entropy(…) + youden(…)`, the systems J3 and J4, from one softmax.

    The weight acts on the cross entropy only. Otherwise arguments, errors, value and gradient are
    those of the sum (see there); it costs less, because both terms are sums of log z or z over the
    pixels of a class. Can be differentiated once, by the logits and by `lam`. A weight that
    requires a gradient is a ValueError: use the sum for that.
    """
    target = as_target(logits, target, ignore_index=ignore_index)
    if weight is not None:
        if weight.requires_grad:
            raise ValueError(
                "weight must be constant, it requires a gradient: detach it, or add cross_entropy "
                "and youden"
            )
        weight = valid_weight(weight, target, ignore_index=ignore_index).flatten(1)
    with torch.autocast(logits.device.type, enabled=False):
        flat = in_full_precision(logits).flatten(2)
        log_sum: Tensor
        truth: Tensor
        log_sum, joint, truth = _ClassSums.apply(flat, target.flatten(1), weight, ignore_index)  # type: ignore[no-untyped-call]
        return pairwise_loss(SoftCounts(joint, truth), lam) - log_sum / truth.sum().clamp(min=1)


def pairwise_loss(counts: SoftCounts, lam: float | Tensor | None) -> Tensor:
    """`youden` from counts: −Σ_{i≠k} λ_ik·log((1 + M_ii − M_ik)/2) over the pairs that are present.

    The mean over leading axes of the counts.
    """
    confusion, has_pixels = counts.rates, counts.has_pixels
    classes = confusion.shape[-1]
    if lam is None:
        lam = 1 / max(classes * (classes - 1), 1)
    lam = torch.as_tensor(lam, dtype=confusion.dtype, device=confusion.device)
    if lam.ndim and lam.shape != (classes, classes):
        raise ValueError(
            f"lam must be a number or a ({classes}, {classes}) matrix, not {tuple(lam.shape)}"
        )
    true_positive = confusion.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    pair = has_pixels.unsqueeze(-1) & has_pixels.unsqueeze(-2)
    pair = pair & ~torch.eye(classes, dtype=torch.bool, device=pair.device)
    # absent pairs become log 1 = 0 before the logarithm, so that they cannot send NaN back
    rate = ((1 + true_positive - confusion) / 2).masked_fill(~pair, 1)
    tiny = torch.finfo(
        rate.dtype
    ).tiny  # the logarithm's argument is 0 only at ±huge logits, all wrong
    return -torch.where(pair, lam * rate.clamp(min=tiny).log(), 0).sum((-2, -1)).mean()


class _ClassSums(torch.autograd.Function):
    """Σ_p ω·y_k·log z_k over all classes, Σ_p z_i·y_k and Σ_p y_k, of logits `(N, C, pixels)`.

    One pass over the logits for the softmax, the logarithm and the sums, and one for the gradient.
    With A_i(p) the gradient of the second sum by z_i(p), and a that of the first sum::

        ∂/∂x_i = z_i·(A_i − Σ_j z_j·A_j − a·Σ_k ω·y_k) + a·ω·y_i

    Block by block, so that the pixels of a block stay in the processor's cache.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        classes = logits.shape[1]
        probabilities = torch.empty_like(logits, memory_format=torch.contiguous_format)
        log_sum, truth = logits.new_zeros(()), logits.new_zeros(classes)
        joint = logits.new_zeros(classes, classes)
        for block in _blocks(logits):
            x = logits[..., block]
            members, weighted = _memberships(x, target, weight, block, ignore_index)
            x = x - x.amax(1, keepdim=True)
            z = x.exp()
            total = z.sum(1, keepdim=True)
            z.div_(total)
            # −∞ is a legitimate logit of a class without that pixel, and 0·∞ is not 0
            finite = x.clamp_(min=torch.finfo(x.dtype).min).mul_(weighted)
            log_sum += finite.sum() - total.log_().mul_(weighted.sum(1, keepdim=True)).sum()
            joint += (z @ members.transpose(1, 2)).sum(0)
            truth += members.sum((0, 2))
            probabilities[..., block] = z
        ctx.save_for_backward(probabilities, target, weight)
        ctx.ignore_index = ignore_index
        ctx.mark_non_differentiable(truth)
        return log_sum, joint, truth

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, log_sum_grad: Tensor, joint_grad: Tensor, truth_grad: Tensor
    ) -> tuple[Tensor, None, None, None]:
        probabilities, target, weight = ctx.saved_tensors
        grad = torch.empty_like(probabilities)
        for block in _blocks(probabilities):
            z = probabilities[..., block]
            members, weighted = _memberships(z, target, weight, block, ctx.ignore_index)
            pull = joint_grad @ members
            mean = (pull * z).sum(1, keepdim=True)
            mean.addcmul_(weighted.sum(1, keepdim=True), log_sum_grad)
            pull.sub_(mean).mul_(z)
            torch.addcmul(pull, weighted, log_sum_grad, out=grad[..., block])
        return grad, None, None, None


def _blocks(pixels: Tensor) -> list[slice]:
    """Parts of the last axis of `(N, C, pixels)`.

    On a CPU a block stays in the cache, and is so short that one running float32 sum is exact to
    its fourth digit, whatever the values.
    """
    samples, classes, count = pixels.shape
    length = max(count, 1)
    if pixels.device.type == "cpu" and not torch.compiler.is_compiling():
        length = min(_LONGEST, max(_SHORTEST, _CACHED // max(samples * classes, 1)))
    return [slice(begin, begin + length) for begin in range(0, count, length)]


def _memberships(
    like: Tensor, target: Tensor, weight: Tensor | None, block: slice, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """y_k(p) and ω(p)·y_k(p) of a block; ω is 1 without a weight."""
    members = indicator(target[:, block], like, ignore_index=ignore_index)
    if weight is None:
        return members, members
    return members, members * weight[:, block].unsqueeze(1).to(members)


class Youden(nn.Module):
    """`youden` as a module."""

    def __init__(
        self, *, lam: float | Tensor | None = None, ignore_index: int = -1, per_sample: bool = False
    ) -> None:
        super().__init__()
        self.lam, self.ignore_index, self.per_sample = lam, ignore_index, per_sample

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `youden`."""
        return youden(
            logits,
            target,
            weight=weight,
            lam=self.lam,
            ignore_index=self.ignore_index,
            per_sample=self.per_sample,
        )


class CrossEntropyAndYouden(nn.Module):
    """`cross_entropy_and_youden` as a module."""

    def __init__(self, *, lam: float | Tensor | None = None, ignore_index: int = -1) -> None:
        super().__init__()
        self.lam, self.ignore_index = lam, ignore_index

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `cross_entropy_and_youden`."""
        return cross_entropy_and_youden(
            logits, target, weight=weight, lam=self.lam, ignore_index=self.ignore_index
        )

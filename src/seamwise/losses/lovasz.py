"""The Jaccard index as a loss, by its Lovász extension; see `lovasz_softmax`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from seamwise.losses.confusion import mean_over_present
from seamwise.losses.inputs import as_target, in_full_precision, valid_weight


def lovasz_softmax(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -1,
    classes: Sequence[int] | None = None,
    per_sample: bool = False,
) -> Tensor:
    """Mean over the classes present of the Lovász extension of their Jaccard loss.

    With z = softmax(logits), the error of pixel p for class k is m_k(p) = 1 − z_k(p) inside the
    class (h(p) = k) and z_k(p) outside. Sort the pixels by falling error; S_i = the first i of
    them::

        L = (1/|K|) Σ_{k ∈ K} Σ_i m_k(p_i) · ( Δ_k(S_i) − Δ_k(S_{i−1}) ),   K = classes present

        Δ_k(S) = 1 − |inside ∖ S| / |inside ∪ S|    the Jaccard loss of class k if S are wrong

    Where every error is 0 or 1 this is exactly 1 − Jaccard index.

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) or (N, 1, *S) tensor of whole numbers
        Class of each pixel, 0..C−1 or `ignore_index`.
    weight : (N, *S) or (N, 1, *S) tensor, optional
        ω ≥ 0, one number per pixel; 1 everywhere by default. |·| is the sum of the weights of a
        set: a pixel of weight 2 counts as two pixels, doubling all weights changes nothing.
    ignore_index : int
        Pixels of this class count nowhere.
    classes : sequence of int, optional
        Average over these classes only; all by default. `(1, 2)` is the thesis' "ignoring
        background": no pixel is dropped, those of the background are still false positives of the
        others.
    per_sample : bool
        False: the sets pool over the mini-batch. True: one loss per sample, then their mean, in
        which a sample with no class present counts as 0.

    Returns
    -------
    scalar tensor in 0..1, float32 (float64 for float64 logits)
        A class without a pixel, or with pixels of weight 0 only, is ignored exactly. With no class
        present the loss is exactly 0, with a gradient of 0.

    Raises
    ------
    ValueError
        The shapes do not fit together, `classes` is empty, names a class twice or one that the
        logits do not have; the logits have one channel, or the target holds another number
        (RuntimeError on a GPU and in compiled code).

    Notes
    -----
    **Ties.** Pixels of equal error may be sorted in any order. The value is the same for each, the
    gradient is not: whichever outside pixel comes first gets the largest step. At the start of
    training, when a network answers the same everywhere, all of them tie, and their order in memory
    would decide where the gradient goes. Here tied pixels share: those inside the class evenly (by
    weight), those outside evenly, and between the two the mean of both orders, inside first and
    outside first. Being a mean of valid gradients (Δ is submodular, so L is convex in the errors)
    this is a subgradient; one even share for all of them would not be.

    Computed in float32 also under autocast and for half-precision logits. The step of a pixel is
    computed in closed form, not as a difference of two Jaccard losses, which would lose its digits
    on large images.

    Source: thesis (2.11), (2.12); Berman et al. 2018, arXiv:1705.08790. Thesis (2.11) averages over
    all C classes and calls the step the "difference between the consecutive values of the
    cumulative distribution of m"; we take the paper's step of the Jaccard loss and average over the
    classes present.

    Examples
    --------
    Three pixels of classes 0, 0, 1 that the network takes for 0, 1, 1 without a doubt. Each class
    has one pixel in common with its prediction, of two that are in either:

    >>> logits = torch.tensor([[[99.0, 0, 0], [0, 99.0, 99.0]]])
    >>> lovasz_softmax(logits, torch.tensor([[0, 0, 1]]))
    tensor(0.5000)
    """
    target = as_target(logits, target, ignore_index=ignore_index)
    numbers = _class_numbers(classes, logits.shape[1])
    with torch.autocast(logits.device.type, enabled=False):
        probabilities = in_full_precision(logits).softmax(1).flatten(2)
        if classes is not None:
            probabilities = probabilities[:, numbers]
        weight = torch.ones_like(target) if weight is None else weight
        weight = (
            valid_weight(weight, target, ignore_index=ignore_index)
            .to(probabilities)
            .flatten(1)
            .unsqueeze(1)
        )
        is_class = target.flatten(1).unsqueeze(1) == torch.tensor(
            numbers, device=target.device
        ).unsqueeze(-1)
        if not per_sample:
            probabilities, weight, is_class = (
                x.transpose(0, 1).flatten(1) for x in (probabilities, weight, is_class)
            )
        errors = torch.where(is_class, 1 - probabilities, probabilities)
        steps, has_pixels = _jaccard_steps(errors, is_class, weight)
        return mean_over_present((errors * steps).sum(-1), has_pixels)


@torch.no_grad()
def _jaccard_steps(errors: Tensor, is_class: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Δ(S_i) − Δ(S_{i−1}) for each pixel, shared among equal errors; and the classes present.

    With U = |inside ∪ S| and I = |inside ∖ S|, a pixel of weight ω inside the class adds ω/U to Δ,
    one outside adds ω·I/(U·(U + ω)); tied pixels of one kind add the same with ω their weight
    together.
    """
    errors, order = errors.sort(-1, descending=True)
    is_class, weight = is_class.gather(-1, order), weight.expand_as(errors).gather(-1, order)
    edges = functional.pad(errors[..., 1:] != errors[..., :-1], (1, 1), value=True)
    lost_before, lost_after = _around_ties(weight * is_class, edges)
    added_before, added_after = _around_ties(weight * ~is_class, edges)
    total = lost_after[..., -1:]
    union_before, union_after = total + added_before, total + added_after
    step_of_class = (1 / union_before + 1 / union_after) / 2
    step_of_others = ((total - lost_before) + (total - lost_after)) / 2 / union_before / union_after
    has_pixels = total > 0
    steps = (weight * torch.where(is_class, step_of_class, step_of_others)).masked_fill(
        ~has_pixels, 0
    )
    return torch.empty_like(steps).scatter_(-1, order, steps), has_pixels.squeeze(-1)


def _around_ties(amount: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Σ of the amounts ≥ 0 before and after the group of equal pixels that each pixel is in.

    `edges` has one more entry than there are pixels: whether a group ends before the pixel.
    """
    running_sum = functional.pad(amount.cumsum(-1), (1, 0))
    # a running sum never falls, so its extremes over the edges are its values at the nearest edge
    sum_before = running_sum.masked_fill(~edges, 0).cummax(-1).values
    sum_after = running_sum.masked_fill(~edges, torch.inf).flip(-1).cummin(-1).values.flip(-1)
    return sum_before[..., :-1], sum_after[..., 1:]


def _class_numbers(classes: Sequence[int] | None, available: int) -> list[int]:
    """Return the classes as a list, all if None; raise unless they are distinct and available."""
    numbers = list(range(available) if classes is None else classes)
    if not numbers or len(set(numbers)) < len(numbers) or not set(numbers) <= set(range(available)):
        raise ValueError(
            f"classes must be different numbers of 0..{available - 1}, at least one, not {classes}"
        )
    return numbers


class LovaszSoftmax(nn.Module):
    """`lovasz_softmax` as a module."""

    def __init__(
        self,
        *,
        ignore_index: int = -1,
        classes: Sequence[int] | None = None,
        per_sample: bool = False,
    ) -> None:
        super().__init__()
        self.ignore_index, self.classes, self.per_sample = ignore_index, classes, per_sample

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `lovasz_softmax`."""
        return lovasz_softmax(
            logits,
            target,
            weight=weight,
            ignore_index=self.ignore_index,
            classes=self.classes,
            per_sample=self.per_sample,
        )

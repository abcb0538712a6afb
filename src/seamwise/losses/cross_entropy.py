"""Cross entropy with a weight per pixel; see `cross_entropy`."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def cross_entropy(
    logits: Tensor, target: Tensor, *, weight: Tensor | None = None, ignore_index: int = -1
) -> Tensor:
    """Mean over the valid pixels of ω(p) · (−log z_{h(p)}(p)), with z = softmax(logits).

    ::

        L = −(1/|V|) Σ_{p ∈ V} ω(p) · log z_{h(p)}(p),   V = {p : h(p) ≠ ignore_index}

    Parameters
    ----------
    logits : (N, C, *S) floating tensor
    target : (N, *S) integer tensor
        Class of each pixel, 0..C−1 or `ignore_index`.
    weight : (N, *S) tensor, optional
        ω ≥ 0, one number per pixel (a weight map); 1 everywhere by default.
    ignore_index : int
        Pixels of this class have no loss and no gradient.

    Returns
    -------
    scalar tensor, float32 (float64 for float64 logits)
        Exactly 0, with a gradient of 0, when every pixel is ignored.

    Raises
    ------
    TypeError
        The target holds no integers.
    ValueError
        The shapes do not fit together, or the target holds another class (checked on the CPU).

    Notes
    -----
    Computed in float32 also under autocast and for half-precision logits.
    Source: thesis (2.5), (2.6). Thesis (3.1) and (4.2) print a bare sum over the pixels; we take the mean,
    so that the learning rate does not depend on the size of the crop. The mean is over the number of
    valid pixels, not over the sum of the weights: doubling a weight map doubles the loss.
    """
    return weighted_mean(
        cross_entropy_map(logits, target, ignore_index=ignore_index),
        target,
        weight=weight,
        ignore_index=ignore_index,
    )


def cross_entropy_map(logits: Tensor, target: Tensor, *, ignore_index: int = -1) -> Tensor:
    """−log z_{h(p)}(p) for each pixel `(N, *S)`, 0 where ignored; the unreduced form of `cross_entropy`."""
    check_target(logits, target, ignore_index=ignore_index)
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(
            in_full_precision(logits), target.long(), ignore_index=ignore_index, reduction="none"
        )


def weighted_mean(
    loss_map: Tensor, target: Tensor, *, weight: Tensor | None = None, ignore_index: int = -1
) -> Tensor:
    """Σ ω·ℓ over the valid pixels, divided by their number (by 1 if there is none)."""
    valid = ~ignored(target, ignore_index)
    if weight is not None:
        loss_map = loss_map * valid_weight(weight, target, ignore_index=ignore_index).to(loss_map)
    return (loss_map * valid).sum() / valid.sum().clamp(min=1)


def valid_weight(weight: Tensor, target: Tensor, *, ignore_index: int = -1) -> Tensor:
    """Return the weights with 0 on ignored pixels, which may carry any weight, even NaN.

    Raises
    ------
    ValueError
        The weights have another shape than the target.
    """
    if weight.shape != target.shape:
        raise ValueError(
            f"weight must have the target's shape {tuple(target.shape)}, not {tuple(weight.shape)}"
        )
    return weight.masked_fill(ignored(target, ignore_index), 0)


def ignored(target: Tensor, ignore_index: int) -> Tensor:
    """Where the target is `ignore_index`; nowhere if its dtype cannot hold that number."""
    # torch wraps the number into the dtype: a uint8 target of 255 would equal −1
    if not target.is_floating_point() and target.dtype != torch.bool:
        limits = torch.iinfo(target.dtype)
        if not limits.min <= ignore_index <= limits.max:
            return torch.zeros_like(target, dtype=torch.bool)
    return target == ignore_index


def in_full_precision(logits: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay."""
    return logits if logits.dtype == torch.float64 else logits.float()


def check_target(logits: Tensor, target: Tensor, *, ignore_index: int) -> None:
    """Raise unless logits are `(N, C, *S)` and target is `(N, *S)`, integers of 0..C−1 or `ignore_index`."""
    if target.is_floating_point():
        raise TypeError(f"target must hold class numbers as integers, not {target.dtype}")
    expected = (logits.shape[0], *logits.shape[2:]) if logits.ndim >= 3 else None
    if expected is None or tuple(target.shape) != tuple(expected):
        raise ValueError(
            f"target must be (N, *S) for logits (N, C, *S): logits {tuple(logits.shape)} "
            f"do not fit target {tuple(target.shape)}"
        )
    # kernels of the GPU cannot raise, and asking for the extremes would wait for them at every step
    if target.device.type == "cpu" and target.numel():
        classes = logits.shape[1]
        ends = target.masked_fill(ignored(target, ignore_index), 0).aminmax()
        wrong = [int(end) for end in ends if not 0 <= end < classes]
        if wrong:
            raise ValueError(
                f"target must hold 0..{classes - 1} or {ignore_index} (ignored), not {wrong[0]}"
            )


class CrossEntropy(nn.Module):
    """`cross_entropy` as a module."""

    def __init__(self, *, ignore_index: int = -1) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss; arguments as in `cross_entropy`."""
        return cross_entropy(logits, target, weight=weight, ignore_index=self.ignore_index)

"""What losses are called with: check it, and make it ready to compute with."""

import torch
from torch import Tensor


def check_target(logits: Tensor, target: Tensor, *, ignore_index: int) -> None:
    """Raise unless logits are `(N, C, *S)` and target is `(N, *S)` of 0..C−1 or `ignore_index`."""
    if target.is_floating_point():
        raise TypeError(f"target must hold class numbers as integers, not {target.dtype}")
    target_shape = (logits.shape[0], *logits.shape[2:]) if logits.ndim >= 3 else None
    if target_shape is None or tuple(target.shape) != tuple(target_shape):
        raise ValueError(
            f"target must be (N, *S) for logits (N, C, *S): logits {tuple(logits.shape)} "
            f"do not fit target {tuple(target.shape)}"
        )
    # kernels of the GPU cannot raise, and asking for the extremes would wait for them at every
    # step; a compiled graph would break where it asks for a value
    if target.device.type == "cpu" and target.numel() and not torch.compiler.is_compiling():
        classes = logits.shape[1]
        low, high = (int(end) for end in target.aminmax())
        if high < classes and low >= (-1 if ignore_index == -1 else 0):
            return  # no need to look where the ignored pixels are
        ends = target.masked_fill(ignore_mask(target, ignore_index), 0).aminmax()
        strangers = [int(end) for end in ends if not 0 <= end < classes]
        if strangers:
            raise ValueError(
                f"target must hold 0..{classes - 1} or {ignore_index} (ignored), not {strangers[0]}"
            )


def ignore_mask(target: Tensor, ignore_index: int) -> Tensor:
    """Where the target is `ignore_index`; nowhere if its dtype cannot hold that number."""
    # torch wraps the number into the dtype: a uint8 target of 255 would equal −1
    if not target.is_floating_point() and target.dtype != torch.bool:
        limits = torch.iinfo(target.dtype)
        if not limits.min <= ignore_index <= limits.max:
            return torch.zeros_like(target, dtype=torch.bool)
    return target == ignore_index


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
    return weight.masked_fill(ignore_mask(target, ignore_index), 0)


def in_full_precision(logits: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay."""
    return logits if logits.dtype == torch.float64 else logits.float()


def image_pair(prediction: Tensor, truth: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both images checked, in full precision, and 0 where the weight is 0, so that no NaN spreads.

    Raises
    ------
    TypeError
        An image holds no floating-point numbers.
    ValueError
        The shapes do not fit together, or there are no pixels.
    """
    check_images(prediction, truth, weight)
    prediction = in_full_precision(prediction)
    truth = truth.to(prediction.dtype)
    if weight is None:
        return prediction, truth
    is_excluded = (weight == 0).unsqueeze(1)
    return prediction.masked_fill(is_excluded, 0), truth.masked_fill(is_excluded, 0)


def check_images(prediction: Tensor, truth: Tensor, weight: Tensor | None) -> None:
    """Raise unless both images are floating `(N, C, *S)`, of one shape, and weight `(N, *S)`."""
    for name, image in (("prediction", prediction), ("truth", truth)):
        if not image.is_floating_point():
            raise TypeError(
                f"{name} must hold floating-point numbers, not {image.dtype}: convert and scale it"
            )
    shape = tuple(prediction.shape)
    if len(shape) < 3 or 0 in shape[1:]:
        raise ValueError(
            f"prediction must be (N, C, *S) and have pixels, not {shape}: one image needs N = 1"
        )
    if truth.shape != prediction.shape:
        raise ValueError(
            f"truth must have the prediction's shape {shape}, not {tuple(truth.shape)}"
        )
    pixels = (shape[0], *shape[2:])
    if weight is not None and weight.shape != pixels:
        raise ValueError(
            f"weight must be (N, *S) = {pixels}, one number per pixel, not {tuple(weight.shape)}"
        )

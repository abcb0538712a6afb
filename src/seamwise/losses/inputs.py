"""What losses are called with: check it, and make it ready to compute with."""

import torch
from torch import Tensor

_INTEGERS = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
_ASYNCHRONOUS = ("cuda", "meta")  # asking for a value would wait for it, or there is none


def as_target(logits: Tensor, target: Tensor, *, ignore_index: int) -> Tensor:
    """Return the classes as integers `(N, *S)`, checked against the logits.

    Parameters
    ----------
    logits : (N, C, *S) tensor
    target : (N, *S) or (N, 1, *S) tensor
        Whole numbers 0..C−1 or `ignore_index`, of any type.

    Raises
    ------
    TypeError
        The target holds complex numbers.
    ValueError
        The shapes do not fit together, the logits have one channel, or the target holds another
        number.
    RuntimeError
        Instead, for another number, in compiled code and on a GPU. A GPU reports it later, as a
        "device-side assert": nothing waits for it.
    """
    pixels = without_channel(target, logits.ndim - 1)
    shape = (logits.shape[0], *logits.shape[2:]) if logits.ndim >= 3 else None
    if shape is None or tuple(pixels.shape) != tuple(shape):
        remedy = ": of a one-hot target take target.argmax(1)" * (target.shape == logits.shape)
        raise ValueError(
            f"target must be (N, *S) for logits (N, C, *S): logits {tuple(logits.shape)} "
            f"do not fit target {tuple(target.shape)}{remedy}"
        )
    if logits.shape[1] < 2:
        raise ValueError(
            f"logits must have a channel for each class, 2 or more, not {logits.shape[1]}: for "
            "those of a sigmoid, x, give torch.cat([torch.zeros_like(x), x], 1), background and "
            "cell"
        )
    if pixels.is_complex():
        raise TypeError(f"target must hold whole numbers, not {pixels.dtype}: take its real part")
    # torch can neither compare nor sort the wider unsigned types
    classes = pixels if pixels.dtype in _INTEGERS else pixels.long()
    if pixels.dtype == torch.uint64:  # beyond 64 signed bits it became negative
        classes = classes.masked_fill(classes < 0, torch.iinfo(torch.int64).max)
    pixels = pixels if pixels.is_floating_point() else classes
    if classes.numel():
        # a compiled graph would break where it asks for a value
        is_late = torch.compiler.is_compiling() or classes.device.type in _ASYNCHRONOUS
        check = _assert_classes if is_late else _check_classes
        check(pixels, classes, logits.shape[1], ignore_index)
    return classes


def without_channel(pixels: Tensor, ndim: int) -> Tensor:
    """Return `(N, 1, *S)` as `(N, *S)` with `ndim` axes; another shape as it is."""
    has_channel = pixels.ndim == ndim + 1 and ndim > 0 and pixels.shape[1] == 1
    return pixels.squeeze(1) if has_channel else pixels


def _check_classes(pixels: Tensor, classes: Tensor, count: int, ignore_index: int) -> None:
    """Raise unless the classes are the pixels, and 0..count−1 or `ignore_index`."""
    if classes is not pixels and (classes != pixels).any():
        stranger = pixels[classes != pixels][0].item()
        raise ValueError(
            f"target must hold whole numbers, the classes, not {stranger:g}: resample it with "
            "nearest neighbours, not linearly"
        )
    low, high = (int(end) for end in classes.aminmax())
    if high < count and low >= (-1 if ignore_index == -1 else 0):
        return  # no need to look where the ignored pixels are
    ends = classes.masked_fill(ignore_mask(classes, ignore_index), 0).aminmax()
    strangers = [int(end) for end in ends if not 0 <= end < count]
    if strangers:
        remedy = ": of numbers of cells, TargetAndWeight makes classes" * (strangers[0] > 0)
        raise ValueError(f"{_expected(count, ignore_index)}, not {strangers[0]}{remedy}")


def _assert_classes(pixels: Tensor, classes: Tensor, count: int, ignore_index: int) -> None:
    """`_check_classes` by the device itself, without a wait for the answer."""
    low, high = classes.masked_fill(ignore_mask(classes, ignore_index), 0).aminmax()
    is_right = (low >= 0) & (high < count)
    if classes is not pixels:
        is_right = is_right & (classes == pixels).all()
    torch._assert_async(is_right, _expected(count, ignore_index))


def _expected(count: int, ignore_index: int) -> str:
    return f"target must hold 0..{count - 1} or {ignore_index} (ignored)"


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

    `weight` has the shape `(N, *S)` of the target, or `(N, 1, *S)`.

    Raises
    ------
    ValueError
        The weights have another shape than the target.
    """
    pixels = without_channel(weight, target.ndim)
    if pixels.shape != target.shape:
        raise ValueError(
            f"weight must have the target's shape {tuple(target.shape)}, not {tuple(weight.shape)}"
        )
    return pixels.masked_fill(ignore_mask(target, ignore_index), 0)


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

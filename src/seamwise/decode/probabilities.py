"""What the decoders share in reading class probabilities."""

from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.array_like import as_array

Gap = Literal["second", "background"]
_CLASSES = (2, 3, 4)
_SAMPLE = 2**16  # pixels that are looked at
_SLACK = 0.05  # of 8 bits and bfloat16, in a sum of four numbers


def as_probabilities(probabilities: Any) -> NDArray[Any]:
    """Return the array `(C, *S)`, or raise ValueError unless it has 2, 3 or 4 classes."""
    array: NDArray[Any] = as_array(probabilities, name="probabilities", real=True)
    shape = array.shape
    if array.dtype.kind not in "biuf":
        raise ValueError(f"probabilities must be real numbers, not {array.dtype}: convert them")
    if array.ndim < 2 or shape[0] not in _CLASSES:
        remedy = ""
        if array.ndim > 3 and shape[1] in _CLASSES:
            remedy = ": decode the images of a batch (N, C, *S) one by one"
        elif array.ndim > 2 and shape[-1] in _CLASSES:
            remedy = ": put the classes first, np.moveaxis(probabilities, -1, 0)"
        raise ValueError(f"probabilities must be (C, *S) with C = 2, 3 or 4, not {shape}{remedy}")
    return array


def check_probabilities(
    probabilities: Any, *, pixels: int = _SAMPLE, slack: float = _SLACK
) -> NDArray[Any]:
    """`as_probabilities`, or ValueError unless they are 0 or more and sum to 1 at each pixel.

    A pixel may sum to 0, where a program did not look: the result has background there, z_0 = 1.
    Without such pixels it is the array itself, else a copy.

    Parameters
    ----------
    probabilities : (C, *S) array
    pixels : int
        About so many are looked at, every nth along each axis.
    slack : float
        How far a sum may be from 1. Values may be below 0 by a fifth of it.
    """
    array = as_probabilities(probabilities)
    if not array.size:
        return array
    step = max(1, ceil((array[0].size / pixels) ** (1 / (array.ndim - 1))))
    sample = array[(slice(None), *[slice(None, None, step)] * (array.ndim - 1))]
    with np.errstate(invalid="ignore"):  # of infinite ones, whose sum is NaN
        total, low = sample.sum(0, dtype=np.float64), sample.min()
    if low >= -slack / 5 and _is_one(total, slack):
        return _with_background(array)
    is_batch = array.ndim > 3 and array.shape[1] in _CLASSES
    if is_batch and _is_one(sample.sum(1, dtype=np.float64), slack):
        raise ValueError(
            f"probabilities must be (C, *S), not a batch (N, C, *S), here {array.shape}: "
            "decode its images one by one"
        )
    raise ValueError(
        "probabilities must be 0 or more and sum to 1 at each pixel, not to "
        f"{total.min():.3g} to {total.max():.3g} with a minimum of {low:.3g}: apply softmax over "
        "the classes first"
    )


def _with_background(array: NDArray[Any]) -> NDArray[Any]:
    is_empty = array.sum(0) == 0
    if not is_empty.any():
        return array
    filled: NDArray[Any] = array.copy()
    filled[0][is_empty] = 1
    return filled


def _is_one(total: NDArray[Any], slack: float) -> bool:
    return bool(((np.abs(total - 1) <= slack) | (total == 0)).all())


def background_of(probabilities: NDArray[Any], gap: Gap) -> NDArray[Any]:
    """Probability of the background, `(*S)`: z_0, or z_0 + z_3 if gaps count as background."""
    if gap not in ("second", "background"):
        raise ValueError(f"gap must be 'second' or 'background', not {gap!r}")
    background: NDArray[Any] = probabilities[0]
    return (
        background + probabilities[3]
        if gap == "background" and len(probabilities) == 4
        else background
    )


def without_gap(probabilities: NDArray[Any], gap: Gap) -> list[NDArray[Any]]:
    """Probabilities of background, cell and, if there is one, touching; each `(*S)`.

    Of four classes, "background" adds z_3 to z_0; "second" gives z_l / (z_0 + z_1 + z_2), the
    probabilities of a pixel that is not gap, whose arg max is that over the first three classes. A
    pixel of gap alone is background.
    """
    rest = [background_of(probabilities, gap), *probabilities[1:3]]
    if gap == "background" or len(probabilities) < 4:
        return rest
    total = probabilities[:3].sum(0, dtype=np.result_type(probabilities.dtype, np.float32))
    is_empty = total == 0
    total[is_empty] = 1
    rest = [z / total for z in rest]
    rest[0][is_empty] = 1
    return rest


def check_threshold(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a probability."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability from 0 to 1, not {value}")

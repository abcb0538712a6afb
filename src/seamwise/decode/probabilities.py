"""What the decoders share in reading class probabilities."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.array_like import as_array

Gap = Literal["second", "background"]


def as_probabilities(probabilities: Any) -> NDArray[Any]:
    """Return the array `(C, *S)`, or raise ValueError unless it has 2, 3 or 4 classes."""
    array: NDArray[Any] = as_array(probabilities, name="probabilities")
    if array.ndim < 2 or array.shape[0] not in (2, 3, 4):
        raise ValueError(f"probabilities must be (C, *S) with C = 2, 3 or 4, not {array.shape}")
    return array


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

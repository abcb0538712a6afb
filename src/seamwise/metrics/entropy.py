"""Class probabilities of labelled pixels, checked, and their entropy; see `entropy_of`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from seamwise.array_like import as_array
from seamwise.labels import Labels

_SLACK = 0.01  # of 8 bits and of interpolation


def as_class_maps(probabilities: Any, labels: Labels) -> NDArray[Any]:
    """Return the array `(C, *S)` for labels `(*S)`, or raise ValueError if it does not fit them."""
    maps = as_array(probabilities, name="probabilities", real=True)
    if maps.shape[1:] != labels.shape or len(maps) < 2:
        raise ValueError(
            f"probabilities must have two classes or more and then the shape {labels.shape} of "
            f"the labels, not {maps.shape}"
        )
    check_real("probabilities", maps)
    low, high = (maps.min(), maps.max()) if maps.size else (0, 1)
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise ValueError(
            f"probabilities must be real numbers from 0 to 1, not {low:.3g} to {high:.3g}: apply "
            "softmax over the classes first"
        )
    return maps


def check_real(name: str, values: NDArray[Any]) -> None:
    """Raise ValueError unless values are of a type of real numbers."""
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, not {values.dtype}: convert them")


def entropy_of(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """Entropy H = −Σ p_c ln p_c / ln C of each pixel, `(*S)` from `(C, *S)`, in [0, 1].

    Examples
    --------
    >>> entropy_of(np.array([[1.0, 0.5], [0.0, 0.5]])).tolist()
    [0.0, 1.0]
    """
    total = np.zeros(probabilities.shape[1:], np.float32)
    for part in probabilities:
        total += entr(np.clip(part.astype(np.float32), 0, 1))
    entropy: NDArray[np.float32] = total / np.float32(np.log(len(probabilities)))
    return entropy

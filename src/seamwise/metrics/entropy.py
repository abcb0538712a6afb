"""Entropy of class probabilities; see `entropy_of`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr


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

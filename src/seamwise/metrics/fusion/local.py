"""Weighted means over a sliding window; see `local_mean` and `gaussian`."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.metrics.fusion.pictures import Grey


def gaussian(radius: int, sigma: float) -> Grey:
    """exp(−x² / 2σ²) at x = −radius..radius, not normalised."""
    x = np.arange(-radius, radius + 1)
    return np.exp(-(x**2) / (2 * sigma**2))


def local_mean(image: NDArray[np.float64], weights: Grey) -> Grey:
    """Return Σ_ij w_i w_j x(p + (i, j)), of the picture's size, with zeros beyond the border."""
    down = ndimage.correlate1d(image, weights, axis=0, mode="constant")
    mean: Grey = ndimage.correlate1d(down, weights, axis=1, mode="constant")
    return mean


def interior(size: int) -> tuple[slice, slice]:
    """Return an index of the pixels whose window of `size` × `size` is inside of the picture."""
    # slice(start, -0) would be empty
    span = slice(size // 2, -((size - 1) // 2) or None)
    return span, span

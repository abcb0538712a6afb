"""A colour for each cell, by its number alone; see `colours_of`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_GOLDEN_RATIO = 0.618034  # successive hues differ much, whatever their number


def colours_of(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bright colour of each number of 1 or more: `(n, 3)` uint8.

    Examples
    --------
    >>> colours_of(np.array([1, 1000])).tolist()
    [[38, 101, 255], [255, 82, 38]]
    """
    from skimage.color import hsv2rgb  # slow to import

    hue = np.asarray(numbers, np.float64) * _GOLDEN_RATIO % 1
    hsv = np.stack([hue, np.full_like(hue, 0.85), np.ones_like(hue)], axis=-1)
    return np.asarray(hsv2rgb(hsv[np.newaxis])[0] * 255, dtype=np.uint8)

"""Connected regions of a mask; see `without_specks`."""

import cv2
import numpy as np
from numpy.typing import NDArray


def without_specks(mask: NDArray[np.bool_], min_pixels: float) -> NDArray[np.bool_]:
    """Return a mask without its small regions, those of fewer pixels than `min_pixels`.

    Pixels that touch at sides or corners are connected.

    Examples
    --------
    >>> without_specks(np.array([[1, 0, 1, 1]], bool), 2)
    array([[False, False,  True,  True]])
    """
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = stats[:, cv2.CC_STAT_AREA] >= min_pixels
    large[0] = False  # outside of the mask
    return np.asarray(large[regions])

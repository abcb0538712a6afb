"""The sharpest parts of frames that are registered; see `SharpestParts`."""

import cv2
import numpy as np

from seamwise.fusion.homography import Matrix
from seamwise.fusion.pyramid import FocusPyramid, focus_pyramid
from seamwise.types import Picture

_POWER = 4  # of the contrast: how much the sharpest frame leads


class SharpestParts:
    """A picture that grows with each frame: Σ wᵢ·Iᵢ / Σ wᵢ, with wᵢ the contrast to the power of 4.

    A frame out of focus somewhere is registered to what others show there, in whatever order they
    come.

    Parameters
    ----------
    first : FocusPyramid
        Of the reference frame, which stays where it is.

    Attributes
    ----------
    pyramid : FocusPyramid
        Of the picture so far.
    """

    def __init__(self, first: FocusPyramid) -> None:
        self.pyramid = first
        self._weight = _weight(first)
        self._total = self._weight * first.grey

    def add(self, frame: FocusPyramid, matrix: Matrix) -> None:
        """Add a frame that a matrix takes to its place."""
        size = frame.shape[::-1]
        weight = cv2.warpPerspective(_weight(frame), matrix, size, flags=cv2.INTER_LINEAR)
        grey = cv2.warpPerspective(
            frame.grey, matrix, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        )
        self._weight = self._weight + weight
        self._total = self._total + weight * grey
        self.pyramid = focus_pyramid(self._total / self._weight)


def _weight(frame: FocusPyramid) -> Picture:
    # the sum of weights is never 0, not even of frames without contrast
    return np.asarray((frame.contrast + np.float32(1e-6)) ** _POWER, np.float32)

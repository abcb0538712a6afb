"""How bright frames are against each other; see `thumbnail` and `gain`."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import MOST_CHANNELS
from seamwise.fusion.homography import Matrix, resampling
from seamwise.types import Picture

GAINS = (0.5, 2.0)  # one stop; a gain beyond becomes this bound
_BLACK, _WHITE = 0.02, 0.98  # a pixel beyond them shows nothing about exposure
_CLIPPED_SHARE = 0.01  # of what a pixel of the thumbnail is blurred from
_THUMBNAIL_PIXELS = 60_000


def shrink(picture: NDArray[Any], pixels: int) -> Picture:
    """Return the picture with at most about so many pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, math.sqrt(pixels / (height * width)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def thumbnail(frame: Picture) -> Picture:
    """Return a small blurred copy of a frame, `(Y, X, C)`; NaN where values were clipped."""
    clipped_share = _blur((frame > _WHITE) * np.uint8(255)) / 255
    return np.where(clipped_share > _CLIPPED_SHARE, np.float32(np.nan), _blur(frame))


def gain(copy: Picture, reference: Picture, matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Return the gain of a frame in each channel, as `estimate_alignment` defines it.

    Parameters
    ----------
    copy, reference : (Y, X, C) float32 arrays
        What `thumbnail` made of the frame and of the reference frame.
    matrix : (3, 3) array
        From frame to reference, in pixels of the full frame.
    shape : tuple of int
        Of the full frame.

    Returns
    -------
    (C,) float64 array
        Median of reference / frame over the well exposed pixels of both, within `GAINS`; 1 if there
        are none.
    """
    to_small = resampling(shape, reference.shape)
    small_matrix = to_small @ matrix @ np.linalg.inv(to_small)
    picture = cv2.warpPerspective(
        copy,
        small_matrix,
        reference.shape[1::-1],
        flags=cv2.INTER_LINEAR,
        borderValue=(np.nan,) * MOST_CHANNELS,
    ).reshape(reference.shape)
    # NaN, outside of the frame or clipped, is not exposed
    is_exposed = np.minimum(picture, reference) > _BLACK
    gains = np.ones(reference.shape[2])
    for channel in np.flatnonzero(is_exposed.any((0, 1))):
        pixels = is_exposed[..., channel]
        ratios = reference[..., channel][pixels] / picture[..., channel][pixels]
        gains[channel] = np.clip(np.median(ratios), *GAINS)
    return gains


def _blur(picture: NDArray[Any]) -> Picture:
    small = cv2.GaussianBlur(shrink(picture, _THUMBNAIL_PIXELS), (0, 0), 2)
    return np.asarray(small, np.float32).reshape(*small.shape[:2], -1)

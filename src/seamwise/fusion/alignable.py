"""Which frames can be aligned: `check_shape`, `check_type`, `is_alignable`."""

import math

import numpy as np

from seamwise.io.outcome import amount
from seamwise.types import Picture

_LONGEST, MOST_CHANNELS = 32_766, 4  # OpenCV's warpPerspective refuses more


def check_shape(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless frames of this shape can be aligned."""
    if len(shape) not in (2, 3) or min(shape) < 1 or math.prod(shape[2:]) > MOST_CHANNELS:
        raise ValueError(
            "frames must be (Y, X) or (Y, X, C) with at least one pixel and 1 to "
            f"{MOST_CHANNELS} channels, not of shape {shape}: "
            "give one grey or three colour channels"
        )
    if not is_alignable(shape):
        raise ValueError(
            f"frames must have sides of at most {_LONGEST} pixels to be aligned, "
            f"not {size_text(shape)}: scale them down, or do not align (--no-align, align=False)"
        )


def is_alignable(shape: tuple[int, ...]) -> bool:
    """Whether frames of this shape are small enough to be aligned."""
    return max(shape) <= _LONGEST


def check_type(frame: Picture) -> None:
    """Raise TypeError unless the frame holds single or double floats."""
    if frame.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"frames must be single or double floats in 0..1, not {frame.dtype}: "
            "convert them, integers divided by their largest possible value"
        )


def size_text(shape: tuple[int, ...]) -> str:
    """Return the size of a frame as people write it.

    Examples
    --------
    >>> size_text((480, 640, 3))
    '640 × 480 pixels, 3 channels'
    """
    channels = math.prod(shape[2:])
    return f"{shape[1]} × {shape[0]} pixels, {amount(channels, 'channel')}"

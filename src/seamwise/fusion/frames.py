"""What every way of fusing takes and gives: `Frames` and `Fused`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
# (Y, X) or (Y, X, C), in 0..1, all of one shape. Methods take one frame at a time and let it go, so that a sequence
# that reads its frames from files is never held in memory.
Frames = Sequence[Picture]


@dataclass(frozen=True, eq=False)
class Fused:
    """A burst made one picture.

    Attributes
    ----------
    image : (Y, X) or (Y, X, C) float32 array
        In focus everywhere, in 0..1.
    depth : (Y, X) unsigned integer array
        The frame, counted from 0, that each pixel comes from, or mostly comes from.
    """

    image: Picture
    depth: NDArray[Any]


def checked_frames(frames: Frames) -> tuple[int, ...]:
    """Return the shape of a frame.

    Raises
    ------
    ValueError
        There are fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"frames must be at least two pictures, not {len(frames)}: one frame is its own fusion")
    return frames[0].shape


def checked_picture(picture: NDArray[Any], *, shape: tuple[int, ...] | None = None) -> Picture:
    """Return the picture, if it is what `Frames` hold.

    Raises
    ------
    TypeError
        It is not float32.
    ValueError
        It is not `(Y, X)` or `(Y, X, C)`, has another shape than `shape`, or leaves 0..1.
    """
    if picture.dtype != np.float32:
        raise TypeError(f"frames must be float32 in 0..1, not {picture.dtype}: seamwise.fuse takes other types")
    if picture.ndim not in (2, 3) or picture.size == 0:
        raise ValueError(f"frames must be (Y, X) or (Y, X, C) with at least one pixel, not of shape {picture.shape}")
    if shape is not None and picture.shape != shape:
        raise ValueError(f"frames must have the same size and channels, not {shape} and {picture.shape}")
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):  # also catches NaN
        raise ValueError(f"frames must lie in 0..1, not {low}..{high}")
    return picture


def luminance(image: Picture) -> Picture:
    """Y′ of Rec. 601, 0.299·R + 0.587·G + 0.114·B; a grey picture as it is, other channels by their mean."""
    if image.ndim == 2:
        return image
    if image.shape[2] == 3:
        grey: Picture = image @ np.array([0.299, 0.587, 0.114], np.float32)
        return grey
    mean: Picture = image.mean(2, dtype=np.float32)
    return mean


def depth_dtype(count: int) -> np.dtype[Any]:
    """The smallest unsigned type that numbers so many frames."""
    return np.min_scalar_type(count - 1)

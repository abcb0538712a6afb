"""What every way of fusing takes: `Frames`, and `CheckedFrames` that are known to fit each other."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
# (Y, X) or (Y, X, C), in 0..1, all of one shape. Methods take one frame at a time and let it go, so that a sequence
# that reads its frames from files is never held in memory.
Frames = Sequence[Picture]


def checked_frames(frames: Frames) -> tuple[int, ...]:
    """Return the shape of a frame.

    Raises
    ------
    ValueError
        There are fewer than two frames.
    """
    check_count(frames)
    return frames[0].shape


def check_count(frames: Frames) -> None:
    """Raise ValueError if there are fewer than two frames; none is read."""
    if len(frames) < 2:
        raise ValueError(
            f"frames must be at least two pictures, not {len(frames)}: one frame is its own fusion"
        )


class CheckedFrames(Sequence[Picture]):
    """A burst whose frames are checked as they are read: `(Y, X)` or `(Y, X, 3)`, all as the first frame read.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays

    Raises
    ------
    TypeError
        On reading: the frame is not float32.
    ValueError
        There are fewer than two frames; on reading: the frame has other axes, another shape, or leaves 0..1.

    Examples
    --------
    >>> frames = CheckedFrames([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)])
    >>> frames[0].shape
    (2, 3)
    >>> frames[1]
    Traceback (most recent call last):
    ValueError: frame 1 must have the size and channels of the first, (2, 3), not (2, 4): leave it out
    """

    def __init__(self, frames: Frames) -> None:
        check_count(frames)
        self.frames = frames
        self._shape: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame; costs a read only before the first one."""
        return self._shape or self[0].shape

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Read and check frame `index`."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        number = range(len(self))[index]
        frame = checked_picture(self.frames[number], name=f"frame {number}")
        if frame.shape[2:] not in ((), (3,)):
            raise ValueError(
                f"frame {number} must be (Y, X) or (Y, X, 3), not of shape {frame.shape}: "
                "give one grey or three colour channels"
            )
        shape = self._shape = self._shape or frame.shape
        if frame.shape != shape:
            raise ValueError(
                f"frame {number} must have the size and channels of the first, {shape}, not {frame.shape}: leave it out"
            )
        return frame


def checked_picture(
    picture: NDArray[Any], *, shape: tuple[int, ...] | None = None, name: str = "frames"
) -> Picture:
    """Return the picture, if it is what `Frames` hold; errors call it by its name.

    Raises
    ------
    TypeError
        It is not float32.
    ValueError
        It is not `(Y, X)` or `(Y, X, C)`, has another shape than `shape`, or leaves 0..1.
    """
    if picture.dtype != np.float32:
        raise TypeError(
            f"{name} must be float32 in 0..1, not {picture.dtype}: seamwise.fuse takes other types"
        )
    if picture.ndim not in (2, 3) or picture.size == 0:
        raise ValueError(
            f"{name} must be (Y, X) or (Y, X, C) with at least one pixel, not of shape {picture.shape}"
        )
    if shape is not None and picture.shape != shape:
        raise ValueError(
            f"{name} must have the same size and channels, not {shape} and {picture.shape}"
        )
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):  # also catches NaN
        raise ValueError(f"{name} must lie in 0..1, not {low}..{high}")
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

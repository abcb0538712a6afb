"""What every way of fusing takes: `Frames`, and the sequences that make them when they are read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.engine.prefetch import one_ahead
from seamwise.pictures import check_in_unit
from seamwise.types import Picture

Reading = TypeVar("Reading")

# Pictures of one shape. Methods take one frame at a time and let it go: a sequence that reads its
# frames from files never holds them all in memory.
Frames = Sequence[Picture]

# Makes rows ``[start:stop]`` of a frame that was read: what is done to them fits into a cache, and
# no floats in full size are made of a frame that is held as it is stored.
Rows = Callable[[int, int], Picture]

_STRIP = 128  # rows, a multiple of every zoom


class FrameSequence(Sequence[Picture], ABC):
    """A burst that makes a frame each time it is read.

    A subclass sets `frames`, the sequence it is made from, and defines `_frame`.
    """

    frames: Sequence[Any]

    @abstractmethod
    def _frame(self, i: int) -> Picture:
        """Make frame i, 0 ≤ i < n."""

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Read one frame, or a list of frames."""
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return [self._frame(i) for i in numbers]
        return self._frame(numbers)

    def frame_shape(self) -> tuple[int, ...]:
        """Shape of every frame; one is read for it unless a subclass knows better."""
        return self[0].shape

    def rows(self, i: int) -> Rows:
        """Read frame i, and return what makes rows of it."""
        return rows_within(self[i])

    def grey(self, i: int, zoom: int = 1) -> Picture:
        """Luminance of frame i, smaller by a factor; see `smaller_grey`."""
        return grey_of_rows(self.rows(i), self.frame_shape()[0], zoom)


class CheckedFrames(FrameSequence):
    """A burst that checks its frames as they are read.

    They must be `(Y, X)` or `(Y, X, 3)`, all like the first one read.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, 3) float32 arrays

    Raises
    ------
    TypeError
        On reading: the frame is not float32.
    ValueError
        There are fewer than two frames; on reading: the frame has other axes, another shape, or
        values outside 0..1.

    Examples
    --------
    >>> frames = CheckedFrames([np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)])
    >>> frames[0].shape
    (2, 3)
    >>> frames[1]
    Traceback (most recent call last):
    ValueError: frame 1 must have the size and channels of the first, (2, 3), not (2, 4): remove it
    """

    def __init__(self, frames: Frames) -> None:
        check_count(frames)
        self.frames = frames
        self._shape: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame; reads one unless one has been read before."""
        return self._shape or self[0].shape

    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame that was read and checked."""
        return self.shape

    def _frame(self, i: int) -> Picture:
        frame = checked_picture(self.frames[i], name=f"frame {i}")
        if frame.shape[2:] not in ((), (3,)):
            raise ValueError(
                f"frame {i} must be (Y, X) or (Y, X, 3), not of shape {frame.shape}: "
                "give one grey or three colour channels"
            )
        shape = self._shape = self._shape or frame.shape
        if frame.shape != shape:
            raise ValueError(
                f"frame {i} must have the size and channels of the first, {shape}, "
                f"not {frame.shape}: remove it"
            )
        return frame


class ReorderedFrames(FrameSequence):
    """A burst in another order, or some frames of it.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
    order : sequence of int
        Which frame comes first, second, …

    Examples
    --------
    >>> ReorderedFrames(["a", "b", "c"], (2, 0, 1))[0]
    'c'
    """

    def __init__(self, frames: Frames, order: Sequence[int]) -> None:
        self.frames, self.order = frames, order

    def __len__(self) -> int:
        return len(self.order)

    def _frame(self, i: int) -> Picture:
        frame: Picture = self.frames[self.order[i]]
        return frame

    def frame_shape(self) -> tuple[int, ...]:
        """As the sequence behind it."""
        return shape_of(self.frames)

    def grey(self, i: int, zoom: int = 1) -> Picture:
        """As the sequence behind it."""
        return grey_of(self.frames, self.order[i], zoom)

    def rows(self, i: int) -> Rows:
        """As the sequence behind it."""
        return rows_of(self.frames, self.order[i])


class CountedFrames(FrameSequence):
    """A burst that counts how often it is read, and reports each reading.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
    report : function
        Called with the number of frames read so far and the total, in the thread that uses them:
        for frames that `read_ahead` yields, when they are drawn.
    total : int
        How many readings are expected; the count stops there.
    """

    def __init__(self, frames: Frames, report: Callable[[int, int], None], total: int) -> None:
        self.frames, self.report, self.total, self.n_read = frames, report, total, 0

    def _frame(self, i: int) -> Picture:
        frame: Picture = self.frames[i]
        self._count()
        return frame

    def frame_shape(self) -> tuple[int, ...]:
        """As the sequence behind it."""
        return shape_of(self.frames)

    def grey(self, i: int, zoom: int = 1) -> Picture:
        """As the sequence behind it; it counts as a reading."""
        grey = grey_of(self.frames, i, zoom)
        self._count()
        return grey

    def rows(self, i: int) -> Rows:
        """As the sequence behind it; it counts as a reading."""
        rows = rows_of(self.frames, i)
        self._count()
        return rows

    def counted(self, reading: Reading) -> Reading:
        """Return what was read behind the back of this sequence; it counts as a reading."""
        self._count()
        return reading

    def _count(self) -> None:
        # some methods read one frame more, to learn the size
        self.n_read = min(self.n_read + 1, self.total)
        self.report(self.n_read, self.total)


def check_count(frames: Frames) -> None:
    """Raise ValueError if there are fewer than two frames; none is read."""
    if len(frames) < 2:
        raise ValueError(
            f"frames must be at least two pictures, not {len(frames)}: one picture needs no fusion"
        )


def _no_check(frame: Picture) -> None:
    """For frames whose shape does not matter, or is known."""


def shape_of(frames: Frames) -> tuple[int, ...]:
    """Return the shape of a frame; of a list, the first one is read for it.

    Raises
    ------
    ValueError
        There are fewer than two frames.
    """
    check_count(frames)
    return frames.frame_shape() if isinstance(frames, FrameSequence) else frames[0].shape


def grey_of(
    frames: Frames, i: int, zoom: int = 1, *, check: Callable[[Picture], object] = _no_check
) -> Picture:
    """Return the luminance of frame i, smaller by a factor; see `smaller_grey`.

    A sequence may make it without the colours in full size, so it can differ from that of
    ``frames[i]`` by what the interpolation of an alignment changes. `check` sees the frame of a
    list first.
    """
    if isinstance(frames, FrameSequence):
        return frames.grey(i, zoom)
    return smaller_grey(_checked(frames[i], check), zoom)


def rows_of(frames: Frames, i: int, *, check: Callable[[Picture], object] = _no_check) -> Rows:
    """Read frame i, and return what makes rows of it.

    A sequence makes its frames of one shape. Those of a list may differ, which their rows do not
    tell: `check` sees the whole frame first, and raises what is wrong.

    Examples
    --------
    >>> rows_of([np.float32([[0, 1], [2, 3]])], 0)(1, 2)
    array([[2., 3.]], dtype=float32)
    """
    if isinstance(frames, FrameSequence):
        return frames.rows(i)
    return rows_within(_checked(frames[i], check))


def _checked(frame: Picture, check: Callable[[Picture], object]) -> Picture:
    check(frame)
    return frame


def rows_within(frame: Picture) -> Rows:
    """Return what makes rows of a frame that is held."""
    return lambda start, stop: frame[start:stop]


def read_ahead(
    frames: Frames, read: Callable[[Frames, int], Reading], order: Iterable[int]
) -> Iterator[Reading]:
    """Yield ``read(frames, i)`` for each number; the next one is read while the last one is used.

    For a list, each is read as it is drawn: it may want one frame to be held at a time. Readings
    are counted in the thread that draws them, so a report may touch what belongs to this thread.
    """
    if isinstance(frames, CountedFrames):
        yield from map(frames.counted, read_ahead(frames.frames, read, order))
    elif isinstance(frames, FrameSequence):
        yield from one_ahead(partial(read, frames), order)
    else:
        yield from map(partial(read, frames), order)


def strips(start: int, stop: int) -> list[tuple[int, int]]:
    """Return the first row and the end of strips that together are these rows."""
    return [(first, min(first + _STRIP, stop)) for first in range(start, stop, _STRIP)]


def grey_of_rows(rows: Rows, height: int, zoom: int) -> Picture:
    """Return `smaller_grey` of a picture of which rows are made."""
    parts = [smaller_grey(rows(start, stop), zoom) for start, stop in strips(0, height)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def smaller_grey(picture: Picture, zoom: int) -> Picture:
    """Return the mean of the luminance over squares of a side; the last one may be cut.

    Examples
    --------
    >>> smaller_grey(np.float32([[0, 1, 1], [0, 1, 1]]), 2)
    array([[0.5, 1. ]], dtype=float32)
    """
    grey = luminance(picture)
    if zoom == 1:
        return grey
    missing = [(0, -length % zoom) for length in grey.shape]
    if any(after for _, after in missing):
        grey = np.pad(grey, missing, mode="edge")
    size = grey.shape[1] // zoom, grey.shape[0] // zoom
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def checked_picture(
    picture: NDArray[Any], *, shape: tuple[int, ...] | None = None, name: str = "frames"
) -> Picture:
    """Return the picture if `Frames` may hold it.

    Parameters
    ----------
    picture : (Y, X) or (Y, X, C) float32 array in 0..1
    shape : tuple of int, optional
        The shape it must have.
    name : str
        What the errors call it.

    Raises
    ------
    TypeError
        The picture is not float32.
    ValueError
        It is not `(Y, X)` or `(Y, X, C)`, has another shape than `shape`, or values outside 0..1.
    """
    if picture.dtype != np.float32:
        raise TypeError(
            f"{name} must be float32 in 0..1, not {picture.dtype}: seamwise.fuse takes other types"
        )
    if picture.ndim not in (2, 3) or picture.size == 0:
        raise ValueError(
            f"{name} must be (Y, X) or (Y, X, C) with at least one pixel, "
            f"not of shape {picture.shape}: give one picture per frame"
        )
    if shape is not None:
        check_alike(picture, shape, name=name)
    check_in_unit(picture, name=name, remedy="divide by the largest possible value")
    return picture


def check_alike(picture: Picture, shape: tuple[int, ...], *, name: str = "frames") -> None:
    """Raise ValueError if a picture has another shape than the others."""
    if picture.shape != shape:
        raise ValueError(
            f"{name} must have the same size and channels, not {shape} and {picture.shape}: "
            "crop or convert one of them"
        )


def luminance(picture: Picture) -> Picture:
    """Return Y′ of Rec. 601, 0.299·R + 0.587·G + 0.114·B.

    A grey picture stays as it is. Of other numbers of channels the result is their mean.
    """
    if picture.ndim == 2:
        return picture
    if picture.shape[2] == 3:
        grey: Picture = picture @ np.array([0.299, 0.587, 0.114], np.float32)
        return grey
    mean: Picture = picture.mean(2, dtype=np.float32)
    return mean


def pixel_size(shape: tuple[int, ...]) -> str:
    """Return the size of a picture as people write it.

    Examples
    --------
    >>> pixel_size((480, 640, 3))
    '640 × 480'
    """
    return f"{shape[1]} × {shape[0]}"

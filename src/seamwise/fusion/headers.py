"""What the headers of a burst tell: `orders`, `turned_alike`, `most_alike`, `check_equal`."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import pixel_size
from seamwise.fusion.homography import PixelBox
from seamwise.fusion.slabs import equal_cuts
from seamwise.fusion.stack import Plane
from seamwise.io.exif import turned_shape
from seamwise.io.listing import natural_order
from seamwise.io.photo import PhotoInfo, photo_info

Frame = str | os.PathLike[str] | NDArray[Any] | Plane
Source = Path | NDArray[Any] | Plane

_COUNTER = re.compile(r"(?<!\d)(\d{4})(?!.*\d)")  # of a camera: IMG_9999
_ROLLED = 5000  # within a burst, counters further apart have rolled over
_CROP = 0.25  # as a logarithm: frames closer in size may be crops of one burst


class BadFrameError(ValueError):
    """A frame that cannot be read or is unlike the others; the burst may do without it."""


def source_of(frame: Frame) -> Source:
    """Return a frame with a name as a path."""
    return frame if isinstance(frame, np.ndarray | Plane) else Path(frame)


def name_of(frame: Source, number: int) -> str:
    """Return what messages call a frame."""
    return f"frame {number}" if isinstance(frame, np.ndarray) else str(frame)


def header_of(frame: Source, name: str) -> PhotoInfo:
    """Return what the header of a frame tells; that of an array is its shape and type.

    Raises
    ------
    OSError, ValueError
        As `io.photo.photo_info`; or an array has other axes.
    """
    if isinstance(frame, Path):
        return photo_info(frame)
    if isinstance(frame, Plane):
        return PhotoInfo(frame.shape, frame.volume.dtype)
    if frame.ndim not in (2, 3) or frame.size == 0 or frame.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"{name} must be (Y, X) or (Y, X, 3) with at least one pixel, "
            f"not of shape {frame.shape}: give one picture per frame"
        )
    return PhotoInfo(frame.shape, frame.dtype)


def orders(
    frames: Sequence[Source], infos: Sequence[PhotoInfo]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the order by name, and by time if it tells one; for others than files as given."""
    numbers = range(len(frames))
    paths = [frame for frame in frames if isinstance(frame, Path)]
    if len(paths) < len(frames):
        return tuple(numbers), tuple(numbers)
    by_name = sorted(numbers, key=lambda i: (natural_order(paths[i]), str(paths[i])))
    times = [info.time for info in infos]
    if "" in times:
        return tuple(by_name), tuple(by_name)
    # frames of one second: by their counter
    counters = _counters(paths)
    by_counter = sorted(by_name, key=lambda i: counters[i])
    return tuple(by_name), tuple(sorted(by_counter, key=lambda i: times[i]))


def _counters(paths: Sequence[Path]) -> list[int]:
    """The counter of each name, past 9999 if it rolls over within a burst; 0 without a counter."""
    matches = [_COUNTER.search(path.stem) for path in paths]
    counters = [int(match[1]) if match else 0 for match in matches]
    if max(counters) - min(counters) < _ROLLED:
        return counters
    return [c if c >= _ROLLED else c + 10_000 for c in counters]


def turned_alike(
    infos: Sequence[PhotoInfo], order: Sequence[int]
) -> tuple[list[PhotoInfo], int | None]:
    """Turn frames that are stored alike by the orientation that most of them have.

    A camera that looks down writes another orientation into a frame now and then. If two are
    equally frequent, that of the frame which comes first counts.

    Returns
    -------
    list of PhotoInfo
        Frames that are stored differently keep their own turn.
    int or None
        The orientation, if a frame has another one that does not count.
    """
    stored = {turned_shape(info.shape, info.orientation) for info in infos}
    if len(stored) > 1 or len({info.orientation for info in infos}) == 1:
        return list(infos), None
    ((most, _),) = Counter(infos[i].orientation for i in order).most_common(1)
    shape = turned_shape(stored.pop(), most)
    return [replace(info, shape=shape, orientation=most) for info in infos], most


def orientation_note(
    infos: Sequence[PhotoInfo], names: Sequence[str], order: Sequence[int], orientation: int
) -> str:
    """Return a line that names the frames whose orientation does not count."""
    deviants = [
        name for name, info in zip(names, infos, strict=True) if info.orientation != orientation
    ]
    holder = next(names[i] for i in order if infos[i].orientation == orientation)
    return (
        f"{', '.join(deviants)}: the orientation in EXIF differs from that of {holder}, which "
        "holds for all frames"
    )


def cut_alike(
    frames: Sequence[Source], infos: list[PhotoInfo]
) -> tuple[list[PhotoInfo], list[PixelBox]]:
    """Cut pictures of different size that were fused before to what they share; others stay."""
    paths = [frame for frame in frames if isinstance(frame, Path)]
    if len(paths) < len(frames) or len({info.shape for info in infos}) == 1:
        return infos, []
    cuts = equal_cuts(paths, [info.shape for info in infos])
    if cuts is None:
        return infos, []
    (y0, y1, x0, x1), *_ = cuts
    return [replace(info, shape=(y1 - y0, x1 - x0, *info.shape[2:])) for info in infos], cuts


def most_alike(frames: Sequence[Source], infos: Sequence[PhotoInfo]) -> list[int]:
    """Return the numbers of the frames of the most frequent size, type and number of channels.

    All, if they can be turned or cut to be alike. If two kinds are equally frequent, the one that
    comes first in the burst's own order counts.
    """
    _, order = orders(frames, infos)
    turned, _ = turned_alike(infos, order)
    turned, _ = cut_alike(frames, turned)
    if len({_kind(info) for info in turned}) == 1:
        return list(range(len(infos)))
    # upright, or as they are stored, which an odd orientation does not change
    stored = [replace(info, shape=turned_shape(info.shape, info.orientation)) for info in infos]
    largest: list[int] = []
    for candidates in (infos, stored):
        ((most, _),) = Counter(_kind(candidates[i]) for i in order).most_common(1)
        numbers = [i for i, info in enumerate(candidates) if _kind(info) == most]
        largest = max(largest, numbers, key=len)
    return largest


def kind_text(info: PhotoInfo) -> str:
    """Return what frames must have in common, as people write it.

    Examples
    --------
    >>> import numpy as np
    >>> kind_text(PhotoInfo((4, 6), np.dtype(np.uint16)))
    '6 × 4 pixels of uint16 in grey'
    """
    colours = "grey" if len(info.shape) == 2 else "colour"
    return f"{pixel_size(info.shape)} pixels of {info.dtype} in {colours}"


def _kind(info: PhotoInfo) -> tuple[tuple[int, ...], str]:
    return info.shape, info.dtype.str


def check_equal(infos: Sequence[PhotoInfo], names: Sequence[str]) -> None:
    """Raise ValueError, `BadFrameError` if there are three frames or more, unless all are alike."""
    kind = BadFrameError if len(infos) > 2 else ValueError
    first = infos[0]
    for info, name in zip(infos, names, strict=True):
        if info.dtype != first.dtype:
            raise kind(
                f"{name} is {info.dtype}, {names[0]} is {first.dtype}: "
                "convert the frames to one bit depth first"
            )
        if info.shape[2:] != first.shape[2:]:
            grey, colour = (name, names[0]) if len(info.shape) == 2 else (names[0], name)
            raise kind(f"{grey} is grey, {colour} is in colour: convert one of them first")
        if info.shape != first.shape:
            ratios = np.divide(info.shape[:2], first.shape[:2])
            is_crop = bool((abs(np.log(ratios)) < _CROP).all())
            raise kind(
                f"{name} has {pixel_size(info.shape)} pixels, {names[0]} has "
                f"{pixel_size(first.shape)}: give frames of one size "
                + ("(`seamwise fuse` keeps it with --full-size)" if is_crop else "and one scene")
            )

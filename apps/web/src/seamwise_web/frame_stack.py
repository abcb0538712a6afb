"""A stack in one file as the frames of a burst: `as_frames`."""

from math import prod
from pathlib import Path

import numpy as np

from seamwise.io import Volume, open_volume, write_photo
from seamwise_web.answers import RefusalError


def as_frames(path: Path, folder: Path, *, most: int, room: int) -> list[Path]:
    """Return the file itself; of a stack each plane, written to a folder as a TIFF.

    Planes have the pixels that `seamwise fuse` gives them, without the pixel size.

    Parameters
    ----------
    path : Path
    folder : Path
        For planes; the caller removes them.
    most : int
        Planes that may come.
    room : int
        Bytes that their pixels may take.

    Raises
    ------
    RefusalError
        The stack is too large, or has time points or channels.
    ValueError, TypeError, OSError
        A plane cannot be read, or is none of a photograph.
    """
    volume = _stack_of(path)
    if volume is None:
        return [path]
    depth, *size = volume.shape
    if volume.times > 1 or not (volume.channels == 1 or volume.is_colour):
        raise RefusalError(
            400, f"{path.name} has time points or channels: `seamwise fuse` takes it, or split it"
        )
    if depth > most:
        raise RefusalError(
            413, f"{path.name} has {depth} planes, and {most} more may come: use `seamwise fuse`"
        )
    if prod(volume.shape) * volume.channels * volume.dtype.itemsize > room:
        raise RefusalError(413, f"{path.name} is too large for the page: use `seamwise fuse`")
    whole = tuple(slice(0, length) for length in size)
    frames: list[Path] = []
    try:
        for z in range(depth):
            pixels = volume.read((slice(z, z + 1), *whole))[:, 0]
            frames.append(folder / f"{path.stem}_z{z + 1:03}.tif")
            write_photo(frames[-1], pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    except BaseException:
        for frame in frames:
            frame.unlink(missing_ok=True)
        raise
    return frames


def _stack_of(path: Path) -> Volume | None:
    """The stack that a file holds; None for photographs, and for what is neither."""
    try:
        volume = open_volume(path, stack=True)
    except (ValueError, OSError):
        return None  # as a photograph it will tell what it is
    is_stack = volume.axes == "ZYX" and volume.shape[0] > 1
    return volume if is_stack or volume.times > 1 else None

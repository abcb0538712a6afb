"""The planes of a stack in one file, as frames: `planes_of`, `Stack`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.plane_reader import PlaneReader
from seamwise.io.listing import stem
from seamwise.io.ome_zarr import is_ome_zarr
from seamwise.io.photo import photo_info
from seamwise.io.volume import Volume, open_volume

TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class Plane:
    """A plane of a stack along z.

    Attributes
    ----------
    volume : Volume
        The stack, with one channel or three colours.
    number : int
        Counted from 0.
    time : int
        Time point, counted from 0.
    """

    volume: Volume
    number: int
    time: int = 0
    _reader: PlaneReader = field(default_factory=PlaneReader, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(Y, X)``, or ``(Y, X, 3)`` in colour."""
        return (*self.volume.shape[1:], 3)[: 2 if self.volume.channels == 1 else 3]

    @property
    def spacing(self) -> tuple[float, float] | None:
        """Pixel size ``(Y, X)`` in micrometres; None if the file does not give both."""
        sizes = self.volume.sizes
        return (sizes["Y"], sizes["X"]) if {"Y", "X"} <= sizes.keys() else None

    @property
    def z_step(self) -> float | None:
        """Distance to the next plane in micrometres; None if the file does not give it."""
        return self.volume.sizes.get("Z")

    @property
    def held_bytes(self) -> int:
        """How much memory stays in use once a plane was read: planes that are decoded with it."""
        return self._reader.held_bytes(self.volume)

    def read(self) -> NDArray[Any]:
        """Return the pixels."""
        pixels = self._reader.read(self.volume, self.number, self.time)
        return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)

    def release(self) -> None:
        """Let go of the planes that are held."""
        self._reader.release()

    @property
    def suffix(self) -> str:
        """What the name of the file ends in, such as ``.ome.tif``."""
        return self.volume.path.name.removeprefix(stem(self.volume.path))

    def __str__(self) -> str:
        return f"{self.volume.path} slice {self.number + 1}"


@dataclass(frozen=True)
class Stack:
    """The planes of a file along z, for each time point and channel.

    Attributes
    ----------
    times, channels : int
        How many there are; one channel of three colours.
    bursts : tuple of tuple of Plane
        Of all channels of the first time point, then of the next.
    """

    times: int
    channels: int
    bursts: tuple[tuple[Plane, ...], ...]

    @property
    def axes(self) -> str:
        """The axes other than Y and X that are longer than 1."""
        return "T" * (self.times > 1) + "C" * (self.channels > 1)

    def release(self) -> None:
        """Let go of the planes that are held."""
        self.bursts[0][0].release()

    def tags(self) -> Iterator[str]:
        """Yield a name for each burst, such as ``t0_c1``; empty if there is one."""
        for time, channel in product(range(self.times), range(self.channels)):
            parts = [f"t{time}"] * (self.times > 1) + [f"c{channel}"] * (self.channels > 1)
            yield "_".join(parts)


def stack_of(path: Path) -> Stack | None:
    """Return the stack that a file holds; None for other files.

    Parameters
    ----------
    path : Path
        An OME-Zarr folder, or an OME-TIFF, ImageJ hyperstack or other TIFF of several pages. Pages
        of unknown meaning are planes.

    Raises
    ------
    ValueError
        The file has time points or channels, but no planes along z; or it has colours and channels;
        or it cannot be read.
    OSError
        It is missing, or not readable by this user.
    """
    try:
        volume = open_volume(path, stack=True)
    except (ValueError, OSError) as error:
        try:
            photo_info(path)  # raises if it is not a photograph either
        except (ValueError, OSError):
            # a stack that lacks planes is told of its planes, not to be split
            if path.suffix.lower() in TIFF:
                raise error from None
            raise
        return None
    if volume.axes != "ZYX" or volume.shape[0] < 2:
        if volume.times > 1 or is_ome_zarr(path):
            raise ValueError(
                f"{path} must have planes along z, not axes {volume.file_axes.letters} of shape "
                f"{volume.file_axes.shape}: save its planes as z"
            )
        return None
    volumes = [volume]
    if volume.channels > 1 and not volume.is_colour:
        volumes = [open_volume(path, channel=c, stack=True) for c in range(volume.channels)]
    elif volume.channels not in (1, 3):
        raise ValueError(
            f"{path} must have three colours, not {volume.channels}: save its planes as RGB"
        )
    reader = PlaneReader()  # of all bursts, so that one chunk is held, not one for each
    bursts = [
        _planes(of_channel, time, reader)
        for time, of_channel in product(range(volume.times), volumes)
    ]
    return Stack(volume.times, len(volumes), tuple(bursts))


def _planes(volume: Volume, time: int, reader: PlaneReader) -> tuple[Plane, ...]:
    return tuple(Plane(volume, number, time, reader) for number in range(volume.shape[0]))


def planes_of(path: Path) -> list[Path | Plane]:
    """Return the planes of a file, or the file itself if it is not a stack of several planes.

    Raises
    ------
    ValueError
        As `stack_of`; or the stack has several time points or channels.
    """
    stack = stack_of(path)
    if stack is None:
        return [path]
    if len(stack.bursts) > 1:
        raise ValueError(
            f"{path} must have one time point and one channel or three colours, not "
            f"{stack.times} and {stack.channels}: save each as a stack of its own, "
            "or use `fuse_files`, which fuses each"
        )
    return [*stack.bursts[0]]

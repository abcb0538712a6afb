"""Large images on disk, read part by part: `Levels`, of an OME-Zarr folder or of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seamwise.io import OmeImage, Volume, open_volume

Box = Mapping[str, slice]
"""A slice for some of the axes T, C, Z, Y, X; an axis that it lacks is read whole."""


class Levels(Protocol):
    """An image, and smaller versions of it if the file holds some.

    Attributes
    ----------
    path : Path
    lengths : dict of str to int
        Length of each axis that the image has, of T, C, Z, Y, X.
    sizes : list of (int, int)
        Height and width of each level; the first is the image itself.
    spacing : tuple of float or None
        Micrometres per pixel along each axis of space.
    note : str
        What the user should know about how it is read.
    doubtful : str
        Its axes if they could be others; see `doubtful_axes`.
    """

    path: Path
    lengths: dict[str, int]
    sizes: list[tuple[int, int]]
    spacing: tuple[float, ...] | None
    note: str
    doubtful: str

    def depth(self, level: int) -> int:
        """How many slices a level has."""

    def read(self, level: int, box: Box) -> NDArray[Any]:
        """Read a box of a level, `(T, C, Z, Y, X)`."""


class ZarrLevels:
    """The levels of an OME-Zarr image; see `Levels`."""

    doubtful = ""  # the folder names them

    def __init__(self, image: OmeImage) -> None:
        self._axes = image.axes
        self._stored = [image.pixels(number) for number in range(len(image.levels))]
        self.path, self.spacing, self.note = image.path, image.spacing, image.note
        self.lengths = dict(zip(image.axes, self._stored[0].shape, strict=True))
        self.sizes = [(pixels.shape[-2], pixels.shape[-1]) for pixels in self._stored]

    def depth(self, level: int) -> int:
        """How many slices a level has."""
        return dict(zip(self._axes, self._stored[level].shape, strict=True)).get("Z", 1)

    def read(self, level: int, box: Box) -> NDArray[Any]:
        """Read a box of a level, `(T, C, Z, Y, X)`."""
        pixels = self._stored[level]
        lengths = zip(self._axes, pixels.shape, strict=True)
        part = pixels[tuple(box.get(axis, slice(0, length)) for axis, length in lengths)]
        missing = tuple(number for number, axis in enumerate("TCZYX") if axis not in self._axes)
        return np.expand_dims(part, missing)


class FileLevels:
    """The one level of a TIFF file, whose axes may be chosen; see `Levels`.

    `chunks` is the box that is decoded at once.
    """

    def __init__(self, path: Path, axes: str | None = None) -> None:
        volume = open_volume(path, axes=axes)
        self._axes, self.chunks, self.doubtful = axes, volume.chunks, doubtful_axes(volume)
        self.path, self.spacing, self.note = path, volume.spacing, volume.note
        self.lengths = {"T": volume.times, "C": volume.channels}
        self.lengths |= dict(zip(volume.axes, volume.shape, strict=True))
        self.sizes = [(volume.shape[-2], volume.shape[-1])]
        self._channels: dict[int, Volume] = {}

    def depth(self, level: int) -> int:
        """How many slices it has."""
        return self.lengths.get("Z", 1)

    def read(self, level: int, box: Box) -> NDArray[Any]:
        """Read a box, `(T, C, Z, Y, X)`."""
        numbers = {
            axis: range(*box.get(axis, slice(None)).indices(length))
            for axis, length in self.lengths.items()
        }
        ranges = [numbers[axis] for axis in "ZYX" if axis in numbers]
        space = tuple(slice(one.start, one.stop) for one in ranges)
        volumes = [self._channel(number) for number in numbers["C"]]
        pixels = np.array([_channels(volumes, space, time) for time in numbers["T"]])
        return pixels if "Z" in numbers else pixels[:, :, np.newaxis]

    def _channel(self, number: int) -> Volume:
        """The file with one of its channels, of which alone the pixels are read."""
        if number not in self._channels:
            self._channels[number] = open_volume(self.path, axes=self._axes, channel=number)
        return self._channels[number]


def _channels(volumes: list[Volume], space: tuple[slice, ...], time: int) -> list[NDArray[Any]]:
    """A box of each channel at a time point."""
    return [volume.read(space, time=time)[0] for volume in volumes]


def doubtful_axes(volume: Volume) -> str:
    """Return the axes of a TIFF whose pages could be others than it says; empty if they cannot."""
    axes = volume.file_axes.letters
    is_doubtful = volume.path.suffix.lower() in (".tif", ".tiff") and not volume.is_colour
    return axes if is_doubtful and len(axes) > 2 and axes.endswith("YX") else ""

"""The planes of a stack in one file, as frames; see `planes_of`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.volume import Volume, open_volume


@dataclass(frozen=True)
class Plane:
    """A plane of a stack along z.

    Attributes
    ----------
    volume : Volume
        The stack, with one channel or three colours.
    number : int
        Counted from 0.
    """

    volume: Volume
    number: int

    @property
    def shape(self) -> tuple[int, ...]:
        """``(Y, X)``, or ``(Y, X, 3)`` in colour."""
        return (*self.volume.shape[1:], 3)[: 2 if self.volume.channels == 1 else 3]

    def read(self) -> NDArray[Any]:
        """Return the pixels."""
        box = (slice(self.number, self.number + 1), *map(slice, (0, 0), self.volume.shape[1:]))
        pixels = self.volume.read(box)[:, 0]
        return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)

    def resolve(self) -> Path:
        """Return the place of the file."""
        return self.volume.path.resolve()

    @property
    def suffix(self) -> str:
        """What the name of the file ends in."""
        return self.volume.path.suffix

    def __str__(self) -> str:
        return f"{self.volume.path} plane {self.number}"


def planes_of(path: Path) -> list[Path | Plane]:
    """Return the planes of a file, or the file itself if it is not a stack of several planes.

    Parameters
    ----------
    path : Path
        An OME-TIFF, ImageJ hyperstack or other TIFF whose axes name z.

    Raises
    ------
    ValueError
        The stack has several time points, or neither one channel nor three.
    """
    try:
        volume = open_volume(path)
    except (ValueError, OSError):
        return [path]
    if volume.axes != "ZYX" or volume.shape[0] < 2:
        return [path]
    if volume.times > 1 or volume.channels not in (1, 3):
        raise ValueError(
            f"{path} must have one time point and one channel or three colours, not "
            f"{volume.times} and {volume.channels}: save each as a stack of its own"
        )
    return [Plane(volume, number) for number in range(volume.shape[0])]

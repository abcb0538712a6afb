"""A fused picture on the page: `Fused`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion import AlignedFrames, Burst, Fusion
from seamwise_web.answers import RefusalError, for_the_page


def without_folders(words: str, paths: Sequence[Path]) -> str:
    """Return a message in which files have names alone, as on the page.

    Examples
    --------
    >>> without_folders("/home/me/a.png is blank", [Path("/home/me/a.png")])
    'a.png is blank'
    """
    for folder in {path.parent for path in paths}:
        words = words.replace(f"{folder}{os.sep}", "")
    return words


@dataclass(frozen=True, eq=False)
class Fused:
    """The picture of a burst, with its frames as they lie on it.

    Parameters
    ----------
    paths : sequence of Path
        The frames.
    fusion : Fusion
    method : str
        Name of the method.
    """

    paths: Sequence[Path]
    fusion: Fusion
    method: str

    @property
    def name(self) -> str:
        """What the picture is called: as its first frame."""
        return f"{self.paths[0].stem}_fused"

    def frame(self, number: int) -> NDArray[Any]:
        """Return a frame, aligned and cut like the picture, in its type.

        Raises
        ------
        RefusalError
            Frames that are transparent in places were cut in another way.
        """
        frames = Burst(self.paths)
        alignment = self.fusion.alignment
        aligned = frames if alignment is None else AlignedFrames(frames, alignment)
        picture = aligned[number]
        image = self.fusion.image
        if picture.shape != image.shape:
            raise RefusalError(409, "frames that are transparent in places cannot be compared")
        if image.dtype.kind == "f":
            return picture.astype(image.dtype)
        return np.round(picture * np.float32(np.iinfo(image.dtype).max)).astype(image.dtype)

    def _notes(self) -> list[str]:
        return [for_the_page(without_folders(note, self.paths)) for note in self.fusion.notes]

    def description(self) -> dict[str, Any]:
        """Return what the page shows next to the picture."""
        height, width = self.fusion.depth.shape
        return {
            "name": self.name,
            "suffix": self.paths[0].suffix.lower(),
            "width": width,
            "height": height,
            "bits": 8 * self.fusion.image.dtype.itemsize,
            "method": self.method,
            "notes": self._notes(),
        }

"""A fused picture on the page: `FusedPicture`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion import AlignedFrames, Burst, Fusion
from seamwise_web.answers import RefusalError, for_the_page
from seamwise_web.retouch import Retouch, Stroke


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


class FusedPicture:
    """The picture of a burst, with its frames as they lie on it, and what is painted from them.

    Parameters
    ----------
    paths : sequence of Path
        The frames.
    fusion : Fusion
    """

    def __init__(self, paths: Sequence[Path], fusion: Fusion) -> None:
        self.paths, self.fusion = paths, fusion
        self.lock = Lock()
        self._retouch = Retouch(fusion.image, fusion.depth)
        self._source: tuple[int, NDArray[Any]] | None = None  # the frame that was painted from last

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
            raise RefusalError(
                409,
                "frames that are transparent in places cannot be compared: save them without "
                "transparency",
            )
        if image.dtype.kind == "f":
            return picture.astype(image.dtype)
        return np.round(picture * np.float32(np.iinfo(image.dtype).max)).astype(image.dtype)

    def painted(self) -> Fusion:
        """Return the fusion as it is painted now."""
        with self.lock:
            image, depth = self._retouch.image.copy(), self._retouch.depth.copy()
        return replace(self.fusion, image=image, depth=depth)

    def paint(self, stroke: Stroke, number: int) -> None:
        """Take the pixels along a stroke from a frame."""
        with self.lock:
            if self._source is None or self._source[0] != number:
                self._source = number, self.frame(number)
            self._retouch.paint(stroke, self._source[1], number)

    def undo(self) -> None:
        """Take the last stroke back, if there is one."""
        with self.lock:
            self._retouch.undo()

    def redo(self) -> None:
        """Repeat the stroke that was undone last, if there is one."""
        with self.lock:
            self._retouch.redo()

    @property
    def is_saved(self) -> bool:
        """Whether no stroke would be lost."""
        return self._retouch.is_saved

    def save(self) -> None:
        """Count the strokes as saved."""
        with self.lock:
            self._retouch.save()

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
            "notes": self._notes(),
            "can_undo": self._retouch.can_undo,
            "can_redo": self._retouch.can_redo,
            "is_saved": self.is_saved,
        }

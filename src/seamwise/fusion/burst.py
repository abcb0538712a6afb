"""A burst read frame by frame from files or arrays; see `Burst`."""

import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import Picture
from seamwise.io.images import find_images
from seamwise.io.outcome import naming
from seamwise.io.photo import Photo, PhotoInfo, photo_info, read_photo
from seamwise.synth.focus import as_unit

Frame = str | os.PathLike[str] | NDArray[Any]


class Burst(Sequence[Picture]):
    """Frames as float32 pictures in 0..1, each read when it is asked for and then let go.

    Parameters
    ----------
    frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
        uint8, uint16 or floats in 0..1; all of one size, type and number of channels.

    Attributes
    ----------
    names : tuple of str
        File names, or "frame 0", "frame 1", …
    shape, dtype
        Of each frame as it is given.
    exif, icc : bytes
        Of the first frame, known once it was read; empty if it has none.
    notes : list of str

    Raises
    ------
    ValueError
        There are fewer than two frames, or they differ. Only the headers of files are read for that.
    TypeError
        An array is of another type; or `frames` is one name, not a list.
    OSError
        A file is missing or not readable.

    Examples
    --------
    >>> burst = Burst([np.zeros((2, 3), np.uint8), np.full((2, 3), 255, np.uint8)])
    >>> len(burst), burst.shape, burst[1].max()
    (2, (2, 3), np.float32(1.0))
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        if isinstance(
            frames, str | os.PathLike
        ):  # a string would be taken for a list of its letters
            name = os.fspath(frames)
            raise TypeError(
                f"frames must be a list of pictures or files, not {name!r}: give e.g. sorted(Path({name!r}).iterdir())"
            )
        self.frames = [frame if isinstance(frame, np.ndarray) else Path(frame) for frame in frames]
        if len(self.frames) < 2:
            for frame in self.frames:
                _header(frame, "frame 0")  # a file of several pages is told to be split
            given = (
                f": {self.frames[0]}" if self.frames and isinstance(self.frames[0], Path) else ""
            )
            raise ValueError(f"a burst has two frames or more, not {len(self.frames)}{given}")
        self.names = tuple(
            str(frame) if isinstance(frame, Path) else f"frame {number}"
            for number, frame in enumerate(self.frames)
        )
        headers = [
            _header(frame, name) for frame, name in zip(self.frames, self.names, strict=True)
        ]
        _check_alike(headers, self.names)
        self.shape, self.dtype = headers[0].shape, headers[0].dtype
        self.exif = b""
        self._profiles: dict[int, bytes] = {}
        self._notes: list[str] = []
        self._checksums: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Read frame `index`."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        number = range(len(self))[index]
        frame = self.frames[number]
        photo = Photo(frame) if isinstance(frame, np.ndarray) else read_photo(frame)
        if number not in self._checksums:
            self._remember(number, photo)
        try:
            return as_unit(photo.pixels)
        except ValueError as error:
            raise ValueError(naming(Path(self.names[number]), error)) from error

    @property
    def icc(self) -> bytes:
        """Colour profile of the first frame."""
        return self._profiles.get(0, b"")

    @property
    def notes(self) -> list[str]:
        """What the user should know about the frames read so far."""
        others = [
            self.names[i] for i, profile in sorted(self._profiles.items()) if profile != self.icc
        ]
        mixed = [
            f"{', '.join(others)}: the colour profile differs from that of {self.names[0]}, which is kept"
        ]
        return self._notes + mixed * (bool(others) and 0 in self._profiles)

    def _remember(self, number: int, photo: Photo) -> None:
        self._profiles[number] = photo.icc
        if number == 0:
            self.exif = photo.exif
        checksum = zlib.crc32(np.ascontiguousarray(photo.pixels).data)
        twin = next((i for i, other in self._checksums.items() if other == checksum), None)
        self._checksums[number] = checksum
        if twin is not None:
            self._notes.append(f"{self.names[number]} is identical to {self.names[twin]}")
        if photo.note:
            self._notes.append(photo.note)


def burst_folders(folder: Path) -> tuple[list[Path], str]:
    """Return the folders of bursts that a folder stands for, and a note if it leaves some out.

    A folder of pictures is one burst itself, otherwise each of its subfolders is one, in natural order. Hidden files
    and folders do not count, as for `io.images.find_images`. Subfolders beside pictures are passed over: this the note
    says in one line; it is empty if there are none.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cup10", "cup9", ".trash"):
    ...     (folder / name).mkdir()
    >>> [path.name for path in burst_folders(folder)[0]]
    ['cup9', 'cup10']
    """
    inside = sorted(
        (path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."),
        key=natural_order,
    )
    try:
        picture, *_ = find_images(folder)
    except FileNotFoundError:
        return inside or [folder], ""
    if not inside:
        return [folder], ""
    return [folder], (
        f"{folder} holds pictures, as {picture.name}: its subfolders, as {inside[0].name}, are passed over; "
        "move one or the other"
    )


def check_outside(folder: Path, inputs: Sequence[str | Path], *, nested: bool = True) -> None:
    """Check that results in a folder would not be taken for frames by the next run.

    Raises
    ------
    ValueError
        The folder is one of the inputs, or, if `nested`, lies somewhere in one.
    """
    place = folder.resolve()
    for given in (Path(given) for given in inputs):
        inside = place == given.resolve() or (nested and given.resolve() in place.parents)
        if given.is_dir() and inside:
            raise ValueError(
                f"results in {folder} would be taken for frames by the next run: write outside of {given}"
            )


def find_frames(inputs: Sequence[str | Path]) -> list[Path]:
    """List the frames that files, folders and glob patterns stand for, in the order given.

    Within a folder or a pattern the frames are sorted by name, numbers by their value: x2 before x10.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `io.images.find_images`; or a frame is given twice.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("x10.jpg", "x2.jpg"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_frames([folder])]
    ['x2.jpg', 'x10.jpg']
    """
    found = [path for given in inputs for path in sorted(find_images(given), key=natural_order)]
    for number, path in enumerate(found):
        if path.resolve() in [other.resolve() for other in found[:number]]:
            raise ValueError(f"{path} is given twice: name each frame once")
    return found


def natural_order(path: Path) -> tuple[Any, ...]:
    """Sorting key that takes numbers in names by their value."""
    return tuple(
        (int(part), part) if part.isdigit() else (-1, part)
        for part in re.split(r"(\d+)", path.name.lower())
    )


def _header(frame: NDArray[Any] | Path, name: str) -> PhotoInfo:
    if isinstance(frame, Path):
        return photo_info(frame)
    if frame.ndim not in (2, 3) or frame.size == 0 or frame.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"{name} must be (Y, X) or (Y, X, 3) with at least one pixel, not of shape {frame.shape}"
        )
    return PhotoInfo(frame.shape, frame.dtype)


def _check_alike(headers: Sequence[PhotoInfo], names: Sequence[str]) -> None:
    first = headers[0]
    for header, name in zip(headers, names, strict=True):
        if header.dtype != first.dtype:
            raise ValueError(
                f"{name} is {header.dtype}, {names[0]} is {first.dtype}: convert the frames to one bit depth first"
            )
        if header.shape[2:] != first.shape[2:]:
            grey, colour = (name, names[0]) if len(header.shape) == 2 else (names[0], name)
            raise ValueError(f"{grey} is grey, {colour} is in colour: convert one of them first")
        if header.shape != first.shape:
            sizes = [" × ".join(map(str, shape[1::-1])) for shape in (header.shape, first.shape)]
            raise ValueError(
                f"{name} has {sizes[0]} pixels, {names[0]} has {sizes[1]}: frames of a burst have one size"
            )

"""A burst read frame by frame from files or arrays: `Burst`; its folder: `burst_folders`."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import FrameSequence, Rows, pixel_size, rows_within
from seamwise.fusion.headers import (
    BadFrameError,
    Frame,
    Source,
    check_equal,
    cut_alike,
    header_of,
    name_of,
    orders,
    orientation_note,
    source_of,
    turned_alike,
)
from seamwise.fusion.scale import Scale, check_numbers, scale_of
from seamwise.fusion.stack import Plane, planes_of
from seamwise.fusion.stored_alignment import without_maps
from seamwise.fusion.transparency import PackedMask, extended
from seamwise.io.links import real_path
from seamwise.io.listing import ZARR, find_images, natural_order
from seamwise.io.photo import Photo, PhotoInfo, read_photo
from seamwise.io.provenance import RECORD
from seamwise.pictures import as_unit, check_in_unit
from seamwise.types import Picture


class Burst(FrameSequence):
    """Frames as float32 pictures in 0..1; each is read when it is asked for, and not kept.

    Parameters
    ----------
    frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
        uint8, uint16 or floats in 0..1; all of one size, type and number of channels. One file
        alone is a stack, whose planes along z are the frames. Its numbers may also be other
        integers of up to 32 bits or any floats: one `Scale` takes all planes to 0..1.

    Attributes
    ----------
    names : tuple of str
        File names, or "frame 0", "frame 1", …
    shape, dtype
        Of each frame as it is given.
    order : tuple of int
        Numbers of the frames in an order of their own, whatever order they are given in: by the
        time that EXIF tells if it tells one for each, else by name. Arrays and planes stay.
    is_own_order : bool
        Whether the user gave a list of files that is sorted neither by name nor by time.
    has_alpha : bool
        Whether the headers tell of an alpha channel.
    exif, icc : bytes
        Of the first frame in this order, known once it was read; empty if it has none.
    notes : list of str

    Raises
    ------
    ValueError
        There are fewer than two frames, or they differ. Only the headers of files are read for
        that.
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
        # a string would be taken for a list of its letters
        if isinstance(frames, str | os.PathLike):
            name = os.fspath(frames)
            raise TypeError(
                f"frames must be a list of pictures or files, not {name!r}: "
                f"give e.g. sorted(Path({name!r}).iterdir())"
            )
        self.frames: list[Source] = unstacked([source_of(frame) for frame in frames])
        self.names = tuple(name_of(frame, number) for number, frame in enumerate(self.frames))
        infos = [_info(frame, i, self.names) for i, frame in enumerate(self.frames)]
        # after the headers: the error of a file with several pages tells how to split it
        if len(infos) < 2:
            name = f": {self.frames[0]}" if infos and isinstance(self.frames[0], Path) else ""
            raise ValueError(f"a burst has two frames or more, not {len(infos)}{name}")
        by_name, self.order = orders(self.frames, infos)
        turned, self._orientation = turned_alike(infos, self.order)
        turned, self._cuts = cut_alike(self.frames, turned)
        check_equal(turned, self.names)
        self.shape, self.dtype = turned[0].shape, turned[0].dtype
        self._white_balance = infos[self.order[0]].white_balance
        self.is_own_order = tuple(range(len(infos))) not in (by_name, self.order)
        self.exif = b""
        self._profiles: dict[int, bytes] = {}
        self._notes: list[str] = []
        if self._orientation is not None:
            self._notes.append(orientation_note(infos, self.names, self.order, self._orientation))
        if self.order != by_name and not self.is_own_order:
            first, last = (Path(self.names[self.order[i]]).name for i in (0, -1))
            self._notes.append(
                f"the frames are taken by the time they were taken at, from {first} to {last}; "
                "their names have another order"
            )
        if self._cuts:
            self._notes.append(
                "the frames were aligned and cut before: all are cut to what they share, "
                f"{pixel_size(self.shape)} pixels"
            )
        self._checksums: dict[int, int] = {}
        self._blank: set[int] = set()
        self.has_alpha = any(info.has_alpha for info in infos)
        self._masks: dict[int, PackedMask] = {}

    @property
    def icc(self) -> bytes:
        """Colour profile of the first frame."""
        return self._profiles.get(self.order[0], b"")

    @property
    def notes(self) -> list[str]:
        """What the user should know about the frames read so far."""
        deviants = [
            self.names[i] for i, profile in sorted(self._profiles.items()) if profile != self.icc
        ]
        transparent = [
            f"{self.names[i]} is transparent in places: nothing is taken from there"
            for i in sorted(self._masks)
        ]
        if not deviants or self.order[0] not in self._profiles:
            return [*self._notes, *transparent]
        profile_note = (
            f"{', '.join(deviants)}: the colour profile differs from that of "
            f"{self.names[self.order[0]]}, which is kept"
        )
        return [*self._notes, *transparent, profile_note]

    @staticmethod
    def check_frame(frame: Frame) -> None:
        """Raise ValueError, TypeError or OSError if a frame cannot be read to its end."""
        if isinstance(frame, np.ndarray):
            return
        if isinstance(frame, Plane):
            check_numbers(frame.read(), name=str(frame))
            return
        as_unit(read_photo(frame, transparent=True).pixels, name=str(frame))

    def order_of_sums(self) -> tuple[int, ...]:
        """Return `order`, for arrays one by their content: sums round alike however they are given.

        It is by the sum of the pixels, then by a checksum.
        """
        if not all(isinstance(frame, np.ndarray) for frame in self.frames):
            return self.order
        return tuple(sorted(self.order, key=self._content))

    def _content(self, i: int) -> tuple[float, int]:
        pixels = np.ascontiguousarray(self.frames[i])
        return float(pixels.sum(dtype=np.float64)), zlib.crc32(pixels.data)

    def blank_notes(self) -> list[str]:
        """Return a note for each frame read so far whose pixels are all equal, unless all are."""
        blank = sorted(self._blank) if len(self._blank) < len(self) else []
        return [f"{self.names[i]} is blank: all its pixels are equal" for i in blank]

    def frame_shape(self) -> tuple[int, ...]:
        """As the headers tell."""
        return self.shape

    @cached_property
    def scale(self) -> Scale | None:
        """How the numbers of a stack become 0..1; None for other frames. May read all planes."""
        if not all(isinstance(frame, Plane) for frame in self.frames):
            return None
        return scale_of(map(self._numbers, range(len(self))), self.dtype)

    def _numbers(self, i: int) -> NDArray[Any]:
        try:
            pixels = self._photo(self.frames[i]).pixels
            check_numbers(pixels, name=self.names[i])
        except ValueError as error:
            raise _bad_frame(error, i, len(self)) from error
        return pixels

    def _unit(self, i: int, pixels: NDArray[Any]) -> Picture:
        """Pixels of frame i as stored, in 0..1."""
        return self.scale.unit(pixels) if self.scale else as_unit(pixels, name=self.names[i])

    def _frame(self, i: int) -> Picture:
        photo = self._read(i)
        picture = self._unit(i, photo.pixels)
        return picture if photo.opaque is None else extended(picture, photo.opaque)

    def rows(self, i: int) -> Rows:
        """Read frame i, and return what makes rows of it.

        Held are the pixels as stored, or floats if the frame is transparent in places.
        """
        photo = self._read(i)
        if photo.opaque is not None:
            return rows_within(extended(self._unit(i, photo.pixels), photo.opaque))
        return lambda start, stop: self._unit(i, photo.pixels[start:stop])

    def _read(self, i: int) -> Photo:
        try:
            photo = self._photo(self.frames[i])
            if self._cuts:
                y0, y1, x0, x1 = self._cuts[i]
                photo = replace(photo, pixels=photo.pixels[y0:y1, x0:x1])
            if photo.pixels.shape != self.shape:  # its strips would be taken for those of another
                raise ValueError(
                    f"{self.names[i]} must be of shape {self.shape}, as its header told, "
                    f"not {photo.pixels.shape}: it was replaced meanwhile, fuse again"
                )
        except ValueError as error:
            raise _bad_frame(error, i, len(self.frames)) from error
        if i not in self._checksums:
            self._remember(i, photo)
        return photo

    def _photo(self, frame: Source) -> Photo:
        if isinstance(frame, np.ndarray):
            return Photo(frame)
        if isinstance(frame, Plane):
            return Photo(frame.read())
        return read_photo(
            frame,
            orientation=self._orientation,
            transparent=True,
            white_balance=self._white_balance,
        )

    def opaque(self, i: int) -> NDArray[np.bool_] | None:
        """Return where frame i shows anything, `(Y, X)`; None if everywhere.

        It is known once the frame was read. Beyond, the frame is continued smoothly.
        """
        return self._masks[i].mask() if i in self._masks else None

    def _remember(self, i: int, photo: Photo) -> None:
        if photo.pixels.dtype.kind == "f" and not self.scale:  # strips would tell their own range
            check_in_unit(photo.pixels, name=self.names[i])
        self._profiles[i] = photo.icc
        if i == self.order[0]:
            self.exif = photo.exif
        checksum = zlib.crc32(np.ascontiguousarray(photo.pixels).data)
        twin = next((j for j, other in self._checksums.items() if other == checksum), None)
        self._checksums[i] = checksum
        if twin is not None:
            first, second = sorted((i, twin))
            self._notes.append(f"{self.names[second]} is identical to {self.names[first]}")
        if photo.note:
            self._notes.append(photo.note)
        if photo.pixels.min() == photo.pixels.max():
            self._blank.add(i)
        if photo.opaque is None:
            return
        if not photo.opaque.any():
            raise ValueError(f"{self.names[i]} is transparent everywhere: remove it")
        self._masks[i] = PackedMask(photo.opaque)


def unstacked(frames: Sequence[Source]) -> list[Source]:
    """Return the planes of one file alone that is a stack, and other frames as they are.

    Raises
    ------
    ValueError
        As `planes_of`.
    """
    if len(frames) == 1 and isinstance(frames[0], Path):
        return [*planes_of(frames[0])]
    return [*frames]


def burst_folders(folder: Path) -> tuple[list[Path], str]:
    """Return the folders of bursts that a folder stands for, and a note if some are skipped.

    A folder of pictures is one burst itself; otherwise each of its subfolders is one, in natural
    order. Hidden files and folders do not count, as for `io.find_images`. Subfolders next to
    pictures are skipped, and the note tells so in one line. The note is empty if there are none.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cup10", "cup9", ".trash"):
    ...     (folder / name).mkdir()
    >>> [path.name for path in burst_folders(folder)[0]]
    ['cup9', 'cup10']
    """
    visible = (
        path
        for path in folder.iterdir()
        if path.is_dir() and path.name[0] != "." and path.suffix.lower() != ZARR
    )
    subfolders = sorted(visible, key=natural_order)
    try:
        pictures = [path for path in find_images(folder, photos=True) if path not in subfolders]
    except FileNotFoundError:
        pictures = []
    if not pictures:
        return subfolders or [folder], ""
    if not subfolders:
        return [folder], ""
    return [folder], (
        f"{folder} holds pictures, such as {pictures[0].name}: its subfolders, such as "
        f"{subfolders[0].name}, are skipped; move one or the other"
    )


def check_outside(
    folder: Path, inputs: Sequence[str | Path], *, with_subfolders: bool = True
) -> None:
    """Check that results in a folder would not be taken for frames by the next run.

    Raises
    ------
    ValueError
        The folder is one of the inputs, or, if `with_subfolders`, lies somewhere in one.
    """
    place = real_path(folder)
    for path in map(Path, inputs):
        source = real_path(path)
        is_inside = place == source or (with_subfolders and source in place.parents)
        if path.is_dir() and is_inside:
            raise ValueError(
                f"results in {folder} would be taken for frames by the next run: "
                f"write outside of {path}"
            )


def find_frames(inputs: Sequence[str | Path]) -> list[Path]:
    """List the frames that files, folders and glob patterns stand for, in the order given.

    Within a folder or a pattern the frames are sorted by name, numbers by their value: x2 before
    x10. A folder of fused pictures stands for these, without the maps next to them.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `io.find_images`; or a frame is given twice.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("x10.jpg", "x2.jpg"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_frames([folder])]
    ['x2.jpg', 'x10.jpg']
    """
    paths = [path for source in inputs for path in _pictures(Path(source))]
    places: set[Path] = set()
    for path in paths:
        if real_path(path) in places:
            raise ValueError(f"{path} is given twice: name each frame once")
        places.add(real_path(path))
    return paths


def _pictures(source: Path) -> list[Path]:
    paths = sorted(find_images(source, photos=True), key=natural_order)
    if source.is_dir() and (source / RECORD).exists():
        return without_maps(paths)
    return paths


def _bad_frame(error: ValueError, i: int, count: int) -> ValueError:
    """The error with the place of the frame; that of a single file as it is."""
    return BadFrameError(f"{error} (frame {i + 1} of {count})") if count > 1 else error


def _info(frame: Source, i: int, names: Sequence[str]) -> PhotoInfo:
    if isinstance(frame, np.ndarray):
        return header_of(frame, names[i])
    try:
        return header_of(frame, names[i])
    except ValueError as error:
        raise _bad_frame(error, i, len(names)) from error

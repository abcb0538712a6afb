"""A burst read frame by frame from files or arrays: `Burst`; its folder: `burst_folders`."""

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import FrameSequence, Rows, pixel_size, rows_within
from seamwise.fusion.homography import PixelBox
from seamwise.fusion.slabs import equal_cuts
from seamwise.fusion.stack import Plane, planes_of
from seamwise.fusion.stored_alignment import without_maps
from seamwise.fusion.transparency import PackedMask, extended
from seamwise.io.listing import ZARR, find_images, natural_order
from seamwise.io.photo import Photo, PhotoInfo, photo_info, read_photo, turned_shape
from seamwise.io.provenance import RECORD
from seamwise.pictures import as_unit, check_in_unit
from seamwise.types import Picture

_COUNTER = re.compile(r"(?<!\d)(\d{4})(?!.*\d)")  # of a camera: IMG_9999
_ROLLED = 5000  # within a burst, counters further apart have rolled over

Frame = str | os.PathLike[str] | NDArray[Any] | Plane
_Source = Path | NDArray[Any] | Plane


class BadFrameError(ValueError):
    """A file that cannot be read as a frame; the burst may do without it."""


class Burst(FrameSequence):
    """Frames as float32 pictures in 0..1; each is read when it is asked for, and not kept.

    Parameters
    ----------
    frames : sequence of paths, or of (Y, X) or (Y, X, 3) arrays
        uint8, uint16 or floats in 0..1; all of one size, type and number of channels. One file
        alone is a stack, whose planes along z are the frames.

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
        self.frames: list[_Source] = [
            frame if isinstance(frame, np.ndarray | Plane) else Path(frame) for frame in frames
        ]
        if len(self.frames) == 1 and isinstance(self.frames[0], Path):
            self.frames = [*planes_of(self.frames[0])]
        self.names = tuple(_name(frame, number) for number, frame in enumerate(self.frames))
        infos = [_info(frame, i, self.names) for i, frame in enumerate(self.frames)]
        # after the headers: the error of a file with several pages tells how to split it
        if len(infos) < 2:
            name = f": {self.frames[0]}" if infos and isinstance(self.frames[0], Path) else ""
            raise ValueError(f"a burst has two frames or more, not {len(infos)}{name}")
        by_name, self.order = _orders(self.frames, infos)
        turned = upright = _turned_alike(infos, infos[self.order[0]].orientation)
        turned, self._cuts = _cut_alike(self.frames, turned)
        _check_equal(turned, self.names)
        self.shape, self.dtype = turned[0].shape, turned[0].dtype
        self._orientation = turned[0].orientation if upright is not infos else None
        self._white_balance = infos[self.order[0]].white_balance
        self.is_own_order = tuple(range(len(infos))) not in (by_name, self.order)
        self.exif = b""
        self._profiles: dict[int, bytes] = {}
        self._notes: list[str] = []
        if self._orientation is not None:
            deviants = [
                name
                for name, info in zip(self.names, infos, strict=True)
                if info.orientation != self._orientation
            ]
            self._notes.append(
                f"{', '.join(deviants)}: the orientation in EXIF differs from that of "
                f"{self.names[self.order[0]]}, which holds for all frames"
            )
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
            as_unit(frame.read(), name=str(frame))
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

    def _frame(self, i: int) -> Picture:
        photo = self._read(i)
        picture = as_unit(photo.pixels, name=self.names[i])
        return picture if photo.opaque is None else extended(picture, photo.opaque)

    def rows(self, i: int) -> Rows:
        """Read frame i, and return what makes rows of it.

        Held are the pixels as stored, or floats if the frame is transparent in places.
        """
        photo, name = self._read(i), self.names[i]
        if photo.opaque is not None:
            return rows_within(extended(as_unit(photo.pixels, name=name), photo.opaque))
        return lambda start, stop: as_unit(photo.pixels[start:stop], name=name)

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

    def _photo(self, frame: _Source) -> Photo:
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
        if photo.pixels.dtype.kind == "f":  # strips would tell their own range
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
        picture, *_ = find_images(folder, photos=True)
    except FileNotFoundError:
        return subfolders or [folder], ""
    if not subfolders:
        return [folder], ""
    return [folder], (
        f"{folder} holds pictures, such as {picture.name}: its subfolders, such as "
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
    place = folder.resolve()
    for path in map(Path, inputs):
        is_inside = place == path.resolve() or (with_subfolders and path.resolve() in place.parents)
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
        if path.resolve() in places:
            raise ValueError(f"{path} is given twice: name each frame once")
        places.add(path.resolve())
    return paths


def _pictures(source: Path) -> list[Path]:
    paths = sorted(find_images(source, photos=True), key=natural_order)
    if source.is_dir() and (source / RECORD).exists():
        return without_maps(paths)
    return paths


def _orders(
    frames: Sequence[_Source], infos: Sequence[PhotoInfo]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order by name, and by time if it tells one; for arrays and planes the order given."""
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


def _cut_alike(
    frames: Sequence[_Source], infos: list[PhotoInfo]
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


def _turned_alike(infos: list[PhotoInfo], orientation: int) -> list[PhotoInfo]:
    """Turn frames that are stored alike by one orientation; others keep their own.

    A camera that looks down writes another orientation into a frame now and then.
    """
    stored = {turned_shape(info.shape, info.orientation) for info in infos}
    if len(stored) > 1 or len({info.orientation for info in infos}) == 1:
        return infos
    shape = turned_shape(stored.pop(), orientation)
    return [replace(info, shape=shape, orientation=orientation) for info in infos]


def _name(frame: _Source, number: int) -> str:
    return f"frame {number}" if isinstance(frame, np.ndarray) else str(frame)


def _bad_frame(error: ValueError, i: int, count: int) -> ValueError:
    """The error with the place of the frame; that of a single file as it is."""
    return BadFrameError(f"{error} (frame {i + 1} of {count})") if count > 1 else error


def _info(frame: _Source, i: int, names: Sequence[str]) -> PhotoInfo:
    name = names[i]
    if isinstance(frame, Path):
        try:
            return photo_info(frame)
        except ValueError as error:
            raise _bad_frame(error, i, len(names)) from error
    if isinstance(frame, Plane):
        return PhotoInfo(frame.shape, frame.volume.dtype)
    if frame.ndim not in (2, 3) or frame.size == 0 or frame.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"{name} must be (Y, X) or (Y, X, 3) with at least one pixel, "
            f"not of shape {frame.shape}: give one picture per frame"
        )
    return PhotoInfo(frame.shape, frame.dtype)


def _check_equal(infos: Sequence[PhotoInfo], names: Sequence[str]) -> None:
    first = infos[0]
    for info, name in zip(infos, names, strict=True):
        if info.dtype != first.dtype:
            raise ValueError(
                f"{name} is {info.dtype}, {names[0]} is {first.dtype}: "
                "convert the frames to one bit depth first"
            )
        if info.shape[2:] != first.shape[2:]:
            grey, colour = (name, names[0]) if len(info.shape) == 2 else (names[0], name)
            raise ValueError(f"{grey} is grey, {colour} is in colour: convert one of them first")
        if info.shape != first.shape:
            raise ValueError(
                f"{name} has {pixel_size(info.shape)} pixels, {names[0]} has "
                f"{pixel_size(first.shape)}: give frames of one size "
                "(`seamwise fuse` keeps it with --full-size)"
            )

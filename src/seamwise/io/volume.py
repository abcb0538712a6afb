"""An image on disk that is read part by part and need not fit into memory: `open_volume`,
`open_labels`, `open_labels_of`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.axes import (
    Axes,
    channel_numbers,
    channels_first,
    check_time,
    has_slices_for_colours,
    settle_axes,
)
from seamwise.io.boxes import check_box
from seamwise.io.listing import first_bytes
from seamwise.io.ome_zarr import is_ome_zarr, labels_of, load_ome_zarr
from seamwise.io.outcome import amount
from seamwise.io.per_process import PerProcess
from seamwise.io.raster import count_pixels, load_raster, raster_kind
from seamwise.io.stored import (
    StoredImage,
    check_holds_labels,
    check_one_plane,
    check_real,
    joined_notes,
)
from seamwise.io.tiff_parts import tiff_parts
from seamwise.types import AnyPath, Box


@dataclass(frozen=True)
class Volume:
    """An image on disk that is read part by part.

    It can be sent to other processes and used by several threads: each process opens the file when
    it first reads, and no file stays open between two reads.

    Attributes
    ----------
    path : Path
        The file or OME-Zarr folder.
    axes : {"YX", "ZYX"}
        The spatial axes.
    shape : tuple of int
        Length along each of them.
    channels : int
        How many channels `read` gives.
    times : int
        How many time points there are; 1 without a time axis.
    dtype : dtype
        Of the pixels, in native byte order (1-bit as uint8).
    spacing : tuple of float or None
        Pixel size in micrometres along each spatial axis; None if the file does not give all.
    note : str
        What the user should know about how the file is read, in one line; empty if nothing.
    chunks : tuple of int
        Box that is cheap to read at once: a chunk, a tile, a page or some of its rows.
    file_axes : Axes
        The axes of the file.
    channel_numbers : tuple of int
        The channels that `read` gives, counted from 0.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    channels: int
    times: int
    dtype: np.dtype[Any]
    spacing: tuple[float, ...] | None
    note: str
    chunks: tuple[int, ...]
    file_axes: Axes
    channel_numbers: tuple[int, ...]
    _file: PerProcess[StoredImage] = field(repr=False)

    @property
    def sizes(self) -> Mapping[str, float]:
        """Pixel size in micrometres by spatial axis, as far as the file gives it."""
        return self._file.value.sizes

    @property
    def is_colour(self) -> bool:
        """Whether the channels are the samples of colours."""
        stored = self._file.value
        return ("S", True) in zip(stored.axes, (n > 1 for n in stored.data.shape), strict=True)

    def read(self, box: Box, *, time: int = 0) -> NDArray[Any]:
        """Read a box of the image, with channels first.

        Parameters
        ----------
        box : tuple of slice
            One per spatial axis, inside the image, not empty, without a step.
        time : int
            The time point, counted from 0.

        Returns
        -------
        (C, *box) array
            C-contiguous, in native byte order. NaN and infinite pixels are not looked for.

        Raises
        ------
        DamagedError
            A chunk, tile or page in the box cannot be decoded; the message names it.
        ValueError
            `box` or `time` does not fit the image.
        OSError
            The file no longer exists.
        """
        name = str(self.path)
        check_box(box, self.shape, name=name)
        check_time(time, self.times, name=name)
        first, last = min(self.channel_numbers), max(self.channel_numbers)
        parts = {"T": slice(time, time + 1), "C": slice(first, last + 1)}
        parts |= dict(zip(self.axes, box, strict=True))
        pixels = self._file.value.data
        place = [slice(0, 1)] * len(pixels.shape)
        for letter, axis in zip(self.file_axes.letters, self.file_axes.dimensions, strict=True):
            place[axis] = parts[letter]
        lengths = tuple(parts[a].stop - parts[a].start for a in self.file_axes.letters)
        file_axes = Axes(self.file_axes.letters, lengths)
        data, letters = channels_first(pixels[tuple(place)], file_axes, name=name)
        data = data if "C" in letters else data[np.newaxis]
        numbers = [channel - first for channel in self.channel_numbers]
        if numbers != list(range(len(data))):
            data = data[numbers]
        return np.ascontiguousarray(data, self.dtype)


def open_volume(
    path: AnyPath,
    *,
    axes: str | None = None,
    channel: int | Sequence[int] | None = None,
    stack: bool = False,
) -> Volume:
    """Open an image to read it part by part.

    The axes are settled as in `read_image`, which reads it whole. A TIFF without compression is
    mapped into memory; from any other TIFF only the tiles or pages that a box needs are decoded.
    PNG and JPEG are read whole. From an image with several levels the first is read.

    Parameters
    ----------
    path : str or path-like
        An OME-Zarr folder, or a .tif, .tiff, .ome.tif, .png, .jpg or .jpeg file.
    axes : str, optional
        Meaning of the axes as they are stored, as in `read_image`.
    channel : int or sequence of int, optional
        Channels to keep, counted from 0, in this order.
    stack : bool
        Take every axis of unknown meaning for Z.

    Raises
    ------
    OSError
        The file is missing, an ordinary folder, or not readable by this user.
    ValueError
        The file is empty, truncated or of an unsupported kind, or lacks the requested axes or
        channels.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    >>> tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    >>> volume = open_volume(path)
    >>> volume.axes, volume.shape, volume.channels
    ('ZYX', (2, 3, 4), 1)
    >>> volume.read((slice(1, 2), slice(0, 2), slice(2, 4)))
    array([[[[14, 15],
             [18, 19]]]], dtype=uint8)
    """
    path = Path(path)
    file = PerProcess(_open_parts, path, False, has_slices_for_colours(axes))
    shape, letters = file.value.data.shape, file.value.axes
    check_real(path, file.value.data.dtype)
    file_axes = settle_axes(shape, letters, name=path.name, request=axes, stack=stack)
    return _volume(path, file, file_axes, channel)


def open_labels(path: AnyPath, *, axes: str | None = None, one_bit: bool = False) -> Volume:
    """Open a label image to read it part by part; `read_labels` reads it whole.

    Parameters
    ----------
    path, axes, one_bit
        As in `read_labels`.

    Returns
    -------
    Volume
        With one channel, of an integer type.

    Raises
    ------
    OSError, ValueError
        As `read_labels`, but a file may hold several time points.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> tifffile.imwrite(path, np.array([[0, 1], [300, 0]], np.uint16))
    >>> open_labels(path).read((slice(1, 2), slice(0, 2)))
    array([[[300,   0]]], dtype=uint16)
    """
    path = labels_of(Path(path))
    file = PerProcess(_open_parts, path, True, has_slices_for_colours(axes))
    stored = file.value
    check_holds_labels(path, stored, one_bit=one_bit)
    file_axes = settle_axes(
        stored.data.shape, stored.axes, name=path.name, request=axes, stack=True
    )
    volume = _volume(path, file, file_axes, None)
    check_one_plane(path, volume.channels)
    return volume


def open_labels_of(path: AnyPath, image: Volume, *, one_bit: bool = False) -> Volume:
    """Open labels or a mask of the size of an image; one mask may serve all time points.

    If a file does not fit by what it says of its axes, it is tried with those of the image.

    Parameters
    ----------
    path : str or Path
    image : Volume
        The image that the labels belong to.
    one_bit : bool
        Whether a mask of 0 and 1 is wanted, which may lack the time axis of the image.

    Raises
    ------
    OSError, ValueError
        As `open_labels`; or the size or the number of time points are not those of the image.
    """
    try:
        labels = open_labels(path, one_bit=one_bit)
        _check_fit(labels, image, is_for_all=one_bit)
    except ValueError as error:
        axes = ("T" if image.times > 1 else "") + image.axes
        try:
            labels = open_labels(path, axes=axes, one_bit=one_bit)
            _check_fit(labels, image, is_for_all=one_bit)
        except ValueError:
            raise error from None
    return labels


def count_samples(path: AnyPath) -> int:
    """Return how many numbers an image holds, in all channels, slices and time points together.

    The pixels are not decoded, so that a small file that unpacks to a huge image is known before it
    fills the memory. A PNG or JPEG counts four for each pixel: colours and alpha.

    Raises
    ------
    OSError, ValueError
        As `open_volume`, as far as the header tells.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> pixels = np.zeros((2, 3, 4), np.uint8)
    >>> tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "CYX"})
    >>> count_samples(path)
    24
    """
    path = Path(path)
    kind = None if is_ome_zarr(path) else raster_kind(first_bytes(path))
    if kind:
        return 4 * count_pixels(path, kind)
    volume = open_volume(path)
    return prod(volume.shape) * volume.channels * volume.times


def _volume(
    path: Path,
    file: PerProcess[StoredImage],
    file_axes: Axes,
    channel: int | Sequence[int] | None,
) -> Volume:
    """The volume that an open file holds."""
    image, pixels = file.value, file.value.data
    lengths = dict(zip(file_axes.letters, file_axes.shape, strict=True))
    chunks = {
        a: pixels.chunks[i] for a, i in zip(file_axes.letters, file_axes.dimensions, strict=True)
    }
    spatial = "".join(a for a in "ZYX" if a in lengths)
    spacing, gap = image.spacing(spatial, name=path.name)
    count = lengths.get("C", 1)
    numbers = range(count) if channel is None else channel_numbers(channel, count, name=str(path))
    return Volume(
        path=path,
        axes=spatial,
        shape=tuple(lengths[a] for a in spatial),
        channels=len(numbers),
        times=lengths.get("T", 1),
        dtype=np.dtype(np.uint8) if pixels.dtype == bool else pixels.dtype.newbyteorder("="),
        spacing=spacing,
        note=joined_notes(*image.notes, file_axes.note, gap),
        chunks=tuple(chunks[a] for a in spatial),
        file_axes=file_axes,
        channel_numbers=tuple(numbers),
        _file=file,
    )


def _open_parts(path: Path, indices: bool, keep_alpha: bool) -> StoredImage:
    """Open a file; its pixels are read when they are indexed. `indices` means labels."""
    if is_ome_zarr(path):
        return load_ome_zarr(path)
    kind = raster_kind(first_bytes(path))
    if kind is None:
        parts = tiff_parts(path, keep_alpha=keep_alpha)
        return parts if indices else parts.as_shown(name=path.name)
    image = load_raster(path, kind, indices=indices)
    return StoredImage(_InMemory(image.data), image.axes, image.format, image.sizes, image.notes)


class _InMemory:
    """An array in memory, with chunks."""

    def __init__(self, data: NDArray[Any]) -> None:
        self._data = data
        self.shape, self.dtype, self.chunks = data.shape, data.dtype, data.shape

    def __getitem__(self, box: Box) -> NDArray[Any]:
        return self._data[box]


def _check_fit(labels: Volume, image: Volume, *, is_for_all: bool) -> None:
    if labels.shape != image.shape:
        raise ValueError(
            f"{labels.path} must have the size {image.shape} of {image.path}, not {labels.shape}: "
            "give labels of the same image"
        )
    if labels.times != image.times and not (is_for_all and labels.times == 1):
        raise ValueError(
            f"{labels.path} must have the {amount(image.times, 'time point')} of {image.path}, "
            f"not {labels.times}: give labels of the same series"
        )

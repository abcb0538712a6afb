"""An image on disk that is read part by part, so that it need not fit the memory: `open_volume`."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.io.axes import Axes, channel_numbers, channels_first, check_time, settle_axes
from seamwise.io.images import first_bytes
from seamwise.io.ome_zarr import check_box, is_ome_zarr, load_ome_zarr
from seamwise.io.raster import load_raster, raster_kind
from seamwise.io.stored import DamagedError, Stored, UnsupportedError, unreadable
from seamwise.io.tiff import (
    ALPHA,
    check_chain,
    check_complete,
    decoded,
    letters_of,
    sizes_of,
    without_log,
)
from seamwise.types import AnyPath, Box

_MAPPED_BYTES = 2**22  # rows of a picture without compression that are read at once


@dataclass(frozen=True)
class Volume:
    """An image on disk that is read part by part.

    It can be sent to other processes and used by several threads: each process opens the file when it first
    reads, and no file stays open between two reads.

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
        Pixel size in micrometres along each spatial axis; None if the file does not give all of them.
    note : str
        What the user should know about how the file is read, in one line; empty if nothing.
    chunks : tuple of int
        Box that is cheap to read at once: a chunk, a tile, a page or some of its rows.
    stored : Axes
        The axes of the file.
    picked : tuple of int
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
    stored: Axes
    picked: tuple[int, ...]

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
            The file is gone.
        """
        check_box(box, self.shape, name=str(self.path))
        check_time(time, self.times, name=str(self.path))
        first, last = min(self.picked), max(self.picked)
        parts = {
            "T": slice(time, time + 1),
            "C": slice(first, last + 1),
            **dict(zip(self.axes, box, strict=True)),
        }
        place = [slice(0, 1)] * len(self._pixels.shape)
        for letter, axis in zip(self.stored.letters, self.stored.kept, strict=True):
            place[axis] = parts[letter]
        block = self._pixels[tuple(place)]
        lengths = tuple(parts[a].stop - parts[a].start for a in self.stored.letters)
        data, letters = channels_first(
            block, Axes(self.stored.letters, lengths), name=str(self.path)
        )
        data = data if "C" in letters else data[np.newaxis]
        wanted = [channel - first for channel in self.picked]
        if wanted != list(range(len(data))):
            data = data[wanted]
        return np.ascontiguousarray(data, self.dtype)

    @cached_property
    def _pixels(self) -> Any:
        return _load(self.path).data

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pixels"}


def open_volume(
    path: AnyPath, *, axes: str | None = None, channel: int | Sequence[int] | None = None
) -> Volume:
    """Open an image to read it part by part.

    The axes are found as in `read_image`, which reads it whole. A TIFF without compression is mapped into
    memory; of any other only the tiles or pages that a box needs are decoded. PNG and JPEG are read whole. Of an
    image with several levels the first is read.

    Parameters
    ----------
    path : str or path-like
        An OME-Zarr folder, or a .tif, .tiff, .ome.tif, .png, .jpg or .jpeg file.
    axes : str, optional
        Meaning of the axes as they are stored, as in `read_image`.
    channel : int or sequence of int, optional
        Channels to keep, counted from 0, in this order.

    Raises
    ------
    OSError
        The file is missing, an ordinary folder, or not readable by this user.
    ValueError
        The file is empty, truncated or of an unsupported kind, or has not the axes or channels asked for.

    Examples
    --------
    >>> import tempfile
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
    stored = _load(path)
    pixels = stored.data
    if pixels.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {pixels.dtype} pixels; expected integers or real numbers")
    settled = settle_axes(pixels.shape, stored.axes, name=path.name, asked=axes)
    lengths = dict(zip(settled.letters, settled.shape, strict=True))
    chunks = {a: pixels.chunks[i] for a, i in zip(settled.letters, settled.kept, strict=True)}
    spatial = "".join(a for a in "ZYX" if a in lengths)
    spacing, gap = stored.spacing(spatial, name=path.name)
    count = lengths.get("C", 1)
    picked = range(count) if channel is None else channel_numbers(channel, count, name=str(path))
    volume = Volume(
        path,
        spatial,
        tuple(lengths[a] for a in spatial),
        len(picked),
        lengths.get("T", 1),
        np.dtype(np.uint8) if pixels.dtype == bool else pixels.dtype.newbyteorder("="),
        spacing,
        "; ".join(note for note in (*stored.notes, settled.note, gap) if note),
        tuple(chunks[a] for a in spatial),
        settled,
        tuple(picked),
    )
    volume.__dict__["_pixels"] = pixels  # it is open, so this process need not open it again
    return volume


def _load(path: Path) -> Stored:
    """Open a file; its pixels are read when they are indexed."""
    if is_ome_zarr(path):
        return load_ome_zarr(path)
    kind = raster_kind(first_bytes(path))
    if kind is None:
        return _load_tiff(path)
    whole = load_raster(path, kind)
    return Stored(_Whole(whole.data), whole.axes, whole.format, whole.sizes, whole.notes)


class _Whole:
    """An array in memory, with chunks."""

    def __init__(self, data: NDArray[Any]) -> None:
        self._data = data
        self.shape, self.dtype, self.chunks = data.shape, data.dtype, data.shape

    def __getitem__(self, box: Box) -> NDArray[Any]:
        return self._data[box]


def _load_tiff(path: Path) -> Stored:
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            check_chain(file)
            series = file.series[0]
            if 0 in series.shape:
                raise UnsupportedError(f"it has no pixels (shape {series.shape}); export it again")
            check_complete(file, series)
            letters, sizes = letters_of(series), sizes_of(file, series)
            alone = all(page is not None and page.parent is file for page in series.pages)
            mapped = alone and series.dataoffset is not None
            pixels: Any = _Mapped(path, file, series) if mapped else _Pages(path, series)
            notes = []
            if len(file.series) > 1:
                notes.append(f"{path.name} holds {len(file.series)} images: the first is read")
            if any(sample in ALPHA for sample in series.keyframe.extrasamples) and "S" in letters:
                pixels = _WithoutAlpha(pixels, letters.index("S"))
                notes.append(f"alpha channel of {path.name} dropped")
    except Exception as error:  # tifffile raises TiffFileError, struct.error, zlib.error, ...
        raise unreadable(path, "TIFF", error) from error
    return Stored(pixels, letters, "TIFF", sizes, tuple(notes))


class _WithoutAlpha:
    """The same pixels with one colour sample less; no box ever reaches it."""

    def __init__(self, pixels: Any, axis: int) -> None:
        self._pixels, self.dtype, self.chunks = pixels, pixels.dtype, pixels.chunks
        self.shape = tuple(n - (i == axis) for i, n in enumerate(pixels.shape))

    def __getitem__(self, box: Box) -> NDArray[Any]:
        data: NDArray[Any] = self._pixels[box]
        return data


class _Mapped:
    """The pixels of a TIFF that lie in the file as they are in memory."""

    def __init__(
        self, path: Path, file: tifffile.TiffFile, series: tifffile.TiffPageSeries
    ) -> None:
        self._path, self._offset = path, int(series.dataoffset or 0)
        self.shape: tuple[int, ...] = series.get_shape(squeeze=False)
        self.dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
        row = series.keyframe.imagewidth * series.keyframe.samplesperpixel * self.dtype.itemsize
        letters = series.get_axes(squeeze=False)
        rows = min(max(_MAPPED_BYTES // row, 1), series.keyframe.imagelength)
        lengths = {"Y": rows, "X": series.keyframe.imagewidth}
        self.chunks = tuple(
            min(lengths.get(a, 1), n) for a, n in zip(letters, self.shape, strict=True)
        )

    def __getitem__(self, box: Box) -> NDArray[Any]:
        mapped = np.memmap(self._path, self.dtype, "r", self._offset, self.shape)
        # copied, since a map that outlives this call would keep the file open
        return np.array(mapped[box])


@dataclass(frozen=True)
class _Page:
    """Where the segments (tiles or strips) of a page lie."""

    path: Path
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None  # that all its JPEG tiles share


class _Pages:
    """The pixels of a compressed or tiled TIFF, of which the segments that a box needs are decoded.

    A page is an array (samples, depth, rows, columns, samples), as tifffile has it; the pages are the leading
    axes of the image.
    """

    def __init__(self, path: Path, series: tifffile.TiffPageSeries) -> None:
        key: Any = series.keyframe
        self._path, self._key = path, key
        self._plane: tuple[int, ...] = key.shaped
        self.shape: tuple[int, ...] = series.get_shape(squeeze=False)
        self.dtype = np.dtype(series.dtype)
        self._leading = _leading(self.shape, len(series.pages), self._plane)
        self._pages = [_page(page) for page in series.pages]
        _, depth, rows, columns, _ = self._plane
        if key.is_tiled:
            self._segment = (max(key.tiledepth, 1), key.tilelength, key.tilewidth)
        else:
            self._segment = (1, min(key.rowsperstrip, rows), columns)
        self._grid = [
            -(-n // s) for n, s in zip((depth, rows, columns), self._segment, strict=True)
        ]
        # a codec that tifffile lacks: whole pages, by Pillow
        self._by_page = self._lacks_codec()
        if self._by_page:
            decoded(path, tifffile.TiffPageSeries([series.pages[0]]))
        unit = (depth, rows, columns) if self._by_page else self._segment
        trailing = self._squeezed((1, *unit, self._plane[4]))
        self.chunks = (1,) * self._leading + tuple(
            min(a, b) for a, b in zip(trailing, self.shape[self._leading :], strict=True)
        )

    def __getitem__(self, box: Box) -> NDArray[Any]:
        leading, trailing = box[: self._leading], box[self._leading :]
        lengths = tuple(part.stop - part.start for part in box)
        inner = self._in_plane(trailing)
        numbers = np.arange(len(self._pages)).reshape(self.shape[: self._leading])[leading].ravel()
        planes = [self._read(int(number), inner) for number in numbers]
        return np.stack(planes).reshape(lengths)

    def _read(self, number: int, inner: Box) -> NDArray[Any]:
        if self._by_page:
            return self._whole_page(number)[inner]
        page = self._pages[number]
        part = np.empty([s.stop - s.start for s in inner], self.dtype)
        with page.path.open("rb") as stream:
            for segment in self._segments(inner):
                try:
                    _paste(part, inner, *self._decode(stream, page, segment))
                except Exception as error:  # each codec has its own
                    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                    raise DamagedError(
                        f"cannot decode page {number}, {'tile' if self._key.is_tiled else 'strip'} {segment} of "
                        f"{page.path}: {reason}; copy or export it again"
                    ) from error
        return part

    def _segments(self, inner: Box) -> Iterator[int]:
        """Numbers of the segments that a box of a page meets."""
        samples, *space = inner[:4]
        ranges = [
            range(p.start // s, -(-p.stop // s)) for p, s in zip(space, self._segment, strict=True)
        ]
        for index in itertools.product(range(samples.start, samples.stop), *ranges):
            yield int(np.ravel_multi_index(index, (self._plane[0], *self._grid)))

    def _decode(self, stream: Any, page: _Page, segment: int) -> tuple[Any, ...]:
        offset, count = page.offsets[segment], page.counts[segment]
        content = None
        if count:
            stream.seek(offset)
            content = stream.read(count)
            if len(content) < count:
                raise EOFError(f"it should end at byte {offset + count}, the file ends before")
        tables = (
            {"jpegtables": page.tables, "jpegheader": self._key.jpegheader} if page.tables else {}
        )
        data, start, shape = self._key.decode(content, segment, **tables)
        return (self._key.nodata if data is None else data), start, shape

    def _lacks_codec(self) -> bool:
        try:
            with self._pages[0].path.open("rb") as stream:
                self._decode(stream, self._pages[0], 0)
        except Exception as error:  # damage is reported where it is read
            return "imagecodecs" in str(error)
        return False

    def _whole_page(self, number: int) -> NDArray[Any]:
        try:
            with without_log(), tifffile.TiffFile(self._path) as file:
                page = file.series[0].pages[number]
                return decoded(self._path, tifffile.TiffPageSeries([page])).reshape(self._plane)
        except Exception as error:  # as above
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise DamagedError(
                f"cannot decode page {number} of {self._path}: {reason}; export it again"
            ) from error

    def _in_plane(self, trailing: Box) -> Box:
        """The box in the five axes of a page, from that in the axes of the image."""
        parts = [
            part for part, n in zip(trailing, self.shape[self._leading :], strict=True) if n > 1
        ]
        return tuple(parts.pop(0) if n > 1 else slice(0, 1) for n in self._plane)

    def _squeezed(self, lengths: tuple[int, ...]) -> list[int]:
        """Lengths along the image's axes, from those along the five axes of a page."""
        long = [length for length, n in zip(lengths, self._plane, strict=True) if n > 1]
        return [long.pop(0) if n > 1 else 1 for n in self.shape[self._leading :]]


def _leading(shape: tuple[int, ...], pages: int, plane: tuple[int, ...]) -> int:
    """How many axes of the image count its pages."""
    inner = [n for n in plane if n > 1]
    for k in range(len(shape) + 1):
        if math.prod(shape[:k]) == pages and [n for n in shape[k:] if n > 1] == inner:
            return k
    raise UnsupportedError(
        f"its {pages} pages of {plane} pixels do not make up {shape}; save it without compression"
    )


def _page(page: Any) -> _Page:
    tables = page.jpegtables
    return _Page(
        Path(page.parent.filehandle.path),
        tuple(page.dataoffsets),
        tuple(page.databytecounts),
        tables,
    )


def _paste(
    part: NDArray[Any], inner: Box, data: Any, start: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """Lay a segment over a part of a page: `inner` is where the part lies, `start` and `shape` the segment."""
    stops = (start[0] + 1, *(a + n for a, n in zip(start[1:], shape, strict=True)))
    low = [max(a, s.start) for a, s in zip(start, inner, strict=True)]
    high = [min(b, s.stop) for b, s in zip(stops, inner, strict=True)]
    target = tuple(
        slice(a - s.start, b - s.start) for a, b, s in zip(low, high, inner, strict=True)
    )
    if np.ndim(data) == 0:
        part[target] = data
        return
    source = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, start, strict=True))
    part[target] = data[np.newaxis][source]

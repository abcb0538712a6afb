"""The pixels of a TIFF, read where they are indexed: see `tiff_parts`."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.io.errors import DamagedError, UnsupportedError, first_line
from seamwise.io.stored import StoredImage
from seamwise.io.tiff import open_tiff, unsupported_codec
from seamwise.types import Box

_MAPPED_BYTES = 2**22  # rows of a picture without compression that are read at once


def tiff_parts(path: Path, *, keep_alpha: bool = False) -> StoredImage:
    """Open a TIFF; its pixels are read when they are indexed with a box.

    Without compression the file is mapped into memory; otherwise only the tiles, strips or pages
    that a box needs are decoded. No file stays open between two reads. `keep_alpha` as in
    `seamwise.io.tiff.open_tiff`.

    Raises
    ------
    ValueError
        As `seamwise.io.tiff.load_tiff`.
    """
    with open_tiff(path, keep_alpha=keep_alpha) as tiff:
        series = tiff.series
        in_one_file = all(page is not None and page.parent is tiff.file for page in series.pages)
        is_mapped = in_one_file and series.dataoffset is not None
        pixels: Any = _MemoryMap(path, tiff.file, series) if is_mapped else _Pages(series)
        if tiff.alpha_axis is not None:
            pixels = _WithoutAlpha(pixels, tiff.alpha_axis)
        return StoredImage(pixels, tiff.letters, "TIFF", tiff.sizes, tiff.notes, tiff.white)


class _WithoutAlpha:
    """The same pixels with one colour sample less; no box ever reaches it."""

    def __init__(self, pixels: Any, axis: int) -> None:
        self._pixels, self.dtype, self.chunks = pixels, pixels.dtype, pixels.chunks
        self.shape = tuple(n - (i == axis) for i, n in enumerate(pixels.shape))

    def __getitem__(self, box: Box) -> NDArray[Any]:
        data: NDArray[Any] = self._pixels[box]
        return data


class _MemoryMap:
    """The pixels of a TIFF that stores them as memory does."""

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
        memory = np.memmap(self._path, self.dtype, "r", self._offset, self.shape)
        # copied, since a map that outlives this call would keep the file open
        return np.array(memory[box])


@dataclass(frozen=True)
class _Page:
    """Where the segments (tiles or strips) of a page lie."""

    path: Path
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None  # that all its JPEG tiles share


class _Pages:
    """The pixels of a compressed or tiled TIFF; decodes the segments that a box needs.

    A page is an array (samples, depth, rows, columns, samples), as tifffile has it; the pages are
    the leading axes of the image.
    """

    def __init__(self, series: tifffile.TiffPageSeries) -> None:
        key: Any = series.keyframe
        self._key = key
        self._plane: tuple[int, ...] = key.shaped
        self.shape: tuple[int, ...] = series.get_shape(squeeze=False)
        self.dtype = np.dtype(series.dtype)
        self._leading = _leading_axes(self.shape, len(series.pages), self._plane)
        self._pages = [_page(page) for page in series.pages]
        _, depth, rows, columns, _ = self._plane
        self._segment = (1, min(key.rowsperstrip, rows), columns)
        if key.is_tiled:
            self._segment = (max(key.tiledepth, 1), key.tilelength, key.tilewidth)
        lengths = zip((depth, rows, columns), self._segment, strict=True)
        self._grid = [-(-n // s) for n, s in lengths]
        self._check_codec()
        trailing = self._squeeze((1, *self._segment, self._plane[4]))
        lengths = zip(trailing, self.shape[self._leading :], strict=True)
        self.chunks = (1,) * self._leading + tuple(min(a, b) for a, b in lengths)

    def __getitem__(self, box: Box) -> NDArray[Any]:
        leading, trailing = box[: self._leading], box[self._leading :]
        lengths = tuple(part.stop - part.start for part in box)
        inner = self._in_plane(trailing)
        numbers = np.arange(len(self._pages)).reshape(self.shape[: self._leading])[leading].ravel()
        planes = [self._read(int(number), inner) for number in numbers]
        return np.stack(planes).reshape(lengths)

    def _read(self, number: int, inner: Box) -> NDArray[Any]:
        page = self._pages[number]
        part = np.empty([s.stop - s.start for s in inner], self.dtype)
        with page.path.open("rb") as stream:
            for segment in self._segments(inner):
                try:
                    _paste(part, inner, *self._decode(stream, page, segment))
                except Exception as error:  # each codec has its own
                    kind = "tile" if self._key.is_tiled else "strip"
                    raise DamagedError(
                        f"cannot decode page {number}, {kind} {segment} of {page.path}: "
                        f"{first_line(error)}; copy or export it again"
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
        tables = {}
        if page.tables:
            tables = {"jpegtables": page.tables, "jpegheader": self._key.jpegheader}
        data, start, shape = self._key.decode(content, segment, **tables)
        return (self._key.nodata if data is None else data), start, shape

    def _check_codec(self) -> None:
        """Raise UnsupportedError if there is no codec; damage is reported where it is read."""
        try:
            with self._pages[0].path.open("rb") as stream:
                self._decode(stream, self._pages[0], 0)
        except Exception as error:  # as above
            refusal = unsupported_codec(self._key, error)
            if refusal is not None:
                raise refusal from error

    def _in_plane(self, trailing: Box) -> Box:
        """The box in the five axes of a page, from that in the axes of the image."""
        lengths = zip(trailing, self.shape[self._leading :], strict=True)
        parts = [part for part, n in lengths if n > 1]
        return tuple(parts.pop(0) if n > 1 else slice(0, 1) for n in self._plane)

    def _squeeze(self, lengths: tuple[int, ...]) -> list[int]:
        """Lengths along the axes of the image, from those along the five axes of a page."""
        long = [length for length, n in zip(lengths, self._plane, strict=True) if n > 1]
        return [long.pop(0) if n > 1 else 1 for n in self.shape[self._leading :]]


def _leading_axes(shape: tuple[int, ...], pages: int, plane: tuple[int, ...]) -> int:
    """How many axes of the image count its pages."""
    inner = [n for n in plane if n > 1]
    for k in range(len(shape) + 1):
        if math.prod(shape[:k]) == pages and [n for n in shape[k:] if n > 1] == inner:
            return k
    raise UnsupportedError(
        f"its {pages} pages of {plane} pixels do not make up {shape}; save it without compression"
    )


def _page(page: Any) -> _Page:
    path = Path(page.parent.filehandle.path)
    return _Page(path, tuple(page.dataoffsets), tuple(page.databytecounts), page.jpegtables)


def _paste(
    part: NDArray[Any], inner: Box, data: Any, start: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """Copy the common pixels of a segment into a part of a page.

    `inner` is where the part lies, `start` and `shape` where the segment does.
    """
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

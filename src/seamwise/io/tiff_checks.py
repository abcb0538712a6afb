"""Is all of a TIFF there? `check_chain` and `check_complete`; and silence: `without_log`."""

import logging
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tifffile

_FIRST_PRIVATE_TAG = 32768
_LARGE = 2**24  # numbers of a tile
# bytes per value by TIFF type: 1 to 13, and the three of BigTIFF
TAG_BYTES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), start=1)) | dict.fromkeys(
    (16, 17, 18), 8
)

_is_quiet: ContextVar[bool] = ContextVar("_is_quiet", default=False)


def _is_heard(record: logging.LogRecord) -> bool:
    return not _is_quiet.get()


@contextmanager
def without_log() -> Iterator[None]:
    """Keep what tifffile logs from the user: what matters is raised."""
    # a context variable, so that another thread's use of tifffile keeps its log
    logging.getLogger("tifffile").addFilter(_is_heard)
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


def check_chain(file: tifffile.TiffFile) -> None:
    """Raise if the chain of page headers leaves the file: tifffile would read only a part."""
    form, stream = file.tiff, file.filehandle
    position = stream.tell()
    offsets: set[int] = set()
    offset = file.pages.first.offset
    while offset:
        if offset in offsets or offset >= stream.size:
            raise ValueError(f"the header of page {len(offsets) + 1} is missing")
        offsets.add(offset)
        stream.seek(offset)
        (tags,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
        _check_tags(form, stream.read(tags * form.tagsize), stream.size)
        (offset,) = struct.unpack(form.offsetformat, stream.read(form.offsetsize))
    stream.seek(position)


def _check_tags(form: Any, entries: bytes, size: int) -> None:
    """Raise if the header of a page points beyond the file: tifffile would ignore its axes."""
    layout = form.byteorder + ("HHQ8s" if form.offsetsize == 8 else "HHI4s")
    for code, kind, count, value in struct.iter_unpack(layout, entries):
        length = count * TAG_BYTES.get(kind, 0)
        # private tags are often broken and never needed
        if code < _FIRST_PRIVATE_TAG and length > form.offsetsize:
            (start,) = struct.unpack(form.offsetformat, value)
            if start + length > size:
                raise ValueError(
                    f"tag {code} should end at byte {start + length}, the file ends at byte {size}"
                )


def check_complete(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Raise if pixel data are missing: tifffile would fill some of them with zeros."""
    if file.is_imagej and series.kind in ("generic", "uniform"):
        raise ValueError("planes that its ImageJ header names are missing")
    missing = sum(page is None for page in series.pages)
    if missing:
        raise ValueError(
            f"{missing} of {len(series.pages)} planes are missing (in other files of the set?)"
        )
    _check_tiles(series.keyframe)
    page: Any
    for page in series.pages:
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
        check_inside(page, max(ends, default=0))
    if series.dataoffset is not None:
        check_inside(series.pages[0], series.dataoffset + series.nbytes)


def _check_tiles(page: Any) -> None:
    """Raise if a tile is much larger than the page: a small file could then fill the memory."""
    tile, pixels = math.prod(page.chunks), math.prod(page.shape)
    if page.is_tiled and tile > max(_LARGE, 4 * pixels):
        raise ValueError(f"its tiles have {tile} numbers, for an image of {pixels}")


def check_inside(page: Any, end: int) -> None:
    """Raise if the pixels of a page should end behind the end of its file."""
    size = page.parent.filehandle.size
    if end > size:
        raise ValueError(f"its pixels should end at byte {end}, the file ends at byte {size}")

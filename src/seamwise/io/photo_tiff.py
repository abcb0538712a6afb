"""Photographs in TIFF files; see `seamwise.io.photo`."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.io.errors import UnsupportedError
from seamwise.io.exif import (
    EXIF,
    ORIENTATION,
    PROFILE,
    TIFF_ORDERS,
    add_tags,
    known_orientation,
    tiff_exif,
)
from seamwise.io.photo_facts import PhotoFacts
from seamwise.io.stored import inverted
from seamwise.io.tiff import (
    ALPHA,
    decode_series,
    whole_series,
    write_zlib,
)
from seamwise.io.tiff_checks import check_chain, check_complete, without_log

# channels by photometric interpretation
_COLOURS = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3, "YCBCR": 3, "PALETTE": 1}

_GREY = ("MINISBLACK", "MINISWHITE")


def read_facts(path: Path) -> PhotoFacts:
    """Read the headers of a TIFF."""
    with without_log(), tifffile.TiffFile(path) as file:
        check_chain(file)
        page: Any = file.pages.first
        _check_page(page)
        _check_single(file)
        shape = (page.imagelength, page.imagewidth, 3)[: 2 if page.photometric.name in _GREY else 3]
        exif, notes = tiff_exif(path, file)
        if page.photometric.name == "MINISWHITE":
            notes.append(f"{path.name} counts from white: inverted")
        if page.photometric.name == "PALETTE":
            notes.append(f"palette of {path.name} turned into RGB")
        if len(file.pages) > 1:
            notes.append(f"{path.name} holds a preview too: it is not kept")
        orientation = known_orientation(page.tags.valueof(ORIENTATION, default=1))
        icc, has_alpha = page.tags.valueof(PROFILE, default=b""), bool(page.extrasamples)
        return PhotoFacts(shape, page.dtype, orientation, exif, icc, notes, has_alpha)


def _check_page(page: Any) -> None:
    """Raise unless the pixels of a page can become a photograph.

    They are grey, RGB or a palette, of 8 or 16 bits, with at most an alpha channel.
    """
    colours, bits = page.photometric.name, page.bitspersample
    if page.is_reduced:
        raise UnsupportedError(
            "its first page is only a preview (a raw file?); export the photograph as TIFF"
        )
    if bits == 1:
        raise UnsupportedError("it is black and white (1 bit); convert it to 8-bit grey first")
    whole = page.dtype is not None and bits == 8 * page.dtype.itemsize
    if not whole or page.dtype not in (np.uint8, np.uint16):
        kind = f"are {page.dtype}" if whole else f"have {bits} bits"
        raise UnsupportedError(f"its pixels {kind}; save it as uint8 or uint16")
    if colours not in _COLOURS or (colours == "YCBCR" and page.compression.name != "JPEG"):
        raise UnsupportedError(f"its colours are {colours}; convert it to RGB first")
    alpha = len(page.extrasamples) == 1 and page.extrasamples[0] in ALPHA
    if page.samplesperpixel != _COLOURS[colours] + alpha:
        raise UnsupportedError(
            f"it has {page.samplesperpixel} channels ({colours}); save it as grey or RGB"
        )
    if colours == "PALETTE" and (alpha or bits != 8):
        raise UnsupportedError("its palette is transparent or has 16 bits; convert it to RGB first")


def _check_single(file: tifffile.TiffFile) -> None:
    whole = whole_series(file)
    # ImageJ keeps many planes behind one page header
    pages = sum(series.size // series.keyframe.size for series in whole)
    if pages != 1:
        raise UnsupportedError(
            f"it has {pages} pages, a burst of its own; split it into one file per page"
        )


def read_pixels(path: Path) -> NDArray[Any]:
    """Decode the pixels of a TIFF as they are stored."""
    with without_log(), tifffile.TiffFile(path) as file:
        series = file.series[0]
        check_complete(file, series)
        page: Any = series.keyframe
        # separate planes, depth, rows, columns, samples next to each other
        planes = decode_series(series).reshape(page.shaped)[:, 0]
        pixels = np.moveaxis(planes, 0, 2).reshape(
            page.imagelength, page.imagewidth, page.samplesperpixel
        )
        if page.photometric.name == "PALETTE":
            return np.asarray(page.colormap >> 8, np.uint8).T[pixels[..., 0]]
        if page.photometric.name == "MINISWHITE":
            pixels[..., 0] = inverted(pixels[..., 0], np.iinfo(pixels.dtype).max)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def write(path: Path, pixels: NDArray[Any], exif: bytes, icc: bytes) -> None:
    """Write a TIFF; see `photo.write_photo`."""
    write_zlib(
        path,
        pixels,
        photometric="minisblack" if pixels.ndim == 2 else "rgb",
        predictor=True,
        byteorder=TIFF_ORDERS.get(exif[6:10]),
        iccprofile=icc or None,
        metadata=None,
        software=False,
    )
    if exif:
        add_tags(path, exif[len(EXIF) :])

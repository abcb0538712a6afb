"""TIFF, OME-TIFF and ImageJ TIFF through tifffile: `open_tiff`, `load_tiff` and `save_tiff`."""

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path
from seamwise.io.errors import UnsupportedError, unreadable
from seamwise.io.pixel_sizes import (
    centimetre_sizes,
    credible_sizes,
    imagej_sizes,
    ome_sizes,
    shaped_sizes,
)
from seamwise.io.stored import StoredImage
from seamwise.io.tiff_checks import check_chain, check_complete, without_log
from seamwise.io.tiff_set import bad_part, check_planes, check_set, size_note

OME_SUFFIXES = (".ome.tif", ".ome.tiff")
CLASSIC_LIMIT = 2**32 - 2**25  # bytes of pixels, with room for the headers
ALPHA = (1, 2)  # TIFF tag ExtraSamples: premultiplied, plain
_ZLIB_LEVEL = 2  # label images shrink to a few percent at any level, and this one is quick
_STRIP_BYTES = 2**18  # of pixels per strip, as tifffile has it


@dataclass(frozen=True)
class OpenTiff:
    """The first image of an open TIFF, and what the file says about it.

    Attributes
    ----------
    file : tifffile.TiffFile
        Open for reading.
    series : tifffile.TiffPageSeries
        The image.
    letters : str
        One letter per axis, as in `StoredImage`.
    alpha_axis : int or None
        The axis whose last sample is an alpha channel.
    sizes : dict of str to float
        Pixel size in micrometres by spatial axis, as far as the file gives it.
    notes : tuple of str
        What the user should know, one line each.
    white : int or None
        The value of black, if the file counts from white (MINISWHITE).
    """

    file: tifffile.TiffFile
    series: tifffile.TiffPageSeries
    letters: str
    alpha_axis: int | None
    sizes: Mapping[str, float]
    notes: tuple[str, ...]
    white: int | None


@contextmanager
def open_tiff(path: Path, *, keep_alpha: bool = False) -> Iterator[OpenTiff]:
    """Open a TIFF, OME-TIFF or ImageJ TIFF whose pixels are all there.

    An error in the block becomes one line that names the file; tifffile's log stays silent.

    Parameters
    ----------
    path : Path
        The file; other files of its OME set are found next to it.
    keep_alpha : bool
        Keep a sample that the file calls alpha: it is a slice if the user says so.

    Raises
    ------
    ValueError
        The file is damaged, truncated or empty.
    """
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            check_chain(file)
            check_set(file)
            check_planes(file)
            whole = whole_series(file)
            series = whole[0]
            if 0 in series.shape:
                raise UnsupportedError(f"it has no pixels (shape {series.shape}); export it again")
            check_complete(file, series)
            letters = _letters_of(series)
            notes = [*_set_notes(series, path)]
            if len(whole) > 1:
                notes.append(f"{path.name} holds {len(whole)} images: the first is read")
            alpha_axis = None
            has_alpha = any(sample in ALPHA for sample in series.keyframe.extrasamples)
            if has_alpha and "S" in letters and not keep_alpha:
                alpha_axis = letters.index("S")
                notes.append(f"alpha channel of {path.name} dropped")
            lengths = dict(zip(letters, series.get_shape(squeeze=False), strict=True))
            sizes, note = credible_sizes(_sizes_of(file, series), lengths, name=path.name)
            odd_size = size_note(file, series.keyframe, name=path.name)
            notes += filter(None, (note, odd_size))
            white = _white_of(series.keyframe)
            yield OpenTiff(file, series, letters, alpha_axis, sizes, tuple(notes), white)
    except Exception as error:  # tifffile raises TiffFileError, struct.error, zlib.error, …
        # a file with another name comes here if its first bytes are of no format
        is_named_tiff = path.suffix.lower() in (".tif", ".tiff")
        kind = "TIFF" if is_named_tiff else "PNG, JPEG or TIFF"
        bad = bad_part(path) if is_named_tiff and not isinstance(error, MemoryError) else None
        if bad is not None:
            raise _part_error(path, *bad) from bad[1]
        raise unreadable(path, kind, error) from error


def _part_error(path: Path, part: Path, error: Exception) -> Exception:
    """The error of another file of an image than the one that was opened."""
    if not part.exists():
        return ValueError(
            f"{part} is missing, and {path.name} is one image with it: copy it into the same folder"
        )
    if part.stat().st_size == 0:
        error = EOFError("it is empty (0 bytes)")
    return ValueError(f"{unreadable(part, 'TIFF', error)} ({path.name} is one image with it)")


def load_tiff(path: Path, *, keep_alpha: bool = False) -> StoredImage:
    """Read the first image of a TIFF, OME-TIFF or ImageJ TIFF, with its axes and pixel sizes.

    A file that lacks part of its pixels is an error, never zeros. `keep_alpha` as in `open_tiff`.

    Raises
    ------
    ValueError
        As `open_tiff`; or the compression is not supported.
    """
    with open_tiff(path, keep_alpha=keep_alpha) as tiff:
        data = decode_series(tiff.series).reshape(tiff.series.get_shape(squeeze=False))
        if tiff.alpha_axis is not None:
            data = np.take(data, range(data.shape[tiff.alpha_axis] - 1), tiff.alpha_axis)
        return StoredImage(data, tiff.letters, "TIFF", tiff.sizes, tiff.notes, tiff.white)


def save_tiff(
    path: Path,
    pixels: NDArray[Any],
    *,
    spacing: tuple[float, ...] | None = None,
    fingerprint: str = "",
    axes: str = "",
) -> None:
    """Write labels or maps with zlib compression, whole or not at all.

    A name ending in ``.ome.tif`` gives OME-TIFF; any other gives ImageJ's metadata if ImageJ can
    hold the array, else the axes and sizes as JSON, as tifffile notes them.

    Parameters
    ----------
    path : Path
        The file.
    pixels : (Y, X) or (Z, Y, X) array
        Integers of at most 32 bits, or float32; with other `axes` also float16.
    spacing : tuple of float, optional
        Pixel size in micrometres along each axis of `pixels`, or each but T and C.
    fingerprint : str
        Kept next to the axes; not in OME-TIFF, nor for integers of 8 and 16 bits.
    axes : str
        Meaning of the axes, by default of space.
    """
    save_tiff_pages(
        path,
        pixels.reshape(-1, *pixels.shape[-2:]),
        shape=pixels.shape,
        dtype=pixels.dtype,
        spacing=spacing,
        fingerprint=fingerprint,
        axes=axes,
    )


def save_tiff_pages(
    path: Path,
    pages: Iterable[NDArray[Any]],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    spacing: tuple[float, ...] | None = None,
    fingerprint: str = "",
    axes: str = "",
) -> None:
    """Write what `save_tiff` writes, page by page: each is written before the next one is drawn.

    Parameters
    ----------
    path : Path
        The file.
    pages : iterable of (Y, X) arrays
        In scan order of the other axes.
    shape, dtype
        Of all pages together.
    spacing, fingerprint, axes
        As in `save_tiff`.
    """
    axes = axes or "ZYX"[-len(shape) :]
    spatial = axes if spacing and len(spacing) == len(axes) else axes.strip("TC")
    sizes = dict(zip(spatial, spacing, strict=True)) if spacing else {}
    is_large = math.prod(shape) * dtype.itemsize > CLASSIC_LIMIT
    if path.name.lower().endswith(OME_SUFFIXES):
        options = {"bigtiff": is_large, **_ome_options(axes, sizes)}
    # ImageJ knows neither signed nor 32-bit integers, and drops a Z axis of length 1
    elif not is_large and dtype in (np.uint8, np.uint16) and shape[:-2] != (1,):
        options = _imagej_options(axes, sizes)
    else:
        options = {"bigtiff": is_large, **_shaped_options(axes, sizes)}
        if fingerprint:
            options["metadata"]["fingerprint"] = fingerprint
    with atomic_path(path) as temporary:
        _write_pages(temporary, pages, shape, dtype, photometric="minisblack", **options)


def write_zlib(
    path: Path,
    pixels: NDArray[Any],
    *,
    byteorder: Literal["<", ">"] | None = None,
    predictor: bool = False,
    **options: Any,
) -> None:
    """Write a TIFF compressed by Python's zlib, so that a file has the same bytes everywhere.

    tifffile would take libdeflate, whose bytes differ from version to version.

    Parameters
    ----------
    path : Path
        The file.
    pixels : (…, Y, X) array, or (Y, X, 3) with ``photometric="rgb"``
    byteorder : {"<", ">"}, optional
        Of the file; that of this machine by default.
    predictor : bool
        Compress the differences between neighbours in a row.
    **options
        As in `tifffile.imwrite`, with `photometric`.
    """
    page_ndim = 3 if options["photometric"] == "rgb" else 2
    pages = pixels.reshape(-1, *pixels.shape[-page_ndim:])
    _write_pages(
        path, pages, pixels.shape, pixels.dtype, byteorder=byteorder, predictor=predictor, **options
    )


def _write_pages(
    path: Path,
    pages: Iterable[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    byteorder: Literal["<", ">"] | None = None,
    predictor: bool = False,
    **options: Any,
) -> None:
    """As `write_zlib`, from pages that together have this shape and type."""
    page_shape = shape[-3:] if options["photometric"] == "rgb" else (*shape[-2:], 1)
    rows = _STRIP_BYTES // (math.prod(page_shape[1:]) * dtype.itemsize)
    rows = min(max(rows, 1), page_shape[0])
    whole = (page.reshape(page_shape) for page in pages)
    tifffile.imwrite(
        path,
        _zlib_strips(whole, rows, dtype.newbyteorder(byteorder or "="), predictor),
        shape=shape,
        dtype=dtype.newbyteorder("="),
        byteorder=byteorder,
        compression="zlib",
        predictor=predictor,
        rowsperstrip=rows,
        **options,
    )


def _zlib_strips(
    pages: Iterable[NDArray[Any]], rows: int, dtype: np.dtype[Any], predictor: bool
) -> Iterator[bytes]:
    for page in pages:
        for first in range(0, len(page), rows):
            strip = page[first : first + rows]
            if predictor:  # unsigned differences wrap, as TIFF wants them
                strip = np.diff(strip, axis=1, prepend=strip.dtype.type(0))
            yield zlib.compress(strip.astype(dtype).tobytes(), _ZLIB_LEVEL)


def load_fingerprint(path: Path) -> str:
    """Return the fingerprint that `save_tiff` kept, without reading the pixels; empty if none."""
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            metadata = file.shaped_metadata or ({},)
            return str(metadata[0].get("fingerprint", ""))
    except Exception:  # tifffile raises TiffFileError, struct.error, …: not a file of ours
        return ""


def decode_series(series: tifffile.TiffPageSeries) -> NDArray[Any]:
    """Return the pixels of a series.

    Raises
    ------
    UnsupportedError
        No codec for its compression is installed.
    """
    try:
        pixels: NDArray[Any] = series.asarray()
    except Exception as error:  # each codec has its own
        raise unsupported_codec(series.keyframe, error) or error from None
    return pixels


def unsupported_codec(page: Any, error: Exception) -> UnsupportedError | None:
    """Return the error to raise if decoding a page failed for lack of a codec, else None."""
    if not any(word in str(error) for word in ("imagecodecs", "not supported")):
        return None
    return UnsupportedError(
        f"{page.compression.name} compression of {page.dtype} pixels cannot be read; "
        "save it without compression"
    )


def whole_series(file: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Return the images of a file without those that it calls previews, if it has others."""
    whole = [series for series in file.series if not series.keyframe.is_reduced]
    return whole or list(file.series)


def _set_notes(series: tifffile.TiffPageSeries, path: Path) -> Iterator[str]:
    files = (Path(page.parent.filehandle.name).name for page in series.pages if page is not None)
    others = [name for name in dict.fromkeys(files) if name != path.name]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        yield f"{path.name} is one image with {others[0]}{more}: it is read once"


def _white_of(page: Any) -> int | None:
    """The value of black in a page that counts from white: the largest that its bits hold.

    One bit stays as it is: tifffile writes any boolean array so.
    """
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE or page.dtype.kind != "u":
        return None
    return int(2**page.bitspersample - 1)


def _letters_of(series: tifffile.TiffPageSeries) -> str:
    """The axes of a series, a letter each; "?" for one of unknown meaning."""
    letters: str = series.get_axes(squeeze=False)
    if series.kind == "shaped":
        return letters
    # OME and ImageJ always name a Z axis, also for a 2D image: one of length 1 says nothing
    lengths = zip(letters, series.get_shape(squeeze=False), strict=True)
    return "".join("?" if a == "Z" and n == 1 else a for a, n in lengths)


def _sizes_of(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> dict[str, float]:
    """The micrometres per pixel by axis that the file gives."""
    if series.kind == "ome" and file.ome_metadata:
        return ome_sizes(file.ome_metadata)
    if series.kind == "imagej" and file.imagej_metadata:
        resolutions = (series.keyframe.tags.valueof(f"{axis}Resolution") for axis in "XY")
        return imagej_sizes(file.imagej_metadata, *resolutions)
    if series.kind == "shaped" and file.shaped_metadata:
        sizes = shaped_sizes(file.shaped_metadata[0])
        if sizes:
            return sizes
    tags = series.keyframe.tags
    if tags.valueof("ResolutionUnit") != tifffile.RESUNIT.CENTIMETER:
        return {}
    return centimetre_sizes(tags.valueof("XResolution"), tags.valueof("YResolution"))


def _ome_options(axes: str, sizes: Mapping[str, float]) -> dict[str, Any]:
    values = {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in sizes}
    return {"ome": True, "metadata": {"axes": axes, **values, **units}}


def _imagej_options(axes: str, sizes: Mapping[str, float]) -> dict[str, Any]:
    if not sizes:
        return {"imagej": True, "metadata": {"axes": axes}}
    metadata = {"axes": axes, "unit": "um"} | ({"spacing": sizes["Z"]} if "Z" in sizes else {})
    return {"imagej": True, "metadata": metadata, "resolution": (1 / sizes["X"], 1 / sizes["Y"])}


def _shaped_options(axes: str, sizes: Mapping[str, float]) -> dict[str, Any]:
    if not sizes:
        return {"ome": False, "metadata": {"axes": axes}}
    return {
        "ome": False,
        "metadata": {"axes": axes, "unit": "um", "spacing": list(sizes.values())},
        "resolution": (1e4 / sizes["X"], 1e4 / sizes["Y"]),
        "resolutionunit": "CENTIMETER",
    }

"""TIFF, OME-TIFF and ImageJ TIFF through tifffile: `load_tiff` and `save_tiff`."""

import logging
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from seamwise.io.atomic import atomic_path
from seamwise.io.axes import imagej_sizes, ome_sizes, shaped_sizes
from seamwise.io.stored import Stored, UnsupportedError, unreadable

OME_SUFFIXES = (".ome.tif", ".ome.tiff")
CLASSIC_LIMIT = 2**32 - 2**25  # bytes of pixels, with room for the headers
ALPHA = (1, 2)  # TIFF tag ExtraSamples: premultiplied, plain
_FIRST_PRIVATE_TAG = 32768
# bytes per value by TIFF type: 1 to 13, and the three of BigTIFF
TAG_BYTES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), start=1)) | dict.fromkeys(
    (16, 17, 18), 8
)

_quiet: ContextVar[bool] = ContextVar("_quiet", default=False)


def load_tiff(path: Path) -> Stored:
    """Read the first image of a TIFF, OME-TIFF or ImageJ TIFF, with its axes and pixel sizes.

    A file that lacks part of its pixels is an error, never zeros; tifffile's log is kept silent.

    Parameters
    ----------
    path : Path
        The file; other files of its OME set are found beside it.

    Raises
    ------
    ValueError
        The file is damaged, truncated, empty, or compressed in a way that cannot be read.
    """
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            check_chain(file)
            series = file.series[0]
            if 0 in series.shape:
                raise UnsupportedError(f"it has no pixels (shape {series.shape}); export it again")
            check_complete(file, series)
            data = decoded(path, series).reshape(series.get_shape(squeeze=False))
            axes = letters_of(series)
            sizes = sizes_of(file, series)
            notes = []
            if len(file.series) > 1:
                notes.append(f"{path.name} holds {len(file.series)} images: the first is read")
            if any(sample in ALPHA for sample in series.keyframe.extrasamples) and "S" in axes:
                data = np.take(data, range(data.shape[axes.index("S")] - 1), axes.index("S"))
                notes.append(f"alpha channel of {path.name} dropped")
    except Exception as error:  # tifffile raises TiffFileError, struct.error, zlib.error, ...
        raise unreadable(path, "TIFF", error) from error
    return Stored(data, axes, "TIFF", sizes, tuple(notes))


def save_tiff(
    path: Path,
    pixels: NDArray[Any],
    *,
    spacing: tuple[float, ...] | None = None,
    fingerprint: str = "",
) -> None:
    """Write labels or a map with zlib compression, whole or not at all.

    A name ending in ``.ome.tif`` gives OME-TIFF; any other gives ImageJ's metadata if ImageJ can hold
    the array, else the axes and sizes as JSON, as tifffile notes them.

    Parameters
    ----------
    path : Path
        The file.
    pixels : (Y, X) or (Z, Y, X) array
        Integers of at most 32 bits, or float32.
    spacing : tuple of float, optional
        Pixel size in micrometres along each axis of `pixels`.
    fingerprint : str
        Kept beside the axes; not in OME-TIFF, nor for integers of 8 and 16 bits.
    """
    axes = "ZYX"[-pixels.ndim :]
    sizes = dict(zip(axes, spacing, strict=True)) if spacing else {}
    large = pixels.nbytes > CLASSIC_LIMIT
    if path.name.lower().endswith(OME_SUFFIXES):
        options = {"bigtiff": large, **_ome_options(axes, sizes)}
    # ImageJ knows neither signed nor 32-bit integers, and drops a Z axis of length 1
    elif not large and pixels.dtype in (np.uint8, np.uint16) and pixels.shape[:-2] != (1,):
        options = _imagej_options(axes, sizes)
    else:
        options = {"bigtiff": large, **_shaped_options(axes, sizes)}
        if fingerprint:
            options["metadata"]["fingerprint"] = fingerprint
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": 2},
            **options,
        )


def load_fingerprint(path: Path) -> str:
    """Return the fingerprint that `save_tiff` kept, without reading the pixels; empty if there is none."""
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            metadata = file.shaped_metadata or ({},)
            return str(metadata[0].get("fingerprint", ""))
    except Exception:  # tifffile raises TiffFileError, struct.error, …: no file of ours
        return ""


def _divert(record: logging.LogRecord) -> bool:
    return not _quiet.get()


@contextmanager
def without_log() -> Iterator[None]:
    """Keep what tifffile logs from the user: what matters is raised."""
    # a context variable, so that another thread's use of tifffile keeps its log
    logging.getLogger("tifffile").addFilter(_divert)
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def check_chain(file: tifffile.TiffFile) -> None:
    """Raise if the chain of page headers leaves the file: tifffile would read the pages before the break."""
    form, stream = file.tiff, file.filehandle
    here = stream.tell()
    seen: set[int] = set()
    offset = file.pages.first.offset
    while offset:
        if offset in seen or offset >= stream.size:
            raise ValueError(f"the header of page {len(seen) + 1} is missing")
        seen.add(offset)
        stream.seek(offset)
        (tags,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
        _check_tags(form, stream.read(tags * form.tagsize), stream.size)
        (offset,) = struct.unpack(form.offsetformat, stream.read(form.offsetsize))
    stream.seek(here)


def _check_tags(form: Any, entries: bytes, size: int) -> None:
    """Raise if a page's header points beyond the file: tifffile would go on without the axes in it."""
    layout = form.byteorder + ("HHQ8s" if form.offsetsize == 8 else "HHI4s")
    for code, kind, count, value in struct.iter_unpack(layout, entries):
        length = count * TAG_BYTES.get(kind, 0)
        # makers' own tags are often broken and never needed
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
    page: Any
    for page in series.pages:
        _check_inside(
            page, max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
        )
    if series.dataoffset is not None:
        _check_inside(series.pages[0], series.dataoffset + series.nbytes)


def _check_inside(page: Any, end: int) -> None:
    size = page.parent.filehandle.size
    if end > size:
        raise ValueError(f"its pixels should end at byte {end}, the file ends at byte {size}")


def decoded(path: Path, series: tifffile.TiffPageSeries) -> NDArray[Any]:
    """Return the pixels of a series, decoded by tifffile or, where that cannot, by Pillow."""
    try:
        data: NDArray[Any] = series.asarray()
        return data
    except (ValueError, KeyError, ImportError) as error:
        if "imagecodecs" not in str(error):
            raise
    return _decoded_by_pillow(path, series)


def _decoded_by_pillow(path: Path, series: tifffile.TiffPageSeries) -> NDArray[Any]:
    """Read LZW and JPEG inside TIFF, for which tifffile needs another package and Pillow does not."""
    key: Any = series.keyframe
    unsupported = UnsupportedError(
        f"{key.compression.name} compression of {key.dtype} pixels needs another package: "
        "pip install imagecodecs, or save it without compression"
    )
    # Pillow inverts white-is-zero, divides by alpha, and sees only this file and its main pages
    altered = key.photometric == tifffile.PHOTOMETRIC.MINISWHITE or ALPHA[0] in key.extrasamples
    indices = [
        page.index for page in series.pages if page is not None and page.parent is key.parent
    ]
    if altered or len(indices) < len(series.pages) or not all(isinstance(i, int) for i in indices):
        raise unsupported
    planes = []
    with path.open("rb") as stream:
        picture = TiffImageFile(stream)
        for index in indices:
            picture.seek(index)
            planes.append(np.array(picture))
            if planes[-1].dtype.newbyteorder("=") != key.dtype or planes[-1].shape != key.shape:
                raise unsupported
    return np.stack(planes)


def letters_of(series: tifffile.TiffPageSeries) -> str:
    """Return the axes of a series, a letter each; "?" for one of unknown meaning."""
    letters: str = series.get_axes(squeeze=False)
    if series.kind != "shaped":
        # OME and ImageJ always name a Z axis, also for a 2D image: one of length 1 says nothing
        shape = series.get_shape(squeeze=False)
        letters = "".join(
            "?" if a == "Z" and n == 1 else a for a, n in zip(letters, shape, strict=True)
        )
    return letters


def sizes_of(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> dict[str, float]:
    """Return the micrometres per pixel by axis that the file gives."""
    if series.kind == "ome" and file.ome_metadata:
        return ome_sizes(file.ome_metadata)
    if series.kind == "imagej" and file.imagej_metadata:
        resolutions = (series.keyframe.tags.valueof(f"{axis}Resolution") for axis in "XY")
        return imagej_sizes(file.imagej_metadata, *resolutions)
    if series.kind == "shaped" and file.shaped_metadata:
        return shaped_sizes(file.shaped_metadata[0])
    return {}


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
    metadata = {"axes": axes, "unit": "um", "spacing": list(sizes.values())}
    resolution = (1e4 / sizes["X"], 1e4 / sizes["Y"])
    return {
        "ome": False,
        "metadata": metadata,
        "resolution": resolution,
        "resolutionunit": "CENTIMETER",
    }

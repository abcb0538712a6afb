"""Images and label images in files: TIFF, OME-TIFF, ImageJ TIFF, PNG, JPEG.

`read_image` and `read_labels` read, `write_labels` and `write_png` write, `find_images` lists.
"""

import glob
import logging
import math
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from seamwise.io.atomic import atomic_path
from seamwise.io.axes import Axes, imagej_sizes, ome_sizes, settle_axes, shaped_sizes
from seamwise.labels import as_labels, smallest_dtype

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
_OME = (".ome.tif", ".ome.tiff")
_CLASSIC_LIMIT = 2**32 - 2**25  # bytes of pixels, with room for the headers
_ALPHA = (1, 2)  # TIFF tag ExtraSamples: premultiplied, plain
_FIRST_PRIVATE_TAG = 32768
# bytes per value by TIFF type: 1 to 13, and the three of BigTIFF
_TAG_BYTES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), start=1)) | dict.fromkeys((16, 17, 18), 8)
_ORIENTATION = 0x0112  # EXIF
_PNG, _JPEG = b"\x89PNG", b"\xff\xd8\xff"

_quiet: ContextVar[bool] = ContextVar("_quiet", default=False)

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Image:
    """An image as read from a file.

    Attributes
    ----------
    data : array
        Pixels in the dtype of the file (1-bit as uint8), native byte order, finite.
    axes : {"YX", "ZYX", "CYX", "CZYX"}
        Meaning of the axes of `data`.
    spacing : tuple of float or None
        Pixel size in micrometres along each spatial axis, in the order of `axes`; None if the file
        does not give all of them.
    note : str
        What the user should know about how the file was read, in one line; empty if nothing.
    """

    data: NDArray[Any]
    axes: str
    spacing: tuple[float, ...] | None = None
    note: str = ""


@dataclass(frozen=True)
class _Stored:
    """The pixels of a file and what the file says about them.

    Attributes
    ----------
    data : array
        Pixels in the file's own layout; an alpha channel is already dropped.
    axes : str
        One letter per axis: T, C, Z, Y, X, S (colour samples); another letter if the file does not say.
    format : {"TIFF", "PNG", "JPEG"}
        What the file is, whatever its name ends in.
    sizes : dict of str to float
        Pixel size in micrometres by spatial axis, as far as the file gives it.
    notes : tuple of str
        What the user should know, one line each.
    """

    data: NDArray[Any]
    axes: str
    format: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_image(path: AnyPath, *, axes: str | None = None, channel: int | Sequence[int] | None = None) -> Image:
    """Read one image: grey (YX, ZYX) or with channels first (CYX, CZYX).

    The axes are the user's word, else what the file says (OME, ImageJ, tifffile, colour samples), else
    a guess; a guess and an overridden file are said in `Image.note`, and so are a dropped alpha channel,
    a turned photograph and a file that holds more than one image (the first is read).

    Parameters
    ----------
    path : str or path-like
        A .tif, .tiff, .ome.tif, .png, .jpg or .jpeg file, in upper or lower case.
    axes : str, optional
        Meaning of the axes as they are stored: T, C, Z, Y, X, each at most once, e.g. ``"ZYX"`` or
        ``"YXC"``. Axes of length 1 may be left out.
    channel : int or sequence of int, optional
        Channels to keep, counted from 0. An int gives a grey image, a sequence keeps the channel axis.

    Returns
    -------
    Image
        A single channel and a single time point come without their axis. A Z axis of length 1 stays
        only if the file (not OME, not ImageJ, which always name one) or `axes` names it.

    Raises
    ------
    OSError
        The file is missing, a folder, or not readable by this user.
    ValueError
        The file is empty, damaged, truncated or of an unsupported kind; it has several time points,
        NaN or infinite pixels, or not the axes or channels that were asked for.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.png"
    >>> write_png(path, np.zeros((4, 5, 3), np.uint8))
    >>> image = read_image(path)
    >>> image.axes, image.data.shape
    ('CYX', (3, 4, 5))
    """
    path = Path(path)
    stored = _load(path)
    settled = settle_axes(stored.data.shape, stored.axes, name=path.name, asked=axes)
    data, letters = _channels_first(path, stored.data, settled)
    if channel is not None:
        data, letters = _picked(path, data, letters, channel)
    if data.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {data.dtype} pixels; expected integers or real numbers")
    data = np.ascontiguousarray(data, np.uint8 if data.dtype == bool else data.dtype.newbyteorder("="))
    _check_finite(path, data)
    spacing, gap = _spacing(path, stored, letters)
    notes = [*stored.notes, settled.note, gap]
    return Image(data, letters, spacing, "; ".join(note for note in notes if note))


def read_labels(path: AnyPath, *, axes: str | None = None) -> NDArray[Any]:
    """Read a label image: 0 background, 1..n one number per object, negative = ignore.

    An axis the file does not name is taken for Z. The indices of a coloured palette PNG are its labels.

    Parameters
    ----------
    path : str or path-like
        A TIFF or PNG file of integers.
    axes : str, optional
        Meaning of the axes as they are stored, as in `read_image`.

    Returns
    -------
    (Y, X) or (Z, Y, X) integer array

    Raises
    ------
    OSError
        The file is missing, a folder, or not readable by this user.
    ValueError
        The file is damaged or holds no label image: colours, real numbers, one bit, time points, JPEG.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x_masks.tif"
    >>> write_labels(path, np.array([[0, 1], [300, 0]]))
    >>> read_labels(path)
    array([[  0,   1],
           [300,   0]], dtype=uint16)
    """
    path = Path(path)
    stored = _load(path, indices=True)
    kind = stored.data.dtype.kind
    if stored.format == "JPEG":
        raise ValueError(f"mask {path} is a JPEG, which alters numbers; expected a TIFF or PNG")
    if kind == "b":
        raise ValueError(
            f"mask {path} is binary (1 bit); expected one integer per object: "
            "number its connected components first, e.g. with skimage.measure.label"
        )
    if kind not in "iu":
        raise ValueError(f"mask {path} is {stored.data.dtype}; expected integer labels: save it as uint16")
    settled = settle_axes(stored.data.shape, stored.axes, name=path.name, asked=axes, stack=True)
    data, letters = _channels_first(path, stored.data, settled)
    if "C" in letters:
        raise ValueError(
            f"mask {path} has {data.shape[0]} channels; expected one integer label per pixel: "
            "save it as a grey image (or say axes='ZYX' if the planes are a stack)"
        )
    return np.ascontiguousarray(data, data.dtype.newbyteorder("="))


def write_labels(path: AnyPath, labels: NDArray[Any], *, spacing: Sequence[float] | None = None) -> None:
    """Write a label image in the smallest dtype that holds it: uint8/16/32, signed if any is negative.

    The suffix decides: ``.tif`` (zlib; with ImageJ's metadata where ImageJ can hold the numbers, up to
    65 535), ``.ome.tif`` (OME-TIFF) or ``.png`` (2D, up to 65 535, no spacing). `read_labels` gives back
    the same shape; only in OME-TIFF a stack of one slice cannot be told from a 2D image.

    Parameters
    ----------
    path : str or path-like
        The file; it appears whole or not at all.
    labels : (Y, X) or (Z, Y, X) integer array
        0 background, 1..n objects, negative = ignore.
    spacing : sequence of float, optional
        Pixel size in micrometres along each axis of `labels`.

    Raises
    ------
    TypeError
        `labels` is not of an integer type.
    ValueError
        The labels do not fit the format, or an argument is out of range.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.tif"
    >>> write_labels(path, np.array([[[0, 7]]]), spacing=(2.0, 0.5, 0.5))
    >>> read_image(path).spacing
    (2.0, 0.5, 0.5)
    """
    path, labels = Path(path), as_labels(labels)
    if labels.ndim not in (2, 3) or labels.size == 0:
        raise ValueError(f"labels must have axes YX or ZYX and at least one pixel, not shape {labels.shape}")
    spacing = _checked_spacing(spacing, labels.ndim)
    dtype = smallest_dtype(int(labels.min()), int(labels.max()))
    if dtype.itemsize > 4:
        raise ValueError(
            f"labels from {labels.min()} to {labels.max()} do not fit 32 bits; "
            "renumber them with seamwise.labels.relabel"
        )
    labels = np.ascontiguousarray(labels, dtype)
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        _save_tiff(path, labels, spacing, ome=path.name.lower().endswith(_OME))
    elif suffix == ".png":
        _check_fits_png(path, labels)
        _save_png(path, labels)
    else:
        raise ValueError(f"cannot write labels to {path}: expected a name ending in .tif, .ome.tif or .png")


def write_png(path: AnyPath, image: NDArray[np.uint8]) -> None:
    """Write a picture to look at, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        A name ending in .png.
    image : (Y, X), (Y, X, 3) or (Y, X, 4) uint8 array
        Grey, RGB or RGB with alpha.

    Raises
    ------
    ValueError
        The name or the array is not of this kind.
    OSError
        The file cannot be written.
    """
    path, image = Path(path), np.asarray(image)
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot write {path}: expected a name ending in .png")
    if image.dtype != np.uint8 or image.size == 0 or (image.shape[2:] not in ((), (3,), (4,)) or image.ndim < 2):
        raise ValueError(
            f"image must be uint8 of shape (Y, X), (Y, X, 3) or (Y, X, 4), not {image.dtype} {image.shape}"
        )
    _save_png(path, np.ascontiguousarray(image))


def find_images(inputs: AnyPath | Iterable[AnyPath], *, masks: bool = False) -> list[Path]:
    """List the image files that files, folders and glob patterns stand for, sorted, each once.

    A folder stands for the images in it, without hidden files and ``*_masks.*``; a pattern (``*``, ``?``,
    ``[..]``, ``**``) for the images that match it.

    Parameters
    ----------
    inputs : path or iterable of paths
        Files, folders and patterns, mixed.
    masks : bool
        List the ``*_masks.*`` files of a folder too.

    Raises
    ------
    FileNotFoundError
        A file is missing, a folder holds no image, or a pattern matches none.
    ValueError
        A file is not of a supported kind, or `inputs` is empty.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.png", "a.PNG", "a_masks.png", "notes.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_images(folder)]
    ['a.PNG', 'b.png']
    """
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not given:
        raise ValueError("inputs is empty; give at least one image, folder or pattern")
    found = [path for one in given for path in _found(Path(one), masks)]
    return sorted({os.path.abspath(path): path for path in found}.values())


def stem(path: AnyPath) -> str:
    """Return the name of a file without its suffix, of which ``.ome.tif`` is one.

    Examples
    --------
    >>> stem("plate1/a01.ome.tif"), stem("day.2.PNG")
    ('a01', 'day.2')
    """
    name = Path(path).name
    for suffix in _OME:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(path).stem


def _load(path: Path, *, indices: bool = False) -> _Stored:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected an image file")
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; check its name and folder")
    _check_suffix(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise type(error)(f"cannot open {path}: {error.strerror}; check its permissions") from error
    if not head:
        raise ValueError(f"{path} is empty (0 bytes); copy or export it again")
    # by the first bytes, since a photograph renamed to .png or .tif opens in every viewer
    if head.startswith(_PNG):
        return _load_raster(path, "PNG", indices=indices)
    if head.startswith(_JPEG):
        return _load_raster(path, "JPEG")
    return _load_tiff(path)


class _UnsupportedError(Exception):
    """A file that is whole but of a kind that cannot be read; never leaves this module."""


def _load_tiff(path: Path) -> _Stored:
    try:
        with _without_log(), tifffile.TiffFile(path) as file:
            _check_chain(file)
            series = file.series[0]
            if 0 in series.shape:
                raise _UnsupportedError(f"it has no pixels (shape {series.shape}); export it again")
            _check_complete(file, series)
            data = _decoded(path, series).reshape(series.get_shape(squeeze=False))
            axes = _letters(series)
            sizes = _sizes(file, series)
            notes = []
            if len(file.series) > 1:
                notes.append(f"{path.name} holds {len(file.series)} images: the first is read")
            if any(sample in _ALPHA for sample in series.keyframe.extrasamples) and "S" in axes:
                data = np.take(data, range(data.shape[axes.index("S")] - 1), axes.index("S"))
                notes.append(f"alpha channel of {path.name} dropped")
    except Exception as error:  # tifffile raises TiffFileError, struct.error, zlib.error, ...
        raise _unreadable(path, "TIFF", error) from error
    return _Stored(data, axes, "TIFF", sizes, tuple(notes))


def _divert(record: logging.LogRecord) -> bool:
    return not _quiet.get()


@contextmanager
def _without_log() -> Iterator[None]:
    # a context variable, so that another thread's use of tifffile keeps its log
    logging.getLogger("tifffile").addFilter(_divert)
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def _check_chain(file: tifffile.TiffFile) -> None:
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
        length = count * _TAG_BYTES.get(kind, 0)
        # makers' own tags are often broken and never needed
        if code < _FIRST_PRIVATE_TAG and length > form.offsetsize:
            (start,) = struct.unpack(form.offsetformat, value)
            if start + length > size:
                raise ValueError(f"tag {code} should end at byte {start + length}, the file ends at byte {size}")


def _check_complete(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Raise if pixel data are missing: tifffile would fill some of them with zeros."""
    if file.is_imagej and series.kind in ("generic", "uniform"):
        raise ValueError("planes that its ImageJ header names are missing")
    missing = sum(page is None for page in series.pages)
    if missing:
        raise ValueError(f"{missing} of {len(series.pages)} planes are missing (in other files of the set?)")
    page: Any
    for page in series.pages:
        _check_inside(page, max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False)), default=0))
    if series.dataoffset is not None:
        _check_inside(series.pages[0], series.dataoffset + series.nbytes)


def _check_inside(page: Any, end: int) -> None:
    size = page.parent.filehandle.size
    if end > size:
        raise ValueError(f"its pixels should end at byte {end}, the file ends at byte {size}")


def _decoded(path: Path, series: tifffile.TiffPageSeries) -> NDArray[Any]:
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
    unsupported = _UnsupportedError(
        f"{key.compression.name} compression of {key.dtype} pixels needs another package: "
        "pip install imagecodecs, or save it without compression"
    )
    # Pillow inverts white-is-zero, divides by alpha, and sees only this file and its main pages
    altered = key.photometric == tifffile.PHOTOMETRIC.MINISWHITE or _ALPHA[0] in key.extrasamples
    indices = [page.index for page in series.pages if page is not None and page.parent is key.parent]
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


def _letters(series: tifffile.TiffPageSeries) -> str:
    letters: str = series.get_axes(squeeze=False)
    if series.kind != "shaped":
        # OME and ImageJ always name a Z axis, also for a 2D image: one of length 1 says nothing
        shape = series.get_shape(squeeze=False)
        letters = "".join("?" if a == "Z" and n == 1 else a for a, n in zip(letters, shape, strict=True))
    return letters


def _sizes(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> dict[str, float]:
    if series.kind == "ome" and file.ome_metadata:
        return ome_sizes(file.ome_metadata)
    if series.kind == "imagej" and file.imagej_metadata:
        resolutions = (series.keyframe.tags.valueof(f"{axis}Resolution") for axis in "XY")
        return imagej_sizes(file.imagej_metadata, *resolutions)
    if series.kind == "shaped" and file.shaped_metadata:
        return shaped_sizes(file.shaped_metadata[0])
    return {}


def _load_raster(path: Path, kind: Literal["PNG", "JPEG"], *, indices: bool = False) -> _Stored:
    try:
        with path.open("rb") as stream:
            if kind == "PNG":
                _check_depth(stream.read(26))
                stream.seek(0)
            # not Image.open: its limit on the pixel count is a setting of the whole process
            picture: PIL.Image.Image = PngImageFile(stream) if kind == "PNG" else JpegImageFile(stream)
            picture.load()
            data, notes = _pixels(picture, path.name, indices)
    except Exception as error:  # Pillow raises SyntaxError, struct.error, EOFError, ...
        raise _unreadable(path, kind, error) from error
    return _Stored(data, "YXS"[: data.ndim], kind, notes=notes)


def _check_depth(head: bytes) -> None:
    depth, colour = head[24:26]
    if depth == 16 and colour != 0:
        # Pillow would drop the lower 8 bits without a word
        raise _UnsupportedError("it has 16-bit colours; save it as TIFF or as 16-bit grey")


def _pixels(picture: PIL.Image.Image, name: str, indices: bool) -> tuple[NDArray[Any], tuple[str, ...]]:
    notes = []
    if picture.getexif().get(_ORIENTATION, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
        notes.append(f"{name} turned upright as its EXIF orientation says")
    if picture.mode in ("LA", "RGBA", "PA"):
        notes.append(f"alpha channel of {name} dropped")
    if picture.mode in ("P", "PA"):
        return _from_palette(picture, indices), tuple(notes)
    if picture.mode == "I":  # how older versions of Pillow name a 16-bit grey PNG
        return np.asarray(picture).astype(np.uint16), tuple(notes)
    if picture.mode == "LA":
        picture = picture.getchannel("L")
    elif picture.mode not in ("1", "L", "I;16", "RGB"):
        if picture.mode != "RGBA":
            notes.append(f"{name} converted from {picture.mode} to RGB")
        picture = picture.convert("RGB")
    return np.array(picture), tuple(notes)


def _from_palette(picture: PIL.Image.Image, indices: bool) -> NDArray[Any]:
    index = np.array(picture.getchannel(0) if picture.mode == "PA" else picture)
    colours = np.zeros((256, 3), np.uint8)
    listed = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(listed)] = listed
    grey = bool((colours == colours[:, :1]).all())
    pixels: NDArray[Any] = colours[index, 0] if grey else index if indices else colours[index]
    return pixels


def _unreadable(path: Path, kind: str, error: Exception) -> Exception:
    if isinstance(error, MemoryError):
        return MemoryError(f"{path} is too large for the memory of this machine; cut it into parts")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    hint = "" if isinstance(error, _UnsupportedError) else "; is it complete?"
    return ValueError(f"cannot read {path} as {kind}: {reason}{hint}")


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is not of a supported kind; expected one of {', '.join(SUFFIXES)}")


def _channels_first(path: Path, data: NDArray[Any], settled: Axes) -> tuple[NDArray[Any], str]:
    letters, lengths = settled.letters, dict(zip(settled.letters, settled.shape, strict=True))
    if lengths.get("T", 1) > 1:
        stack = "" if "Z" in letters else f" (or say axes='{letters.replace('T', 'Z')}' if they are a stack)"
        raise ValueError(
            f"{path} holds {lengths['T']} time points ({letters}, shape {settled.shape}); expected one: "
            f"save one file per time point{stack}"
        )
    kept = [a for a in letters if not (a == "T" or (a == "C" and lengths["C"] == 1))]
    data = data.reshape([lengths[a] for a in kept])
    ordered = sorted(kept, key="CZYX".index)
    return data.transpose([kept.index(a) for a in ordered]), "".join(ordered)


def _picked(path: Path, data: NDArray[Any], letters: str, channel: int | Sequence[int]) -> tuple[NDArray[Any], str]:
    spatial = letters.removeprefix("C")
    channels = data if "C" in letters else data[None]
    wanted, count = np.atleast_1d(channel).tolist(), len(channels)
    if not wanted or not all(type(c) is int and 0 <= c < count for c in wanted):
        exist = "channel 0 only" if count == 1 else f"channels 0 to {count - 1}"
        raise ValueError(f"channel={channel!r} does not fit {path}, which has {exist}")
    if np.ndim(channel) == 0:
        return channels[wanted[0]], spatial
    return channels[wanted], "C" + spatial


def _check_finite(path: Path, data: NDArray[Any]) -> None:
    if data.dtype.kind != "f" or np.isfinite(data).all():
        return
    bad = ~np.isfinite(data)
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    raise ValueError(
        f"{path} has {np.count_nonzero(bad)} pixels that are NaN or infinite, the first at {first}; "
        "replace them (e.g. with numpy.nan_to_num) and save it again"
    )


def _spacing(path: Path, stored: _Stored, letters: str) -> tuple[tuple[float, ...] | None, str]:
    spatial = letters.removeprefix("C")
    missing = [a for a in spatial if a not in stored.sizes]
    if not missing:
        return tuple(stored.sizes[a] for a in spatial), ""
    gap = f"{path.name} gives no pixel size along {', '.join(missing)}: the others are not used"
    return None, gap if len(missing) < len(spatial) else ""


def _checked_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    sizes = tuple(float(s) for s in spacing)
    if len(sizes) != ndim or not all(math.isfinite(s) and s > 0 for s in sizes):
        raise ValueError(f"spacing must be {ndim} positive numbers, one per axis of labels, not {spacing}")
    return sizes


def _check_fits_png(path: Path, labels: NDArray[Any]) -> None:
    if labels.ndim == 2 and labels.dtype in (np.uint8, np.uint16):
        return
    what = "a stack" if labels.ndim == 3 else f"labels from {labels.min()} to {labels.max()}"
    raise ValueError(f"{path}: a PNG holds 2D labels from 0 to 65535, not {what}; write a .tif instead")


def _save_tiff(path: Path, labels: NDArray[Any], spacing: tuple[float, ...] | None, *, ome: bool) -> None:
    """Write (Y, X) or (Z, Y, X) labels with zlib compression, whole or not at all.

    With `ome` as OME-TIFF, else with ImageJ's metadata if ImageJ can hold the array, else with the axes
    as tifffile notes them.
    """
    axes = "ZYX"[-labels.ndim :]
    sizes = dict(zip(axes, spacing, strict=True)) if spacing else {}
    large = labels.nbytes > _CLASSIC_LIMIT
    # ImageJ knows neither signed nor 32-bit integers, and drops a Z axis of length 1
    imagej = not ome and not large and labels.dtype in (np.uint8, np.uint16) and labels.shape[:-2] != (1,)
    options: dict[str, Any] = {"imagej": True} if imagej else {"ome": ome, "bigtiff": large}
    metadata: dict[str, Any] = {"axes": axes}
    if ome:
        for axis, size in sizes.items():
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    elif sizes:
        metadata |= {"unit": "um"}
        metadata |= ({"spacing": sizes["Z"]} if "Z" in sizes else {}) if imagej else {"spacing": list(sizes.values())}
        per_unit = 1.0 if imagej else 1e4
        options |= {"resolution": (per_unit / sizes["X"], per_unit / sizes["Y"])}
        options |= {} if imagej else {"resolutionunit": "CENTIMETER"}
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            labels,
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": 2},
            metadata=metadata,
            **options,
        )


def _save_png(path: Path, image: NDArray[Any]) -> None:
    """Write (Y, X) uint8 or uint16, (Y, X, 3) or (Y, X, 4) uint8 as a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        PIL.Image.fromarray(image).save(temporary, format="PNG", compress_level=1)


def _found(given: Path, masks: bool) -> list[Path]:
    kinds = ", ".join(SUFFIXES)
    if given.is_dir():
        images = [path for path in given.iterdir() if _is_image(path) and path.name[0] != "."]
        found = [path for path in images if masks or not stem(path).endswith("_masks")]
        if not found:
            raise FileNotFoundError(f"folder {given} holds no image; expected files ending in {kinds}")
        return found
    if given.exists():
        _check_suffix(given)
        return [given]
    if not glob.has_magic(str(given)):
        raise FileNotFoundError(f"{given} does not exist; check its name and folder")
    found = [Path(p) for p in glob.glob(str(given), recursive=True) if _is_image(Path(p))]
    if not found:
        raise FileNotFoundError(f"no image matches {given}; expected files ending in {kinds}")
    return found


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()

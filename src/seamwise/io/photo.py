"""Photographs with all their bits, EXIF and colour profile.

`read_photo` and `photo_info` read, `write_photo` writes; `photo_jpeg`, `photo_png` and `photo_tiff`
know the formats. `seamwise.io.images` reads microscopy, where 16-bit colours, EXIF and colour
profiles play no part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise.io import photo_heif, photo_jpeg, photo_png, photo_raw, photo_tiff
from seamwise.io.atomic import atomic_path
from seamwise.io.errors import UnsupportedError, unreadable
from seamwise.io.exif import (
    EXIF,
    TIFF_ORDERS,
    capture_time,
    split_orientation,
    turned_shape,
    upright,
)
from seamwise.io.listing import RAW, SUFFIXES, first_bytes
from seamwise.io.raster import raster_kind
from seamwise.io.tiff import CLASSIC_LIMIT
from seamwise.types import AnyPath

JPEG_EXIF_LIMIT = 65533  # bytes that a JPEG holds
JPEG_SIDE_LIMIT = 65500  # pixels

_TIFF_HEADS = (*TIFF_ORDERS, b"II+\0", b"MM\0+")
_JPEG, _TIFF = (".jpg", ".jpeg"), (".tif", ".tiff")

Kind = Literal["PNG", "JPEG", "TIFF", "HEIC", "RAW"]

_FACTS = {
    "JPEG": photo_jpeg.read_facts,
    "PNG": photo_png.read_facts,
    "TIFF": photo_tiff.read_facts,
    "HEIC": photo_heif.read_facts,
    "RAW": photo_raw.read_facts,
}
_PIXELS = {
    "JPEG": photo_jpeg.read_pixels,
    "PNG": photo_png.read_pixels,
    "TIFF": photo_tiff.read_pixels,
    "HEIC": photo_heif.read_pixels,
    "RAW": photo_raw.read_pixels,
}
_WRITERS = {".png": photo_png.write, ".tif": photo_tiff.write, ".tiff": photo_tiff.write}


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph as read from a file, upright.

    Attributes
    ----------
    pixels : (Y, X) or (Y, X, 3) array of uint8 or uint16
        Grey or RGB, as the camera was held: the file's EXIF orientation is applied.
    exif : bytes
        EXIF as in a JPEG, beginning with ``b"Exif\\0\\0"``, its orientation set to 1; empty if the
        file has none.
    icc : bytes
        ICC colour profile; empty if there is none.
    note : str
        What the user should know about how the file was read, in one line; empty if nothing.
    opaque : (Y, X) bool array, optional
        Where the alpha channel is at its maximum; None if the photograph is opaque everywhere.
    """

    pixels: NDArray[Any]
    exif: bytes = b""
    icc: bytes = b""
    note: str = ""
    opaque: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class PhotoInfo:
    """What `read_photo` would return: shape (upright) and dtype of the pixels.

    `time` is when the photograph was taken, as text to sort by; empty if the file does not tell.
    `orientation` is EXIF's, 1 to 8, which turned the stored pixels upright. `has_alpha` tells that
    the file has an alpha channel. `white_balance` is that of a RAW file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    time: str = field(default="", repr=False, compare=False)
    orientation: int = field(default=1, repr=False, compare=False)
    has_alpha: bool = field(default=False, repr=False, compare=False)
    white_balance: tuple[float, ...] | None = field(default=None, repr=False, compare=False)


def read_photo(
    path: AnyPath,
    *,
    orientation: int | None = None,
    transparent: bool = False,
    white_balance: Sequence[float] | None = None,
) -> Photo:
    """Read a photograph: 8 bits stay 8, 16 stay 16, grey stays grey.

    Parameters
    ----------
    path : str or path-like
        A .jpg, .jpeg, .png, .tif or .tiff file, in upper or lower case. The content decides, not
        the name. With the extras ``heic`` and ``raw`` also HEIC and camera RAW; for RAW the name
        decides.
    orientation : int, optional
        EXIF's orientation, 1 to 8, in place of that of the file.
    transparent : bool
        Take transparent pixels, too: `Photo.opaque` tells where there are none.
    white_balance : sequence of 4 floats, optional
        For RAW, in place of that of the file: see `PhotoInfo`.

    Returns
    -------
    Photo
        A palette becomes RGB and a fully opaque alpha channel is dropped; `Photo.note` reports it.
        It also names what is not kept: damaged EXIF, a damaged colour profile, further pictures in
        the file (a phone's depth map, a TIFF's preview); and tags in the EXIF of a JPEG or PNG that
        no TIFF would keep.

    Raises
    ------
    OSError
        The file is missing, a folder, or not readable by this user.
    ValueError
        The file is empty, damaged, truncated or of an unsupported kind; it has several pages or
        frames, transparent pixels, CMYK or other colours, or pixels that are not uint8 or uint16
        (1 bit, float, …).

    Notes
    -----
    Dropped without a note: XMP, IPTC, text, thumbnails of TIFFs, and colour that a PNG describes
    without an ICC profile (gAMA, cHRM, cICP). From the main directory of a TIFF, `Photo.exif` has
    the tags that describe the photograph, not those that lay out its pixels. EXIF in JPEG and PNG
    is kept byte by byte except for the orientation: a thumbnail in it and the width and height
    noted in it are those of the file.

    16-bit colours are read by OpenCV and tifffile, since Pillow silently cuts them to 8 bits.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.png"
    >>> write_photo(path, np.full((2, 3, 3), 40000, np.uint16))
    >>> photo = read_photo(path)
    >>> photo.pixels.shape, photo.pixels.dtype, int(photo.pixels.max())
    ((2, 3, 3), dtype('uint16'), 40000)
    """
    path = Path(path)
    kind = _kind(path)
    try:
        facts = _FACTS[kind](path)
        pixels = (
            photo_raw.read_pixels(path, white_balance) if kind == "RAW" else _PIXELS[kind](path)
        )
        pixels, opaque, note = _without_alpha(pixels, path.name, transparent=transparent)
    except Exception as error:  # the decoders raise SyntaxError, struct.error, zlib.error, …
        raise unreadable(path, kind, error) from error
    orientation = facts.orientation if orientation is None else orientation
    pixels = np.ascontiguousarray(upright(pixels, orientation), facts.dtype)
    note = "; ".join(filter(None, [*facts.notes, note]))
    opaque = None if opaque is None else np.ascontiguousarray(upright(opaque, orientation))
    return Photo(pixels, facts.exif, facts.icc, note, opaque)


def photo_info(path: AnyPath) -> PhotoInfo:
    """Return the shape and dtype that `read_photo` would give, without decoding the pixels.

    Raises
    ------
    OSError, ValueError
        As `read_photo`, as far as the headers tell; damaged or transparent pixels show only when
        they are read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.jpg"
    >>> write_photo(path, np.zeros((40, 60), np.uint8))
    >>> photo_info(path)
    PhotoInfo(shape=(40, 60), dtype=dtype('uint8'))
    """
    path = Path(path)
    kind = _kind(path)
    try:
        facts = _FACTS[kind](path)
    except Exception as error:
        raise unreadable(path, kind, error) from error
    shape = turned_shape(facts.shape, facts.orientation)
    return PhotoInfo(
        shape,
        facts.dtype,
        capture_time(facts.exif),
        facts.orientation,
        facts.has_alpha,
        facts.white_balance,
    )


def write_photo(
    path: AnyPath,
    pixels: NDArray[Any],
    *,
    exif: bytes = b"",
    icc: bytes = b"",
    quality: int = photo_jpeg.QUALITY,
) -> None:
    """Write a photograph, whole or not at all, in the format that the name ends in.

    Parameters
    ----------
    path : str or path-like
        .png and .tif, .tiff (zlib) hold every pixel exactly; .jpg, .jpeg (no chroma
        subsampling) 8 bits, nearly.
    pixels : (Y, X) or (Y, X, 3) array of uint8 or uint16
        Grey or RGB, upright.
    exif : bytes
        As `Photo.exif`; written as it is, so its orientation should be 1.
    icc : bytes
        ICC colour profile.
    quality : int
        For JPEG, 1 to 100.

    Raises
    ------
    OSError
        The file cannot be written.
    TypeError
        The pixels are neither uint8 nor uint16.
    ValueError
        The shape or the suffix is not one of these, or the format cannot hold the picture: 16 bits,
        a side above 65500 pixels or EXIF above 65533 bytes in a JPEG, a side above a million in a
        PNG, 4 GB in a TIFF.

    Notes
    -----
    JPEG and PNG keep the bytes of the EXIF. A TIFF keeps the tags that describe the photograph,
    with the Exif, Interoperability and GPS directories, type by type and value by value. It has no
    place for the thumbnail. Tags of an unknown kind or that point outside the EXIF are skipped;
    `read_photo` has warned of them. The directories move within the file, so a maker note that
    counts offsets from the start of the EXIF loses them, as in any program that rewrites it.

    Examples
    --------
    >>> write_photo("x.jpg", np.zeros((4, 5), np.uint16))
    Traceback (most recent call last):
    ...
    ValueError: x.jpg: a JPEG holds 8 bits, the picture has 16: name it .png or .tif
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{path} is not of a supported kind; end its name in one of {', '.join(SUFFIXES)}"
        )
    pixels = _checked_pixels(pixels)
    if exif and (not exif.startswith(EXIF) or split_orientation(exif, path.name)[-1]):
        raise ValueError(
            f"exif must be whole and begin with {EXIF!r}, not {exif[:12]!r}…; pass Photo.exif"
        )
    write = _WRITERS.get(suffix, partial(photo_jpeg.write, quality=quality))
    check_format_holds(path, pixels.dtype, pixels.shape)
    if not format_holds_exif(path, exif):
        raise ValueError(
            f"{path}: a JPEG holds {JPEG_EXIF_LIMIT} bytes of EXIF, exif has {len(exif)}: "
            "name it .png or .tif, or remove the EXIF"
        )
    with atomic_path(path) as temporary:
        write(temporary, np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=")), exif, icc)


def check_format_holds(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None
) -> None:
    """Raise ValueError if the format that a file name ends in cannot hold a picture.

    Parameters
    ----------
    path : Path
    dtype : dtype
    shape : tuple of int, optional
        Without it only the bits are checked.
    """
    suffix, shape = path.suffix.lower(), shape or ()
    if suffix in _JPEG and dtype.itemsize > 1:
        raise ValueError(
            f"{path}: a JPEG holds 8 bits, the picture has {8 * dtype.itemsize}: "
            "name it .png or .tif"
        )
    if suffix in _JPEG and max(shape, default=0) > JPEG_SIDE_LIMIT:
        raise ValueError(
            f"{path}: a JPEG holds {JPEG_SIDE_LIMIT} pixels a side, the picture has "
            f"{shape[1]} × {shape[0]}: name it .png or .tif"
        )
    size = math.prod(shape) * dtype.itemsize
    if suffix in _TIFF and size > CLASSIC_LIMIT:
        raise ValueError(
            f"{path}: a TIFF holds less than 4 GB, the picture has {size / 1e9:.1f} GB: "
            "name it .png"
        )


def format_holds_exif(path: Path, exif: bytes) -> bool:
    """Whether the format that a file name ends in can hold EXIF of this length."""
    return path.suffix.lower() not in _JPEG or len(exif) <= JPEG_EXIF_LIMIT


def _kind(path: Path) -> Kind:
    head = first_bytes(path, photos=True)
    if path.suffix.lower() in RAW:
        return "RAW"
    if head[4:8] == b"ftyp":
        return "HEIC"
    kind: Kind | None = "TIFF" if head[:4] in _TIFF_HEADS else raster_kind(head)
    if kind is None:
        raise ValueError(
            f"{path} is not a JPEG, PNG or TIFF, whatever its name ends in: "
            "export it as one of these"
        )
    return kind


def _checked_pixels(pixels: NDArray[Any]) -> NDArray[Any]:
    pixels = np.asarray(pixels)
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        raise TypeError(
            f"pixels must be uint8 or uint16, not {pixels.dtype}; scale them to 0..255 or 0..65535"
        )
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)) or 0 in pixels.shape:
        raise ValueError(f"pixels must be (Y, X) or (Y, X, 3), none of them 0, not {pixels.shape}")
    return pixels


def _without_alpha(
    pixels: NDArray[Any], name: str, *, transparent: bool
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, str]:
    """The colours, where they are opaque (None: everywhere), and a note."""
    if pixels.shape[2:] not in ((2,), (4,)):
        return pixels, None, ""
    opaque = pixels[..., -1] == np.iinfo(pixels.dtype).max
    colours = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    if opaque.all():
        return colours, None, f"alpha channel of {name} dropped (it is fully opaque)"
    if not transparent:
        raise UnsupportedError("its alpha channel is not fully opaque; flatten it first")
    return colours, opaque, ""

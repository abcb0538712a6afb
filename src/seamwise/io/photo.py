"""Photographs with all their bits, EXIF and colour profile.

`read_photo` and `photo_info` read, `write_photo` writes. `seamwise.io.images` reads microscopy,
where 16-bit colours, EXIF and colour profiles play no part.
"""

import math
import mmap
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from seamwise.io.atomic import atomic_path
from seamwise.io.errors import UnsupportedError, unreadable
from seamwise.io.exif import (
    EXIF,
    ORIENTATION,
    PROFILE,
    PROFILE_DAMAGED,
    TIFF_ORDERS,
    add_tags,
    broken_tags,
    known_orientation,
    split_orientation,
    tiff_exif,
)
from seamwise.io.listing import SUFFIXES, first_bytes
from seamwise.io.raster import raster_kind
from seamwise.io.tiff import (
    ALPHA,
    CLASSIC_LIMIT,
    check_chain,
    check_complete,
    decode_series,
    without_log,
    write_zlib,
)
from seamwise.types import AnyPath

JPEG_EXIF_LIMIT = 65533  # bytes that a JPEG holds
JPEG_SIDE_LIMIT = 65500  # pixels

_TIFF_HEADS = (*TIFF_ORDERS, b"II+\0", b"MM\0+")
_JPEG, _TIFF = (".jpg", ".jpeg"), (".tif", ".tiff")

# channels by TIFF photometric interpretation
_COLOURS = {"MINISBLACK": 1, "RGB": 3, "YCBCR": 3, "PALETTE": 1}

Kind = Literal["PNG", "JPEG", "TIFF"]


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
    """

    pixels: NDArray[Any]
    exif: bytes = b""
    icc: bytes = b""
    note: str = ""


@dataclass(frozen=True)
class PhotoInfo:
    """What `read_photo` would return: shape (upright) and dtype of the pixels."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_photo(path: AnyPath) -> Photo:
    """Read a photograph: 8 bits stay 8, 16 stay 16, grey stays grey.

    Parameters
    ----------
    path : str or path-like
        A .jpg, .jpeg, .png, .tif or .tiff file, in upper or lower case. The content decides, not
        the name.

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
        pixels, note = _without_alpha(_PIXELS[kind](path), path.name)
    except Exception as error:  # the decoders raise SyntaxError, struct.error, zlib.error, …
        raise unreadable(path, kind, error) from error
    pixels = np.ascontiguousarray(_upright(pixels, facts.orientation), facts.dtype)
    return Photo(pixels, facts.exif, facts.icc, "; ".join(filter(None, [*facts.notes, note])))


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
    turned = facts.shape[1::-1] if facts.orientation >= 5 else facts.shape[:2]
    return PhotoInfo(turned + facts.shape[2:], facts.dtype)


def write_photo(
    path: AnyPath, pixels: NDArray[Any], *, exif: bytes = b"", icc: bytes = b""
) -> None:
    """Write a photograph, whole or not at all, in the format that the name ends in.

    Parameters
    ----------
    path : str or path-like
        .png and .tif, .tiff (zlib) hold every pixel exactly; .jpg, .jpeg (quality 95, no chroma
        subsampling) 8 bits, nearly.
    pixels : (Y, X) or (Y, X, 3) array of uint8 or uint16
        Grey or RGB, upright.
    exif : bytes
        As `Photo.exif`; written as it is, so its orientation should be 1.
    icc : bytes
        ICC colour profile.

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
    write = {".png": _write_png, ".tif": _write_tiff, ".tiff": _write_tiff}.get(suffix, _write_jpeg)
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


class _Facts(NamedTuple):
    """What the headers of a file say: the shape as stored, without alpha; EXIF turned upright."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    orientation: int
    exif: bytes
    icc: bytes
    notes: list[str]


def _kind(path: Path) -> Kind:
    head = first_bytes(path)
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


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn pixels whose first row and column are where EXIF's `orientation` (1..8) says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _without_alpha(pixels: NDArray[Any], name: str) -> tuple[NDArray[Any], str]:
    if pixels.shape[2:] not in ((2,), (4,)):
        return pixels, ""
    if pixels[..., -1].min() < np.iinfo(pixels.dtype).max:
        raise UnsupportedError("its alpha channel is not fully opaque; flatten it first")
    colours = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    return colours, f"alpha channel of {name} dropped (it is fully opaque)"


def _decoded_by_cv2(data: bytes) -> NDArray[Any] | None:
    """Decode grey, RGB or RGBA with all bits, not turned by EXIF; None if OpenCV cannot."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim == 2:
        return pixels
    # in place: a photograph may fill much of the memory
    return cv2.cvtColor(
        pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB, dst=pixels
    )


def _jpeg_facts(path: Path) -> _Facts:
    with path.open("rb") as stream:
        # not Image.open: its limit on the pixel count is a setting of the whole process
        picture = JpegImageFile(stream)
    if picture.mode not in ("L", "RGB"):
        raise UnsupportedError(f"its colours are {picture.mode}; convert it to RGB first")
    shape = (picture.height, picture.width, 3)[: 2 if picture.mode == "L" else 3]
    orientation, exif, notes = split_orientation(picture.info.get("exif", b""), path.name)
    notes += broken_tags(exif, path.name)
    # None if one of its segments is missing
    icc = picture.info.get("icc_profile", b"")
    if icc is None:
        notes.append(PROFILE_DAMAGED.format(path.name))
    if "mp" in picture.info:
        notes.append(f"{path.name} holds further pictures (MPF): the first is read")
    return _Facts(shape, np.dtype(np.uint8), orientation, exif, icc or b"", notes)


def _jpeg_pixels(path: Path) -> NDArray[Any]:
    with path.open("rb") as stream:
        picture = JpegImageFile(stream)
        picture.load()
        return np.array(picture)


def _write_jpeg(path: Path, pixels: NDArray[Any], exif: bytes, icc: bytes) -> None:
    picture = PIL.Image.fromarray(pixels)
    picture.save(path, format="JPEG", quality=95, subsampling=0, exif=exif, icc_profile=icc)


def _png_facts(path: Path) -> _Facts:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        chunks = [(name, data[start:end]) for name, start, end in _chunks(data) if name != b"IDAT"]
    last = dict(chunks)
    width, height, depth, colour = struct.unpack(">IIBB", last[b"IHDR"][:10])
    _check_png(depth, colour, last)
    shape = (height, width, 3)[: 2 if colour in (0, 4) else 3]
    dtype = np.dtype(np.uint16 if depth == 16 else np.uint8)
    orientation, exif, notes = split_orientation(_png_exif(chunks), path.name)
    notes += broken_tags(exif, path.name)
    if colour == 3:
        notes.append(f"palette of {path.name} turned into RGB")
    icc = _png_profile(last)
    if icc is None:
        notes.append(PROFILE_DAMAGED.format(path.name))
    return _Facts(shape, dtype, orientation, exif, icc or b"", notes)


def _check_png(depth: int, colour: int, chunks: Mapping[bytes, bytes]) -> None:
    if depth == 1 and colour == 0:
        raise UnsupportedError("it is black and white (1 bit); convert it to 8-bit grey first")
    if b"tRNS" in chunks:
        raise UnsupportedError("it has a transparent colour; flatten it first")
    frames = int.from_bytes(chunks.get(b"acTL", b"\0")[:4])
    if frames > 1:
        raise UnsupportedError(
            f"it is an animation of {frames} frames; split it into one file per frame"
        )


def _chunks(data: bytes | mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the body of each chunk; ValueError if the last is missing."""
    name, end = b"", 4  # as if a chunk ended with the signature
    while name != b"IEND":
        start = end + 12
        if start > len(data):
            raise ValueError(f"its end is missing after byte {len(data)}")
        length, name = struct.unpack_from(">I4s", data, start - 8)
        end = start + length
        if end + 4 > len(data):
            raise ValueError(
                f"its {name.decode('latin')} chunk ends at byte {end + 4}, "
                f"the file at byte {len(data)}"
            )
        yield name, start, end


def _png_profile(chunks: Mapping[bytes, bytes]) -> bytes | None:
    """ICC profile; None if it is damaged."""
    if b"iCCP" not in chunks:
        return b""
    try:
        return zlib.decompress(chunks[b"iCCP"].split(b"\0", 1)[1][1:]) or None
    except (IndexError, zlib.error):
        return None


def _png_exif(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """EXIF from its own chunk, or from the text in which ImageMagick and Exiv2 keep it.

    Only `EXIF` if it is damaged. In that text `APP1` is what a JPEG keeps under that name: EXIF or
    XMP.
    """
    for name, body in chunks:
        if name == b"eXIf":
            return EXIF + body.removeprefix(EXIF)
    damaged = False
    for name, body in chunks:
        keyword, _, text = body.partition(b"\0")
        if name not in _TEXTS or keyword not in (
            b"Raw profile type exif",
            b"Raw profile type APP1",
        ):
            continue
        try:
            # its name, its length, its bytes in hexadecimal
            exif = bytes.fromhex(_TEXTS[name](text).decode("latin").split(maxsplit=2)[2])
        except (IndexError, ValueError, zlib.error):
            damaged = True
            continue
        if exif.startswith(EXIF) or keyword.endswith(b"exif"):
            return EXIF + exif.removeprefix(EXIF)
    return EXIF if damaged else b""


def _international_text(body: bytes) -> bytes:
    compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.split(b"\0", 2)[2]  # after its language and its keyword in that language
    return zlib.decompress(text) if compressed else text


_TEXTS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": bytes,
    b"zTXt": lambda body: zlib.decompress(body[1:]),
    b"iTXt": _international_text,
}


def _png_pixels(path: Path) -> NDArray[Any]:
    data = path.read_bytes()
    for name, start, end in _chunks(data):
        if zlib.crc32(memoryview(data)[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise ValueError(f"its {name.decode('latin')} chunk is damaged")
    pixels = _decoded_by_cv2(data)
    if pixels is None:
        raise ValueError("its pixels are damaged")
    # OpenCV gives grey with alpha as RGBA
    return pixels[..., 2:] if data[25] == 4 else pixels


def _write_png(path: Path, pixels: NDArray[Any], exif: bytes, icc: bytes) -> None:
    done, encoded = cv2.imencode(
        ".png", pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    )
    if not done:
        raise ValueError(
            f"a PNG holds a million pixels a side, pixels has shape {pixels.shape}: "
            "write a .tif instead"
        )
    data, after_header = encoded.data, 33
    with path.open("wb") as stream:
        stream.write(data[:after_header])
        if icc:
            stream.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
        if exif:
            stream.write(_chunk(b"eXIf", exif.removeprefix(EXIF)))
        stream.write(data[after_header:])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _tiff_facts(path: Path) -> _Facts:
    with without_log(), tifffile.TiffFile(path) as file:
        check_chain(file)
        page: Any = file.pages.first
        _check_page(page)
        _check_single(file)
        shape = (page.imagelength, page.imagewidth, 3)[
            : 2 if page.photometric.name == "MINISBLACK" else 3
        ]
        exif, notes = tiff_exif(path, file)
        if page.photometric.name == "PALETTE":
            notes.append(f"palette of {path.name} turned into RGB")
        if len(file.pages) > 1:
            notes.append(f"{path.name} holds a preview too: it is not kept")
        orientation = known_orientation(page.tags.valueof(ORIENTATION, default=1))
        return _Facts(
            shape, page.dtype, orientation, exif, page.tags.valueof(PROFILE, default=b""), notes
        )


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
    whole = [series for series in file.series if not series.keyframe.is_reduced]
    # ImageJ keeps many planes behind one page header
    pages = sum(series.size // series.keyframe.size for series in whole)
    if pages != 1:
        raise UnsupportedError(
            f"it has {pages} pages, a burst of its own; split it into one file per page"
        )


def _tiff_pixels(path: Path) -> NDArray[Any]:
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
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _write_tiff(path: Path, pixels: NDArray[Any], exif: bytes, icc: bytes) -> None:
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


_FACTS = {"JPEG": _jpeg_facts, "PNG": _png_facts, "TIFF": _tiff_facts}
_PIXELS = {"JPEG": _jpeg_pixels, "PNG": _png_pixels, "TIFF": _tiff_pixels}

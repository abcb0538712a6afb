"""Photographs in PNG files; see `seamwise.io.photo`."""

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.io.errors import UnsupportedError
from seamwise.io.exif import EXIF, PROFILE_DAMAGED, broken_tags, split_orientation
from seamwise.io.photo_facts import PhotoFacts
from seamwise.io.raster import check_png_size

_MOST_BYTES = 2**24  # of an unpacked colour profile or text; profiles have some million at most


def read_facts(path: Path) -> PhotoFacts:
    """Read the headers of a PNG."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        chunks = [(name, data[start:end]) for name, start, end in _chunks(data) if name != b"IDAT"]
        check_png_size(data[:26], len(data))
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
    has_alpha = colour in (4, 6) or b"tRNS" in last
    return PhotoFacts(shape, dtype, orientation, exif, icc or b"", notes, has_alpha)


def _check_png(depth: int, colour: int, chunks: Mapping[bytes, bytes]) -> None:
    if depth == 1 and colour == 0:
        raise UnsupportedError("it is black and white (1 bit); convert it to 8-bit grey first")
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
        return _inflated(chunks[b"iCCP"].split(b"\0", 1)[1][1:]) or None
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
    is_damaged = False
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
            is_damaged = True
            continue
        if exif.startswith(EXIF) or keyword.endswith(b"exif"):
            return EXIF + exif.removeprefix(EXIF)
    return EXIF if is_damaged else b""


def _international_text(body: bytes) -> bytes:
    is_compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.split(b"\0", 2)[2]  # after its language and its keyword in that language
    return _inflated(text) if is_compressed else text


def _inflated(content: bytes) -> bytes:
    """Decompress a chunk; zlib.error if it is damaged, or larger than any profile or text."""
    stream = zlib.decompressobj()
    inflated = stream.decompress(content, _MOST_BYTES)
    if not stream.eof:
        raise zlib.error(f"a chunk is incomplete or unpacks to more than {_MOST_BYTES} bytes")
    return inflated


_TEXTS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": bytes,
    b"zTXt": lambda body: _inflated(body[1:]),
    b"iTXt": _international_text,
}


def read_pixels(path: Path) -> NDArray[Any]:
    """Decode the pixels of a PNG as they are stored; a transparent colour becomes an alpha channel.

    A tRNS chunk names that colour, or the alpha of each colour of a palette.
    """
    data = path.read_bytes()
    key = None
    for name, start, end in _chunks(data):
        if zlib.crc32(memoryview(data)[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise ValueError(f"its {name.decode('latin')} chunk is damaged")
        if name == b"tRNS":
            key = data[start:end]
    depth, colour = data[24:26]
    pixels = _decoded_by_cv2(data)
    if pixels is None:
        raise ValueError("its pixels are damaged")
    if key is not None and colour in (0, 2):
        return _with_alpha(pixels, key, depth)
    if key is not None and pixels.shape[2:] != (4,):
        raise UnsupportedError("its palette is transparent; convert it to RGB first")
    # OpenCV gives grey with alpha as RGBA
    return pixels[..., 2:] if colour == 4 else pixels


def _with_alpha(pixels: NDArray[Any], key: bytes, depth: int) -> NDArray[Any]:
    """The pixels with an alpha channel that is 0 where they have a colour, of `depth` bits."""
    numbers = np.frombuffer(key, ">u2").astype(np.int64)
    colours = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels[..., :3]
    if len(numbers) != colours.shape[2]:
        raise ValueError("its tRNS chunk is damaged")
    top = np.iinfo(pixels.dtype).max
    scaled = numbers * top // (2**depth - 1)  # grey of 2 or 4 bits becomes 8
    alpha = np.where((colours == scaled).all(-1, keepdims=True), 0, top).astype(pixels.dtype)
    return np.concatenate([colours, alpha], -1)


def write(path: Path, pixels: NDArray[Any], exif: bytes, icc: bytes) -> None:
    """Write a PNG; see `photo.write_photo`."""
    is_encoded, buffer = cv2.imencode(
        ".png", pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    )
    if not is_encoded:
        raise ValueError(
            f"a PNG holds a million pixels a side, pixels has shape {pixels.shape}: "
            "write a .tif instead"
        )
    data, after_header = buffer.data, 33
    with path.open("wb") as stream:
        stream.write(data[:after_header])
        if icc:
            stream.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
        if exif:
            stream.write(_chunk(b"eXIf", exif.removeprefix(EXIF)))
        stream.write(data[after_header:])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _decoded_by_cv2(data: bytes) -> NDArray[Any] | None:
    """Decode grey, RGB or RGBA with all bits, not turned by EXIF; None if OpenCV cannot."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim == 2:
        return pixels
    # in place: a photograph may fill much of the memory
    return cv2.cvtColor(
        pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB, dst=pixels
    )

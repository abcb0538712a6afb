"""PNG and JPEG through Pillow: `load_raster`, `count_pixels`, `save_png` and `save_label_png`."""

import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from seamwise.io.atomic import atomic_path
from seamwise.io.errors import UnsupportedError, unreadable
from seamwise.io.stored import StoredImage

_ORIENTATION = 0x0112  # EXIF
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type of a PNG
_MOST_UNPACKED = 1032  # bytes that one byte of deflate can become
_SLACK = 2**20  # bytes; below these a header may say what it likes


def raster_kind(head: bytes) -> Literal["PNG", "JPEG"] | None:
    """Tell PNG and JPEG by the first bytes of a file; its name may be wrong.

    Examples
    --------
    >>> raster_kind(bytes([0xFF, 0xD8, 0xFF, 0xE0]))
    'JPEG'
    """
    if head.startswith(b"\x89PNG"):
        return "PNG"
    return "JPEG" if head.startswith(b"\xff\xd8\xff") else None


def load_raster(path: Path, kind: Literal["PNG", "JPEG"], *, indices: bool = False) -> StoredImage:
    """Read a PNG or JPEG: axes YX or YXS, upright, without alpha, no pixel size.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"PNG", "JPEG"}
        What it is, by `raster_kind`.
    indices : bool
        Read a coloured palette as its indices, not its colours. A grey palette gives its grey
        values.

    Raises
    ------
    ValueError
        The file is damaged or truncated, or has 16-bit colours, which Pillow would cut to 8 bits.
    """
    try:
        with path.open("rb") as stream:
            if kind == "PNG":
                head = stream.read(26)
                _check_depth(head)
                check_png_size(head, path.stat().st_size)
                stream.seek(0)
            # not Image.open: its limit on the pixel count is a setting of the whole process
            picture: PIL.Image.Image = (
                PngImageFile(stream) if kind == "PNG" else JpegImageFile(stream)
            )
            picture.load()
            data, notes = _pixels(picture, path.name, indices)
    except Exception as error:  # Pillow raises SyntaxError, struct.error, EOFError, ...
        raise unreadable(path, kind, error) from error
    return StoredImage(data, "YXS"[: data.ndim], kind, notes=notes)


def check_png_size(head: bytes, size: int) -> None:
    """Check that a PNG file can hold the pixels of its header, before memory is taken for them.

    Parameters
    ----------
    head : bytes
        The first 26 bytes of the file.
    size : int
        Bytes of the whole file.

    Raises
    ------
    ValueError
        The header names more pixels than so many packed bytes can become.
    """
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    row = 1 + (width * depth * _CHANNELS.get(colour, 1) + 7) // 8
    if row * height > _MOST_UNPACKED * size + _SLACK:
        raise ValueError(f"its header names {width} × {height} pixels, for which it is too small")


def count_pixels(path: Path, kind: Literal["PNG", "JPEG"]) -> int:
    """Tell from the header of an image how many pixels it has, without decoding it.

    Raises
    ------
    ValueError
        The header is damaged.
    """
    try:
        with path.open("rb") as stream:
            picture = PngImageFile(stream) if kind == "PNG" else JpegImageFile(stream)
            return int(picture.width * picture.height)
    except Exception as error:  # as above
        raise unreadable(path, kind, error) from error


def save_png(path: Path, image: NDArray[Any]) -> None:
    """Write (Y, X) uint8 or uint16, (Y, X, 3) or (Y, X, 4) uint8 as a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        PIL.Image.fromarray(image).save(temporary, format="PNG", compress_level=1)


def save_label_png(path: Path, labels: NDArray[Any]) -> None:
    """Write labels as a grey PNG, whole or not at all.

    Raises
    ------
    ValueError
        They are not (Y, X) of uint8 or uint16.
    """
    if labels.ndim != 2 or labels.dtype not in (np.uint8, np.uint16):
        what = "a stack" if labels.ndim == 3 else f"labels from {labels.min()} to {labels.max()}"
        raise ValueError(
            f"{path}: a PNG holds 2D labels from 0 to 65535, not {what}: write a .tif instead"
        )
    save_png(path, labels)


def _check_depth(head: bytes) -> None:
    depth, colour = head[24:26]
    if depth == 16 and colour != 0:
        # Pillow would silently drop the lower 8 bits
        raise UnsupportedError("it has 16-bit colours; save it as TIFF or as 16-bit grey")


def _pixels(
    picture: PIL.Image.Image, name: str, indices: bool
) -> tuple[NDArray[Any], tuple[str, ...]]:
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
    palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(palette)] = palette
    pixels: NDArray[Any] = index if indices else colours[index]
    if (colours == colours[:, :1]).all():  # grey
        pixels = colours[index, 0]
    return pixels

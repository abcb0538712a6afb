"""Photographs in JPEG files; see `seamwise.io.photo`."""

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from seamwise.io.errors import UnsupportedError
from seamwise.io.exif import PROFILE_DAMAGED, broken_tags, split_orientation
from seamwise.io.photo_facts import PhotoFacts

QUALITY = 95  # of libjpeg's 1 to 100
_STRIP = 64  # rows


def read_facts(path: Path) -> PhotoFacts:
    """Read the headers of a JPEG."""
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
    return PhotoFacts(shape, np.dtype(np.uint8), orientation, exif, icc or b"", notes)


def read_pixels(path: Path) -> NDArray[Any]:
    """Decode the pixels of a JPEG as they are stored."""
    with path.open("rb") as stream:
        picture = JpegImageFile(stream)
        picture.load()
    pixels = np.empty((picture.height, picture.width, len(picture.getbands())), np.uint8)
    # strip by strip: of the whole, Pillow would make two more copies on the way
    for top in range(0, picture.height, _STRIP):
        box = (0, top, picture.width, min(top + _STRIP, picture.height))
        pixels[top : box[3]] = np.asarray(picture.crop(box)).reshape(-1, *pixels.shape[1:])
    return pixels if picture.mode != "L" else pixels[..., 0]


def write(
    path: Path, pixels: NDArray[Any], exif: bytes, icc: bytes, *, quality: int = QUALITY
) -> None:
    """Write a JPEG; see `photo.write_photo`."""
    picture = PIL.Image.fromarray(pixels)
    picture.save(path, format="JPEG", quality=quality, subsampling=0, exif=exif, icc_profile=icc)

"""Photographs in HEIC files; see `seamwise.io.photo`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.errors import UnsupportedError
from seamwise.io.exif import EXIF, as_stored, broken_tags, split_orientation, turned_shape
from seamwise.io.photo_facts import PhotoFacts

_CHANNELS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3}


def read_facts(path: Path) -> PhotoFacts:
    """Read the headers of a HEIC file.

    libheif turns the pixels upright by a property of the file. Cameras write the same turn into
    EXIF, so this tells how the pixels are stored.
    """
    file = _open(path)
    mode, _, bits = file.mode.partition(";")
    if mode not in _CHANNELS:
        raise UnsupportedError(f"its colours are {file.mode}; convert it to RGB first")
    width, height = file.size
    shape = (height, width, 3)[: 2 if _CHANNELS[mode] == 1 else 3]
    orientation, exif, notes = _orientation(file, path)
    notes += broken_tags(exif, path.name)
    icc = file.info.get("icc_profile") or b""
    dtype = np.dtype(np.uint16 if bits else np.uint8)
    stored = turned_shape(shape, orientation)
    return PhotoFacts(stored, dtype, orientation, exif, icc, notes, mode.endswith("A"))


def read_pixels(path: Path) -> NDArray[Any]:
    """Decode the pixels of a HEIC file, turned back by its EXIF; 10 and 12 bits become 16."""
    file = _open(path)
    orientation, *_ = _orientation(file, path)
    return as_stored(np.array(file), orientation)


def _orientation(file: Any, path: Path) -> tuple[int, bytes, list[str]]:
    """As `split_orientation`."""
    exif = file.info.get("exif") or b""
    return split_orientation(EXIF + exif.removeprefix(EXIF) if exif else b"", path.name)


def _open(path: Path) -> Any:
    try:
        import pillow_heif  # an extra
    except ImportError:
        raise UnsupportedError("that needs pillow-heif: pip install 'seamwise[heic]'") from None
    return pillow_heif.open_heif(path, convert_hdr_to_8bit=False)

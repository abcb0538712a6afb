"""Photographs in camera RAW files, developed; see `seamwise.io.photo`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from seamwise.io.errors import UnsupportedError
from seamwise.io.exif import tiff_exif
from seamwise.io.photo_facts import PhotoFacts
from seamwise.io.tiff_checks import without_log

_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}  # EXIF's, by libraw's turn
_SRGB = (2.4, 12.92)  # exponent and slope of its curve


def read_facts(path: Path) -> PhotoFacts:
    """Read the headers of a RAW file."""
    with _open(path) as raw:
        sizes, balance = raw.sizes, tuple(float(x) for x in raw.camera_whitebalance)
    exif, notes = _exif(path)
    return PhotoFacts(
        (sizes.height, sizes.width, 3),
        np.dtype(np.uint16),
        _ORIENTATIONS.get(sizes.flip, 1),
        exif,
        b"",
        notes,
        white_balance=balance,
    )


def read_pixels(path: Path, white_balance: Sequence[float] | None = None) -> NDArray[Any]:
    """Develop a RAW file: demosaiced, in sRGB, with a scale that its content does not change.

    Parameters
    ----------
    path : Path
    white_balance : sequence of 4 floats, optional
        Factors of R, G, B and the second G; those of the file by default.
    """
    with _open(path) as raw:
        balance = raw.camera_whitebalance if white_balance is None else white_balance
        is_known = max(balance) > 0
        return np.asarray(
            raw.postprocess(
                user_wb=list(balance) if is_known else None,
                use_auto_wb=False,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                gamma=_SRGB,
                output_bps=16,
                user_flip=0,
            )
        )


def _open(path: Path) -> Any:
    try:
        import rawpy  # an extra
    except ImportError:
        raise UnsupportedError("that needs rawpy: pip install 'seamwise[raw]'") from None
    return rawpy.imread(str(path))


def _exif(path: Path) -> tuple[bytes, list[str]]:
    """EXIF of a RAW file that is built like a TIFF, as most are; none of others."""
    try:
        with without_log(), tifffile.TiffFile(path) as file:
            exif, _ = tiff_exif(path, file)
            return exif, []
    except Exception:  # of tifffile: the kinds are many, and the picture is useful without it
        return b"", [f"EXIF of {path.name} is not kept: it is not stored like in a TIFF"]

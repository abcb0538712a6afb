"""Pictures as a browser shows them: `shown_jpeg`."""

from io import BytesIO
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST_SHOWN = 12_000_000
"""Pixels of a picture on the page; a larger one is made smaller."""
SMALL = 160 * 120
"""Pixels of a frame in the strip."""


def shown_jpeg(pixels: NDArray[Any], icc: bytes = b"", *, most: int = LARGEST_SHOWN) -> bytes:
    """Return a picture as a JPEG of 8 bits with its colour profile.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3) array of uint8, uint16 or floats in 0..1
        Floats beyond are black or white.
    icc : bytes
    most : int
        Pixels; a picture that has more is made smaller.
    """
    picture = Image.fromarray(_in_8_bits(pixels))
    factor = sqrt(most / (picture.width * picture.height))
    if factor < 1:
        width, height = (max(1, round(side * factor)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=92, subsampling=0, icc_profile=icc or None)
    return stream.getvalue()


def _in_8_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return np.round(255 * pixels.clip(0, 1)).astype(np.uint8)

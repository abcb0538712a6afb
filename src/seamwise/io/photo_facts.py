"""What the headers of a photograph say; see `PhotoFacts`."""

from typing import Any, NamedTuple

import numpy as np


class PhotoFacts(NamedTuple):
    """What the headers of a file say about the photograph in it.

    Attributes
    ----------
    shape : tuple of int
        As stored, without an alpha channel.
    dtype : dtype
        Of the pixels.
    orientation : int
        EXIF's orientation of the stored pixels, 1 to 8.
    exif, icc : bytes
        As in `photo.Photo`.
    notes : list of str
        What the user should know, a line for each.
    has_alpha : bool
        Whether the file has an alpha channel.
    white_balance : tuple of 4 floats, optional
        Of a RAW file: factors of R, G, B and the second G.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    orientation: int
    exif: bytes
    icc: bytes
    notes: list[str]
    has_alpha: bool = False
    white_balance: tuple[float, ...] | None = None

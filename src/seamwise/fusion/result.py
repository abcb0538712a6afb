"""What every way of fusing returns; see `Fusion`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.surface import Surface


@dataclass(frozen=True, eq=False)
class Fusion:
    """One picture made from a burst.

    Attributes
    ----------
    image : (Y, X) or (Y, X, C) array
        The picture, in focus everywhere. `fuse` returns it in the type of the frames: uint8,
        uint16, or floats in 0..1. The single methods return float32 in 0..1.
    depth : (Y, X) unsigned integer array
        The frame, counted from 0, that each pixel comes from, or mostly comes from.
    alignment : Alignment, optional
        How the frames were aligned; None if they were not. It fits any burst of the same number of
        frames, size and channels.
    notes : tuple of str
        What the user should know, one line each.
    surface : Surface, optional
        Where each pixel is sharpest, if it was asked for.
    exif, icc : bytes
        EXIF and colour profile of the first frame, if the frames are files.
    detail : (n,) array, optional
        Of `fusion.scored.fuse_scored`: the share of each frame in the strength of the finest
        details, the sum of their squares. None in what `fuse` and `fuse_burst` return.
    """

    image: NDArray[Any]
    depth: NDArray[Any]
    alignment: Alignment | None = None
    notes: tuple[str, ...] = ()
    exif: bytes = b""
    icc: bytes = b""
    surface: Surface | None = None
    detail: NDArray[Any] | None = None


def depth_dtype(count: int) -> np.dtype[Any]:
    """Return the smallest unsigned type that numbers so many frames."""
    return np.min_scalar_type(count - 1)

"""Stacks of other numbers than 0..255 or 0..65535, as pictures in 0..1: `Scale`, `scale_of`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.types import Picture

_LONGEST = 4  # bytes of integers; of more, a float64 does not hold all


@dataclass(frozen=True)
class Scale:
    """One straight line from the numbers of a stack to 0..1, the same for all its planes.

    ::

        picture = (pixels − low) / span

    Floats of 32 bits hold 16,777,216 levels of the span. More levels are rounded.

    Attributes
    ----------
    low, span : float
        The smallest number of the stack, and how far the largest is above it; 1 if they are equal.
    dtype : dtype
        Of the stack.

    Examples
    --------
    >>> scale = Scale(-100, 200, np.dtype(np.int16))
    >>> scale.unit(np.array([[-100, 0, 100]], np.int16))
    array([[0. , 0.5, 1. ]], dtype=float32)
    >>> scale.stored(np.array([[0, 0.5, 0.999]], np.float32))
    array([[-100,    0,  100]], dtype=int16)
    """

    low: float
    span: float
    dtype: np.dtype[Any]

    def unit(self, pixels: NDArray[Any]) -> Picture:
        """Return pixels of the stack as a picture in 0..1."""
        picture = (pixels.astype(np.float64) - self.low) / self.span
        return picture.clip(0, 1).astype(np.float32)

    def stored(self, picture: Picture) -> NDArray[Any]:
        """Return a picture in 0..1 as numbers of the stack, integers rounded."""
        pixels = picture.astype(np.float64) * self.span + self.low
        return (np.round(pixels) if self.dtype.kind in "iu" else pixels).astype(self.dtype)


def scale_of(planes: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> Scale | None:
    """Return the scale of a stack, all of whose planes are read for it.

    None for uint8, uint16, and floats that lie in 0..1: these are pictures already.

    Parameters
    ----------
    planes : iterable of arrays
    dtype : dtype
        Of the planes.

    Raises
    ------
    TypeError
        `dtype` is an integer of more than 32 bits.
    ValueError
        A plane holds NaN or infinity (`check_numbers`).
    """
    if dtype in (np.uint8, np.uint16):
        return None
    low, high = np.inf, -np.inf
    for plane in planes:
        low, high = min(low, float(plane.min())), max(high, float(plane.max()))
    if dtype.kind == "f" and low >= 0 and high <= 1:
        return None
    return Scale(low, high - low or 1.0, dtype)


def check_numbers(plane: NDArray[Any], *, name: str) -> None:
    """Raise TypeError or ValueError unless a plane holds finite numbers that a `Scale` can map.

    Parameters
    ----------
    plane : array
    name : str
        What the error calls it.
    """
    if plane.dtype.kind not in "iuf" or (plane.dtype.kind != "f" and plane.itemsize > _LONGEST):
        raise TypeError(
            f"{name} must hold integers of up to 32 bits or floats, not {plane.dtype}: convert it"
        )
    missing = int(np.sum(~np.isfinite(plane))) if plane.dtype.kind == "f" else 0
    if missing:
        raise ValueError(
            f"{name} must hold numbers, not NaN or infinity, which {missing} values are: replace "
            "them, for example by the mean of their neighbours"
        )

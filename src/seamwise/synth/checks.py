"""Checks of the options that all drawings share."""

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from seamwise.types import FloatArray


def checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return two or three positive sizes, or raise ValueError."""
    size = tuple(index(n) for n in shape)
    if len(size) not in (2, 3) or min(size) < 1:
        raise ValueError(f"shape must have two or three positive sizes, not {size}: try (256, 256)")
    return size


def checked_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return uint8 or uint16, or raise ValueError."""
    if np.dtype(dtype) not in (np.uint8, np.uint16):
        raise ValueError(
            f"dtype must be uint8 or uint16, not {np.dtype(dtype)}: convert the image afterwards"
        )
    return np.dtype(dtype)


def per_axis(name: str, value: float | Sequence[float], ndim: int) -> FloatArray:
    """Return one number for each axis, or raise ValueError."""
    values = np.asarray(value, dtype=float)
    if values.shape not in ((), (ndim,)):
        raise ValueError(f"{name} must be one number or {ndim} (one for each axis), not {value}")
    return np.broadcast_to(values, ndim)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless the number lies in low..high."""
    if not low <= value <= high:
        raise ValueError(
            f"{name} must lie in [{low:g}, {high:g}], not {value}: choose a value in that range"
        )


def check_photons(photons: float) -> None:
    """Raise ValueError unless the number of photons can be drawn."""
    # beyond 1e12 the Poisson noise is far below one grey level, and near 1e19 numpy cannot draw it
    if not (0 < photons <= 1e12 or photons == np.inf):
        raise ValueError(
            f"photons must lie in (0, 1e12] or be inf, not {photons}: inf draws without noise"
        )

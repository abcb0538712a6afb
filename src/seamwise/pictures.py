"""Camera pictures as numbers in 0..1; see `as_unit`, `in_dtype`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.array_like import as_array


def as_unit(picture: NDArray[Any], *, name: str = "picture") -> NDArray[np.float32]:
    """Return a picture as float32 in 0..1.

    Integers are divided by the largest number of their type.

    Parameters
    ----------
    picture : (Y, X) or (Y, X, C) array of uint8, uint16, or floats in 0..1
    name : str
        What the errors call it.

    Raises
    ------
    TypeError
        The type is another one.
    ValueError
        The picture has other axes or no pixel, or floats are outside 0..1, NaN or infinite.

    Examples
    --------
    >>> as_unit(np.array([[0, 51, 255]], np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)
    """
    picture = as_array(picture, name=name, real=True)
    if picture.ndim not in (2, 3) or picture.size == 0:
        raise ValueError(
            f"{name} must be (Y, X) or (Y, X, C) with at least one pixel, "
            f"not of shape {picture.shape}: give one picture"
        )
    if picture.dtype in (np.uint8, np.uint16):
        return np.asarray(np.divide(picture, np.iinfo(picture.dtype).max, dtype=np.float32))
    if picture.dtype.kind != "f":
        raise TypeError(
            f"{name} must be uint8, uint16 or float, not {picture.dtype}: convert it first"
        )
    check_in_unit(picture, name=name)
    return picture.astype(np.float32)


def in_dtype(picture: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a picture in 0..1 in another type: the opposite of `as_unit`.

    Parameters
    ----------
    picture : array of float32 in 0..1
    dtype : dtype
        uint8 or uint16, to which numbers are rounded, or floats of any size.

    Examples
    --------
    >>> in_dtype(np.array([0, 0.5, 1], np.float32), np.dtype(np.uint8))
    array([  0, 128, 255], dtype=uint8)
    """
    if dtype.kind == "f":
        return picture.astype(dtype)
    levels = picture * np.float32(np.iinfo(dtype).max)
    return np.round(levels, out=levels).astype(dtype)


def check_in_unit(
    picture: NDArray[Any], *, name: str, remedy: str = "divide it by its largest possible value"
) -> None:
    """Raise ValueError unless all values of a picture of floats lie in 0..1.

    Parameters
    ----------
    picture : array of floats
    name, remedy : str
        What the error calls it, and what to do about numbers outside 0..1.
    """
    low, high = float(picture.min()), float(picture.max())
    if low >= 0 and high <= 1:
        return
    missing = int(np.sum(~np.isfinite(picture)))
    if missing:
        raise ValueError(
            f"{name} must hold numbers in 0..1, not NaN or infinity, which {missing} values are: "
            "replace them, for example by the mean of their neighbours"
        )
    raise ValueError(f"{name} must lie in 0..1, not {low}..{high}: {remedy}")

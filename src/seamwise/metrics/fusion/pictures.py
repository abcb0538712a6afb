"""The pictures a fusion metric compares, checked at the public door; see `checked_triple`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.array_like import as_array

Grey = NDArray[np.float64]


def checked_triple(
    a: NDArray[Any], b: NDArray[Any], fused: NDArray[Any], *, min_size: int = 1
) -> tuple[Grey, Grey, Grey]:
    """Return both sources and the fused picture as float64, after the checks of all metrics.

    Parameters
    ----------
    a, b, fused : (H, W) arrays
        Grey pictures of one size, values 0..255, integers or floats.
    min_size : int
        Least H and W: the side of the metric's window.

    Raises
    ------
    TypeError
        An array does not hold integers or floats.
    ValueError
        A picture is not two-dimensional, is empty or too small, holds NaN, holds values outside
        0..255 or only values of 0..1 that are not just 0 and 1, or the three sizes differ.
    """
    pictures = [_grey(name, picture) for name, picture in (("a", a), ("b", b), ("fused", fused))]
    shapes = [picture.shape for picture in pictures]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"a, b and fused must have one size, not {shapes[0]}, {shapes[1]} and {shapes[2]}: "
            "crop them alike"
        )
    if min(shapes[0]) < min_size:
        raise ValueError(
            f"a, b and fused must have at least {min_size} × {min_size} pixels, not {shapes[0]}"
        )
    return pictures[0], pictures[1], pictures[2]


def checked_picture(name: str, picture: NDArray[Any]) -> Grey:
    """Return one picture of any rank as float64, after a check that its values are 0..255."""
    picture = as_array(picture, name=name, real=True)
    if picture.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold integers or floats of 0..255, not {picture.dtype}")
    if picture.size == 0:
        raise ValueError(f"{name} must hold at least one pixel, not the shape {picture.shape}")
    low, high = float(picture.min()), float(picture.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name} must hold finite values, not NaN or infinity")
    if low < 0 or high > 255:
        raise ValueError(
            f"{name} must hold values of 0..255, not {low:g}..{high:g}: rescale or clip it"
        )
    # whole numbers are the grey levels of a dark picture
    if picture.dtype.kind == "f" and high <= 1 and (picture % 1 != 0).any():
        raise ValueError(
            f"{name} must hold values of 0..255, and {low:g}..{high:g} looks like 0..1: "
            "multiply by 255"
        )
    return picture.astype(np.float64)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError that lists the choices when `value` is none of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def _grey(name: str, picture: NDArray[Any]) -> Grey:
    if np.ndim(picture) == 3 and np.shape(picture)[-1] in (3, 4):
        raise ValueError(
            f"{name} must be a grey picture (H, W), not {np.shape(picture)}: "
            "convert it with to_grey"
        )
    if np.ndim(picture) != 2:
        raise ValueError(
            f"{name} must be a grey picture (H, W), not an array of shape {np.shape(picture)}"
        )
    return checked_picture(name, picture)

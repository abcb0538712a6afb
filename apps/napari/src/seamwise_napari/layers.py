"""What the layers of napari hold, as arrays: pixels, pixel sizes, places. Needs no Qt."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_MICROMETRES = {
    "meter": 1e6,
    "centimeter": 1e4,
    "millimeter": 1e3,
    "micrometer": 1.0,
    "micron": 1.0,
    "nanometer": 1e-3,
    "angstrom": 1e-4,
}
COLOURS = ("red", "green", "blue")


class Layer(Protocol):
    """What is used of a layer of napari."""

    name: str
    data: Any
    scale: Any
    units: Any


def finest_of(layer: Any) -> Any:
    """Return the pixels of an image layer, without computing lazy ones: the finest level, with all
    channels of a colour image."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def pixels_of(layer: Any, colour: str = COLOURS[0]) -> NDArray[Any]:
    """Return the pixels of an image layer, without computing lazy ones: the finest level, one
    channel of a colour image."""
    pixels: NDArray[Any] = finest_of(layer)
    return pixels[..., COLOURS.index(colour)] if getattr(layer, "rgb", False) else pixels


def spacing_of(layer: Layer, ndim: int) -> tuple[float, ...] | None:
    """Return the size of a pixel in micrometres along the last axes; None if they have other units.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> spacing_of(SimpleNamespace(scale=[2, 500, 500], units=("um", "nm", "nm")), 2) is None
    True
    >>> spacing_of(SimpleNamespace(scale=[2, 500], units=("micrometer", "nanometer")), 2)
    (2.0, 0.5)
    """
    names = [str(unit) for unit in layer.units][-ndim:]
    if len(names) < ndim or not all(name in _MICROMETRES for name in names):
        return None
    steps = [float(step) for step in layer.scale][-ndim:]
    return tuple(step * _MICROMETRES[name] for step, name in zip(steps, names, strict=True))


def spacing_of_text(text: str, ndim: int) -> tuple[float, ...] | None:
    """Return the pixel size that a user typed; None if nothing was typed.

    Raises
    ------
    ValueError
        It says something else.

    Examples
    --------
    >>> spacing_of_text("2, 0.5, 0.5", 3), spacing_of_text("0.5", 2), spacing_of_text(" ", 3)
    ((2.0, 0.5, 0.5), (0.5, 0.5), None)
    """
    if not text.strip():
        return None
    try:
        steps = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        steps = ()
    if len(steps) == 1 and ndim == 2:
        steps *= 2
    if len(steps) != ndim or not all(0 < step < np.inf for step in steps):
        axes = "z, y, x" if ndim == 3 else "y, x"
        raise ValueError(f"the pixel size must be {ndim} numbers, {axes}, not {text!r}")
    return steps


def place_of(layer: Any, point: Sequence[float], leading: int) -> tuple[int, ...]:
    """Return the indices of the leading axes at which a viewer shows a layer.

    Parameters
    ----------
    layer : napari layer
    point : sequence of float
        Where the viewer is, in the world.
    leading : int
        How many axes come before those of space.
    """
    data = np.atleast_1d(np.asarray(layer.world_to_data(tuple(point)), float))
    shape = pixels_of(layer).shape
    return tuple(
        int(np.clip(round(where), 0, size - 1))
        for where, size in zip(data[-len(shape) :][:leading], shape, strict=False)
    )


def copied_place(layer: Any, axes: int = 0) -> dict[str, Any]:
    """Return the arguments that put a layer of the same pixels where this one is.

    With `axes` it has the last axes only. A turn or shear between these and the others is lost.
    """
    return {
        "scale": layer.scale[-axes:],
        "translate": layer.translate[-axes:],
        "rotate": layer.rotate[-axes:, -axes:],
        "shear": layer.shear[-(axes * (axes - 1) // 2) :],  # row by row, above the diagonal
        "units": layer.units[-axes:],
        "axis_labels": layer.axis_labels[-axes:],
    }

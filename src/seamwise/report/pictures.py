"""Pictures of a report: a whole plane with its outlines, and close-ups of cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.htmlpage import Markup, picture, picture_data
from seamwise.io.volume import Volume
from seamwise.labels import Labels
from seamwise.labels.colours import colours_of
from seamwise.segmentation.overlay import label_places, number_size, thick_contour

SIDE = 1000
"""Largest side of the picture of a plane, in pixels; smaller images are enlarged towards it."""

_STRIP = 2**22  # pixels that are read at once
_CLOSE_UP = 150  # side of a close-up on the page
_MARGIN = 12  # pixels around a cell in its close-up
_WIDTH = 2  # of outlines, in pixels of the page
_DIM = 190  # grey of the outlines of other cells
_LOW, _HIGH = 1, 99.8  # percentiles that become black and white

Colours = Callable[[NDArray[Any]], NDArray[np.uint8]]
"""Labels → their colours, `(n, 3)`."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of an image, perhaps thinned out.

    Attributes
    ----------
    grey : (Y, X) uint8 array
    labels : (Y, X) integer array
    step : int
        Every so many pixels of the image are in it.
    limits : tuple of float
        Intensities that are black and white.
    z : int or None
        The slice of a stack.
    """

    grey: NDArray[np.uint8]
    labels: Labels
    step: int
    limits: tuple[float, float]
    z: int | None


def read_plane(image: Volume | None, labels: Volume, *, time: int = 0) -> Plane:
    """Read the middle slice of a time point; of a large image every nth row and column.

    Without an image the plane is black.
    """
    z = labels.shape[0] // 2 if labels.axes == "ZYX" else None
    step = max(-(-max(labels.shape[-2:]) // SIDE), 1)
    numbers = _thinned(labels, step, z, time)
    if image is None:
        return Plane(np.zeros(numbers.shape, np.uint8), numbers, step, (0, 1), z)
    channel = _thinned(image, step, z, time)
    low, high = np.nanpercentile(channel.astype(np.float64), (_LOW, _HIGH))
    limits = (float(low), float(high) if high > low else float(low) + 1)
    return Plane(grey_levels(channel, limits), numbers, step, limits, z)


def grey_levels(channel: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Map intensities to 0..255; what is not finite is black."""
    low, high = limits
    level = np.nan_to_num((channel.astype(np.float64) - low) / (high - low))
    grey: NDArray[np.uint8] = (np.clip(level, 0, 1) * 255).astype(np.uint8)
    return grey


def plane_picture(
    plane: Plane,
    name: str,
    *,
    colours: Colours = colours_of,
    marked: frozenset[int] = frozenset(),
    width: int = _WIDTH,
) -> Markup:
    """Return a plane with numbered outlines; boxes to tick hide outlines and numbers.

    Parameters
    ----------
    plane : Plane
    name : str
        For readers who do not see it, and to tell the pictures of a page from each other.
    colours : function
        Labels → `(n, 3)` colours of their outlines.
    marked : set of int
        Cells whose number is red.
    width : int
        Of the outlines, in pixels of a picture that is `SIDE` wide.
    """
    zoom = max(SIDE // max(plane.labels.shape), 1)
    large = np.kron(plane.labels, np.ones((zoom, zoom), plane.labels.dtype))
    outlines = np.zeros((*large.shape, 4), np.uint8)
    rim = thick_contour(large, width)
    outlines[rim, :3] = colours(large[rim])
    outlines[rim, 3] = 255
    rows, columns = large.shape
    numbers = "".join(_number(*place, marked) for place in label_places(large))
    grey = picture_data(plane.grey)
    return Markup(
        f'<div class="view"><label><input type="checkbox" class="lines" checked> outlines</label> '
        f'<label><input type="checkbox" class="digits" checked> numbers</label>'
        f'<svg viewBox="0 0 {columns} {rows}" width="{columns}" role="img" '
        f'aria-label="{escape(name)}">'
        f'<image href="{grey}" width="{columns}" height="{rows}" '
        f'style="image-rendering:pixelated"/>'
        f'<image class="lines" href="{picture_data(outlines)}" width="{columns}" height="{rows}"/>'
        f'<g class="digits" text-anchor="middle" dominant-baseline="central" fill="#fff" '
        f'stroke="#000" stroke-width="2.5" paint-order="stroke">{numbers}</g></svg></div>'
    )


VIEW_STYLE = Markup(
    "<style>.view label { color: var(--soft); font-size: 13px; margin-right: 14px } "
    ".view svg { margin-top: 6px } "
    ".view:has(input.lines:not(:checked)) image.lines { display: none } "
    ".view:has(input.digits:not(:checked)) g.digits { display: none }</style>"
)
"""What the boxes of `plane_picture` do; once on each page."""


def close_up(
    image: Volume | None,
    labels: Volume,
    cells: Mapping[str, NDArray[Any]],
    row: int,
    limits: tuple[float, float],
) -> Markup:
    """Return one cell, enlarged; the outlines of its neighbours are grey.

    A large cell is thinned out to every nth row and column.

    Parameters
    ----------
    image, labels : Volume
    cells : columns of `measure`
    row : int
        Which of the cells.
    limits : tuple of float
        Intensities that are black and white.
    """
    where = {name: int(cells[name][row]) for name in cells if name.startswith("bbox_")}
    box = [
        slice(
            max(where[f"bbox_{axis}_start_px"] - _MARGIN, 0),
            min(where[f"bbox_{axis}_stop_px"] + _MARGIN, length),
        )
        for axis, length in zip("yx", labels.shape[-2:], strict=True)
    ]
    z = int(cells["centroid_z_px"][row]) if labels.axes == "ZYX" else None
    time, number = int(cells["time"][row]), cells["id"][row]
    step = max(1, max(side.stop - side.start for side in box) // (2 * _CLOSE_UP))
    part = _thinned(labels, step, z, time, box)
    grey = np.zeros(part.shape, np.uint8)
    if image is not None:
        grey = grey_levels(_thinned(image, step, z, time, box), limits)
    zoom = max(_CLOSE_UP // max(part.shape), 1)
    ones = np.ones((zoom, zoom), np.uint8)
    drawing: NDArray[np.uint8] = np.repeat(np.kron(grey, ones)[..., np.newaxis], 3, axis=2)
    large = np.kron(part, ones.astype(part.dtype))
    rim = thick_contour(large, _WIDTH)
    drawing[rim] = _DIM
    drawing[rim & (large == number)] = colours_of(np.array([number]))[0]
    return picture(drawing, alt=f"cell {number}", width=min(drawing.shape[1], _CLOSE_UP))


def _thinned(
    volume: Volume, step: int, z: int | None, time: int, box: Sequence[slice] = ()
) -> NDArray[Any]:
    """The first channel of a plane, or of a box in it, read strip by strip."""
    down, across = box or [slice(0, length) for length in volume.shape[-2:]]
    rows = max(_STRIP // ((across.stop - across.start) * step), 1) * step
    parts = []
    for start in range(down.start, down.stop, rows):
        strip_box = (slice(start, min(start + rows, down.stop)), across)
        inside = strip_box if z is None else (slice(z, z + 1), *strip_box)
        strip = volume.read(inside, time=time)[0]
        parts.append(strip.reshape(strip.shape[-2:])[::step, ::step])
    return np.concatenate(parts)


def _number(number: int, y: int, x: int, area: int, marked: frozenset[int]) -> str:
    size = number_size(area, number)
    colour = ' fill="#ff6b5e" font-weight="bold"' if number in marked else ""
    return f'<text x="{x}" y="{y}" font-size="{size:.0f}"{colour}>{number}</text>'

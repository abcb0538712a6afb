"""Files of a surface: heights, confidence, drawings and a mesh; see `write_height`."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from seamwise.fusion.surface import Surface
from seamwise.io.atomic import atomic_path
from seamwise.io.images import write_png
from seamwise.io.tiff import write_zlib

_TOP = 65535  # of 16 bits; 0 is missing
_DRAWN = 160  # points along the longer side of the relief
_MOST_POINTS = 1_000_000  # of a mesh
_MISSING = "0.6"  # grey
_MOST_LABELS = 3  # intervals along the axis of heights
_LABEL_PAD = 12  # points, past numbers of five digits
_ROUND = (1, 2, 5)
_DARKEST, _BRIGHTEST = 0.1, 99.9  # percentiles of a dim picture that are drawn black and white


def write_height(path: Path, surface: Surface) -> None:
    """Write heights as a TIFF of 16 bits.

    ::

        value = 1 + round(65534 · height / top),    0 where the height is missing

    The description in the file is JSON that tells how to return to heights: ``height = (value −
    offset) · scale``, in `unit`. The pixel size is in the file if it is known.
    """
    scale = surface.top / (_TOP - 1)
    values = np.round(surface.height / np.float32(scale)) + 1
    description = {"unit": surface.unit, "scale": scale, "offset": 1, "missing": 0}
    size: dict[str, Any] = {}
    if surface.spacing is not None:
        height, width = surface.spacing
        size = {"resolution": (1e4 / width, 1e4 / height), "resolutionunit": "CENTIMETER"}
    with atomic_path(path) as temporary:
        write_zlib(
            temporary,
            np.nan_to_num(values).clip(0, _TOP).astype(np.uint16),
            photometric="minisblack",
            description=json.dumps(description, ensure_ascii=True),
            metadata=None,
            software=False,
            **size,
        )


def write_confidence(path: Path, surface: Surface) -> None:
    """Write the confidence as a grey PNG: black is 0, white is 1."""
    write_png(path, np.round(255 * surface.confidence).astype(np.uint8))


def draw_height(path: Path, surface: Surface) -> None:
    """Draw the heights in colours, with a bar of their values; missing ones are grey.

    If the pixel size is known, a bar shows a length.
    """
    from matplotlib.figure import Figure  # slow to import, needed only here

    rows, columns = surface.position.shape
    y_size, x_size = _sizes(surface)
    ratio = rows * y_size / (columns * x_size)
    width = 6.4 * min(1.0, max(0.4, 1 / ratio))
    figure = Figure(figsize=(width + 1.4, width * ratio + 0.3), layout="constrained")
    axes = figure.add_subplot(facecolor=_MISSING)
    heights = np.ma.masked_invalid(surface.height)
    drawn = axes.imshow(
        heights,
        cmap="viridis",
        vmin=0,
        vmax=surface.top,
        interpolation="nearest",
        aspect=y_size / x_size,
    )
    axes.set_xticks([])
    axes.set_yticks([])
    label = "height [µm]" if surface.unit == "µm" else "sharpest frame, counted from 0"
    figure.colorbar(drawn, ax=axes, label=label, fraction=0.05, pad=0.02)
    if surface.spacing is not None:
        length = _round_length(columns * x_size / 4)
        start, at = 0.04 * columns, 0.95 * rows
        axes.plot([start, start + length / x_size], [at, at], "w", lw=3)
        axes.text(start, at - 0.02 * rows, f"{length:g} µm", color="w", va="bottom")
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def draw_relief(path: Path, surface: Surface, picture: NDArray[Any]) -> None:
    """Draw the surface in three dimensions, in the colours of the fused picture.

    Missing parts are holes. Each point is the median of what is around it, 1/30 of the longer side.
    The heights are stretched to a quarter of the longer side.
    """
    from matplotlib.figure import Figure  # slow to import, needed only here
    from matplotlib.ticker import MaxNLocator

    heights, colours, step = _smaller(surface, picture, _DRAWN**2)
    windows = sliding_window_view(np.pad(heights, 2, mode="edge"), (5, 5))
    heights = _middle(windows.reshape(*heights.shape, 25))
    rows, columns = np.indices(heights.shape) * step
    y_size, x_size = _sizes(surface)
    figure = Figure(figsize=(8, 6.4))
    axes: Any = figure.add_axes((0.0, 0.02, 0.94, 1.0), projection="3d")
    axes.plot_surface(
        columns * x_size,
        rows * y_size,
        heights,
        facecolors=colours / 255,
        rstride=1,
        cstride=1,
        linewidth=0,
        antialiased=False,
        shade=False,
    )
    lengths = np.array(heights.shape[::-1]) * (x_size, y_size)
    axes.set_box_aspect((*(lengths / lengths.max()), 0.25))
    axes.set_zlim(0, surface.top)
    axes.set_ylim(heights.shape[0] * step * y_size, 0)  # the first row is far away
    unit = "px" if surface.spacing is None else "µm"
    axes.set_xlabel(f"x [{unit}]")
    axes.set_ylabel(f"y [{unit}]")
    # the axis is short: more labels than this would lie on each other
    axes.zaxis.set_major_locator(MaxNLocator(_MOST_LABELS, integer=surface.unit != "µm"))
    axes.set_zlabel("height [µm]" if surface.unit == "µm" else "frame", labelpad=_LABEL_PAD)
    axes.view_init(elev=50, azim=-70)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)


def write_ply(path: Path, surface: Surface, picture: NDArray[Any]) -> None:
    """Write the surface as a mesh with colours, a binary PLY of at most a million points.

    x is to the right and y upwards, in micrometres if the pixel size is known, otherwise in pixels;
    z is the height. Pixels without a height make holes.
    """
    heights, colours, step = _smaller(surface, picture, _MOST_POINTS)
    y_size, x_size = (step * size for size in _sizes(surface))
    rows, columns = np.nonzero(np.isfinite(heights))
    points = np.empty(len(rows), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    points["xyz"] = np.stack([columns * x_size, -rows * y_size, heights[rows, columns]], 1)
    points["rgb"] = colours[rows, columns]
    triangles = _triangles(np.isfinite(heights))
    faces = np.empty(len(triangles), [("count", "u1"), ("points", "<i4", 3)])
    faces["count"], faces["points"] = 3, triangles
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"comment z in {'micrometres' if surface.unit == 'µm' else 'frames'}",
            f"element vertex {len(points)}",
            *(f"property float {axis}" for axis in "xyz"),
            *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
            f"element face {len(faces)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
    )
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(header.encode("ascii") + points.tobytes() + faces.tobytes())


def _sizes(surface: Surface) -> tuple[float, float]:
    """Size of a pixel (Y, X); in pixels if it is not known."""
    return surface.spacing or (1.0, 1.0)


def _triangles(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Two triangles for each square of four points in a mask, by the numbers of its points."""
    number = np.full(mask.shape, -1, np.int32)
    number[mask] = np.arange(mask.sum(), dtype=np.int32)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    both = [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, c, b), (b, c, d))]
    triangles = np.concatenate(both)
    return np.asarray(triangles[(triangles >= 0).all(1)], np.int32)


def _smaller(
    surface: Surface, picture: NDArray[Any], most: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
    """Heights and 8-bit colours at about so many points, and how many pixels lie between two."""
    step = max(1, int(np.ceil(np.sqrt(surface.position.size / most))))
    rows, columns = (length // step for length in surface.position.shape)
    area = slice(0, rows * step), slice(0, columns * step)
    blocks = surface.height[area].reshape(rows, step, columns, step).swapaxes(1, 2)
    heights = _middle(blocks.reshape(rows, columns, -1))
    low, span = _range(picture)
    small = cv2.resize(
        picture[area].astype(np.float32) - np.float32(low),
        (columns, rows),
        interpolation=cv2.INTER_AREA,
    )
    colours = np.round(small * (255 / span)).clip(0, 255).astype(np.uint8)
    if colours.ndim == 2:
        colours = np.repeat(colours[..., np.newaxis], 3, axis=2)
    return heights, colours, step


def _range(picture: NDArray[Any]) -> tuple[float, float]:
    """What is drawn black, and how far white lies above it.

    A picture that uses less than half of its 16 bits, as those of microscopes, would be black. It
    is drawn from what 0.1 % of its values are below to what 0.1 % are above.
    """
    if picture.dtype == np.uint16:
        low, high = (float(value) for value in np.percentile(picture, (_DARKEST, _BRIGHTEST)))
        is_dim = 2 * (high - low) < _TOP
        return (low, max(high - low, 1.0)) if is_dim else (0.0, float(_TOP))
    if picture.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(picture.min()), float(picture.max())
    is_unit = picture.dtype.kind == "f" and low >= 0 and high <= 1
    return (0.0, 1.0) if is_unit else (low, high - low or 1.0)


def _middle(heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median along the last axis without the missing ones; missing if over half are."""
    count = np.isfinite(heights).sum(-1)
    place = np.maximum(count - 1, 0) // 2
    middle = np.take_along_axis(np.sort(heights, -1), place[..., np.newaxis], -1)[..., 0]
    return np.where(2 * count >= heights.shape[-1], middle, np.float32(np.nan))


def _round_length(length: float) -> float:
    """Return the largest of 1, 2, 5, 10, … that is not above a length."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(factor * power for factor in _ROUND if factor * power <= length))

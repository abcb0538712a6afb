"""Made-up scenes of several depths, and pictures for them; see `draw_scene`, `drawn_picture`."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.synth.burst import Layer, uncoded
from seamwise.synth.focus import random_shapes
from seamwise.types import Picture

Texture = Callable[[tuple[int, int], np.random.Generator], Picture]
"""Makes a picture of a size: `(Y, X, 3)`, sRGB in 0..1."""

_Array = NDArray[Any]


def draw_scene(
    shape: tuple[int, int],
    texture: Texture,
    *,
    surfaces: float = 0.45,
    hairs: float = 0.28,
    rng: np.random.Generator | int | None = None,
) -> list[Layer]:
    """Draw a scene with depths between 0 (near) and 1 (far), as layers from far to near.

    A scene is one surface of smooth depth, or a background at 1 or sloping with one to three
    objects before it: shapes, or bunches of hairs. Surfaces look like a picture or, one in eight,
    are nearly plain. Three of ten scenes have highlights, spots of one or two pixels up to 40
    times as bright as white.

    Parameters
    ----------
    shape : (Y, X)
    texture : function
        Called with a size and a random generator, returns what a surface looks like.
    surfaces, hairs : float in 0..1
        Shares of scenes that are one surface, and of those with hairs; together at most 1.
    rng : numpy random generator, seed or None

    Returns
    -------
    list of Layer
        As `focus_burst` takes them.

    Raises
    ------
    ValueError
        The shares are out of range.
    """
    if not (surfaces >= 0 and hairs >= 0 and surfaces + hairs <= 1):
        raise ValueError(
            f"surfaces and hairs must be shares of a whole, not {surfaces} and {hairs}: "
            "lower one of them"
        )
    rng = np.random.default_rng(rng)
    kind = rng.random()
    if kind < surfaces:
        layers = [Layer(_light(shape, texture, rng), _whole(shape), smooth_field(shape, rng))]
    else:
        layers = _background_and_objects(shape, texture, kind > 1 - hairs, rng)
    if rng.random() < 0.3:
        _add_highlights(layers[int(rng.integers(len(layers)))], rng)
    return layers


def drawn_picture(
    shape: tuple[int, int], *, rng: np.random.Generator | int | None = None
) -> Picture:
    """Draw a picture of overlapping shapes: ellipses, polygons, lines and letters.

    They are plain, striped, shaded or grainy.

    Returns
    -------
    (Y, X, 3) float32 array
        sRGB in 0..1. Its edges are as sharp as pixels allow.
    """
    rng = np.random.default_rng(rng)
    height, width = 2 * shape[0], 2 * shape[1]
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = rng.uniform(0, 1, 3)
    canvas += rng.uniform(0, 0.3) * _fractal((height, width), rng)[..., np.newaxis]
    sizes = np.sort(rng.uniform(0, 1, int(rng.integers(20, 140))) ** 2)[::-1]
    for size in sizes:  # large ones first, so that small ones stay visible
        _draw_shape(canvas, 4 + 0.3 * size * min(height, width), rng)
    small = cv2.resize(canvas, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 1).astype(np.float32)


def smooth_field(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return smooth numbers `(Y, X)`, 0 at their least and 1 at most."""
    coarse = rng.standard_normal(tuple(rng.integers(2, 6, 2))).astype(np.float32)
    field = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[: shape[0], : shape[1]] / np.float32(max(shape))
    field = field + np.float32(rng.normal(0, 2)) * x + np.float32(rng.normal(0, 2)) * y
    low, high = float(field.min()), float(field.max())
    return np.asarray((field - low) / max(high - low, 1e-6), np.float32)


def _background_and_objects(
    shape: tuple[int, int], texture: Texture, is_hairy: bool, rng: np.random.Generator
) -> list[Layer]:
    far = _whole(shape)
    if rng.random() < 0.3:
        far = 0.7 + 0.3 * smooth_field(shape, rng)
    layers = [Layer(_light(shape, texture, rng), _whole(shape), far)]
    draw = _hairs if is_hairy else _shape
    for depth in np.sort(rng.uniform(0, 0.9, int(rng.integers(1, 4))))[::-1]:
        cover = draw(shape, rng)
        field = np.full(shape, depth, np.float32)
        if rng.random() < 0.4:
            field = np.clip(field + 0.3 * (smooth_field(shape, rng) - 0.5), 0, 1)
        layers.append(Layer(_light(shape, texture, rng), cover, field))
    return layers


def _whole(shape: tuple[int, int]) -> Picture:
    return np.ones(shape, np.float32)


def _light(shape: tuple[int, int], texture: Texture, rng: np.random.Generator) -> Picture:
    if rng.random() < 0.12:
        plain = rng.uniform(0, 1, 3).astype(np.float32) ** 2
        return (plain * (0.7 + 0.3 * smooth_field(shape, rng))[..., np.newaxis]).astype(np.float32)
    light = uncoded(texture(shape, rng))
    return light * np.float32(rng.uniform(0.15, 1.0)) if rng.random() < 0.4 else light


def _shape(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    segments = random_shapes((2 * shape[0], 2 * shape[1]), rng=rng)
    cover = (segments == int(rng.integers(1, segments.max() + 1))).astype(np.float32)
    return np.asarray(cv2.resize(cover, shape[::-1], interpolation=cv2.INTER_AREA))


def _hairs(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    height, width = 4 * shape[0], 4 * shape[1]
    mask = np.zeros((height, width), np.uint8)
    t = np.linspace(0, 1, 24)[:, np.newaxis]
    for _ in range(int(rng.integers(1, 9))):
        start, end = rng.uniform(-0.1, 1.1, (2, 2)) * (width, height)
        middle = (start + end) / 2 + rng.normal(0, 0.15, 2) * (width, height)
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
        cv2.polylines(mask, [curve.astype(np.int32)], False, 255, int(rng.integers(3, 22)))
    cover = cv2.resize(mask.astype(np.float32) / 255, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cover)


def _add_highlights(layer: Layer, rng: np.random.Generator) -> None:
    height, width = layer.cover.shape
    for _ in range(int(rng.integers(1, 25))):
        y, x, size = int(rng.integers(height)), int(rng.integers(width)), int(rng.integers(1, 3))
        layer.light[y : y + size, x : x + size] = rng.uniform(2, 40) * rng.uniform(0.7, 1, 3)


def _draw_shape(canvas: Picture, radius: float, rng: np.random.Generator) -> None:
    mask = np.zeros(canvas.shape[:2], np.uint8)
    centre = rng.uniform(0, 1, 2) * canvas.shape[1::-1]
    [_ellipse, _polygon, _line, _word][int(rng.integers(4))](mask, centre, radius, rng)
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    left, top, columns, rows = cv2.boundingRect(mask)
    y, x = np.nonzero(mask[top : top + rows, left : left + columns])
    y, x = y + top, x + left
    fill: _Array = np.broadcast_to(colour, (len(y), 3))
    kind = rng.random()
    if kind < 0.3:
        wave = np.sin((x * rng.normal() + y * rng.normal()) * rng.uniform(0.1, 1.2))
        fill = fill + 0.3 * rng.random() * wave[:, np.newaxis]
    elif kind < 0.6:
        fill = fill + rng.uniform(0.02, 0.3) * rng.standard_normal((len(y), 1))
    elif kind < 0.75:
        slope = (x - centre[0]) / (radius + 1)
        fill = fill + 0.4 * slope[:, np.newaxis] * rng.uniform(-1, 1, 3)
    canvas[y, x] = fill


def _ellipse(mask: _Array, centre: _Array, radius: float, rng: np.random.Generator) -> None:
    axes = (radius * rng.uniform(0.3, 1, 2)).astype(int) + 1
    angle = float(rng.uniform(0, 180))
    cv2.ellipse(mask, centre.astype(int).tolist(), axes.tolist(), angle, 0, 360, 255, -1)


def _polygon(mask: _Array, centre: _Array, radius: float, rng: np.random.Generator) -> None:
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    points = centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(mask, [points.astype(np.int32)], 255)


def _line(mask: _Array, centre: _Array, radius: float, rng: np.random.Generator) -> None:
    end = centre + radius * 3 * rng.uniform(-1, 1, 2)
    ends = centre.astype(int).tolist(), end.astype(int).tolist()
    cv2.line(mask, *ends, 255, int(rng.integers(1, 8)))


def _word(mask: _Array, centre: _Array, radius: float, rng: np.random.Generator) -> None:
    word = "".join(chr(int(code)) for code in rng.integers(33, 127, int(rng.integers(1, 9))))
    font, size = int(rng.integers(0, 8)), float(rng.uniform(0.4, 2.5))
    place = centre.astype(int).tolist()
    cv2.putText(mask, word, place, font, size, 255, int(rng.integers(1, 5)))


def _fractal(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    total = np.zeros(shape, np.float32)
    for level in range(1, 7):
        coarse = rng.standard_normal((2**level + 1, 2**level + 1)).astype(np.float32)
        total += cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) / level
    return np.asarray(total / max(float(np.abs(total).max()), 1e-6))

"""Cells that move, divide and become active, with exact labels; see `time_lapse`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seamwise.labels import Labels, smallest_dtype
from seamwise.synth.camera import WIDEFIELD, Camera
from seamwise.synth.cells import (
    BORDER_WIDTH,
    EDGE_FALL,
    Shapes,
    checked_count,
    draw_shapes,
    one_component_each,
    place,
    territories,
)
from seamwise.synth.checks import check_range, checked_shape
from seamwise.types import FloatArray

_SPREAD, _IRREGULARITY, _CLUSTER = 0.15, 0.1, 4.0
_PERSISTENCE = 0.7  # of the velocity, from frame to frame
_CLOSE = 0.85  # of the sum of two radii: nearer cells push each other
_PUSHES = 8
_GROWTH = 0.15  # share of the missing radius that a cell gains in a frame
_REST = 8  # frames between two divisions
_DIMMING = 0.5
_BRIGHTNESS = (0.5, 1.0)
_MARKER = {False: 0.12, True: 0.6}
"""Median light of the marker in a cell, by whether it is active."""
_MARKER_SPREAD = 0.25


@dataclass(frozen=True, eq=False)
class TimeLapse:
    """A drawn time series and what is true of it.

    Attributes
    ----------
    image : (T, 2, *S) uint8 or uint16 array
        The cells, and the marker of active ones.
    labels : (T, *S) integer array
        0 background; a cell has the number of its track in all frames.
    parents : mapping of int to int
        The track that each daughter comes from; 0 for cells of the first frame.
    active : (T, n + 1) bool array
        Whether the cell of a track is active in a frame; False where it does not exist.
    """

    image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    labels: Labels
    parents: Mapping[int, int]
    active: npt.NDArray[np.bool_]


@dataclass
class _Cells:
    """The cells of a frame, one a row."""

    centre: FloatArray
    velocity: FloatArray
    radius: FloatArray
    full: FloatArray
    age: FloatArray
    level: FloatArray
    track: npt.NDArray[np.int64]
    active: npt.NDArray[np.bool_]
    shapes: Shapes


def time_lapse(
    shape: Sequence[int],
    *,
    frames: int,
    cells: int,
    rng: int | np.random.Generator,
    radius: float = 12.0,
    speed: float = 0.2,
    divisions: float = 0.01,
    activation: float = 0.03,
    camera: Camera = WIDEFIELD,
) -> TimeLapse:
    """Draw a time series of crowded cells that move, divide and become active.

    A cell walks with a velocity v that persists, ``v ← 0.7·v + speed·radius·√(1 − 0.7²)·N(0, 1)``.
    Cells that come too close push each other away. They stay in the image. A cell that divides
    becomes two daughters of half its size, next to each other, which grow. An active cell stays
    active, and so do its daughters.

    Parameters
    ----------
    shape : 2 or 3 ints
        Size of a frame in pixels.
    frames : int ≥ 1
    cells : int ≥ 0
        Cells asked for in the first frame; there are fewer if there is no room.
    rng : int or numpy.random.Generator
        The same seed gives the same series bit for bit.
    radius : float
        Mean radius of a full-grown cell in pixels, from 2 to half the longest side of the image.
    speed : float in [0, 1]
        Distance that a cell walks from frame to frame along each axis, as a standard deviation in
        radii.
    divisions, activation : float in [0, 1]
        Chance of a cell to divide, or to become active, from one frame to the next. A daughter does
        not divide for 8 frames.
    camera : Camera
        Without a `spacing`.

    Returns
    -------
    TimeLapse

    Raises
    ------
    ValueError
        An option is out of range.

    Examples
    --------
    >>> series = time_lapse((64, 96), frames=3, cells=5, rng=0, radius=8)
    >>> series.image.shape, series.labels.shape, series.active.shape
    ((3, 2, 64, 96), (3, 64, 96), (3, 6))
    """
    size = checked_shape(shape)
    if checked_count(frames) == 0:
        raise ValueError("frames must be 1 or more, not 0: give the number of frames to draw")
    check_range("radius", radius, 2, max(size) / 2)
    check_range("speed", speed, 0, 1)
    check_range("divisions", divisions, 0, 1)
    check_range("activation", activation, 0, 1)
    rng = np.random.default_rng(rng)
    state = _first(size, checked_count(cells), radius, rng)
    parents = {int(track): 0 for track in state.track}
    images, labels, active = [], [], []
    for frame in range(frames):
        if frame:
            state.active |= rng.random(len(state.track)) < activation
            state = _divide(state, divisions, parents, rng)
            _move(state, size, speed, rng)
        image, owners = _draw(state, size, camera, rng)
        images.append(image)
        labels.append(owners)
        active.append(state.track[state.active])
    flags = np.zeros((frames, len(parents) + 1), bool)
    for frame, tracks in enumerate(active):
        flags[frame, tracks] = True
    kind = smallest_dtype(0, len(parents))
    return TimeLapse(np.stack(images), np.stack(labels).astype(kind), parents, flags)


def _first(size: tuple[int, ...], count: int, radius: float, rng: np.random.Generator) -> _Cells:
    shapes = draw_shapes(count, len(size), radius, _SPREAD, _IRREGULARITY, rng)
    ones = np.ones(len(size))
    centre: FloatArray = np.empty((0, len(size)))
    if count:
        centre = place(shapes, np.array(size, float), ones, _CLUSTER, rng)
    n = len(centre)
    shapes = _pick(shapes, np.arange(n))
    full = _radii(shapes)
    return _Cells(
        centre=centre,
        velocity=np.zeros((n, len(size))),
        radius=full.copy(),
        full=full,
        age=rng.uniform(0, 2 * _REST, n),
        level=rng.standard_normal(n),
        track=np.arange(1, n + 1),
        active=np.zeros(n, bool),
        shapes=shapes,
    )


def _pick(shapes: Shapes, rows: npt.NDArray[np.int64]) -> Shapes:
    return replace(
        shapes, metric=shapes.metric[rows], waves=shapes.waves[rows], phases=shapes.phases[rows]
    )


def _radii(shapes: Shapes) -> FloatArray:
    """The radius of a ball of the same size."""
    ndim = shapes.metric.shape[-1]
    radii: FloatArray = np.abs(np.linalg.det(shapes.metric)) ** (-1 / ndim)
    return radii


def _divide(
    state: _Cells, chance: float, parents: dict[int, int], rng: np.random.Generator
) -> _Cells:
    """Replace some of the cells by two daughters each."""
    n, ndim = state.centre.shape
    divides = (rng.random(n) < chance) & (state.age >= _REST)
    mothers = np.flatnonzero(divides)
    rows = np.concatenate([np.flatnonzero(~divides), mothers, mothers])
    columns: dict[str, Any] = {name: getattr(state, name)[rows] for name in _COLUMNS}
    after = _Cells(**columns, shapes=_pick(state.shapes, rows))
    first = n - len(mothers)
    way = rng.standard_normal((len(mothers), ndim))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    small = state.radius[mothers] / 2 ** (1 / ndim)
    shift = way * small[:, np.newaxis] * _CLOSE
    after.centre[first:] += np.concatenate([shift, -shift])
    after.radius[first:] = np.concatenate([small, small])
    after.age[first:] = 0
    next_track = len(parents) + 1
    after.track[first:] = np.arange(next_track, next_track + 2 * len(mothers))
    for track, mother in zip(after.track[first:], np.tile(state.track[mothers], 2), strict=True):
        parents[int(track)] = int(mother)
    return after


_COLUMNS = ("centre", "velocity", "radius", "full", "age", "level", "track", "active")


def _move(state: _Cells, size: tuple[int, ...], speed: float, rng: np.random.Generator) -> None:
    kick = speed * state.full[:, np.newaxis] * np.sqrt(1 - _PERSISTENCE**2)
    state.velocity = _PERSISTENCE * state.velocity + kick * rng.standard_normal(state.centre.shape)
    state.radius += _GROWTH * (state.full - state.radius)
    state.age += 1
    state.centre += state.velocity
    for _ in range(_PUSHES):
        apart = state.centre[:, np.newaxis] - state.centre
        distance = np.linalg.norm(apart, axis=-1)
        room = _CLOSE * (state.radius[:, np.newaxis] + state.radius)
        push = np.clip(room - distance, 0, None) / np.maximum(distance, 1e-6) / 2
        np.fill_diagonal(push, 0)
        state.centre += 0.5 * (push[..., np.newaxis] * apart).sum(axis=1)
        np.clip(state.centre, 0, np.array(size) - 1, out=state.centre)


def _draw(
    state: _Cells, size: tuple[int, ...], camera: Camera, rng: np.random.Generator
) -> tuple[npt.NDArray[np.generic], Labels]:
    """The two channels, and tracks as labels."""
    scale = (state.full / state.radius)[:, np.newaxis, np.newaxis]
    shapes = replace(state.shapes, metric=state.shapes.metric * scale)
    owner, nearest, second = territories(size, np.ones(len(size)), state.centre, shapes)
    is_whole = one_component_each(owner) > 0
    owner = np.where(is_whole, owner, 0)
    dim = 1 - _DIMMING * np.exp(-(((second - nearest) / BORDER_WIDTH) ** 2))
    glow = (1 - EDGE_FALL * np.minimum(nearest, 1) ** 2) * dim
    low, high = _BRIGHTNESS
    body = low + (high - low) * (0.5 + 0.5 * np.tanh(state.level))
    median = np.where(state.active, _MARKER[True], _MARKER[False])
    marker = median * np.exp(_MARKER_SPREAD * state.level)
    channels = []
    for level in (body, marker):
        light = np.concatenate([[0], level])[owner] * glow
        channels.append(camera.expose(camera.blur(light.astype(np.float32)), rng))
    return np.stack(channels), np.concatenate([[0], state.track])[owner]

"""A thing that moves between the frames of a burst, taken from one of them; see `find_moving`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.frames import Frames, FrameSequence, luminance, shape_of
from seamwise.types import Picture

Mask = NDArray[np.bool_]

COPY_PIXELS = 100_000  # of the copies in which a thing is sought
_GAMMA = 2.2  # about that of sRGB: blur keeps sums of light, not of what is stored
_SOFT = 0.018  # of the diagonal: standard deviation of the blur of the copies
_DEFOCUS = (0.6, 1.1, 1.6)  # in units of that: further blurs that focus may explain
_LEAST, _LIKELY, _SURE = 0.012, 0.02, 0.035  # of the stored range; see benchmarks/fusion_log.md
_WHITE = 0.94  # in every channel: a pixel that may be brighter than it is stored
_GLARE = 0.05  # of the diagonal: how far its light spreads out of focus
_FEW = 5  # frames: of fewer, one frame gives all that moved
_MOST = 0.25  # share of the frames that show a thing at one place; above, none shows what is behind
_LARGEST = 0.4  # of what all frames show that one frame may give
_LEAST_SEEN = 1e-3  # weight of a mean, below which there is none
_WHOLE = 0.999  # a pixel of a copy all of which is seen, but for rounding


@dataclass(frozen=True, eq=False)
class Moving:
    """Where something moves, and which frame shows it.

    Attributes
    ----------
    frame : int
        Number of the frame that the thing is taken from: the one in which it is sharpest.
    place : (y, x) bool array
        Where this frame gives the picture, in pixels of a small copy.
    elsewhere : (n, y, x) bool array
        Where a frame shows the thing, or what it hides in the others, so that it gives nothing.
    fill : (y, x) or (y, x, C) float32 array
        What the frames show on average that do not show the thing, in a small copy.
    share : float
        Of the pixels that all frames show, how many `place` holds.
    """

    frame: int
    place: Mask
    elsewhere: NDArray[np.bool_]
    fill: Picture
    share: float

    @property
    def is_too_large(self) -> bool:
        """Whether more than two fifths would come from one frame."""
        return self.share > _LARGEST

    def of_burst(self, order: Sequence[int], count: int) -> "Moving":
        """Return it for a burst of which frame ``order[i]`` is frame i here."""
        elsewhere = np.zeros((count, *self.place.shape), bool)
        elsewhere[list(order)] = self.elsewhere
        return replace(self, frame=order[self.frame], elsewhere=elsewhere)


@dataclass(frozen=True, eq=False)
class _Copies:
    """Small copies of all frames: stored values, light that is blurred, fine detail; white.

    `seen` is where every frame shows something; None for everywhere.
    """

    pictures: list[Picture]
    lights: list[Picture]
    details: list[Picture]
    white: Mask
    seen: Mask | None


def find_moving(frames: Frames, seen: Mask | None = None) -> Moving | None:
    """Find what moves between frames that are aligned; None if nothing does.

    Focus only blurs, which keeps the sum of light. So small copies of the frames, L_i in linear
    light and blurred more than focus does, are nearly alike. A frame is strange at a pixel if
    neither L_i can be a blur of the median M over the frames, nor M one of L_i::

        d_i = min(d(L_i, B(M)), d(M, B(L_i))),    B(L) = [min_σ G_σ*L, max_σ G_σ*L]

    with the least and largest within a pixel, and d in stored values, the largest of the channels.
    Strange are pixels with d > 0.012 in pieces that reach 0.02 away from white, which may be
    brighter than it is stored, if one of them reaches 0.035.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        Two or more, in 0..1, aligned. Each is read once; in memory are copies of at most 0.1
        megapixels of each, and one frame.
    seen : (Y, X) bool array, optional
        Where every frame shows something, everywhere by default. What is mirrored or filled
        elsewhere counts in no mean, and nothing is found there.

    Returns
    -------
    Moving or None
        None if nothing moves.

    Notes
    -----
    Slow things, small ones and those as bright as what is behind are not found.
    """
    copies = _copies(frames, seen)
    if copies.seen is not None and not copies.seen.any():
        return None
    strange = _strange(copies)
    copies.lights.clear()  # of all frames: the copies that take most memory
    if not strange.any():
        return None
    pieces = _pieces(strange)
    inside = np.True_ if copies.seen is None else copies.seen
    hulls = np.stack([_filled(pieces, mask) & inside for mask in strange])
    crowd = _crowd(pieces, hulls) & inside
    sharpest = _sharpest(copies.details, hulls, crowd)
    place = hulls[sharpest] | crowd
    share = float(place.sum() / (place.size if copies.seen is None else copies.seen.sum()))
    elsewhere = hulls & ~place
    elsewhere[sharpest] = False
    return Moving(sharpest, place, elsewhere, _average(copies.pictures, hulls), share)


class WholeFrames(FrameSequence):
    """A burst in which a moving thing is where one frame shows it.

    There, every frame shows what this frame shows. Where another frame shows the thing, it is
    filled with what the others show on average, blurred, which is never the sharpest.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
    moving : Moving
        Of these frames. One frame is read here.
    """

    def __init__(self, frames: Frames, moving: Moving) -> None:
        self.frames, self.moving = frames, moving
        self._shape = shape_of(frames)
        self._place = _Patch.of(moving.place, self._shape)
        self._own = self._place.cut(frames[moving.frame]).copy()

    def frame_shape(self) -> tuple[int, ...]:
        """Shape of every frame."""
        return self._shape

    def _frame(self, i: int) -> Picture:
        if i == self.moving.frame:
            frame: Picture = self.frames[i]
            return frame
        frame = np.array(self.frames[i])
        if self.moving.elsewhere[i].any():
            patch = _Patch.of(self.moving.elsewhere[i], self._shape)
            patch.blend(frame, patch.cut(_enlarged(self.moving.fill, self._shape)))
        self._place.blend(frame, self._own)
        return frame

    def settled(self, depth: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
        """Return a depth that names the frame which the thing is taken from."""
        depth = depth.copy()
        self._place.cut(depth)[self._place.weight > 0.5] = self.moving.frame
        return depth


@dataclass(frozen=True, eq=False)
class _Patch:
    """A part of a picture, and how much another picture counts in it."""

    box: tuple[slice, slice]
    weight: Picture

    @classmethod
    def of(cls, mask: Mask, shape: Sequence[int]) -> "_Patch":
        """Where a small mask is, with soft borders."""
        weight = _enlarged(_dilated(mask, 2).astype(np.float32), shape)
        rows, columns = (np.flatnonzero(weight.any(axis)) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return cls(box, weight[box].clip(0, 1))

    def cut(self, picture: NDArray[Any]) -> NDArray[Any]:
        return picture[self.box]

    def blend(self, picture: Picture, other: Picture) -> None:
        part = self.cut(picture)
        weight = self.weight if picture.ndim == 2 else self.weight[..., np.newaxis]
        part += weight * (other - part)


def _copies(frames: Frames, seen: Mask | None) -> _Copies:
    shape = shape_of(frames)
    zoom = max(1, int(np.ceil((shape[0] * shape[1] / COPY_PIXELS) ** 0.5)))
    size = -(-shape[1] // zoom), -(-shape[0] // zoom)
    radius = _SOFT * float(np.hypot(*size))
    if seen is not None:
        seen = None if seen.all() else _shrunk(seen.astype(np.float32), size) > _WHOLE
    copies = _Copies([], [], [], np.zeros(size[::-1], bool), seen)
    for i in range(len(frames)):
        frame = frames[i]
        channels = frame.reshape(*frame.shape[:2], -1)
        grey = luminance(frame)
        fine = np.asarray(np.abs(grey - cv2.blur(grey, (5, 5))), np.float32)
        is_white = (channels.min(2) >= _WHITE).astype(np.float32)
        copies.white[_shrunk(is_white, size) > 0] = True
        copies.pictures.append(_shrunk(frame, size))
        copies.lights.append(_mean(_shrunk(channels**_GAMMA, size), radius, seen))
        copies.details.append(_shrunk(fine, size))
    return copies


def _mean(light: Picture, radius: float, seen: Mask | None) -> Picture:
    """The blurred light of what is seen; fades to 0 far from it."""
    if seen is None:
        return _blurred(light, radius)
    part = seen.astype(np.float32)
    weight = np.maximum(_blurred(part, radius), np.float32(_LEAST_SEEN))
    if light.ndim > 2:
        part, weight = part[..., np.newaxis], weight[..., np.newaxis]
    return np.asarray(_blurred(light * part, radius) / weight)


def _shrunk(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _enlarged(picture: Picture, shape: Sequence[int]) -> Picture:
    size = shape[1], shape[0]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _blurred(picture: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def _dilated(mask: Mask, radius: float) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(radius) + 1,) * 2)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _strange(copies: _Copies) -> NDArray[np.bool_]:
    lights = copies.lights
    diagonal = float(np.hypot(*lights[0].shape[:2]))
    middle = _median(lights)
    bounds = _bounds(middle, diagonal)
    most: Picture = np.zeros(middle.shape[:2], np.float32)
    strange: NDArray[np.bool_] = np.zeros((len(lights), *most.shape), bool)
    for i, light in enumerate(lights):
        apart = np.minimum(_distance(light, bounds), _distance(middle, _bounds(light, diagonal)))
        if copies.seen is not None:
            apart[~copies.seen] = 0
        strange[i] = apart > _LEAST
        most = np.maximum(most, apart)
    glare = _dilated(copies.white, _GLARE * diagonal)
    pieces = _pieces(strange)
    most = np.where(glare, 0, most)
    likely = np.unique(pieces[most > _LIKELY])
    return np.asarray(strange & np.isin(pieces, likely[likely > 0]) & (most.max() > _SURE))


def _median(pictures: Sequence[Picture]) -> Picture:
    """The lower median of each pixel; row by row, so that no copy of all is made."""
    half = (len(pictures) - 1) // 2
    middle = np.empty_like(pictures[0])
    for y in range(len(middle)):
        middle[y] = np.partition([picture[y] for picture in pictures], half, 0)[half]
    return middle


def _bounds(light: Picture, diagonal: float) -> tuple[Picture, Picture]:
    """B(L) of `find_moving`."""
    blurs = [light, *(_blurred(light, _SOFT * diagonal * part) for part in _DEFOCUS)]
    pixel = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(np.min(blurs, 0), pixel), cv2.dilate(np.max(blurs, 0), pixel)
    return np.asarray(low), np.asarray(high)


def _distance(light: Picture, bounds: tuple[Picture, Picture]) -> Picture:
    value, low, high = (np.maximum(x, 0) ** (1 / _GAMMA) for x in (light, *bounds))
    apart = np.maximum(low - value, value - high)
    return np.asarray(apart if apart.ndim == 2 else apart.max(2))


def _pieces(strange: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Numbers of the places that belong together."""
    radius = _SOFT * float(np.hypot(*strange.shape[1:]))
    places = _dilated(np.asarray(strange.any(0)), radius)
    _, pieces = cv2.connectedComponents(places.astype(np.uint8))
    return np.asarray(pieces)


def _filled(pieces: NDArray[np.int32], mask: Mask) -> Mask:
    """The hull of a mask in each piece."""
    result: Mask = np.zeros(mask.shape, bool)
    for number in np.unique(pieces[mask]):
        result |= _hull(mask & (pieces == number))
    return result


def _hull(mask: Mask) -> Mask:
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return np.asarray(filled > 0)


def _crowd(pieces: NDArray[np.int32], hulls: NDArray[np.bool_]) -> Mask:
    """Where so many frames show a thing that it hides what is behind."""
    often: Mask = np.asarray(hulls.mean(0) > (0 if len(hulls) < _FEW else _MOST))
    radius = _SOFT * float(np.hypot(*often.shape))
    return _dilated(_filled(pieces, often), radius)


def _sharpest(details: Sequence[Picture], hulls: NDArray[np.bool_], crowd: Mask) -> int:
    """The frame that shows most detail where it shows the thing, more than the others there."""
    usual = np.median(np.stack(details), 0)
    masks = (hull | crowd for hull in hulls)
    gains = [
        float((detail - usual)[mask].sum()) if mask.any() else -np.inf
        for detail, mask in zip(details, masks, strict=True)
    ]
    return int(np.argmax(gains))


def _average(pictures: Sequence[Picture], hulls: NDArray[np.bool_]) -> Picture:
    """The mean over the frames that are not strange; over all where each is."""
    total = np.zeros_like(pictures[0])
    count: Picture = np.zeros(pictures[0].shape[:2], np.float32)
    always = hulls.all(0)
    for picture, mask in zip(pictures, hulls, strict=True):
        weight = np.where(always, 1, ~mask).astype(np.float32)
        total += picture * (weight if picture.ndim == 2 else weight[..., np.newaxis])
        count += weight
    return np.asarray(total / (count if total.ndim == 2 else count[..., np.newaxis]), np.float32)


def taken_whole(
    frames: Frames,
    counted: Frames,
    order: Sequence[int],
    seen: NDArray[np.bool_] | None,
    names: Sequence[str],
) -> tuple[WholeFrames | None, list[str]]:
    """Return the frames with what moves taken from one of them, None if nothing is; and notes.

    `counted` are the frames in the order, read once more to find what moves.
    """
    moving = find_moving(counted, seen)
    if moving is None:
        return None, []
    if moving.is_too_large:
        return None, ["more than two fifths of the picture move: --moving changes nothing"]
    whole = WholeFrames(frames, moving.of_burst(order, len(frames)))
    name = Path(names[whole.moving.frame]).name
    return whole, [f"something moves: {name} shows it, the other frames give nothing there"]

"""Frames that are transparent in places: `PackedMask`, `extended`, `MaskedFrames`."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.frames import Frames, FrameSequence
from seamwise.fusion.result import Fusion
from seamwise.types import Picture

Mask = NDArray[np.bool_]

_REACH = 4.0  # pixels beyond its border over which a frame fades into the others
_SOFT = 4.0  # standard deviation, in pixels, of the blur of what fills a frame
_WHOLE = 0.99  # a resampled pixel made of opaque ones, but for rounding


class PackedMask:
    """A mask that takes little memory: masks of borders are nearly all one value."""

    def __init__(self, mask: Mask) -> None:
        self._shape, self._bytes = mask.shape, zlib.compress(np.packbits(mask).tobytes(), 1)

    def mask(self) -> Mask:
        """Return the mask."""
        bits = np.frombuffer(zlib.decompress(self._bytes), np.uint8)
        count = self._shape[0] * self._shape[1]
        return np.unpackbits(bits, count=count).reshape(self._shape).astype(bool)


def extended(picture: Picture, opaque: Mask) -> Picture:
    """Return a picture that continues smoothly where it is transparent.

    The nearer a transparent pixel lies to opaque ones, the more it is like them: means over opaque
    pixels of 2×2, 4×4, … pixels are enlarged until they reach all (Gortler et al. 1996, "The
    lumigraph", pull-push).

    Parameters
    ----------
    picture : (Y, X) or (Y, X, C) float32 array in 0..1
    opaque : (Y, X) bool array
        True in one pixel or more.

    Examples
    --------
    >>> extended(np.float32([[0.5, 0.9]]), np.array([[True, False]]))
    array([[0.5, 0.5]], dtype=float32)
    """
    weight = opaque.astype(np.float32)
    fill = _pulled(picture * _like(weight, picture), weight)
    return np.asarray(np.where(_like(opaque, picture), picture, fill.clip(0, 1)), np.float32)


class MaskedFrames(FrameSequence):
    """A burst in which a transparent pixel takes part in no choice.

    There a frame is filled with what the other frames show on average, blurred, which is never the
    sharpest; up to 4 pixels from its border it fades into that from its own continuation.
    `settled` then corrects the few pixels that only one frame shows.

    Parameters
    ----------
    frames : sequence of (Y, X) or (Y, X, C) float32 arrays
        Continued where they are transparent, see `extended`. Each is read once here.
    opaque : function
        Number of a frame, already read → where it is opaque; None for everywhere.

    Attributes
    ----------
    is_masked : bool
        Whether any frame is transparent anywhere.
    box : tuple of slice
        The smallest box that holds all pixels which a frame shows; frames are cut to it.
    """

    def __init__(self, frames: Frames, opaque: Callable[[int], Mask | None]) -> None:
        self.frames, self._opaque = frames, opaque
        total = count = only = None
        for i in range(len(frames)):
            frame, mask = frames[i], opaque(i)
            if total is None or count is None or only is None:
                total, count = np.zeros_like(frame), np.zeros(frame.shape[:2], np.uint16)
                only = np.zeros(frame.shape[:2], np.min_scalar_type(len(frames)))
            shown = np.ones(frame.shape[:2], bool) if mask is None else mask
            total[shown] += frame[shown]
            only[shown & (count == 0)] = i
            count += shown
        assert total is not None  # a burst has frames
        assert count is not None
        assert only is not None
        self.is_masked = bool(count.min() < len(frames))
        self.box = _bounds(count > 0)
        self._count, self._only = count[self.box], only[self.box]
        self._mean = total[self.box]
        self._mean /= _like(np.maximum(self._count, 1), self._mean)
        if self.is_masked:
            whole = extended(self._mean, self._count > 0)
            self._soft = cv2.GaussianBlur(whole, (0, 0), _SOFT, borderType=cv2.BORDER_REFLECT)

    def _frame(self, i: int) -> Picture:
        frame: Picture = self.frames[i][self.box]
        mask = self._opaque(i)
        if mask is None:
            return frame
        transparent = (~mask[self.box]).astype(np.uint8)
        distance = cv2.distanceTransform(transparent, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        own = _like(np.exp(-distance / _REACH) * (distance < 4 * _REACH), frame)
        filled = own * frame + (1 - own) * self._soft
        return np.asarray(np.where(_like(transparent, frame) > 0, filled, frame), np.float32)

    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the box."""
        return self._mean.shape

    def seen(self) -> Mask:
        """Where every frame is opaque, within the box."""
        return np.asarray(self._count == len(self))

    def settled(self, fusion: Fusion) -> Fusion:
        """Return a fusion whose pixels come from frames that show them.

        A pixel that one frame alone shows is that of this frame. In `depth`, a frame that is
        transparent at a pixel gives way to the frame with the nearest number that is not.
        """
        alone = self._count == 1
        image = np.where(_like(alone, self._mean), self._mean, fusion.image)
        depth = np.where(alone, self._only, fusion.depth).astype(fusion.depth.dtype)
        chosen = depth.astype(np.int64)
        least = np.full(depth.shape, len(self), np.int64)
        for i in range(len(self)):
            mask = self._opaque(i)
            shown = np.ones(depth.shape, bool) if mask is None else mask[self.box]
            nearer = shown & (abs(chosen - i) < least)
            depth[nearer], least[nearer] = i, abs(chosen - i)[nearer]
        return replace(fusion, image=image, depth=depth)


def moved_mask(mask: Mask, alignment: Alignment, i: int, *, crop: bool) -> Mask:
    """Return where frame i is opaque once it is aligned, two pixels from its border at least."""
    of_masks = replace(alignment, gains=np.ones((len(alignment.names), 1)))
    if of_masks.is_untouched(i):
        return of_masks.apply(mask.astype(np.float32), i, crop=crop) > 0
    moved = of_masks.apply(mask.astype(np.float32), i, crop=crop) > _WHOLE
    inner = cv2.erode(moved.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1)
    return np.asarray(inner > 0)


def _pulled(total: Picture, weight: Picture) -> Picture:
    """Means over the weights; where these are 0, means of copies of half the side."""
    if weight.min() > 0 or min(weight.shape) == 0 or max(weight.shape) == 1:
        mean: Picture = total / _like(np.maximum(weight, np.finfo(np.float32).tiny), total)
        return mean
    even = [(0, length % 2) for length in weight.shape]
    coarse_weight = _halved(np.pad(weight, even))
    coarse = _pulled(_halved(np.pad(total, [*even, (0, 0)][: total.ndim])), coarse_weight)
    size = 2 * coarse.shape[1], 2 * coarse.shape[0]
    large = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    rows, columns = weight.shape
    large = large.reshape(*large.shape[:2], *total.shape[2:])[:rows, :columns]
    share = _like(np.minimum(weight, 1), total)
    own = total / _like(np.maximum(weight, np.finfo(np.float32).tiny), total)
    return np.asarray(share * own + (1 - share) * large, np.float32)


def _halved(values: Picture) -> Picture:
    """Sums over 2×2 pixels."""
    return np.asarray(
        values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2], np.float32
    )


def _bounds(mask: Mask) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _like(values: NDArray[Any], picture: Picture) -> NDArray[Any]:
    """Values `(Y, X)` with the axes of a picture."""
    return values if picture.ndim == 2 else values[..., np.newaxis]

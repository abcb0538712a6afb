"""Painting a fused picture from one of its frames: `Stroke`, `Retouch`."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.tiling import relative_to
from seamwise_web.answers import RefusalError
from seamwise_web.pen import Points, is_number, points_of

LARGEST_BRUSH = 2000
"""Pixels from the middle to the edge."""
_MOST_BYTES = 400_000_000  # of all strokes that can be undone
_SOFT = 0.3  # of the radius, at the edge, where frame and picture mix

Box = tuple[slice, slice]


@dataclass(frozen=True)
class Stroke:
    """A line that a brush was drawn along.

    Attributes
    ----------
    points : tuple of (x, y)
        In pixels of the picture; (0, 0) is the corner of the first one.
    radius : float
        Of the brush, in pixels.
    """

    points: Points
    radius: float

    def weight(self, shape: tuple[int, int]) -> tuple[Box, NDArray[np.float32]]:
        """Return the part of a picture that the stroke touches, and its weight there.

        The weight is 1 near the line and falls to 0 at the radius, over its outer 30 %::

            weight = clip((radius − distance) / (0.3 · radius), 0, 1)

        Parameters
        ----------
        shape : (Y, X)
            Of the picture. The part is empty if the stroke lies outside.
        """
        x, y = np.array(self.points).T
        rows, seen_rows = self._touched(y, shape[0])
        columns, seen_columns = self._touched(x, shape[1])
        top, left = seen_rows.start, seen_columns.start
        is_off = np.full((seen_rows.stop - top, seen_columns.stop - left), 255, np.uint8)
        # the centre of a pixel is half a pixel from its corner; 4 more bits for fractions
        places = np.round((np.stack([x - left, y - top], axis=1) - 0.5) * 16).astype(np.int32)
        line = places[[0, *range(len(places))]]  # one point is a line, too
        cv2.polylines(is_off, [line], isClosed=False, color=0, thickness=1, shift=4)
        distance = cv2.distanceTransform(is_off, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        soft = max(_SOFT * self.radius, 1.0)
        inside = relative_to((rows, columns), (seen_rows, seen_columns))
        weight = np.clip((self.radius - distance[inside]) / soft, 0, 1).astype(np.float32)
        return (rows, columns), weight

    def _touched(self, ends: NDArray[np.float64], length: int) -> tuple[slice, slice]:
        """Along one axis: what of the picture the stroke touches, and what decides the distance.

        The second holds the first and the line up to a radius from the picture, no more: a line
        that goes to and fro would cross a larger part thousands of times.
        """
        near = ends.clip(-self.radius, length + self.radius)
        start = max(math.floor(near.min() - self.radius), 0)
        stop = max(min(math.ceil(near.max() + self.radius), length), start)
        first, last = math.floor(near.min()), math.ceil(near.max()) + 1
        return slice(start, stop), slice(min(first, start), max(last, stop))


def stroke_of(fields: dict[str, Any]) -> Stroke:
    """Return the stroke that a request describes.

    Raises
    ------
    RefusalError
        The points or the radius are not numbers in their range.
    """
    radius = fields.get("radius")
    if not is_number(radius) or not 0.5 <= radius <= LARGEST_BRUSH:
        raise RefusalError(400, f"radius must be a number from 0.5 to {LARGEST_BRUSH}")
    return Stroke(points_of(fields), float(radius))


@dataclass(eq=False)
class _Patch:
    """A part of picture and depth map as it was."""

    box: Box
    image: NDArray[Any]
    depth: NDArray[Any]
    version: int

    @property
    def nbytes(self) -> int:
        return self.image.nbytes + self.depth.nbytes


class Retouch:
    """A picture and its depth map, with strokes that can be undone.

    Parameters
    ----------
    image : (Y, X) or (Y, X, 3) array
        Copied.
    depth : (Y, X) unsigned integer array
        Copied.
    """

    def __init__(self, image: NDArray[Any], depth: NDArray[Any]) -> None:
        self.image, self.depth = image.copy(), depth.copy()
        self._undo: deque[_Patch] = deque()
        self._redo: list[_Patch] = []
        self._version = self._versions = self._saved = 0

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is a stroke to repeat."""
        return bool(self._redo)

    @property
    def is_saved(self) -> bool:
        """Whether the picture was saved as it is, or was never painted."""
        return self._saved == self._version

    def save(self) -> None:
        """Count the picture as saved."""
        self._saved = self._version

    def paint(self, stroke: Stroke, frame: NDArray[Any], number: int) -> None:
        """Take the pixels along a stroke from a frame; at its edge both are mixed.

        The depth map names the frame where it has more than half of the weight.

        Parameters
        ----------
        stroke : Stroke
        frame : array
            Like the picture.
        number : int
            Of the frame.
        """
        box, weight = stroke.weight(self.depth.shape)
        self._undo.append(self._patch(box))
        self._redo.clear()
        self._forget_oldest()
        mixed = weight if self.image.ndim == 2 else weight[..., np.newaxis]
        before = self.image[box].astype(np.float32)
        after = before + mixed * (frame[box].astype(np.float32) - before)
        is_float = self.image.dtype.kind == "f"
        self.image[box] = after if is_float else np.round(after).astype(self.image.dtype)
        self.depth[box][weight > 0.5] = number
        self._versions += 1
        self._version = self._versions

    def undo(self) -> None:
        """Take the last stroke back, if there is one."""
        if self._undo:
            self._redo.append(self._exchange(self._undo.pop()))

    def redo(self) -> None:
        """Repeat the stroke that was undone last, if there is one."""
        if self._redo:
            self._undo.append(self._exchange(self._redo.pop()))

    def _patch(self, box: Box) -> _Patch:
        return _Patch(box, self.image[box].copy(), self.depth[box].copy(), self._version)

    def _exchange(self, patch: _Patch) -> _Patch:
        """Put a part back, and return what was in its place."""
        present = self._patch(patch.box)
        self.image[patch.box], self.depth[patch.box] = patch.image, patch.depth
        self._version = patch.version
        return present

    def _forget_oldest(self) -> None:
        size = sum(patch.nbytes for patch in self._undo)
        while size > _MOST_BYTES and len(self._undo) > 1:
            size -= self._undo.popleft().nbytes

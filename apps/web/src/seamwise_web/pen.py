"""Lines that a person draws on cells: `points_of`, `split`, `draw`."""

from typing import Any, TypeGuard

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from seamwise.labels import connected_components
from seamwise_web.answers import RefusalError

MOST_POINTS = 5000
_FARTHEST = 1e6  # pixels
_CRUMB = 0.02  # of a cell: a smaller piece is none, but goes to the nearest

Points = tuple[tuple[float, float], ...]
"""Pairs (x, y) in pixels of an image; (0, 0) is the corner of the first one."""


def points_of(fields: dict[str, Any]) -> Points:
    """Return the points of a request.

    Raises
    ------
    RefusalError
        They are not pairs of numbers, or too many.
    """
    points = fields.get("points")
    if not isinstance(points, list) or not 1 <= len(points) <= MOST_POINTS:
        raise RefusalError(400, f"points must be a list of 1 to {MOST_POINTS} pairs")
    if not all(map(_is_pair, points)):
        raise RefusalError(400, "points must be pairs of numbers, x and y")
    return tuple((float(x), float(y)) for x, y in points)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a request is a number of sensible size."""
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and abs(value) < _FARTHEST


def split(labels: NDArray[Any], points: Points, new: int) -> NDArray[Any]:
    """Return labels in which a line cuts the cell that most of it lies in.

    The largest piece keeps the number, the others get new ones. Pixels on the line, and pieces
    below 2 % of the cell, go to the nearest piece.

    Parameters
    ----------
    labels : (Y, X) unsigned integer array
        A plane.
    points : tuple of (x, y)
        The line.
    new : int
        The first number that is free.

    Raises
    ------
    ValueError
        The line crosses no cell from side to side.
    """
    on_line = np.zeros(labels.shape, np.uint8)
    cv2.polylines(on_line, [_places(points)], isClosed=False, color=1, shift=4)
    crossed = labels[(on_line > 0) & (labels > 0)]
    if crossed.size == 0:
        raise ValueError("the line lies in no cell: draw it across one")
    number = int(np.bincount(crossed).argmax())
    cell = labels == number
    box = _box(cell)
    pieces = connected_components(cell[box] & (on_line[box] == 0))
    sizes = np.bincount(pieces.ravel())[1:]
    large = 1 + np.flatnonzero(sizes >= max(1, _CRUMB * sizes.sum()))
    if len(large) < 2:
        raise ValueError("the line must cross the cell from side to side")
    large = large[np.argsort(-sizes[large - 1], kind="stable")]
    numbers = np.zeros(len(sizes) + 1, labels.dtype)
    numbers[large] = [number, *range(new, new + len(large) - 1)]
    numbered = numbers[pieces]
    nearest = distance_transform_edt(numbered == 0, return_distances=False, return_indices=True)
    result = labels.copy()
    result[box] = np.where(cell[box], numbered[tuple(nearest)], labels[box])
    return result


def draw(labels: NDArray[Any], points: Points, new: int) -> NDArray[Any]:
    """Return labels with a new cell inside of a closed line; other cells stay as they are.

    Only the largest piece becomes the cell.

    Parameters
    ----------
    labels : (Y, X) unsigned integer array
        A plane.
    points : tuple of (x, y)
        The outline.
    new : int
        Number of the new cell.

    Raises
    ------
    ValueError
        The line has no inside, or no free pixel lies there.
    """
    if len(set(points)) < 3:
        raise ValueError("draw a line around the cell")
    inside = np.zeros(labels.shape, np.uint8)
    # filling takes as long as the outline is high: not beyond one more image on each side
    size = np.array(labels.shape[::-1])
    outline = np.array(points).clip(-size, 2 * size)
    cv2.fillPoly(inside, [_places(outline)], color=1, shift=4)
    pieces = connected_components((inside > 0) & (labels == 0))
    sizes = np.bincount(pieces.ravel())[1:]
    if sizes.size == 0:
        raise ValueError("the outline holds no free pixel: draw it around a cell")
    return np.where(pieces == 1 + sizes.argmax(), new, labels).astype(labels.dtype)


def _places(points: ArrayLike) -> NDArray[np.int32]:
    """Points for OpenCV: from the centre of the first pixel on, in sixteenths."""
    line = np.array(points)
    if len(line) == 1:
        line = np.repeat(line, 2, axis=0)
    return np.round((line - 0.5) * 16).astype(np.int32)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _is_pair(value: Any) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2
    return is_pair and all(map(is_number, value))

"""Geometry of the 3 × 3 matrices that move one frame onto another.

A matrix takes the point (x, y) to (x′, y′) by w · (x′, y′, 1)ᵀ = matrix · (x, y, 1)ᵀ, with x to the
right, y down and (0, 0) the centre of the first pixel.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
PixelBox = tuple[int, int, int, int]
"""``(y0, y1, x0, x1)``, for the pixels ``[y0:y1, x0:x1]``."""

SCALES = (0.8, 1.25)  # what a moving camera or a breathing lens does is well within
_STILL = 0.25  # pixels: resampling softens more than such a shift shows


def unit(matrix: NDArray[np.floating[Any]]) -> Matrix:
    """Return the matrix divided by its last element."""
    return np.asarray(matrix / matrix[2, 2], np.float64)


def translation(x: float, y: float) -> Matrix:
    """Return the matrix of a shift."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def resampling(source: tuple[int, ...], target: tuple[int, ...]) -> Matrix:
    """Return where the pixels of a picture lie on its resized copy.

    The outer borders coincide; they are half a pixel outside of the centres.
    """
    x, y = target[1] / source[1], target[0] / source[0]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def corners(shape: tuple[int, ...]) -> Matrix:
    """Return the centres (x, y, 1) of the pixels in the four corners."""
    right, bottom = shape[1] - 1, shape[0] - 1
    return np.array([(0, 0, 1), (right, 0, 1), (0, bottom, 1), (right, bottom, 1)], np.float64)


def transform(matrix: NDArray[Any], points: NDArray[Any]) -> Matrix:
    """Return where points (x, y) go, `(n, 2)`."""
    targets = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(targets[:, :2] / targets[:, 2:], np.float64)


def corner_shifts(
    matrix: Matrix, shape: tuple[int, ...], other: Matrix | None = None
) -> NDArray[np.float64]:
    """Return how far apart two matrices take the corners of the picture; the other is none."""
    points = corners(shape)[:, :2]
    targets = points if other is None else transform(other, points)
    return np.asarray(np.hypot(*(transform(matrix, points) - targets).T))


def scale_and_turn(matrix: Matrix) -> tuple[float, float]:
    """Return by how much a matrix enlarges, and by how many degrees it turns."""
    scale = math.sqrt(max(float(np.linalg.det(matrix[:2, :2])), 0.0))
    return scale, math.degrees(math.atan2(matrix[1, 0] - matrix[0, 1], np.trace(matrix[:2, :2])))


def is_folding(matrix: Matrix, shape: tuple[int, ...]) -> bool:
    """Whether the matrix mirrors the picture, or takes one of its corners to infinity or beyond."""
    return not ((corners(shape) @ matrix[2] > 0).all() and np.linalg.det(matrix) > 0)


def is_still(matrix: Matrix, shape: tuple[int, ...]) -> bool:
    """Whether the matrix moves every corner of the picture by less than a quarter of a pixel."""
    return bool((corner_shifts(matrix, shape) < _STILL).all())


def implausible(matrix: Matrix, shape: tuple[int, ...]) -> str:
    """Return why no camera moves like this; empty if one may."""
    if is_folding(matrix, shape):
        return "the picture would be folded or mirrored"
    height, width = shape[:2]
    points = np.vstack([corners(shape), ((width - 1) / 2, (height - 1) / 2, 1)])
    targets = points @ matrix.T
    depth = targets[:, 2, np.newaxis, np.newaxis]
    positions = targets[:, :2, np.newaxis] / depth
    jacobians = (matrix[:2, :2] - positions * matrix[2, :2]) / depth
    scales = np.linalg.svd(jacobians, compute_uv=False)
    low, high = SCALES
    if not (low <= scales.min() and scales.max() <= high):
        return f"the scale would be {scales.min():.2f}..{scales.max():.2f}, outside {low}..{high}"
    x, y = positions[-1, :, 0] - points[-1, :2]
    if abs(x) > width / 4 or abs(y) > height / 4:
        return f"the shift would be {round(x)}, {round(y)} pixels, over a quarter of the picture"
    return ""


def source_rows(
    matrix: Matrix, size: tuple[int, int], height: int, *, reach: int
) -> tuple[int, int]:
    """Return the first row, and the end, of what a moved picture depends on.

    Parameters
    ----------
    matrix : (3, 3) array
        From the picture to the moved one, which it does not fold.
    size : (X, Y)
        Of the moved picture.
    height : int
        Of the picture, which is mirrored at its borders.
    reach : int
        Rows above and below a place that count too.

    Examples
    --------
    >>> source_rows(translation(0, -10), (5, 4), 100, reach=1)
    (9, 15)
    >>> source_rows(translation(0, 3), (5, 4), 100, reach=1)
    (0, 5)
    """
    places = corners(size[::-1]) @ np.linalg.inv(matrix).T
    if not (places[:, 2] > 0).all():  # beyond the horizon
        return 0, height
    y = places[:, 1] / places[:, 2]
    first, last = math.floor(y.min()) - reach, math.ceil(y.max()) + reach
    # what is mirrored lies as far inside as it was outside
    first, last = min(first, 2 * (height - 1) - last), max(last, -first)
    return max(first, 0), min(last + 1, height)


def common_box(matrices: Matrix, shape: tuple[int, int]) -> PixelBox:
    """Return the largest box of pixels that lie within every frame; of equal ones the topmost.

    Each frame covers a convex part of the reference. So a box is covered if its first and its last
    row are, and the covered pixels of a row are those from one column to another.

    Raises
    ------
    ValueError
        No pixel lies within every frame.
    """
    first, last = _covered_columns(matrices, shape)
    if (matrices == np.eye(3)).all():
        return 0, shape[0], 0, shape[1]
    largest, box = 0, (0, 0, 0, 0)
    rows = np.arange(shape[0])
    for top in range(shape[0]):
        left, right = np.maximum(first[top], first[top:]), np.minimum(last[top], last[top:])
        areas = np.maximum(right - left + 1, 0) * (rows[top:] - top + 1)
        k = int(areas.argmax())
        if areas[k] > largest:
            largest, box = int(areas[k]), (top, top + k + 1, int(left[k]), int(right[k]) + 1)
    if not largest:
        raise ValueError(
            "matrices leave no pixel that every frame covers: remove the frame that moved most"
        )
    return box


def _covered_columns(
    matrices: Matrix, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last column, in each row of the reference, that every frame covers.

    Where none is covered, last < first.
    """
    height, width = shape
    first, last = np.zeros(height, np.int64), np.full(height, width - 1)
    y = np.arange(height)
    for to_x, to_y, to_w in np.linalg.inv(matrices):
        # a pixel is covered if −½ ≤ x ≤ width − ½ and −½ ≤ y ≤ height − ½ in the frame:
        # four lines a·x + b·y + c ≥ 0
        left, top = to_x + to_w / 2, to_y + to_w / 2
        for line in (left, width * to_w - left, top, height * to_w - top):
            a, b, c = line / np.hypot(*line[:2])
            offset = b * y + c + 1e-6  # a pixel on the border is covered, in spite of rounding
            if abs(a) < 1e-12:
                last[offset < 0] = -1
            elif a > 0:
                first = np.maximum(first, np.ceil(-offset / a).clip(0, width).astype(np.int64))
            else:
                last = np.minimum(last, np.floor(-offset / a).clip(-1, width).astype(np.int64))
    return first, last

"""Where the search for a motion begins; see `starts`."""

from collections.abc import Iterator
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.homography import Matrix, resampling, translation, unit
from seamwise.fusion.pyramid import FocusPyramid
from seamwise.types import Picture
from seamwise.words import Motion

_FEATURE_PIXELS = 400_000
_PHASE_PIXELS = 40_000
_LEAST_MATCHES = 8


def starts(
    moving: FocusPyramid, fixed: FocusPyramid, place: Matrix, motion: Motion
) -> Iterator[Matrix]:
    """Yield matrices from moving to fixed, in pixels of their finest level, to search from.

    Parameters
    ----------
    moving, fixed : FocusPyramid
    place : (3, 3) array
        Where the frame is expected: the first start.
    motion : str
        The largest motion. Up to an affine one, features that agree on one are sought.

    Yields
    ------
    (3, 3) array
        The place; then the shift at the peak of the phase correlation; then the matrix that most
        of the matched SIFT features agree on (RANSAC), if there is one.
    """
    yield place
    yield _from_phase(moving, fixed)
    matrix = _from_features(moving, fixed, motion)
    if matrix is not None:
        yield matrix


def _from_phase(moving: FocusPyramid, fixed: FocusPyramid) -> Matrix:
    """The shift at the peak of the phase correlation of smaller copies."""
    level = _level(fixed, _PHASE_PIXELS)
    source, target = moving.levels[level], fixed.levels[level]
    if min(source.shape) < 2:
        return np.eye(3)
    window = cv2.createHanningWindow(source.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(source, target, window)
    return _to_finest(fixed, level, translation(x, y))


def _from_features(moving: FocusPyramid, fixed: FocusPyramid, motion: Motion) -> Matrix | None:
    """The matrix that most of the matched SIFT features agree on, or None."""
    level = _level(fixed, _FEATURE_PIXELS)
    source, target = _matches(moving.levels[level], fixed.levels[level])
    if len(source) < _LEAST_MATCHES:
        return None
    matrix = _consensus(source, target, motion)
    # features that collapse or mirror the picture agree by chance
    if matrix is None or not np.linalg.det(matrix) > 0.1:
        return None
    return _to_finest(fixed, level, matrix)


def _level(pyramid: FocusPyramid, pixels: int) -> int:
    """The finest level of at most so many pixels, or the coarsest."""
    sizes = [image.size for image in pyramid.levels]
    return next((k for k, size in enumerate(sizes) if size <= pixels), len(sizes) - 1)


def _to_finest(pyramid: FocusPyramid, level: int, matrix: Matrix) -> Matrix:
    to_finest = resampling(pyramid.levels[level].shape, pyramid.shape)
    return unit(to_finest @ matrix @ np.linalg.inv(to_finest))


def _consensus(source: Matrix, target: Matrix, motion: Motion) -> Matrix | None:
    """The matrix that takes most source points to within 3 pixels of their targets, or None."""
    if motion == "homography":
        return cast("Matrix | None", cv2.findHomography(source, target, cv2.USAC_MAGSAC, 3.0)[0])
    rows = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=3.0)[0]
    return None if rows is None else np.vstack([rows, (0, 0, 1)])


def _matches(moving: Picture, fixed: Picture) -> tuple[Matrix, Matrix]:
    """Points (x, y) of both pictures whose SIFT features look alike, and like no others."""
    sift = cv2.SIFT.create(nfeatures=3000)
    moving_points, moving_features = sift.detectAndCompute(_grey_levels(moving), None)
    fixed_points, fixed_features = sift.detectAndCompute(_grey_levels(fixed), None)
    if min(len(moving_points), len(fixed_points)) < _LEAST_MATCHES:
        return np.zeros((0, 2)), np.zeros((0, 2))
    two_best = cv2.BFMatcher(cv2.NORM_L2).knnMatch(moving_features, fixed_features, k=2)
    pairs = [first for first, second in two_best if first.distance < 0.8 * second.distance]
    source = [moving_points[pair.queryIdx].pt for pair in pairs]
    target = [fixed_points[pair.trainIdx].pt for pair in pairs]
    return np.reshape(source, (-1, 2)), np.reshape(target, (-1, 2))


def _grey_levels(image: Picture) -> NDArray[np.uint8]:
    """A normalised picture, mostly within ±3, as bytes; smoothed, as noise makes features."""
    return np.clip(128 + 42 * cv2.GaussianBlur(image, (0, 0), 1.5), 0, 255).astype(np.uint8)

"""One picture registered to another; see `register`."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from seamwise.fusion.displacement import common_interior, measure_displacements
from seamwise.fusion.homography import Matrix, corner_shifts, resampling
from seamwise.fusion.motion import choose_motion, fit_motion, fit_motions, is_hint
from seamwise.fusion.pyramid import FocusPyramid
from seamwise.fusion.starts import starts
from seamwise.types import Picture
from seamwise.words import Motion, MotionChoice

GOOD_CORRELATION, LEAST_CORRELATION = 0.5, 0.3
_SURE_PIXELS = 20_000  # smaller copies correlate by chance
_EQUAL = 0.003  # correlations that differ by less are equal
_ROUNDS = 3  # at each level
_STEP = 0.02  # pixels of a level: a smaller step is the last


class Registration(NamedTuple):
    """Where one picture lies on another, and how well they fit.

    Attributes
    ----------
    matrix : (3, 3) array
        From the moving to the fixed picture, in pixels of their finest level.
    correlation : float
        Of the normalised pictures: the highest of their levels of at least 20,000 pixels.
    hint : (3, 3) array, optional
        The motion that the displacements hint at, if they do not prove it and none was chosen.
    """

    matrix: Matrix
    correlation: float
    hint: Matrix | None = None


def register(
    moving: FocusPyramid, fixed: FocusPyramid, place: Matrix, motion: MotionChoice
) -> Registration:
    """Find the motion from one pyramid to another.

    The search begins at the expected place. Ends it in a correlation below 0.5, it begins again at
    the other `fusion.starts.starts`; the best one counts.
    """
    largest: Motion = "homography" if motion == "auto" else motion
    best = Registration(place, -1.0)
    for start in starts(moving, fixed, place, largest):
        matrix = _refine(moving, fixed, start, largest)
        fit = max(correlations(moving, fixed, matrix))
        if fit > best.correlation:
            best = Registration(matrix, fit)
        if best.correlation >= GOOD_CORRELATION:
            break
    matrix, hint = _simplest(moving, fixed, best.matrix, motion)
    before, after = (correlations(moving, fixed, x) for x in (place, matrix))
    # displacements of a picture out of focus may agree by chance
    if sum(after) < sum(before) - _EQUAL:
        return Registration(place, max(before), hint)
    return Registration(matrix, max(after), hint)


def correlations(moving: FocusPyramid, fixed: FocusPyramid, matrix: Matrix) -> list[float]:
    """Return the correlations of `Registration`, of each level that is large enough."""
    result: list[float] = []
    for picture, template in zip(moving.levels, fixed.levels, strict=True):
        if not result or template.size >= _SURE_PIXELS:
            to_level = resampling(fixed.shape, template.shape)
            at_level = to_level @ matrix @ np.linalg.inv(to_level)
            result.append(correlation(picture, template, at_level))
    return result


def correlation(moving: Picture, fixed: Picture, matrix: Matrix) -> float:
    """Correlation of two pictures where they overlap; 0 if that is less than a quarter of them."""
    picture = cv2.warpPerspective(moving, matrix, fixed.shape[::-1], flags=cv2.INTER_LINEAR)
    overlap = common_interior(moving.shape, fixed.shape, matrix) > 0
    if overlap.sum() * 4 < overlap.size:
        return 0.0
    a, b = picture[overlap].astype(np.float64), fixed[overlap].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0


def _refine(moving: FocusPyramid, fixed: FocusPyramid, start: Matrix, largest: Motion) -> Matrix:
    """The matrix close to the start that the displacements ask for, from coarse to fine."""
    matrix = start
    # a start that fits already needs no coarse copies
    is_close = correlation(moving.levels[0], fixed.levels[0], start) >= GOOD_CORRELATION
    for level in reversed(range(1 if is_close else len(fixed.levels))):
        cap: Motion = "affine" if level and largest == "homography" else largest
        for _ in range(_ROUNDS):
            displacements = measure_displacements(moving, fixed, matrix, finest=level)
            next_matrix = fit_motion(displacements, fixed.shape, largest=cap)
            step = corner_shifts(next_matrix, fixed.shape, matrix).max()
            matrix = next_matrix
            if step < _STEP * 2**level:
                break
    return matrix


def _simplest(
    moving: FocusPyramid, fixed: FocusPyramid, matrix: Matrix, motion: MotionChoice
) -> tuple[Matrix, Matrix | None]:
    """The simplest motion that explains what is measured at a matrix; and a hint, if it is none."""
    largest: Motion = "homography" if motion == "auto" else motion
    displacements = measure_displacements(moving, fixed, matrix, with_blurs=True)
    fits = fit_motions(displacements, fixed.shape, largest=largest)
    chosen = choose_motion(fits, fixed.shape) if motion == "auto" else fits[-1]
    if motion == "auto" and chosen.motion == "none":
        hints = [fit.matrix for fit in fits if is_hint(fit, fixed.shape)]
        return chosen.matrix, hints[-1] if hints else None
    # displacements are exact where they are small
    displacements = measure_displacements(moving, fixed, chosen.matrix, with_blurs=True)
    return fit_motion(displacements, fixed.shape, largest=chosen.motion), None

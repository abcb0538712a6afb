"""One picture registered to others; see `register`."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from seamwise.fusion.displacement import Displacements, common_interior, measure_displacements
from seamwise.fusion.homography import Matrix, corner_shifts, resampling, transform
from seamwise.fusion.motion import choose_motion, fit_motion, fit_motions, is_hint
from seamwise.fusion.pyramid import FocusPyramid
from seamwise.fusion.starts import starts
from seamwise.types import Picture
from seamwise.words import Motion, MotionChoice

GOOD_CORRELATION, LEAST_CORRELATION = 0.5, 0.3
_SURE_PIXELS = 20_000  # smaller copies correlate by chance
# Frames that show another focus correlate less with the first view: those of `benchmarks/moved.py`
# that focus on hairs by 0.6 to 0.85, walls that recede in `tests/fusion` by 0.89 or more.
_ALIKE = 0.85
_EQUAL = 0.003  # correlations that differ by less are equal
_ROUNDS = 3  # at each level
_STEP = 0.02  # pixels of a level: a smaller step is the last


class View(NamedTuple):
    """A fixed picture that others are registered to.

    Attributes
    ----------
    pyramid : FocusPyramid
    matrix : (3, 3) array
        From it to the reference, in pixels of their finest level.
    """

    pyramid: FocusPyramid
    matrix: Matrix


class Registration(NamedTuple):
    """Where one picture lies on the reference, and how well it fits.

    Attributes
    ----------
    matrix : (3, 3) array
        From the moving picture to the reference, in pixels of their finest level.
    correlation : float
        With the first view, of the normalised pictures: the highest of their levels of at least
        20,000 pixels.
    hint : (3, 3) array, optional
        The motion that the displacements hint at, if they do not prove it and none was chosen.
    """

    matrix: Matrix
    correlation: float
    hint: Matrix | None = None


def register(
    moving: FocusPyramid, views: Sequence[View], place: Matrix, motion: MotionChoice
) -> Registration:
    """Find the motion from a pyramid to the reference, by one or more views of it.

    The search begins at the expected place. Ends it in a correlation with the first view below 0.5,
    it begins again at the other `fusion.starts.starts`; the best one counts. If the correlation is
    below 0.85, the motion has to explain the displacements on all views.

    Parameters
    ----------
    moving : FocusPyramid
    views : sequence of View
        Of the same shape. The first one has the identity as its matrix.
    place : (3, 3) array
        Where the picture is expected.
    motion : str
    """
    fixed = views[0].pyramid
    largest: Motion = "homography" if motion == "auto" else motion
    best = Registration(place, -1.0)
    for start in starts(moving, fixed, place, largest):
        matrix = _refine(moving, views[:1], start, largest)
        fit = max(correlations(moving, fixed, matrix))
        if fit > best.correlation:
            best = Registration(matrix, fit)
        if best.correlation >= GOOD_CORRELATION:
            break
    if best.correlation >= _ALIKE:
        views = views[:1]
    else:
        best = best._replace(matrix=_refine(moving, views, best.matrix, largest))
    matrix, hint = _simplest(moving, views, best.matrix, motion)
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


def _refine(moving: FocusPyramid, views: Sequence[View], start: Matrix, largest: Motion) -> Matrix:
    """The matrix close to the start that the displacements ask for, from coarse to fine."""
    matrix, fixed = start, views[0].pyramid
    # a start that fits already needs no coarse copies
    is_close = correlation(moving.levels[0], fixed.levels[0], start) >= GOOD_CORRELATION
    for level in reversed(range(1 if is_close else len(fixed.levels))):
        cap: Motion = "affine" if level and largest == "homography" else largest
        for _ in range(_ROUNDS):
            displacements = _displacements(moving, views, matrix, finest=level)
            next_matrix = fit_motion(displacements, fixed.shape, largest=cap)
            step = corner_shifts(next_matrix, fixed.shape, matrix).max()
            matrix = next_matrix
            if step < _STEP * 2**level:
                break
    return matrix


def _simplest(
    moving: FocusPyramid, views: Sequence[View], matrix: Matrix, motion: MotionChoice
) -> tuple[Matrix, Matrix | None]:
    """The simplest motion that explains what is measured at a matrix; and a hint, if it is none."""
    largest: Motion = "homography" if motion == "auto" else motion
    displacements = _displacements(moving, views, matrix, with_blurs=True)
    fits = fit_motions(displacements, moving.shape, largest=largest)
    chosen = choose_motion(fits, moving.shape) if motion == "auto" else fits[-1]
    if motion == "auto" and chosen.motion == "none":
        hints = [fit.matrix for fit in fits if is_hint(fit, moving.shape)]
        return chosen.matrix, hints[-1] if hints else None
    # displacements are exact where they are small
    displacements = _displacements(moving, views, chosen.matrix, with_blurs=True)
    return fit_motion(displacements, moving.shape, largest=chosen.motion), None


def _displacements(
    moving: FocusPyramid,
    views: Sequence[View],
    matrix: Matrix,
    *,
    finest: int = 0,
    with_blurs: bool = False,
) -> Displacements:
    """Where the blocks of a picture lie on the reference, as each of its views tells."""
    parts = []
    for view in views:
        expected = np.linalg.inv(view.matrix) @ matrix
        on_view = measure_displacements(
            moving, view.pyramid, expected, finest=finest, with_blurs=with_blurs
        )
        targets = transform(view.matrix, on_view.points + on_view.shifts)
        # a view is hardly turned or scaled, so the covariances stay
        parts.append(Displacements(on_view.points, targets - on_view.points, on_view.whitening))
    return Displacements(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.shifts for part in parts]),
        np.concatenate([part.whitening for part in parts]),
    )

"""How far the parts of one picture lie from where they are expected; see `Displacements`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.homography import Matrix, resampling, transform
from seamwise.fusion.pyramid import FocusPyramid
from seamwise.types import Picture

_BLOCK = 24  # pixels of a side, at every level
_LEAST_COVER = 0.6  # of a block
_EFFECTIVE = 12  # pixels that count as one: the pictures are smoothed by a Gaussian of 1 pixel
_FLOOR = 0.03  # pixels: places are rounded to 1/32 when a picture is warped
_SURE = 3.0  # standard errors by which a block has to look like the other picture
_BETTER = 0.02  # agreement that a blur has to win
_REACH = 3.0  # pixels of a level: what the slope of the picture can tell


@dataclass(frozen=True, eq=False)
class Displacements:
    """Where blocks of a moving picture lie on a fixed one.

    Attributes
    ----------
    points : (n, 2) array
        Places (x, y) in the moving picture.
    shifts : (n, 2) array
        From there to the same thing in the fixed picture.
    whitening : (n, 2, 2) array
        Square root of the inverse covariance of each shift, upper triangular.
    """

    points: Matrix
    shifts: Matrix
    whitening: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.points)


class _Blocks(NamedTuple):
    """All blocks of a level.

    `agreement` is the share of the variance that the regression explains, −1 if it is not to be
    trusted.
    """

    points: Matrix
    shifts: Matrix
    covariances: NDArray[np.float64]
    agreement: NDArray[np.float64]


def measure_displacements(
    moving: FocusPyramid,
    fixed: FocusPyramid,
    matrix: Matrix,
    *,
    finest: int = 0,
    with_blurs: bool = False,
) -> Displacements:
    """Measure how far the blocks of two pyramids lie from where a matrix expects them.

    Each block of 24 pixels, at each level, is a linear regression. The warped moving picture W is
    explained by the fixed picture T, its slope and a constant::

        W = a·T − a·e·∇T + b + noise

    so the block lies e further than expected. A symmetric blur of T or W does not bias e. Its
    covariance follows from the noise of the regression and from the slopes: an edge tells nothing
    about shifts along it. Blocks that do not look alike, with a below 3 standard errors, are
    skipped.

    Parameters
    ----------
    moving, fixed : FocusPyramid
        Of equal shapes.
    matrix : (3, 3) array
        Expected, from moving to fixed, in pixels of the finest level.
    finest : int
        Levels below are not looked at.
    with_blurs : bool
        Also compare the fixed picture with the blurred moving one, and the other way round
        (`FocusPyramid.blurred`). For each block the blur counts that makes the two most alike. So
        what only one frame shows sharp is not taken for noise.

    Notes
    -----
    Source: Lucas and Kanade 1981, with gain and offset as in Hager and Belhumeur 1998,
    doi:10.1109/34.722606. Covariances and blurs are ours.
    """
    parts = []
    for k in range(finest, len(fixed.levels)):
        pairs = [(moving.levels[k], fixed.levels[k])]
        if with_blurs:
            pairs += [(blurred, fixed.levels[k]) for blurred in moving.blurred[k]]
            pairs += [(moving.levels[k], blurred) for blurred in fixed.blurred[k]]
        parts.append(_level(pairs, matrix, fixed.shape))
    targets, shifts, covariances = (np.concatenate(part) for part in zip(*parts, strict=True))
    points = transform(np.linalg.inv(matrix), targets + shifts)
    information = np.linalg.inv(covariances)
    whitening = np.swapaxes(np.linalg.cholesky(information), 1, 2)
    return Displacements(points, targets - points, np.asarray(whitening, np.float64))


def _level(
    pairs: Sequence[tuple[Picture, Picture]], matrix: Matrix, finest_shape: tuple[int, ...]
) -> tuple[Matrix, Matrix, NDArray[np.float64]]:
    """Places in the fixed picture, shifts e and covariances, in pixels of the finest level."""
    to_level = resampling(finest_shape, pairs[0][1].shape)
    from_level = np.linalg.inv(to_level)
    best, *others = (_regress(*pair, to_level @ matrix @ from_level) for pair in pairs)
    for other in others:
        is_better = other.agreement > best.agreement + _BETTER
        for values, better_values in zip(best, other, strict=True):
            values[is_better] = better_values[is_better]
    is_usable = (best.agreement > 0) & (np.abs(best.shifts) < _REACH).all(1)
    scale = from_level[0, 0]
    return (
        transform(from_level, best.points[is_usable]),
        scale * best.shifts[is_usable],
        scale**2 * (best.covariances[is_usable] + _FLOOR**2 * np.eye(2)),
    )


def _regress(moving: Picture, fixed: Picture, matrix: Matrix) -> _Blocks:
    """The blocks of one level."""
    side = min(_BLOCK, *fixed.shape)
    rows, columns = (length // side for length in fixed.shape)
    # what is cut off at the border lies in the margin
    top, left = ((length % side) // 2 for length in fixed.shape)
    box = slice(top, top + rows * side), slice(left, left + columns * side)
    # OpenCV's cubic kernel moves a slope by up to 0.05 pixels, its linear one a fine texture
    warped = cv2.warpPerspective(moving, matrix, fixed.shape[::-1], flags=cv2.INTER_LANCZOS4)
    mask = common_interior(moving.shape, fixed.shape, matrix)[box]

    def total(values: NDArray[Any]) -> NDArray[np.float64]:
        means = cv2.resize(values * mask, (columns, rows), interpolation=cv2.INTER_AREA)
        return np.asarray(means * np.float64(side**2), np.float64).ravel()

    if side < 2:
        return _Blocks(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros(0))
    slope_y, slope_x = (np.asarray(slope) for slope in np.gradient(fixed))
    terms: list[Any] = [np.ones_like(mask), fixed[box], slope_x[box], slope_y[box], warped[box]]
    sums = np.empty((rows * columns, 5, 5))
    for i in range(5):
        for j in range(i, 5):
            sums[:, i, j] = sums[:, j, i] = total(terms[i] * terms[j])
    y, x = (np.asarray(place) for place in np.indices(mask.shape, np.float32))
    count = sums[:, 0, 0]
    centres = np.stack([total(x), total(y)], 1) / np.maximum(count, 1)[:, np.newaxis]
    shifts, covariances, agreement = _solve(sums)
    agreement[count <= _LEAST_COVER * side**2] = -1
    return _Blocks(np.add(centres, (left, top)), shifts, covariances, agreement)


def _solve(
    sums: NDArray[np.float64],
) -> tuple[Matrix, NDArray[np.float64], NDArray[np.float64]]:
    """Shifts, covariances and agreement, from sums of products of 1, T, ∇T and W."""
    count = np.maximum(sums[:, 0, 0], 1)
    # flat blocks have no slope: their covariance becomes large
    tiny = 1e-6 * np.eye(4) * count[:, np.newaxis, np.newaxis]
    inverse = np.linalg.inv(sums[:, :4, :4] + tiny)
    coefficients = (inverse @ sums[:, :4, 4:])[..., 0]
    unexplained = sums[:, 4, 4] - (coefficients * sums[:, :4, 4]).sum(1)
    variance = _EFFECTIVE * np.maximum(unexplained / count, 1e-9)
    gain = coefficients[:, 1]
    # without any contrast, rounding makes it negative
    uncertainty = inverse[:, 1, 1]
    limit = _SURE * np.sqrt(variance * np.maximum(uncertainty, 0))
    is_known = (uncertainty >= 0) & (gain > limit)
    safe_gain = np.where(is_known, gain, 1)
    shifts = -coefficients[:, 2:] / safe_gain[:, np.newaxis]
    covariances = inverse[:, 2:, 2:] * (variance / safe_gain**2)[:, np.newaxis, np.newaxis]
    spread = np.maximum(sums[:, 4, 4] - sums[:, 0, 4] ** 2 / count, 1e-9)
    return shifts, covariances, np.where(is_known, 1 - unexplained / spread, -1)


def common_interior(
    moving: tuple[int, ...], fixed: tuple[int, ...], matrix: Matrix
) -> NDArray[np.float32]:
    """1 where both pictures are, in the fixed one; 0 in their margins.

    In a margin the local mean depends on pixels outside of the picture.
    """
    size = fixed[1], fixed[0]
    mask = cv2.warpPerspective(_interior(moving), matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(mask * _interior(fixed), np.float32)


def _interior(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    margin = max(1, min(16, min(shape) // 8))
    mask = np.zeros(shape, np.uint8)
    mask[margin:-margin, margin:-margin] = 1
    return mask

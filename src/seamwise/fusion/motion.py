"""Which motion explains displacements: `fit_motions`, `choose_motion`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.displacement import Displacements
from seamwise.fusion.homography import Matrix, corner_shifts, corners, transform, unit
from seamwise.words import Motion

PARAMETERS: Mapping[Motion, int] = {
    "none": 0, "shift": 2, "similarity": 4, "affine": 6, "homography": 8,
}  # fmt: skip
"""How many numbers describe each motion; from the simplest on, each holds the ones before."""

_CUT = 12.0  # squared residual, in variances, from which a block does not count
_QUARTILE = 0.575  # the lower quartile of χ² with two degrees of freedom
_LEAST_SCALE = 0.02
_SINGULAR = 1e12  # condition of equations that do not tell all parameters
_ROUNDS = 10
_BLOCKS_PER_PARAMETER = 2.5
_PERSPECTIVE_BLOCKS = 60  # with fewer, noise looks like perspective
# How much worse a simpler motion explains the blocks before the next one is taken. The misfit of
# pairs that did not move was at most 1.18 times that of their affine fit, whose corners lay at most
# 5.8 standard errors away, but for pictures of almost nothing but outlines. A few blocks are
# explained by chance: 8 by a shift 1.9 times as well, 14 by a similarity, 28 by an affine motion
# 1.7 times (480 static bursts of 64 × 96 to 144 × 192 pixels). `_FEW` counts for each parameter,
# divided by the number of blocks.
_SIMPLER, _TILTED, _FEW = 0.2, 0.35, 1.5
_VAGUE = 0.0015  # of the diagonal: a motion whose corners are known less well is not known
_CLEAR, _SURE = 0.5, 7.0  # a motion is clear by its misfit alone, or sure by its standard errors
_EXACT = 0.15  # pixels: of the outlines of a plain scene, blur makes a motion that is not exact
# A faint tilt explains more than an affine motion, and lies so many standard errors from it, which
# are at most so many pixels, told by so many blocks. In the pairs of `benchmarks/alignment.py`
# others explained up to 1.08 times as much, or up to 1.30 times with an error of 0.34 or more.
_FAINT, _APART, _TILT_ERROR, _TILT_BLOCKS = 0.12, 5.0, 0.3, 120
_SAME = 0.1  # pixels in a corner: motions that differ by less are one


@dataclass(frozen=True, eq=False)
class MotionFit:
    """A motion that explains displacements as well as it can.

    Attributes
    ----------
    motion : str
    matrix : (3, 3) array
        From the moving to the fixed picture.
    misfit : float
        Tukey's ρ in units of one variance, summed over the blocks.
    count : int
        Number of blocks.
    error : float
        Standard deviation of the worst corner in pixels, as far as the displacements tell.
    """

    motion: Motion
    matrix: Matrix
    misfit: float
    count: int
    error: float


def largest_motion(count: int, motion: Motion) -> Motion:
    """Return the motion with most parameters that so many blocks tell, at most a given one."""
    best: Motion = "none"
    for name, parameters in PARAMETERS.items():
        least = _PERSPECTIVE_BLOCKS if name == "homography" else _BLOCKS_PER_PARAMETER * parameters
        if count >= least:
            best = name
        if name == motion:
            break
    return best


def fit_motions(
    displacements: Displacements, shape: tuple[int, int], *, largest: Motion = "homography"
) -> list[MotionFit]:
    """Fit every motion that the blocks can tell, from the simplest to the largest.

    Least squares are reweighted with Tukey's weights. Their scale falls until a quarter of the
    blocks lies within one variance, so that two thirds may disagree: outlines that are out of focus
    in one picture pretend shifts. All misfits have one scale, the smallest.

    Parameters
    ----------
    displacements : Displacements
    shape : (Y, X)
        Of the pictures.
    largest : str
        The last motion to try.
    """
    system = _System(displacements, shape)
    last = largest_motion(len(displacements), largest)
    names = list(PARAMETERS)
    parameters = {name: system.best(name) for name in names[: names.index(last) + 1]}
    scale = min(_scale(system.squares(name, one)) for name, one in parameters.items())
    return [system.fit(name, one, scale) for name, one in parameters.items()]


def fit_motion(
    displacements: Displacements, shape: tuple[int, int], *, largest: Motion = "homography"
) -> Matrix:
    """Return the matrix of the last of `fit_motions` alone."""
    system = _System(displacements, shape)
    motion = largest_motion(len(displacements), largest)
    return system.matrix(motion, system.best(motion))


def choose_motion(fits: Sequence[MotionFit], shape: tuple[int, int]) -> MotionFit:
    """Return the simplest motion that explains the displacements.

    Up to an affine one, the motion with most parameters is the best. A simpler one is taken if its
    corners lie within a tenth of a pixel of those of the best, or if its misfit is at most a fifth
    larger. No motion is also taken if it is not half worse than the best, or still more where few
    blocks tell, and no motion that is known to 0.15 pixels lies more than 7 standard errors away.
    Motions whose corners are hardly known do not count. A homography has to explain the
    displacements much better than any other, or somewhat better if 120 blocks tell its corners well
    and they lie far from the others.
    """
    fits = [fit for fit in fits if fit.error < _VAGUE * math.hypot(*shape)]
    best = [fit for fit in fits if fit.motion != "homography"][-1]
    if _is_tilted(fits[-1], best, shape):
        return fits[-1]
    still, *moving = fits
    by_chance = _FEW * PARAMETERS[best.motion] / max(best.count, 1)
    is_clear = still.misfit > (1 + _CLEAR + by_chance) * best.misfit
    errors = [
        corner_shifts(fit.matrix, shape).max() / max(fit.error, 1e-9)
        for fit in moving
        if fit.error < _EXACT
    ]
    if not is_clear and max(errors, default=0) < _SURE:
        return still
    return next(
        fit
        for fit in fits
        if corner_shifts(fit.matrix, shape, best.matrix).max() < _SAME
        or fit.misfit <= (1 + _SIMPLER) * best.misfit
    )


def _is_tilted(fit: MotionFit, best: MotionFit, shape: tuple[int, int]) -> bool:
    """Whether a homography explains the displacements better than the best simpler motion."""
    if fit.misfit * (1 + _TILTED) < best.misfit:
        return True
    apart = corner_shifts(fit.matrix, shape, best.matrix).max()
    is_exact = fit.count >= _TILT_BLOCKS and fit.error < _TILT_ERROR
    is_known = is_exact and apart > _APART * fit.error
    return bool(is_known and fit.misfit * (1 + _FAINT) < best.misfit)


def is_hint(fit: MotionFit, shape: tuple[int, int]) -> bool:
    """Whether a shift or similarity, chosen or not, may be more than noise."""
    shift = corner_shifts(fit.matrix, shape).max()
    return fit.motion in ("shift", "similarity") and shift > max(_SAME, 2 * fit.error)


class _System:
    """The linear equations of displacements, whitened, for every motion."""

    def __init__(self, displacements: Displacements, shape: tuple[int, int]) -> None:
        self.shape = shape
        # coordinates within −1..1 keep the equations well conditioned
        scale = 2 / math.hypot(*shape)
        y, x = (scale * (length - 1) / 2 for length in shape)
        self.norm = np.array([[scale, 0, -x], [0, scale, -y], [0, 0, 1]])
        points = transform(self.norm, displacements.points)
        shifts = scale * displacements.shifts
        whitening = displacements.whitening / scale
        self.shifts = np.einsum("nij,nj->ni", whitening, shifts)
        names = list(PARAMETERS)
        self.designs = {name: whitening @ _design(name, points, points + shifts) for name in names}

    def best(self, motion: Motion) -> NDArray[np.float64]:
        """The parameters of the least misfit, from two starts: no motion, and all blocks."""
        parameters = np.zeros(PARAMETERS[motion])
        if motion == "none":
            return parameters
        plain = self.solve(motion, np.ones(len(self.shifts)))
        starts = self.squares(motion, parameters), self.squares(motion, plain)
        tries = [self.anneal(motion, squares) for squares in starts]
        squares = [self.squares(motion, one) for one in tries]
        scale = min(map(_scale, squares))
        return tries[int(np.argmin([_misfit(one, scale) for one in squares]))]

    def solve(self, motion: Motion, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted least squares."""
        design = self.designs[motion]
        rows = design.reshape(2 * len(design), design.shape[2])
        weighted = (design * weights[:, np.newaxis, np.newaxis]).reshape(rows.shape).T
        return np.asarray(np.linalg.pinv(weighted @ rows) @ (weighted @ self.shifts.ravel()))

    def squares(self, motion: Motion, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared residual of each block, in its variances."""
        residuals = self.shifts - self.designs[motion] @ parameters
        return np.asarray((residuals**2).sum(1))

    def anneal(self, motion: Motion, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reweighted least squares from a start that leaves these squared residuals."""
        scale = 4 * _scale(squares)
        for _ in range(_ROUNDS):
            parameters = self.solve(motion, _weights(squares, scale))
            squares = self.squares(motion, parameters)
            scale = max(_scale(squares), scale / 1.6)
        return parameters

    def fit(self, motion: Motion, parameters: NDArray[np.float64], scale: float) -> MotionFit:
        """The motion of these parameters, and how well it explains the blocks."""
        squares = self.squares(motion, parameters)
        weights = _weights(squares, scale)
        matrix = self.matrix(motion, parameters)
        error = scale**0.5 * self._corner_error(motion, weights)
        return MotionFit(motion, matrix, _misfit(squares, scale), len(squares), error)

    def matrix(self, motion: Motion, parameters: NDArray[np.float64]) -> Matrix:
        """The matrix of these parameters."""
        return unit(np.linalg.inv(self.norm) @ _matrix(motion, parameters) @ self.norm)

    def _corner_error(self, motion: Motion, weights: NDArray[np.float64]) -> float:
        """Standard deviation of the worst corner, in pixels, for blocks of unit variance."""
        rows = self.designs[motion]
        information = np.einsum("nki,nkj,n->ij", rows, rows, weights, optimize=True)
        if PARAMETERS[motion] and np.linalg.matrix_rank(information, hermitian=True) < len(
            information
        ):
            return math.inf  # no block agrees, or too few
        covariance = np.linalg.pinv(information)
        places = transform(self.norm, corners(self.shape)[:, :2])
        at_corners = _design(motion, places, places)
        variances = at_corners @ covariance @ np.swapaxes(at_corners, 1, 2)
        return float(np.sqrt(np.trace(variances, axis1=1, axis2=2).max())) / float(self.norm[0, 0])


def _design(motion: Motion, points: Matrix, targets: Matrix) -> NDArray[np.float64]:
    """Shifts as a linear function of the parameters, `(n, 2, parameters)`."""
    (x, y), (u, v) = points.T, targets.T
    zero = np.zeros(len(points))
    one = zero + 1
    columns = [(one, zero), (zero, one), (x, y), (-y, x), (x, -y), (y, x), (-u * x, -v * x)]
    columns.append((-u * y, -v * y))  # w·u = …, with w = 1 + g·x + h·y
    design = np.array(columns[: PARAMETERS[motion]]).reshape(PARAMETERS[motion], 2, len(points))
    return np.moveaxis(design, 2, 0).swapaxes(1, 2)


def _matrix(motion: Motion, parameters: NDArray[np.float64]) -> Matrix:
    """The matrix whose shifts `_design` describes."""
    x, y, grow, turn, stretch, shear, g, h = np.pad(parameters, (0, 8 - len(parameters)))
    return np.array(
        [
            [1 + grow + stretch, shear - turn, x],
            [shear + turn, 1 + grow - stretch, y],
            [g, h, 1],
        ]
    )


def _scale(squares: NDArray[np.float64]) -> float:
    """Variance of a block that agrees."""
    return max(float(np.percentile(squares, 25)) / _QUARTILE, _LEAST_SCALE) if len(squares) else 1.0


def _weights(squares: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    return np.maximum(1 - squares / (_CUT * scale), 0) ** 2


def _misfit(squares: NDArray[np.float64], scale: float) -> float:
    inside = np.minimum(squares / (_CUT * scale), 1)
    return float(_CUT / 3 * (1 - (1 - inside) ** 3).sum())

"""Which motion is taken, from fits written out."""

import numpy as np
import pytest

from seamwise.fusion.displacement import Displacements
from seamwise.fusion.homography import corner_shifts, translation
from seamwise.fusion.motion import MotionFit, _System, choose_motion

SHAPE = (200, 300)


def fit(motion, matrix, misfit, error):
    return MotionFit(motion, np.asarray(matrix, np.float64), misfit, 150, error)


def grown(pixels):
    """A matrix whose farthest corner moves by so many pixels."""
    matrix = np.diag([1.01, 1.01, 1])
    matrix[:2, 2] = -0.01 * 149.5, -0.01 * 99.5
    share = pixels / corner_shifts(matrix, SHAPE).max()
    return np.eye(3) + share * (matrix - np.eye(3))


def tilted(pixels):
    matrix = np.array([[1, 0, 0], [0, 1, 0], [0, 2e-5, 1]])
    matrix[2, 1] *= pixels / corner_shifts(matrix, SHAPE).max()
    return matrix


@pytest.mark.parametrize(
    ("misfit", "error", "apart", "motion"),
    [
        (100, 0.5, 3.0, "homography"),  # explains 1.4 times as much
        (124, 0.2, 3.0, "homography"),  # 1.13 times, and is known
        (124, 0.35, 3.0, "shift"),  # is not known
        (124, 0.2, 0.9, "shift"),  # lies within 5 standard errors
        (126, 0.2, 3.0, "shift"),  # 1.11 times
    ],
)
def test_a_faint_tilt_has_to_be_known(misfit, error, apart, motion):
    shift = translation(2, 0)
    fits = [
        fit("none", np.eye(3), 400, 0.0),
        fit("shift", shift, 141, 0.03),
        fit("similarity", shift, 140.5, 0.05),
        fit("affine", shift, 140, 0.08),
        fit("homography", tilted(apart) @ shift, misfit, error),
    ]
    assert choose_motion(fits, SHAPE).motion == motion
    few = [MotionFit(x.motion, x.matrix, x.misfit, 80, x.error) for x in fits]
    assert choose_motion(few, SHAPE).motion == ("homography" if misfit == 100 else "shift")


@pytest.mark.parametrize(
    ("misfit", "error", "motion"),
    [
        (140, 0.2, "none"),  # outlines out of focus pretend it
        (140, 0.1, "similarity"),
        (200, 0.2, "similarity"),  # much worse without
    ],
)
def test_a_motion_that_is_not_exact_has_to_be_clear(misfit, error, motion):
    fits = [
        fit("none", np.eye(3), misfit, 0.0),
        fit("shift", translation(0.3, 0), 0.95 * misfit, 0.1),
        fit("similarity", grown(2.5), 104, error),
        fit("affine", grown(2.6), 100, 0.25),
    ]
    assert choose_motion(fits, SHAPE).motion == motion


@pytest.mark.parametrize(
    ("count", "misfit", "motion"),
    [
        (14, 33, "none"),  # 1.65 times as well, by chance
        (14, 43, "similarity"),
        (150, 33, "similarity"),
    ],
)
def test_few_blocks_have_to_tell_a_motion_more_clearly(count, misfit, motion):
    fits = [
        MotionFit("none", np.eye(3), misfit, count, 0.0),
        MotionFit("shift", translation(0.3, 0), 0.95 * misfit, count, 0.16),
        MotionFit("similarity", grown(2.5), 20, count, 0.2),
    ]
    assert choose_motion(fits, SHAPE).motion == motion


def test_a_motion_that_no_block_agrees_with_is_not_exact():
    rng = np.random.default_rng(0)
    points, shifts = rng.uniform(0, 200, (12, 2)), rng.normal(0, 1, (12, 2))
    shifts[:6] *= 1e-3  # half of the blocks lie still, each other one elsewhere
    shifts[6:] += 40 * rng.permutation(6)[:, np.newaxis]
    displacements = Displacements(points, shifts, np.tile(np.eye(2) * 30, (12, 1, 1)))
    system = _System(displacements, SHAPE)
    far = system.fit("shift", np.array([5.0, 5.0]), 1e-4)
    assert far.error == np.inf

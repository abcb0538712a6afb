import numpy as np
import pytest

from seamwise.synth import crowded_cells
from seamwise.weights import balance, saw


def horseshoe():
    """A cell with a notch of 7 columns, open to the right."""
    labels = np.zeros((40, 50), int)
    labels[5:35, 10:40] = 1
    labels[16:23, 20:] = 0
    return labels


def test_range():
    labels = crowded_cells((90, 100), cells=25, radius=8, rng=0).labels
    weight = saw(labels)
    assert weight.min() > 1
    assert weight.max() <= 3
    assert (saw(labels) - balance(labels)).max() == pytest.approx(2)


def test_a_contour_of_a_bar_before_spreading():
    """A bar of 5 rows: the skeleton is its middle row, two pixels from either contour."""
    labels = np.zeros((9, 60), int)
    labels[2:7, 5:55] = 1
    extra = saw(labels, rounds=0, tau=8) - balance(labels) - 1
    np.testing.assert_allclose(extra[:, 30], [0, 0, 0.75, 0, 0, 0, 0.75, 0, 0], atol=1e-6)


def test_a_notch_weighs_more_than_open_background():
    labels = horseshoe()
    notch, left = saw(labels)[19, 30], saw(labels)[19, 5]
    assert notch > left + 0.3


def test_a_narrow_arm_weighs_more_than_a_wide_one():
    labels = horseshoe()
    labels[23:28, 20:] = 0  # now the lower arm is 7 pixels wide, the upper one 11
    weight = saw(labels, rounds=0, tau=20)
    assert weight[34, 30] > weight[5, 30] > weight[5, 5]


def test_the_complement_leaves_the_pixels_of_other_cells_alone():
    labels, target = horseshoe(), (horseshoe() > 0).astype(int)
    labels[19, 26:36] = 2
    extra = [
        saw(g, target, rounds=0, tau=20) - balance(g, target) - 1 for g in (horseshoe(), labels)
    ]
    # the notch of 7 rows becomes two of 3 rows, so that its middle is nearer: 1 row away instead of
    # 3
    np.testing.assert_allclose(
        [alone[16, 30] for alone in extra], [1 - 3 / 20, 1 - 1 / 20], rtol=1e-5
    )
    # a line is its own skeleton
    assert extra[1][19, 30] == pytest.approx(1)


def test_tau_is_in_units_of_spacing():
    labels = horseshoe()
    np.testing.assert_allclose(
        saw(labels, tau=3, sigma=0.5, spacing=(0.5, 0.5)), saw(labels, tau=6, sigma=1), rtol=1e-5
    )


def test_lines_and_points_have_no_hull():
    labels = np.zeros((9, 12), int)
    labels[1, 2:9], labels[5, 5] = 1, 2
    labels[range(3, 9), range(3, 9)] = 3
    assert np.isfinite(saw(labels)).all()
    volume = np.stack([np.zeros_like(labels), horseshoe()[:9, :12], np.zeros_like(labels)])
    assert np.isfinite(saw(volume)).all()


def test_where_no_shape_is_narrow_enough_nothing_is_added():
    labels = np.zeros((30, 30), int)
    labels[8:22, 8:22] = 1
    np.testing.assert_array_equal(saw(labels, tau=0.1), balance(labels) + 1)

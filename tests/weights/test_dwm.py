import numpy as np
import pytest

from seamwise.synth import crowded_cells
from seamwise.weights import balance, dwm

LINE = np.array([0, 0, 0, 0, 0, 0, 1, 1])


def test_background_fades_linearly_from_the_cell():
    b0, b1 = 2 / 6, 1
    expected = [1, 1, 1, 1 + b0 / 4, 1 + b0 / 2, 1 + b0 * 3 / 4, 1 + b1, 1 + b1]
    np.testing.assert_allclose(dwm(LINE, LINE, beta=4), expected, rtol=1e-6)


def test_the_authors_form_adds_instead_of_multiplying():
    b0, b1 = 2 / 6, 1
    expected = [1 + b0, 1 + b0, 1 + b0, 1.25 + b0, 1.5 + b0, 1.75 + b0, 2 + b1, 2 + b1]
    np.testing.assert_allclose(dwm(LINE, LINE, beta=4, additive=True), expected, rtol=1e-6)


def test_beta_is_in_units_of_spacing():
    np.testing.assert_allclose(
        dwm(LINE, LINE, beta=2, spacing=[0.5]), dwm(LINE, LINE, beta=4), rtol=1e-6
    )


def test_range():
    labels = crowded_cells((80, 90), cells=20, radius=8, rng=0).labels
    weight = dwm(labels)
    assert weight.min() >= 1
    assert weight.max() == 2
    np.testing.assert_allclose(weight[labels > 0], balance(labels)[labels > 0] + 1)
    assert dwm(np.zeros((4, 5), int)).tolist() == np.ones((4, 5)).tolist()


def test_additive_is_a_truth_value():
    with pytest.raises(ValueError, match="additive must be true or false, not 'no'"):
        dwm(LINE, additive="no")


def test_a_limit_beyond_the_image_costs_no_more_than_the_image():
    np.testing.assert_allclose(dwm(LINE, LINE, beta=1e12), [1 + 1 / 3] * 6 + [2, 2], rtol=1e-6)

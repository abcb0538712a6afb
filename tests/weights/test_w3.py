import numpy as np
import pytest

from seamwise.labels import inner_contour, semantic_target
from seamwise.weights import class_weights, w3


def two_touching_squares():
    labels = np.zeros((120, 140), int)
    labels[50:70, 50:70], labels[50:70, 70:90] = 1, 2
    return labels


def test_the_magnitudes_the_thesis_describes():
    """With "rarest": far background next to nothing, contours about 8, touching 10."""
    labels = two_touching_squares()
    target = semantic_target(labels, classes=3)
    weight = w3(labels, balance="rarest")
    assert weight[0, 0] == pytest.approx(10 * (target == 2).sum() / (target == 0).sum())
    assert weight[0, 0] < 0.06
    contour = inner_contour(labels) & (target == 1)
    assert 7 < weight[contour].mean() < 9
    np.testing.assert_allclose(weight[target == 2], 10)
    inside = (target == 1) & ~contour
    assert weight[inside].min() < weight[contour].min()


def test_a_line_of_a_thick_cell_by_hand():
    """A slab of 9 rows: skeleton in row 4, contours in rows 0 and 8, background below."""
    labels = np.zeros((13, 60), int)
    labels[1:10] = 1
    column = w3(labels, labels, beta=20, nu=10, sigma=3)[:, 30]
    b0, b1 = 13 / 4, 13 / 9
    contour = 10 * b1 + 10 * (1 - 4 / 20)
    depth = np.array([1, 2, 3, 4, 3, 2, 1])
    inside = 10 * b1 + contour * np.exp(-(depth**2) / 9)
    below = [10 * b0 + 10 * (1 - d / 20) * b1 for d in (1, 2, 3)]
    expected = [below[0], contour, *inside, contour, *below]
    np.testing.assert_allclose(column, expected, rtol=1e-5)


def test_an_unannotated_cell_far_from_others_costs_nothing():
    labels = two_touching_squares()
    weight = w3(labels, beta=20, balance="rarest")
    outside = np.ones(labels.shape, bool)
    outside[50 - 20 : 70 + 20, 50 - 20 : 90 + 20] = False
    assert np.ptp(weight[outside]) == 0
    assert weight[outside].max() < 0.06


def test_a_touching_contour_passes_its_weight_on():
    labels = two_touching_squares()
    target = semantic_target(labels, classes=3, touching_radius=1)
    weight = w3(labels, target, beta=30, sigma=3)
    _, b1, b2 = class_weights([(target == k).sum() for k in range(3)], "frequency")
    # one pixel behind the seam, far from the other contours
    assert weight[60, 68] == pytest.approx(10 * b1 + 10 * b2 * np.exp(-1 / 9), rel=1e-5)


def test_gap_pixels_are_background_of_a_weight_of_their_own():
    labels = np.array([[1, 1, 1, 0, 0, 2, 2, 2, 0, 0, 0, 0]] * 9)
    target = semantic_target(labels, gap_radius=2)
    assert target[4, 3] == 3
    b = class_weights([(target == k).sum() for k in range(4)], "frequency")
    assert w3(labels, target)[4, 3] == pytest.approx(10 * b[3] + 10 * (1 - 1 / 30) * b[1])


def test_by_default_touching_pixels_outweigh_contours():
    labels = two_touching_squares()
    target = semantic_target(labels, classes=3)
    weight = w3(labels)
    np.testing.assert_array_equal(weight, w3(labels, balance="frequency"))
    assert weight[target == 2].min() > 5 * weight[inner_contour(labels) & (target == 1)].max()

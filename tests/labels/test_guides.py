import numpy as np
import pytest

from oracles.guides import guides_by_loops
from seamwise.labels.guides import measure_guides


def test_a_row_of_two_cells_by_hand():
    guides = measure_guides(np.array([[0, 1, 1, 1, 2, 2, 2, 2, 2, 0]]))
    np.testing.assert_allclose(guides.relief[0], [0, 0.5, 1, 0.5, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0])
    assert guides.centre[1:].tolist() == [[0, 2], [0, 6]]
    np.testing.assert_allclose(guides.radius[1:], np.sqrt([3 / np.pi, 5 / np.pi]).clip(1))


@pytest.mark.parametrize("shape", [(17,), (11, 14), (1, 9), (4, 5, 3), (1, 6, 5)])
def test_guides_are_those_of_a_plain_loop(shape):
    labels = np.random.default_rng(0).integers(-1, 4, shape)
    labels = np.repeat(labels, 3, axis=-1)
    guides, oracle = measure_guides(labels), guides_by_loops(labels)
    np.testing.assert_allclose(guides.relief, oracle.relief, atol=1e-6)
    np.testing.assert_allclose(guides.centre[1:], oracle.centre[1:], atol=1e-5)
    np.testing.assert_allclose(guides.radius[1:], oracle.radius[1:], atol=1e-5)


def test_a_cell_that_the_border_cuts_is_highest_there():
    guides = measure_guides(np.array([1, 1, 1, 0, 0]))
    np.testing.assert_allclose(guides.relief, [1, 2 / 3, 1 / 3, 0, 0])


@pytest.mark.parametrize(
    "labels", [np.zeros((3, 4), int), np.full((3, 4), -1), np.zeros((0, 4), int)]
)
def test_no_cell(labels):
    guides = measure_guides(labels)
    assert not guides.relief.any()
    assert guides.centre.shape == (1, 2)


def test_one_cell_everywhere_has_no_boundary():
    assert (measure_guides(np.ones((3, 4), int)).relief == 1).all()


def test_labels_must_be_integers():
    with pytest.raises(TypeError, match="labels"):
        measure_guides(np.zeros((3, 4)))

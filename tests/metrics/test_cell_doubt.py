"""How sure a network was of each cell."""

import numpy as np
import pytest
from scipy.special import entr

from seamwise.metrics import cell_doubt


def two_classes(cell):
    return np.stack([1 - cell, cell])


def test_entropy_and_disagreement_are_means_over_the_pixels_of_a_cell():
    rng = np.random.default_rng(0)
    maps = rng.dirichlet(np.ones(3), (5, 6)).transpose(2, 0, 1)
    labels = rng.integers(0, 4, (5, 6)) * 7
    apart = rng.random((5, 6))
    doubts = cell_doubt(maps, labels, disagreement=apart)
    assert doubts.cell.tolist() == [7, 14, 21]
    for i, number in enumerate(doubts.cell):
        where = labels == number
        assert doubts.pixels[i] == where.sum()
        expected = (entr(maps).sum(0) / np.log(3))[where].mean()
        assert doubts.entropy[i] == pytest.approx(expected, abs=1e-6)
        assert doubts.disagreement[i] == pytest.approx(apart[where].mean())
    assert cell_doubt(maps, labels).disagreement is None


def test_the_valley_is_as_deep_as_the_way_down_from_the_lower_hill():
    row = np.array([0.9, 0.9, 0.21, 0.7, 0.7, 0.9, 0.9, 0.9])
    labels = np.array([1, 1, 1, 1, 1, 2, 2, 2])
    valleys = cell_doubt(two_classes(row), labels).valley
    # the parts are whole from 0.20 on; the first level that divides them is 0.25
    np.testing.assert_allclose(valleys, [0.7 - 0.25, 0], atol=1e-9)


def test_neighbours_do_not_fill_a_valley():
    cell = np.array([[0.9, 0.2, 0.9], [0.9, 0.9, 0.9]])
    labels = np.array([[1, 1, 1], [2, 2, 2]])
    np.testing.assert_allclose(cell_doubt(two_classes(cell), labels).valley, [0.65, 0])
    np.testing.assert_allclose(cell_doubt(two_classes(cell), np.ones((2, 3), int)).valley, [0])


def test_a_hill_of_a_few_pixels_does_not_count():
    row = np.full(30, 0.9)
    row[2:4] = 0.1
    labels = np.ones(30, int)
    assert cell_doubt(two_classes(row), labels).valley[0] == 0  # two pixels of thirty
    row[2:4], row[4:6] = 0.9, 0.1  # four
    assert cell_doubt(two_classes(row), labels).valley[0] == pytest.approx(0.75)


def test_stacks_images_without_cells_and_ignored_pixels():
    maps = two_classes(np.full((2, 3, 4), 0.5))
    assert len(cell_doubt(maps, np.zeros((2, 3, 4), np.uint8)).cell) == 0
    labels = np.full((2, 3, 4), -1)
    labels[0, 0, 0] = 5
    doubts = cell_doubt(maps, labels)
    assert (doubts.cell.tolist(), doubts.pixels.tolist()) == ([5], [1])
    with pytest.raises(ValueError, match="probabilities must have two classes or more"):
        cell_doubt(maps[:, 0], labels)
    with pytest.raises(TypeError):
        cell_doubt(maps, labels.astype(float))

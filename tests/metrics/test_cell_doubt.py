"""How sure a network was of each cell."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import entr

from seamwise.metrics import cell_doubt, seam_doubt


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


def test_numbers_of_any_size_take_no_more_memory():
    maps = two_classes(np.tile([0.9, 0.1, 0.9, 0.2], (4, 1)))
    columns = np.tile([3, 3, 3, 0], (4, 1))
    usual = cell_doubt(maps, columns)
    for number in (2 * 10**9, 2**64 - 1):
        doubts = cell_doubt(maps, np.where(columns, np.uint64(number), np.uint64(0)))
        assert doubts.cell.tolist() == [number]
        for name in ("pixels", "entropy", "valley"):
            np.testing.assert_array_equal(getattr(doubts, name), getattr(usual, name))


def test_memory_is_within_what_decoding_takes():
    noise = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    maps, labels = two_classes(noise), np.ones(noise.shape, np.int32)
    tracemalloc.start()
    cell_doubt(maps, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 61 * noise.size  # `whole_image_bytes` has 60


def test_lists_are_arrays():
    doubts = cell_doubt([[0.5, 1], [0.5, 0]], [1, 0], disagreement=[0.25, 0])
    assert (doubts.entropy.tolist(), doubts.disagreement.tolist()) == ([1], [0.25])
    assert seam_doubt([[0.5, 0.5], [0.5, 0.5]], [1, 2]).entropy.tolist() == [1]


@pytest.mark.parametrize("size", [(4, 3), (2, 3), ()])
def test_a_disagreement_of_another_shape_is_refused(size):
    labels = np.ones((3, 4), int)
    with pytest.raises(
        ValueError, match=r"disagreement must have the shape \(3, 4\) of the labels"
    ):
        cell_doubt(two_classes(np.full((3, 4), 0.5)), labels, disagreement=np.ones(size))


@pytest.mark.parametrize("function", [cell_doubt, seam_doubt])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 2])
def test_what_is_not_a_probability_is_refused(function, value):
    maps = two_classes(np.full((3, 4), 0.5))
    maps[1, 2, 3] = value
    with pytest.raises(ValueError, match="probabilities must be real numbers from 0 to 1"):
        function(maps, np.tile([1, 1, 2, 2], (3, 1)))


@pytest.mark.parametrize("kind", [complex, object, "U3"])
def test_other_types_are_refused(kind):
    labels = np.ones((3, 4), int)
    maps = two_classes(np.full((3, 4), 0.5))
    with pytest.raises(ValueError, match="probabilities must be real numbers"):
        cell_doubt(maps.astype(kind), labels)
    with pytest.raises(ValueError, match="disagreement must be real numbers"):
        cell_doubt(maps, labels, disagreement=maps[0].astype(kind))

import numpy as np
import pytest

from seamwise.synth import crowded_cells
from seamwise.weights import balance, unet


def height(d1, d2, sigma=2.0):
    return 10 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def test_a_passage_of_three_pixels_written_out():
    labels = np.array([1, 0, 0, 0, 2, 2, 0])
    found = unet(labels, (labels > 0).astype(int), sigma=2)
    b0, b1 = 3 / 4, 1
    # the pixel behind cell 2 sees cell 1 through it
    expected = [
        b1,
        b0 + height(1, 3),
        b0 + height(2, 2),
        b0 + height(3, 1),
        b1,
        b1,
        b0 + height(1, 6),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_with_one_cell_it_counts_twice_and_its_pieces_are_one_cell():
    labels = np.array([3, 0, 0, 3])
    found = unet(labels, (labels > 0).astype(int), sigma=2)
    np.testing.assert_allclose(found, [1, 1 + height(1, 1), 1 + height(1, 1), 1], rtol=1e-5)


def test_cells_out_of_reach_of_each_other_add_nothing():
    labels = np.zeros((3, 90), int)
    labels[:, :3], labels[:, -3:] = 1, 2
    np.testing.assert_array_equal(unet(labels), balance(labels))


def test_only_background_gets_the_second_term():
    labels = crowded_cells((80, 90), cells=20, radius=8, rng=0).labels
    raised = unet(labels) > balance(labels)
    assert raised.any()
    assert not raised[labels > 0].any()


@pytest.mark.parametrize("cells", [2, 3, 5, 40])
def test_however_many_cells_crowd_around_a_pixel(cells):
    """One pixel per cell and all within reach: as many colours as cells."""
    rng = np.random.default_rng(cells)
    labels = np.zeros(400, int)
    labels[rng.choice(400, cells, replace=False)] = 1 + np.arange(cells)
    labels = labels.reshape(20, 20)
    d = np.sort(
        [
            np.hypot(*(np.indices(labels.shape) - np.argwhere(labels == n).T[:, :, None]))
            for n in range(1, cells + 1)
        ],
        0,
    )
    expected = np.where(labels > 0, 0, height(d[0], d[1], 5.0))
    np.testing.assert_allclose(unet(labels) - balance(labels), expected, atol=2e-6)

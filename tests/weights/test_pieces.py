"""Weights that count cells instead of pixels, and Youden's J with them."""

import numpy as np
import pytest
import torch

from seamwise.labels import semantic_target
from seamwise.losses import youden
from seamwise.synth import crowded_cells
from seamwise.weights import pieces

SCENE = crowded_cells((40, 52), cells=12, radius=6, rng=0).labels.astype(int)


def test_by_hand():
    labels = np.array([[1, 1, 1, 1, 2, 2, 0, 0, 3, 0, -1]], np.int32)
    target = np.array([[1, 1, 1, 2, 2, 1, 3, 3, 1, 0, -1]], np.int8)
    sizes = np.array([[3, 3, 3, 1, 1, 1, 2, 2, 1, 1, 1]])
    for power in (0.0, 0.5, 1.0):
        expected = np.where(labels == -1, 0, sizes**-power)
        np.testing.assert_allclose(pieces(labels, target, power=power), expected, rtol=1e-6)
    assert pieces(labels, target).dtype == np.float32


def test_pixels_without_a_number_and_gaps_are_connected_parts():
    labels = np.array([[7, 0, 0, 7, 0, 7], [0, 0, 0, 0, 0, 0]])
    target = np.array([[1, 2, 2, 1, 2, 1], [3, 0, 3, 3, 3, 0]])
    expected = np.array([[3, 2, 2, 3, 1, 3], [1, 1, 3, 3, 3, 1]]) ** -1.0
    np.testing.assert_allclose(pieces(labels, target, power=1), expected, rtol=1e-6)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_neither_the_numbers_nor_the_sides_matter(power):
    target = semantic_target(SCENE, classes=4)
    found = pieces(SCENE, target, power=power)
    np.testing.assert_array_equal(pieces(SCENE * 1000003 % 2**31, target, power=power), found)
    for turned in (np.s_[::-1], np.s_[:, ::-1]):
        other = pieces(SCENE[turned], target[turned], power=power)
        np.testing.assert_array_equal(other, found[turned])
    slices = pieces(SCENE[np.newaxis], target[np.newaxis], power=power)
    np.testing.assert_array_equal(slices[0], found)


def test_with_a_power_of_1_every_cell_has_the_same_share_of_the_rates():
    """Cells of three pixels and of one, and background: M is the mean over cells of their means."""
    labels, target = np.array([[4, 4, 4, 0, 9]]), np.array([[1, 1, 1, 0, 1]])
    right = torch.tensor([0.9, 0.6, 0.6, 0.8, 0.2], dtype=torch.float64)  # z of the pixel's class
    cell = torch.where(torch.from_numpy(target[0] == 1), right, 1 - right)
    logits = torch.stack([1 - cell, cell]).log()[None]
    classes = torch.from_numpy(target[0])[None]
    for power, rate in ((1, (0.7 + 0.2) / 2), (0, (2.1 + 0.2) / 4)):
        weight = torch.from_numpy(pieces(labels, target, power=power))
        # (1 + 0.8 − (1 − rate))/2 and (1 + rate − 0.2)/2 are the same number
        expected = -np.log((0.8 + rate) / 2)
        assert youden(logits, classes, weight=weight).item() == pytest.approx(expected, rel=1e-6)


def test_a_cell_that_is_magnified_counts_as_before():
    labels = np.array([[1, 1, 0, 2, 2, 2, 0]])
    target = np.array([[1, 1, 0, 1, 1, 1, 0]])
    times = np.array([1, 1, 1, 5, 5, 5, 1])  # pixels are repeated
    logits = torch.randn(1, 2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(labels, target, logits):
        weight = torch.from_numpy(pieces(labels, target, power=1))
        return youden(logits, torch.from_numpy(target), weight=weight).item()

    repeated = [np.repeat(array, times, 1) for array in (labels, target)]
    magnified = loss(*repeated, logits.repeat_interleave(torch.from_numpy(times), 2))
    assert magnified == pytest.approx(loss(labels, target, logits), rel=1e-6)


def test_gradcheck():
    target = semantic_target(SCENE[:9, :8], classes=4, touching_radius=1, gap_radius=2)
    weight = torch.from_numpy(pieces(SCENE[:9, :8], target))[None]
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 4, 9, 8, dtype=torch.float64, generator=rng)
    classes = torch.from_numpy(target)[None]
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: youden(z, classes, weight=weight), logits)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"power must be a number of 0 or more, not -1"):
        pieces(SCENE, power=-1)
    with pytest.raises(ValueError, match="target must have the shape of labels"):
        pieces(SCENE, SCENE[:3])
    with pytest.raises(TypeError, match="labels"):
        pieces(SCENE + 0.5)
    assert (pieces(np.zeros((3, 4), int)) == 1).all()
    assert (pieces(np.full((3, 4), -1)) == 0).all()

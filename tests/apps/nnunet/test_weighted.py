"""The weights of a patch of classes, and the loss that takes them."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from seamwise.decode import instances
from seamwise.labels import semantic_target
from seamwise.losses import CrossEntropy, CrossEntropyAndYouden, cross_entropy
from seamwise.segmentation import TargetAndWeight
from seamwise.synth import crowded_cells
from seamwise_nnunet.weighted import WeightedLoss, weighted_classes
from support.losses import sample
from support.patch_cells import counterparts

COUNTS = (7000, 2500, 500)
W3 = TargetAndWeight(map="w3", counts=COUNTS, scale="mean")


def classes_of(target):
    return torch.from_numpy(target.astype(np.int16))[None]


def warped(array, rng):
    """Rotated in the plane and scaled, with nearest neighbours."""
    angle, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.4)
    matrix = np.eye(array.ndim)
    matrix[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix *= zoom
    middle = np.array(array.shape) / 2
    offset = middle - matrix @ middle
    return ndimage.affine_transform(array.astype(np.int32), matrix, offset, order=0)


@pytest.mark.parametrize("classes", [3, 4])
def test_cells_come_back_from_warped_classes(classes):
    """The decoder on warped classes gives the cells that warped labels have."""
    matches = total = 0
    for seed in range(8):
        labels = crowded_cells((160, 160), cells=30, rng=seed).labels
        target = semantic_target(labels, classes=classes)
        decoded = instances(warped(target, np.random.default_rng(seed)).astype(np.uint8))
        count = counterparts(warped(labels, np.random.default_rng(seed)), decoded)
        matches, total = matches + count[0], total + count[1]
    assert total > 200
    assert matches >= 0.995 * total


def test_the_weights_are_those_of_the_cells():
    labels = crowded_cells((64, 72), cells=12, rng=0).labels
    target = semantic_target(labels, classes=3)
    result = weighted_classes(classes_of(target), W3)
    assert (result.shape, result.dtype) == ((2, 64, 72), torch.float32)
    assert torch.equal(result[0], torch.from_numpy(target).float())
    expected = W3.weight(instances(target.astype(np.uint8)), target)
    np.testing.assert_array_equal(result[1].numpy(), expected)
    assert result[1].mean().item() == pytest.approx(1, rel=1e-5)


def test_ignored_pixels_have_no_weight_and_are_of_no_cell():
    target = np.zeros((12, 20), np.int16)
    target[4:8, 3:9] = 1
    target[:, 9:] = 3  # next to the cell, with which it would otherwise merge
    result = weighted_classes(classes_of(target), W3, ignored=3)
    assert torch.equal(result[0], torch.from_numpy(target).float())
    assert (result[1][:, 9:] == 0).all()
    assert (result[1][:, :9] > 0).all()
    assert result[1][:, :9].mean().item() == pytest.approx(1, rel=1e-5)


def test_what_lies_outside_of_the_image_is_background_as_in_nnunet():
    target = np.zeros((12, 20), np.int16)
    target[4:8, 3:9] = 1
    outside = np.where(np.arange(20) > 14, np.int16(-1), target)
    assert torch.equal(
        weighted_classes(classes_of(outside), W3)[1], weighted_classes(classes_of(target), W3)[1]
    )


def test_a_patch_without_a_cell_and_one_that_is_ignored_have_weights():
    empty = weighted_classes(torch.zeros(1, 8, 9, dtype=torch.int16), W3)[1]
    assert torch.equal(empty, torch.ones(8, 9))
    ignored = weighted_classes(torch.full((1, 8, 9), 3, dtype=torch.int16), W3, ignored=3)[1]
    assert torch.equal(ignored, torch.zeros(8, 9))


def test_distances_follow_the_pixel_size_of_a_stack():
    target = np.zeros((6, 10, 12), np.int16)
    target[1:3, 3:7, 3:8] = 1
    unet = TargetAndWeight(map="unet", counts=COUNTS, scale="mean")
    fine = weighted_classes(classes_of(target), unet)[1]
    thick = weighted_classes(classes_of(target), unet, spacing=(4.0, 1.0, 1.0))[1]
    assert fine.shape == thick.shape == (6, 10, 12)
    # above the cell is farther away in thick slices, next to it is not
    assert thick[4, 5, 5] / thick[2, 5, 9] < fine[4, 5, 5] / fine[2, 5, 9]


@pytest.mark.parametrize("module", [CrossEntropy, CrossEntropyAndYouden])
@pytest.mark.parametrize("shape", [(2, 4, 16, 12), (2, 3, 8, 8, 4)])
def test_the_loss_is_ours_at_full_resolution(module, shape):
    logits, target, weight = sample(shape, 0)
    ignored = shape[1]
    classes = target.masked_fill(target == -1, ignored).unsqueeze(1).float()
    loss = WeightedLoss(module(ignore_index=ignored))
    plain = module()(logits, target)
    assert loss(logits, classes).item() == pytest.approx(plain.item(), rel=1e-6)
    both = torch.cat([classes, weight.unsqueeze(1).float()], 1)
    weighted = module()(logits, target, weight.float())
    assert loss(logits, both).item() == pytest.approx(weighted.item(), rel=1e-6)
    assert weighted.item() != pytest.approx(plain.item(), rel=1e-3)


def test_a_weight_of_two_counts_twice():
    logits = torch.tensor([[[[0.5, 0.9]], [[0.5, 0.1]]]]).log()
    target = torch.tensor([[[[0.0, 0.0]], [[2.0, 0.0]]]])
    expected = 2 * cross_entropy(logits[..., :1], torch.zeros(1, 1, 1, dtype=torch.long)) / 2
    assert WeightedLoss(CrossEntropy())(logits, target).item() == pytest.approx(expected.item())

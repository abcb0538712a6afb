import math

import pytest
import torch

from oracles.losses import confusion_slow
from seamwise.losses import soft_confusion
from seamwise.losses.confusion import soft_counts
from support.losses import sample


def written_out():
    """Pixels of class 0, 1, 2, 0: z = (2, 1, 1)/4, (1, 5, 2)/8, (1, 1, 6)/8, (3, 3, 2)/8."""
    z = torch.tensor([[4.0, 2, 2], [1, 5, 2], [1, 1, 6], [3, 3, 2]]) / 8
    return z.T[None].log(), torch.tensor([[0, 1, 2, 0]]), torch.tensor([[1.0, 2, 3, 0.5]])


def test_counts_written_out():
    logits, target, weight = written_out()
    counts = soft_counts(logits, target, weight=weight)
    joint = [
        [4 + 1.5, 2, 3],
        [2 + 1.5, 10, 3],
        [2 + 1.0, 4, 18],
    ]
    torch.testing.assert_close(counts.joint * 8, torch.tensor(joint))
    torch.testing.assert_close(counts.truth, torch.tensor([1.5, 2, 3]))
    torch.testing.assert_close(counts.true_positive * 8, torch.tensor([5.5, 10, 18]))
    torch.testing.assert_close(counts.false_positive * 8, torch.tensor([5.0, 6.5, 7]))
    torch.testing.assert_close(counts.false_negative * 8, torch.tensor([6.5, 6, 6]))


def test_false_negatives_keep_their_digits_when_nearly_all_is_right():
    logits = torch.tensor([[[20.0, 20], [0, 0], [0, 0]]])
    counts = soft_counts(logits, torch.tensor([[0, 0]]))
    expected = 2 * 2 * math.exp(-20) / (1 + 2 * math.exp(-20))
    assert counts.false_negative[0].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(2, 4, 30), (2, 4, 6, 5), (2, 3, 4, 3, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_a_plain_loop_in_any_rank(shape, weighted):
    logits, target, weight = sample(shape)
    weight = weight if weighted else None
    confusion, present = soft_confusion(logits, target, weight=weight)
    assert present.all()
    expected = torch.tensor(confusion_slow(logits, target, weight=weight), dtype=torch.float64)
    torch.testing.assert_close(confusion, expected)


def test_small_weights_give_the_same_means_as_large_ones():
    logits, target, weight = sample()
    confusion, _ = soft_confusion(logits, target, weight=1e-6 * weight)
    torch.testing.assert_close(confusion, soft_confusion(logits, target, weight=weight)[0])
    torch.testing.assert_close(confusion.sum(0), torch.ones(4, dtype=torch.float64))


def test_rows_are_predictions_and_columns_truth():
    logits = torch.full((1, 3, 4), -50.0)
    for pixel, predicted in enumerate([0, 0, 2, 1]):
        logits[0, predicted, pixel] = 50
    confusion, present = soft_confusion(logits, torch.tensor([[0, 1, 1, -1]]))
    torch.testing.assert_close(confusion, torch.tensor([[1, 0.5, 0], [0, 0, 0], [0, 0.5, 0]]))
    assert present.tolist() == [True, True, False]


def test_a_class_whose_pixels_all_weigh_nothing_is_absent():
    logits, target, weight = sample()
    weight[target == 2] = 0
    confusion, present = soft_confusion(logits, target, weight=weight)
    assert present.tolist() == [True, True, False, True]
    assert (confusion[:, 2] == 0).all()
    expected, _ = soft_confusion(logits, target.masked_fill(target == 2, -1), weight=weight)
    assert torch.equal(confusion, expected)


def test_one_matrix_per_sample():
    logits, target, weight = sample()
    target[1][target[1] == 3] = 0
    confusion, present = soft_confusion(logits, target, weight=weight, per_sample=True)
    for n in range(2):
        alone, seen = soft_confusion(logits[n : n + 1], target[n : n + 1], weight=weight[n : n + 1])
        torch.testing.assert_close(confusion[n], alone)
        assert torch.equal(present[n], seen)
    assert present.tolist() == [[True] * 4, [True, True, True, False]]


def test_nothing_in_the_batch_counts_nothing():
    confusion, present = soft_confusion(torch.zeros(0, 3, 4, 4), torch.zeros(0, 4, 4).long())
    assert (confusion == 0).all()
    assert not present.any()

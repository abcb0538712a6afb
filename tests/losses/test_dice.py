import pytest
import torch

from oracles.losses import dice_slow
from seamwise.losses import (
    CrossEntropyAndDice,
    Dice,
    DiceAndFocal,
    cross_entropy,
    cross_entropy_and_dice,
    dice,
    dice_and_focal,
    focal,
)
from support.losses import joined, sample


def written_out():
    """Four pixels of class 0, 1, 2, 0, z in eighths."""
    z = torch.tensor([[4.0, 2, 2], [1, 5, 2], [1, 1, 6], [3, 3, 2]]) / 8
    return z.T[None].log(), torch.tensor([[0, 1, 2, 0]])


def test_three_classes_written_out():
    logits, target = written_out()
    # Σ y z, Σ y, Σ z² of each class: 7/8, 2, 27/64 · 5/8, 1, 39/64 · 6/8, 1, 48/64
    losses = [
        1 - (14 / 8) / (2 + 27 / 64),
        1 - (10 / 8) / (1 + 39 / 64),
        1 - (12 / 8) / (1 + 48 / 64),
    ]
    assert dice(logits, target).item() == pytest.approx(sum(losses) / 3)


def test_weights_written_out():
    logits, target = written_out()
    weight = torch.tensor([[1.0, 2, 3, 0.5]])
    # class 0: Σ ω y z = (4 + 1.5)/8, Σ ω y = 1.5, Σ ω z² = (16 + 2 + 3 + 4.5)/64
    # class 1: 10/8, 2, (4 + 50 + 3 + 4.5)/64 · class 2: 18/8, 3, (4 + 8 + 108 + 2)/64
    losses = [
        1 - 2 * (5.5 / 8) / (1.5 + 25.5 / 64),
        1 - 2 * (10 / 8) / (2 + 61.5 / 64),
        1 - 2 * (18 / 8) / (3 + 122 / 64),
    ]
    assert dice(logits, target, weight=weight).item() == pytest.approx(sum(losses) / 3)


def test_an_absent_class_is_left_out_exactly():
    logits, target = written_out()
    target = torch.tensor([[0, 1, -1, 0]])
    # without the third pixel: 7/8, 2, 26/64 · 5/8, 1, 38/64; class 2 is not there, whatever its z
    losses = [1 - (14 / 8) / (2 + 26 / 64), 1 - (10 / 8) / (1 + 38 / 64)]
    assert dice(logits, target).item() == pytest.approx(sum(losses) / 2)


def test_right_is_0_and_wrong_is_1():
    logits = 100 * torch.eye(3)[None]
    target = torch.tensor([[0, 1, 2]])
    assert dice(logits, target).item() == pytest.approx(0, abs=1e-7)
    assert dice(logits.roll(1, 1), target).item() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(2, 4, 30), (2, 4, 6, 5), (2, 3, 4, 3, 3)])
def test_equals_a_plain_loop_in_any_rank(shape):
    logits, target, weight = sample(shape)
    for given in (None, weight):
        expected = dice_slow(logits, target, weight=given)
        assert dice(logits, target, weight=given).item() == pytest.approx(expected, rel=1e-12)


def test_counts_pool_over_the_batch_unless_per_sample():
    logits, target, weight = sample()
    target[1][target[1] == 3] = -1
    each = [
        dice_slow(logits[n : n + 1], target[n : n + 1], weight=weight[n : n + 1]) for n in range(2)
    ]
    assert dice(logits, target, weight=weight, per_sample=True).item() == pytest.approx(
        sum(each) / 2, rel=1e-12
    )
    assert dice(logits, target, weight=weight).item() != pytest.approx(sum(each) / 2, rel=1e-3)
    assert dice(logits, target).item() == pytest.approx(
        dice(*joined(logits, target)).item(), rel=1e-12
    )


def test_a_tiny_class_weighs_as_much_as_a_large_one():
    # pixels of class 1 all wrong, of class 0 nearly all right: the mean is near 1/2, not near 0
    logits = torch.tensor([100.0, 0]).view(1, 2, 1).repeat(1, 1, 1000)
    target = torch.zeros(1, 1000).long()
    target[0, 0] = 1
    assert dice(logits, target).item() == pytest.approx((1 + 1 - 2 * 999 / 1999) / 2)


def test_gradcheck():
    logits, target, weight = sample((2, 4, 4, 3))
    logits.requires_grad_()
    for per_sample in (False, True):
        assert torch.autograd.gradcheck(
            lambda z, p=per_sample: dice(z, target, weight=weight, per_sample=p), logits
        )


@pytest.mark.parametrize("per_sample", [False, True])
def test_equals_monai_where_every_class_is_present(per_sample):
    # only there: MONAI takes an absent class into the mean with a loss of 1 (0/0 where z is exactly
    # 0)
    monai = pytest.importorskip("monai.losses")
    logits, target, _ = sample((2, 4, 9, 7))
    target = target.clamp(min=0)
    loss = monai.DiceLoss(
        softmax=True,
        to_onehot_y=True,
        squared_pred=True,
        smooth_nr=0,
        smooth_dr=0,
        batch=not per_sample,
    )
    expected = loss(logits, target.unsqueeze(1)).item()
    assert dice(logits, target, per_sample=per_sample).item() == pytest.approx(expected, rel=1e-7)


def test_hard_predictions_equal_the_f1_score_of_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    logits, target, _ = sample((2, 4, 9, 7))
    hard = 1e4 * torch.nn.functional.one_hot(logits.argmax(1), 4).movedim(-1, 1).double()
    # macro averages over the classes in truth or prediction: here all four are in both
    f1 = torchmetrics.multiclass_f1_score(
        logits.argmax(1), target, 4, average="macro", ignore_index=-1
    )
    assert dice(hard, target).item() == pytest.approx(1 - f1.item(), abs=1e-6)


@pytest.mark.parametrize("ignore_index", [-1, 1, 255])
@pytest.mark.parametrize("weighted", [False, True])
def test_with_cross_entropy_the_weight_is_that_of_the_cross_entropy(ignore_index, weighted):
    logits, target, weight = sample()
    target = target.masked_fill(target == -1, ignore_index)
    weight = weight if weighted else None
    apart, joint = (logits.clone().requires_grad_() for _ in range(2))
    total = cross_entropy(apart, target, weight=weight, ignore_index=ignore_index)
    total = total + dice(apart, target, ignore_index=ignore_index)
    loss = cross_entropy_and_dice(joint, target, weight=weight, ignore_index=ignore_index)
    total.backward()
    loss.backward()
    assert loss.item() == pytest.approx(total.item(), rel=1e-12)
    torch.testing.assert_close(joint.grad, apart.grad)


def test_modules_mean_the_same():
    logits, target, weight = sample()
    for per_sample in (False, True):
        expected = dice(logits, target, weight=weight, per_sample=per_sample)
        assert torch.equal(Dice(per_sample=per_sample)(logits, target, weight), expected)
    expected = cross_entropy_and_dice(logits, target, weight=weight)
    assert torch.equal(CrossEntropyAndDice()(logits, target, weight), expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_with_focal_the_weight_is_that_of_the_focal_term(weighted):
    logits, target, weight = sample()
    weight = weight if weighted else None
    loss = dice_and_focal(logits, target, weight=weight, gamma=1.5, focal_weight=0.25)
    expected = dice(logits, target) + 0.25 * focal(logits, target, weight=weight, gamma=1.5)
    torch.testing.assert_close(loss, expected)
    assert torch.equal(DiceAndFocal(gamma=1.5, focal_weight=0.25)(logits, target, weight), loss)


@pytest.mark.parametrize("focal_weight", [-0.1, float("inf"), float("nan")])
def test_the_focal_term_has_a_finite_weight(focal_weight):
    logits, target, _ = sample()
    with pytest.raises(ValueError, match="focal_weight must be ≥ 0 and finite, not"):
        dice_and_focal(logits, target, focal_weight=focal_weight)

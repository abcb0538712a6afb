import pytest
import torch

from oracles.losses import tversky_slow
from seamwise.losses import FocalTversky, Tversky, focal_tversky, tversky
from support.losses import joined, sample


def written_out():
    """Four pixels of class 0, 1, 2, 0, z in eighths."""
    z = torch.tensor([[4.0, 2, 2], [1, 5, 2], [1, 1, 6], [3, 3, 2]]) / 8
    return z.T[None].log(), torch.tensor([[0, 1, 2, 0]])


def test_three_classes_written_out():
    logits, target = written_out()
    # in eighths: TP 7, 5, 6 · FP 2, 6, 6 · FN 9, 3, 2
    losses = [
        1 - 7 / (7 + 0.3 * 2 + 0.7 * 9),
        1 - 5 / (5 + 0.3 * 6 + 0.7 * 3),
        1 - 6 / (6 + 0.3 * 6 + 0.7 * 2),
    ]
    assert tversky(logits, target).item() == pytest.approx(sum(losses) / 3)
    swapped = [
        1 - 7 / (7 + 0.7 * 2 + 0.3 * 9),
        1 - 5 / (5 + 0.7 * 6 + 0.3 * 3),
        1 - 6 / (6 + 0.7 * 6 + 0.3 * 2),
    ]
    assert tversky(logits, target, alpha=0.7, beta=0.3).item() == pytest.approx(sum(swapped) / 3)


def test_weights_written_out():
    logits, target = written_out()
    weight = torch.tensor([[1.0, 2, 3, 0.5]])
    # in eighths: TP 5.5, 10, 18 · FP 5, 6.5, 7 · FN 6.5, 6, 6
    losses = [
        1 - 5.5 / (5.5 + 0.2 * 5 + 0.9 * 6.5),
        1 - 10 / (10 + 0.2 * 6.5 + 0.9 * 6),
        1 - 18 / (18 + 0.2 * 7 + 0.9 * 6),
    ]
    assert tversky(logits, target, weight=weight, alpha=0.2, beta=0.9).item() == pytest.approx(
        sum(losses) / 3
    )


def test_alpha_prices_false_positives_and_beta_false_negatives():
    # one pixel of class 0 taken for class 1: class 0 has TP 1, FN 1, no FP; class 1 TP 1, FP 1, no
    # FN
    logits = torch.tensor([[[100.0, 0, 0], [0, 100, 100]]])
    target = torch.tensor([[0, 0, 1]])
    loss = tversky(logits, target, alpha=0.25, beta=3)
    assert loss.item() == pytest.approx(((1 - 1 / (1 + 3)) + (1 - 1 / 1.25)) / 2)


def test_an_absent_class_is_left_out_exactly():
    logits, _ = written_out()
    target = torch.tensor([[0, 1, -1, 0]])
    # in eighths without the third pixel: TP 7, 5 · FP 1, 5 · FN 9, 3
    losses = [1 - 7 / (7 + 0.3 * 1 + 0.7 * 9), 1 - 5 / (5 + 0.3 * 5 + 0.7 * 3)]
    assert tversky(logits, target).item() == pytest.approx(sum(losses) / 2)


@pytest.mark.parametrize("shape", [(2, 4, 30), (2, 4, 6, 5), (2, 3, 4, 3, 3)])
def test_equals_a_plain_loop_in_any_rank(shape):
    logits, target, weight = sample(shape)
    for given in (None, weight):
        expected = tversky_slow(logits, target, weight=given, alpha=0.1, beta=1.3)
        loss = tversky(logits, target, weight=given, alpha=0.1, beta=1.3)
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_counts_pool_over_the_batch_unless_per_sample():
    logits, target, weight = sample()
    target[1][target[1] == 3] = -1
    each = [
        tversky_slow(
            logits[n : n + 1], target[n : n + 1], weight=weight[n : n + 1], alpha=0.3, beta=0.7
        )
        for n in range(2)
    ]
    assert tversky(logits, target, weight=weight, per_sample=True).item() == pytest.approx(
        sum(each) / 2, rel=1e-12
    )
    assert tversky(logits, target).item() == pytest.approx(
        tversky(*joined(logits, target)).item(), rel=1e-12
    )


def test_alpha_0_is_allowed_and_finite_when_nothing_is_predicted():
    # class 1 is never predicted, class 2 is absent and never predicted
    logits = torch.tensor([[[1e4, 1e4], [0, 0], [0, 0]]]).requires_grad_()
    loss = tversky(logits, torch.tensor([[0, 1]]), alpha=0, beta=0.5)
    loss.backward()
    assert loss.item() == pytest.approx((0 + 1) / 2)
    assert torch.isfinite(logits.grad).all()


def test_a_loss_near_0_keeps_its_digits():
    logits = torch.tensor([[[20.0, 0, 0], [0, 20, 0], [0, 0, 20]]])
    target = torch.tensor([[0, 1, 2]])
    expected = tversky(logits.double(), target).item()
    assert 1e-9 < expected < 1e-7
    assert tversky(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_gradcheck():
    logits, target, weight = sample((2, 4, 4, 3))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: tversky(z, target, weight=weight, alpha=0.2), logits)
    assert torch.autograd.gradcheck(lambda z: tversky(z, target, per_sample=True), logits)


@pytest.mark.parametrize("per_sample", [False, True])
def test_equals_monai_where_every_class_is_present(per_sample):
    # only there: MONAI takes an absent class into the mean with a loss of 1 (0/0 where z is exactly
    # 0)
    monai = pytest.importorskip("monai.losses")
    logits, target, _ = sample((2, 4, 9, 7))
    target = target.clamp(min=0)
    loss = monai.TverskyLoss(
        softmax=True,
        to_onehot_y=True,
        alpha=0.2,
        beta=0.9,
        smooth_nr=0,
        smooth_dr=0,
        batch=not per_sample,
    )
    expected = loss(logits, target.unsqueeze(1)).item()
    ours = tversky(logits, target, alpha=0.2, beta=0.9, per_sample=per_sample)
    assert ours.item() == pytest.approx(expected, rel=1e-12)


def test_hard_predictions_equal_the_jaccard_index_of_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    logits, target, _ = sample((2, 4, 9, 7))
    hard = 1e4 * torch.nn.functional.one_hot(logits.argmax(1), 4).movedim(-1, 1).double()
    jaccard = torchmetrics.multiclass_jaccard_index(logits.argmax(1), target, 4, ignore_index=-1)
    assert tversky(hard, target, alpha=1, beta=1).item() == pytest.approx(
        1 - jaccard.item(), abs=1e-6
    )


def test_module_means_the_same():
    logits, target, weight = sample()
    options = {"alpha": 0.1, "beta": 2.0, "per_sample": True}
    expected = tversky(logits, target, weight=weight, **options)
    assert torch.equal(Tversky(**options)(logits, target, weight), expected)


def test_bad_prices_are_named():
    logits, target, _ = sample()
    with pytest.raises(ValueError, match="alpha must be ≥ 0, not -1"):
        tversky(logits, target, alpha=-1)
    with pytest.raises(ValueError, match="beta must be > 0, not 0"):
        tversky(logits, target, beta=0)


# --- focal Tversky


def test_a_power_of_each_class_written_out():
    logits, target = written_out()
    # in eighths: TP 7, 5, 6 · FP 2, 6, 6 · FN 9, 3, 2
    losses = [
        1 - 7 / (7 + 0.2 * 2 + 0.9 * 9),
        1 - 5 / (5 + 0.2 * 6 + 0.9 * 3),
        1 - 6 / (6 + 0.2 * 6 + 0.9 * 2),
    ]
    loss = focal_tversky(logits, target, alpha=0.2, beta=0.9, gamma=2.5)
    assert loss.item() == pytest.approx(sum(x ** (1 / 2.5) for x in losses) / 3)


def test_by_default_focal_tversky_has_the_choices_of_its_authors():
    logits, target, _ = sample()
    chosen = focal_tversky(logits, target, alpha=0.3, beta=0.7, gamma=4 / 3)
    assert torch.equal(focal_tversky(logits, target), chosen)
    assert torch.equal(FocalTversky()(logits, target), chosen)


@pytest.mark.parametrize("per_sample", [False, True])
def test_with_gamma_1_focal_tversky_is_tversky(per_sample):
    logits, target, weight = sample()
    options = {"weight": weight, "alpha": 0.1, "beta": 1.3, "per_sample": per_sample}
    expected = tversky(logits, target, **options)
    torch.testing.assert_close(focal_tversky(logits, target, gamma=1, **options), expected)


def test_the_slope_of_focal_tversky_is_finite_where_nothing_is_wrong():
    logits = torch.tensor([[[1e4, 0.0], [0.0, 1e4]]]).requires_grad_()
    loss = focal_tversky(logits, torch.tensor([[0, 1]]), gamma=3)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all()


def test_focal_tversky_gradcheck():
    logits, target, weight = sample((2, 4, 4, 3))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: focal_tversky(z, target, weight=weight), logits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": 0}, "gamma must be > 0 and finite, not 0"),
        ({"gamma": float("nan")}, "gamma must be > 0 and finite, not nan"),
        ({"beta": 0}, "beta must be > 0, not 0"),
        ({"alpha": -1}, "alpha must be ≥ 0, not -1"),
    ],
)
def test_bad_options_of_focal_tversky_are_named(options, message):
    logits, target, _ = sample()
    with pytest.raises(ValueError, match=message):
        focal_tversky(logits, target, **options)

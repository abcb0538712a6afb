import math

import pytest
import torch

from oracles.losses import focal_slow
from seamwise.losses import Focal, cross_entropy, focal, focal_map
from support.losses import sample


def written_out():
    """Three classes; z_h = 3/5, 1/4, 1/10 and an ignored pixel."""
    z = torch.tensor([[3.0, 1, 1], [2, 1, 1], [2, 7, 1], [1, 1, 1]])
    return z.log().T[None], torch.tensor([[0, 2, 2, -1]])


def test_three_pixels_written_out():
    logits, target = written_out()
    costs = [0.4**2 * -math.log(0.6), 0.75**2 * -math.log(0.25), 0.9**2 * -math.log(0.1)]
    torch.testing.assert_close(focal_map(logits, target), torch.tensor([[*costs, 0]]))
    assert focal(logits, target).item() == pytest.approx(sum(costs) / 3)
    weight = torch.tensor([[1.0, 5, 0.5, 9]])
    weighted = (costs[0] + 5 * costs[1] + 0.5 * costs[2]) / 3
    assert focal(logits, target, weight=weight).item() == pytest.approx(weighted)


@pytest.mark.parametrize("gamma", [0.5, 1, 2.0, 3.7])
@pytest.mark.parametrize("shape", [(3, 4, 7), (2, 3, 5, 4), (1, 5, 3, 4, 2)])
def test_equals_a_plain_loop_in_any_rank(shape, gamma):
    logits, target, weight = sample(shape)
    for given in (None, weight):
        expected = focal_slow(logits, target, weight=given, gamma=gamma)
        assert focal(logits, target, weight=given, gamma=gamma).item() == pytest.approx(
            expected, rel=1e-12
        )


def test_gamma_0_is_cross_entropy_in_value_and_gradient():
    logits, target, weight = sample()
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss, expected = (
        focal(ours, target, weight=weight, gamma=0),
        cross_entropy(theirs, target, weight=weight),
    )
    loss.backward()
    expected.backward()
    assert loss.item() == expected.item()
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("gamma", [0, 0.01, 0.5, 1, 2.0, 5])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_gradient_is_finite_from_z_0_to_z_1(gamma, dtype):
    steps = torch.tensor([0, 1, 10, 16, 17, 18, 30, 60, 100, 1000, 1e4], dtype=dtype)
    margins = torch.cat([-steps, steps])
    logits = torch.stack([margins, torch.zeros_like(margins)])[None].requires_grad_()
    loss = focal(logits, torch.zeros(1, len(margins)).long(), gamma=gamma)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 0, -1] == 0


def test_a_gamma_below_1_has_the_right_slope_near_1():
    # d/dc of (1 − e^−c)^γ · c with c = −log z, times dc/dlogit = z − 1
    logits = torch.tensor([[[12.0], [0.0]]], dtype=torch.float64, requires_grad=True)
    focal(logits, torch.tensor([[0]]), gamma=0.5).backward()
    z = 1 / (1 + math.exp(-12))
    cost = -math.log(z)
    slope = (1 - z) ** 0.5 + 0.5 * (1 - z) ** -0.5 * z * cost
    assert logits.grad[0, 0, 0].item() == pytest.approx(slope * (z - 1), rel=1e-9)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradcheck(gamma):
    logits, target, weight = sample((1, 3, 3, 2))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: focal(z, target, weight=weight, gamma=gamma), logits)


@pytest.mark.parametrize("gamma", [0.7, 2.0])
def test_equals_monai(gamma):
    monai = pytest.importorskip("monai.losses")
    logits, target, _ = sample((2, 4, 9, 7))
    logits, target = logits.float(), target.clamp(min=0)
    # MONAI's mean is over the C one-hot channels too, all but one of which are 0; its ignore_index
    # and its float64 (it rounds to float32) are not compared
    theirs = monai.FocalLoss(gamma=gamma, use_softmax=True, to_onehot_y=True)(
        logits, target.unsqueeze(1)
    )
    assert focal(logits, target, gamma=gamma).item() == pytest.approx(4 * theirs.item(), rel=1e-6)


def test_module_means_the_same():
    logits, target, weight = sample()
    assert torch.equal(
        Focal(gamma=3.0)(logits, target, weight), focal(logits, target, weight=weight, gamma=3.0)
    )


@pytest.mark.parametrize("gamma", [-0.1, math.nan])
def test_a_negative_gamma_is_named(gamma):
    logits, target, _ = sample()
    with pytest.raises(ValueError, match=f"gamma must be ≥ 0, not {gamma}"):
        focal(logits, target, gamma=gamma)

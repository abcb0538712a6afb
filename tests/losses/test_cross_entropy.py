import math

import pytest
import torch

from seamwise.losses import CrossEntropy, cross_entropy, cross_entropy_map
from support.losses import sample


def slow(logits, target, weight):
    total, valid = 0.0, 0
    for n, *pixel in [tuple(i) for i in (target != -1).nonzero().tolist()]:
        z = logits[(n, slice(None), *pixel)]
        log_sum = math.log(sum(math.exp(v) for v in z))
        total += weight[(n, *pixel)].item() * (log_sum - z[target[(n, *pixel)]].item())
        valid += 1
    return total / valid


def test_uniform_logits_cost_log_of_the_number_of_classes():
    assert cross_entropy(
        torch.zeros(1, 4, 3, 3), torch.ones(1, 3, 3).long()
    ).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("shape", [(3, 4, 7), (2, 3, 5, 4), (1, 5, 3, 4, 2)])
def test_equals_a_plain_loop_in_any_rank(shape):
    logits, target, weight = sample(shape)
    assert cross_entropy(logits, target, weight=weight).item() == pytest.approx(
        slow(logits, target, weight)
    )
    ones = torch.ones_like(weight)
    assert cross_entropy(logits, target).item() == pytest.approx(slow(logits, target, ones))


def test_doubling_the_weights_doubles_the_loss():
    logits, target, weight = sample()
    double = cross_entropy(logits, target, weight=2 * weight)
    assert double.item() == pytest.approx(2 * cross_entropy(logits, target, weight=weight).item())


def test_ignored_pixels_have_no_loss_and_no_gradient_whatever_their_weight():
    logits, target, weight = sample()
    logits.requires_grad_()
    weight[target == -1] = torch.nan
    cross_entropy(logits, target, weight=weight).backward()
    ignored = (target == -1).unsqueeze(1).expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert torch.isfinite(logits.grad).all()
    assert (cross_entropy_map(logits, target)[target == -1] == 0).all()


def test_another_ignore_index():
    logits, target, weight = sample()
    renamed = target.masked_fill(target == -1, 255)
    assert torch.equal(
        cross_entropy(logits, renamed, weight=weight, ignore_index=255),
        cross_entropy(logits, target, weight=weight),
    )


@pytest.mark.parametrize(
    ("dtype", "stored", "ignore_index"), [(torch.uint8, 255, -1), (torch.int8, -1, 255)]
)
def test_a_class_does_not_equal_the_ignore_index_by_wrapping_around(dtype, stored, ignore_index):
    target = torch.full((1, 4), stored, dtype=dtype)
    with pytest.raises(
        ValueError, match=rf"target must hold 0\.\.2 or {ignore_index} \(ignored\), not {stored}"
    ):
        cross_entropy(torch.zeros(1, 3, 4), target, ignore_index=ignore_index)


def test_everything_ignored_is_zero_with_a_zero_gradient():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = cross_entropy(logits, torch.full((2, 4, 4), -1))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_gradcheck():
    logits, target, weight = sample((1, 3, 3, 2))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, target, weight=weight), logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_accumulated_in_float32(dtype):
    logits = torch.randn(1, 4, 256, 256, generator=torch.Generator().manual_seed(1)).to(dtype)
    target = torch.zeros(1, 256, 256).long()
    loss = cross_entropy(logits, target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(cross_entropy(logits.double(), target).item(), rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert cross_entropy(logits, target).item() == loss.item()


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_huge_logits_stay_finite(scale):
    logits = (scale * torch.randn(1, 3, 8, 8)).requires_grad_()
    loss = cross_entropy(logits, torch.zeros(1, 8, 8).long())
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_int8_targets_are_taken_as_they_come_from_labels():
    logits, target, _ = sample()
    assert torch.equal(cross_entropy(logits, target.to(torch.int8)), cross_entropy(logits, target))


def test_module_means_the_same():
    logits, target, weight = sample()
    assert torch.equal(
        CrossEntropy()(logits, target, weight), cross_entropy(logits, target, weight=weight)
    )
    assert torch.equal(
        CrossEntropy(ignore_index=1)(logits, target.clamp(min=0)),
        cross_entropy(logits, target.clamp(min=0), ignore_index=1),
    )


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="do not fit target"):
        cross_entropy(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 5).long())
    with pytest.raises(ValueError, match="weight must have the target's shape"):
        cross_entropy(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4).long(), weight=torch.ones(4, 4))

import math

import pytest
import torch

from oracles.losses import youden_slow
from seamwise.losses import (
    CrossEntropyAndYouden,
    Youden,
    cross_entropy,
    cross_entropy_and_youden,
    youden,
)
from support.losses import joined, sample


@pytest.mark.parametrize("shape", [(2, 4, 30), (2, 4, 6, 5), (2, 3, 4, 3, 3)])
def test_equals_the_printed_formula(shape):
    logits, target, _ = sample(shape)
    classes = shape[1]
    lam = [[0.1 + 0.2 * i + 0.05 * k for k in range(classes)] for i in range(classes)]
    assert youden(logits, target, lam=torch.tensor(lam)).item() == pytest.approx(
        youden_slow(logits, target, lam=lam), rel=1e-6
    )


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_by_default_the_loss_is_the_mean_over_the_pairs(classes):
    logits, target, weight = sample((2, classes, 30))
    each = 1 / (classes * (classes - 1))
    mean = youden_slow(logits, target, lam=[[each] * classes] * classes)
    assert youden(logits, target).item() == pytest.approx(mean)
    assert cross_entropy_and_youden(logits, target, weight=weight).item() == pytest.approx(
        mean + cross_entropy(logits, target, weight=weight).item()
    )
    nothing_known = torch.zeros(logits.shape)
    assert youden(nothing_known, target).item() == pytest.approx(math.log(2))


def test_a_single_channel_is_refused_where_it_was_a_silent_0():
    logits, target, _ = sample((2, 1, 30))
    with pytest.raises(ValueError, match="a channel for each class, 2 or more, not 1"):
        youden(logits, target)


def test_at_chance_the_loss_is_pairs_times_log_2():
    _, target, _ = sample()
    assert youden(torch.zeros(2, 4, 6, 5), target, lam=0.3).item() == pytest.approx(
        12 * math.log(2) * 0.3
    )


def test_two_classes_written_out():
    # class 0: one pixel with z0 = 3/4; class 1: two pixels with z1 = 1/2 and 3/4
    logits = torch.tensor([[[math.log(3), 0, 0], [0, 0, math.log(3)]]])
    target = torch.tensor([[0, 1, 1]])
    m00, m01 = 0.75, (0.5 + 0.25) / 2
    m11, m10 = (0.5 + 0.75) / 2, 0.25
    expected = -math.log((1 + m00 - m01) / 2) - math.log((1 + m11 - m10) / 2)
    assert youden(logits, target, lam=1.0).item() == pytest.approx(expected)


def test_absent_classes_leave_the_value_of_the_others_alone():
    logits, target, _ = sample()
    target[target == 3] = -1
    lam = [[1 / 12] * 4] * 4
    loss = youden(logits.requires_grad_(), target)
    loss.backward()
    assert loss.item() == pytest.approx(youden_slow(logits, target, lam=lam))
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("only", [-1, 0, 3])
def test_fewer_than_two_classes_are_zero_with_a_zero_gradient(only):
    logits = torch.randn(2, 4, 5, 5, requires_grad=True)
    loss = youden(logits, torch.full((2, 5, 5), only))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_weights_written_out():
    # class 0: one pixel with z0 = 3/4; class 1: z1 = 1/2 and 3/4 with weights 1 and 3; class 2
    # weighs nothing
    logits = torch.tensor([[[math.log(3), 0, 0, 5], [0, 0, math.log(3), 1], [-100, -100, -100, 0]]])
    target = torch.tensor([[0, 1, 1, 2]])
    m00, m01 = 0.75, (0.5 + 3 * 0.25) / 4
    m11, m10 = (0.5 + 3 * 0.75) / 4, 0.25
    expected = -math.log((1 + m00 - m01) / 2) - math.log((1 + m11 - m10) / 2)
    weight = torch.tensor([[0.1, 1, 3, 0]])
    assert youden(logits, target, weight=weight, lam=1.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(2, 4, 30), (2, 4, 6, 5), (2, 3, 4, 3, 3)])
def test_weighted_equals_a_plain_loop_in_any_rank(shape):
    logits, target, weight = sample(shape)
    lam = [[0.3] * shape[1]] * shape[1]
    expected = youden_slow(logits, target, weight=weight, lam=lam)
    assert youden(logits, target, weight=weight, lam=0.3).item() == pytest.approx(
        expected, rel=1e-12
    )
    each = [
        youden_slow(*(x[n : n + 1] for x in (logits, target)), weight=weight[n : n + 1], lam=lam)
        for n in range(2)
    ]
    per_sample = youden(logits, target, weight=weight, lam=0.3, per_sample=True)
    assert per_sample.item() == pytest.approx(sum(each) / 2, rel=1e-12)


def test_the_size_of_the_weights_of_a_class_does_not_matter():
    logits, target, weight = sample()
    scaled = weight * torch.tensor([1e-3, 7, 40, 1, 1], dtype=torch.float64)[target]
    assert youden(logits, target, weight=scaled).item() == pytest.approx(
        youden(logits, target, weight=weight).item()
    )


def test_counts_pool_over_the_batch_unless_per_sample():
    logits, target, _ = sample()
    lam = [[1 / 12] * 4] * 4
    each = [youden_slow(logits[n : n + 1], target[n : n + 1], lam=lam) for n in range(2)]
    assert youden(logits, target, per_sample=True).item() == pytest.approx(sum(each) / 2)
    assert youden(logits, target).item() == pytest.approx(youden(*joined(logits, target)).item())


def test_ignored_pixels_change_nothing():
    logits, target, _ = sample()
    changed = logits.clone()
    changed[(target == -1).unsqueeze(1).expand_as(logits)] = 7
    assert youden(changed, target).item() == pytest.approx(youden(logits, target).item())


def test_an_ignore_index_that_is_a_class_is_left_out():
    logits, target, _ = sample()
    renamed = target.masked_fill(target == -1, 2)
    expected = youden(logits, target.masked_fill(target == 2, -1))
    assert youden(logits, renamed, ignore_index=2).item() == pytest.approx(expected.item())


def test_the_number_of_pixels_of_a_class_does_not_matter():
    logits, target, _ = sample((1, 3, 40))
    repeated = torch.cat([logits, logits[:, :, (target == 0)[0]].repeat(1, 1, 9)], 2)
    more = torch.cat([target, target[:, (target == 0)[0]].repeat(1, 9)], 1)
    assert youden(repeated, more).item() == pytest.approx(youden(logits, target).item())


def test_gradcheck():
    logits, target, weight = sample((2, 4, 4, 3))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: youden(z, target, lam=0.7), logits)
    assert torch.autograd.gradcheck(lambda z: youden(z, target, per_sample=True), logits)
    assert torch.autograd.gradcheck(lambda z: youden(z, target, weight=weight), logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_accumulated_in_float32(dtype):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 4, 256, 256, generator=generator).to(dtype)
    target = torch.randint(0, 4, (2, 256, 256), generator=generator)
    loss = youden(logits, target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(youden(logits.double(), target).item(), rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert youden(logits, target).item() == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_logits_stay_finite_also_when_all_wrong(sign):
    target = torch.tensor([[0, 1, 2, 3]])
    logits = (sign * 1e4 * torch.eye(4)[None]).requires_grad_()
    swapped = logits.roll(1, 1)
    loss = youden(swapped, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_a_one_pixel_class_gives_finite_gradients():
    logits = torch.randn(1, 4, 64, 64, requires_grad=True)
    target = torch.zeros(1, 64, 64).long()
    target[0, 5, 5] = 2
    youden(logits, target).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, :, 5, 5].abs().sum() > 0


def test_module_means_the_same():
    logits, target, weight = sample()
    lam = torch.rand(4, 4)
    weighted = youden(logits, target, weight=weight, lam=lam)
    torch.testing.assert_close(Youden(lam=lam)(logits, target, weight), weighted)
    torch.testing.assert_close(Youden(lam=lam)(logits, target), youden(logits, target, lam=lam))
    torch.testing.assert_close(
        Youden(per_sample=True)(logits, target), youden(logits, target, per_sample=True)
    )


def test_bad_input_is_named():
    logits, target, _ = sample()
    with pytest.raises(ValueError, match=r"lam must be a number or a \(4, 4\) matrix"):
        youden(logits, target, lam=torch.ones(3, 3))
    with pytest.raises(ValueError, match="do not fit target"):
        youden(logits, target[:, 1:])


@pytest.mark.parametrize("ignore_index", [-1, 1, 255])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_joint_form_is_the_sum_in_value_and_gradient(ignore_index, weighted):
    logits, target, _ = sample()
    target = target.masked_fill(target == -1, ignore_index)
    weight = torch.rand(target.shape, dtype=torch.float64) * 3 if weighted else None
    apart, joint = (logits.clone().requires_grad_() for _ in range(2))
    total = cross_entropy(apart, target, weight=weight, ignore_index=ignore_index)
    (3 * (total + youden(apart, target, lam=0.3, ignore_index=ignore_index))).backward()
    loss = cross_entropy_and_youden(
        joint, target, weight=weight, lam=0.3, ignore_index=ignore_index
    )
    (3 * loss).backward()
    j = youden(logits, target, lam=0.3, ignore_index=ignore_index)
    assert loss.item() == pytest.approx(total.item() + j.item())
    torch.testing.assert_close(joint.grad, apart.grad)


@pytest.mark.parametrize("shape", [(2, 4, 2**14 + 5), (40, 3, 50, 60), (1, 2, 2**15)])
def test_the_joint_form_of_many_blocks_of_pixels_is_the_sum_too(shape):
    logits, target, weight = sample(shape)
    joint = [logits.clone().requires_grad_() for _ in range(2)]
    one = cross_entropy_and_youden(joint[0], target, weight=weight)
    two = cross_entropy(joint[1], target, weight=weight) + youden(joint[1], target)
    torch.testing.assert_close(one, two, rtol=2e-6, atol=0)
    grads = [torch.autograd.grad(loss, x)[0] for loss, x in zip((one, two), joint, strict=True)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-9)


def test_the_joint_form_passes_gradcheck_and_has_zero_loss_when_all_is_ignored():
    logits, target, _ = sample((2, 4, 4, 3))
    logits.requires_grad_()
    weight = torch.rand(target.shape, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: cross_entropy_and_youden(z, target, weight=weight), logits
    )
    nothing = cross_entropy_and_youden(logits, torch.full_like(target, -1))
    nothing.backward()
    assert nothing.item() == 0
    assert (logits.grad == 0).all()


def test_the_joint_form_ignores_weights_of_ignored_pixels_and_stays_finite():
    logits, target, _ = sample()
    weight = torch.ones(target.shape).masked_fill(target == -1, torch.nan)
    for scale in (1, 1e4):
        big = (scale * logits).to(torch.bfloat16).requires_grad_()
        loss = cross_entropy_and_youden(big, target, weight=weight)
        loss.backward()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert torch.isfinite(big.grad).all()
    with pytest.raises(ValueError, match="weight must have the target's shape"):
        cross_entropy_and_youden(logits, target, weight=weight[:, 1:])


def test_impossible_classes_and_the_diagonal_of_lam_do_not_spoil_the_value():
    logits, target, _ = sample((1, 3, 40))
    target.clamp_(min=0, max=1)
    logits[:, 2] = -torch.inf
    expected = cross_entropy(logits, target) + youden(logits, target)
    assert torch.isfinite(expected)
    assert cross_entropy_and_youden(logits, target).item() == pytest.approx(expected.item())
    lam = torch.full((3, 3), 1 / 6).fill_diagonal_(torch.inf)
    assert youden(logits, target, lam=lam).item() == pytest.approx(youden(logits, target).item())


@pytest.mark.parametrize("loss", [cross_entropy, youden, cross_entropy_and_youden])
def test_a_class_the_network_does_not_have_is_named(loss):
    logits, target, _ = sample((1, 3, 40))
    with pytest.raises(ValueError, match=r"target must hold 0\.\.2 or -1 \(ignored\), not 3"):
        loss(logits, target.masked_fill(target == 2, 3))


def test_the_joint_module_means_the_same():
    logits, target, _ = sample()
    weight = torch.rand(target.shape, dtype=torch.float64)
    module = CrossEntropyAndYouden(lam=0.2)
    assert torch.equal(
        module(logits, target, weight),
        cross_entropy_and_youden(logits, target, weight=weight, lam=0.2),
    )


@pytest.mark.parametrize("loss", [cross_entropy, youden, cross_entropy_and_youden])
def test_a_wrong_class_does_not_hide_behind_the_ignore_index(loss):
    logits, target, _ = sample()
    with pytest.raises(ValueError, match=r"target must hold 0\.\.3 or -100 \(ignored\), not -1"):
        loss(logits, target, ignore_index=-100)
    with pytest.raises(ValueError, match="whole numbers"):
        loss(logits, target + 0.25)
    with pytest.raises(ValueError, match="do not fit"):
        loss(logits[:, :, 0, 0], target[:, 0, 0])


def test_a_weight_to_learn_is_refused_where_its_gradient_would_be_lost():
    logits, target = torch.zeros(1, 2, 3), torch.tensor([[0, 1, 1]])
    with pytest.raises(ValueError, match=r"weight must be constant, .*: detach it, or add"):
        cross_entropy_and_youden(logits, target, weight=torch.ones(1, 3, requires_grad=True))

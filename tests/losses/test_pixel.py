import math

import pytest
import torch
from torch.nn import functional

from oracles.regression_losses import pixel_loss_slow
from seamwise.losses.pixel import Huber, huber, huber_map, l1, l1_map, l2, l2_map
from support.regression import pair


def written_out():
    """Two channels of three pixels; residuals 0, 0.5, −2 and 1, −1, 0."""
    prediction = torch.tensor([[[0.25, 1.0, -1.0], [1.0, -1.0, 0.5]]])
    truth = torch.tensor([[[0.25, 0.5, 1.0], [0.0, 0.0, 0.5]]])
    return prediction, truth


def test_three_pixels_written_out():
    prediction, truth = written_out()
    assert torch.equal(l1_map(prediction, truth), torch.tensor([[[0, 0.5, 2], [1, 1, 0]]]))
    assert torch.equal(l2_map(prediction, truth), torch.tensor([[[0, 0.25, 4], [1, 1, 0]]]))
    # δ = 3/4: 0, 1/8, 3/4 · (2 − 3/8) and twice 3/4 · (1 − 3/8)
    expected = torch.tensor([[[0, 0.125, 1.21875], [0.46875, 0.46875, 0]]])
    assert torch.equal(huber_map(prediction, truth, delta=0.75), expected)
    assert l1(prediction, truth).item() == pytest.approx(4.5 / 6)
    assert l2(prediction, truth).item() == pytest.approx(6.25 / 6)
    assert huber(prediction, truth, delta=0.75).item() == pytest.approx(2.28125 / 6)


def test_weights_written_out():
    prediction, truth = written_out()
    weight = torch.tensor(
        [[3.0, 2.0, 0.5]]
    )  # one number for both channels; the mean is over 6 values, not over Σω
    assert l1(prediction, truth, weight=weight).item() == pytest.approx((0 + 1 + 1 + 3 + 2 + 0) / 6)
    assert l2(prediction, truth, weight=weight).item() == pytest.approx(
        (0 + 0.5 + 2 + 3 + 2 + 0) / 6
    )


def test_the_gradients_written_out():
    prediction, truth = written_out()
    cases = [
        (l1, [0, 1, -1, 1, -1, 0]),
        (l2, [0, 1, -4, 2, -2, 0]),
        (lambda z, y: huber(z, y, delta=0.75), [0, 0.5, -0.75, 0.75, -0.75, 0]),
    ]
    for loss, slopes in cases:
        leaf = prediction.clone().requires_grad_()
        loss(leaf, truth).backward()
        torch.testing.assert_close(
            6 * leaf.grad.flatten(), torch.tensor(slopes, dtype=torch.float32)
        )


@pytest.mark.parametrize("shape", [(3, 2, 7), (2, 3, 5, 4), (1, 2, 3, 4, 2)])
def test_equal_plain_loops_in_any_rank(shape):
    prediction, truth, weight = pair(shape)

    def huber_cost(size):
        return size**2 / 2 if size <= 0.3 else 0.3 * (size - 0.15)

    cases = [
        (l1, abs),
        (l2, lambda size: size**2),
        (lambda z, y, weight: huber(z, y, weight=weight, delta=0.3), huber_cost),
    ]
    for loss, cost in cases:
        for given in (None, weight):
            expected = pixel_loss_slow(prediction, truth, cost, weight=given)
            assert loss(prediction, truth, weight=given).item() == pytest.approx(
                expected, rel=1e-12
            )


@pytest.mark.parametrize("delta", [0.1, 0.5, 3.0])
def test_equal_torch_without_weights(delta):
    prediction, truth, _ = pair()
    torch.testing.assert_close(l1(prediction, truth), functional.l1_loss(prediction, truth))
    torch.testing.assert_close(l2(prediction, truth), functional.mse_loss(prediction, truth))
    found, theirs = (
        huber(prediction, truth, delta=delta),
        functional.huber_loss(prediction, truth, delta=delta),
    )
    torch.testing.assert_close(found, theirs)


def test_huber_has_no_jump_at_delta_in_value_or_slope():
    size = torch.tensor([0.5 - 1e-9, 0.5, 0.5 + 1e-9], dtype=torch.float64)
    for sign in (1, -1):
        error = (sign * size).view(1, 1, 3).requires_grad_()
        loss_map = huber_map(error, torch.zeros_like(error), delta=0.5)
        loss_map.sum().backward()
        torch.testing.assert_close(
            loss_map.flatten(), torch.full_like(size, 0.125), rtol=1e-7, atol=0
        )
        torch.testing.assert_close(
            error.grad.flatten(), torch.full_like(size, sign * 0.5), rtol=1e-7, atol=0
        )


def test_huber_is_half_of_l2_below_delta_and_delta_times_l1_far_beyond():
    prediction, truth, weight = pair()
    half = l2(prediction, truth, weight=weight) / 2
    torch.testing.assert_close(huber(prediction, truth, weight=weight, delta=2.0), half)
    line = 1e-6 * l1(prediction, truth, weight=weight)
    torch.testing.assert_close(
        huber(prediction, truth, weight=weight, delta=1e-6), line, rtol=1e-5, atol=0
    )


def test_a_residual_whose_square_overflows_still_has_the_right_slope():
    truth = torch.zeros(1, 1, 2)
    slopes = {}
    for loss in (l2, huber):
        prediction = torch.tensor([[[1e30, -1e30]]], requires_grad=True)
        value = loss(prediction, truth)
        value.backward()
        slopes[loss] = value.item(), prediction.grad.flatten().tolist()
    assert slopes[l2] == (math.inf, [pytest.approx(1e30), pytest.approx(-1e30)])
    assert slopes[huber] == (pytest.approx(1e30), [0.5, -0.5])


def test_module_means_the_same():
    prediction, truth, weight = pair()
    expected = huber(prediction, truth, weight=weight, delta=0.2)
    assert torch.equal(Huber(delta=0.2)(prediction, truth, weight), expected)


@pytest.mark.parametrize("delta", [0, -1.5, math.nan, math.inf])
def test_a_delta_of_nothing_is_named(delta):
    prediction, truth, _ = pair()
    with pytest.raises(ValueError, match=f"delta must be > 0 and finite, not {delta}"):
        huber(prediction, truth, delta=delta)

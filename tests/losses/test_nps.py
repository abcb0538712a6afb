import math

import pytest
import torch

from oracles.regression_losses import bounds_slow, pixel_loss_slow
from seamwise.losses.nps import NPS, intensity_bounds, nps, nps_map
from seamwise.losses.pixel import l1
from support.regression import pair


def at(*residuals):
    """One channel of these residuals to a truth of 0, and the truth."""
    prediction = torch.tensor([[residuals]], dtype=torch.float64)
    return prediction, torch.zeros_like(prediction)


def test_three_pixels_written_out():
    prediction, truth = at(0, 0.5, -1)
    values = [0, math.tanh(1.5), math.tanh(3)]
    torch.testing.assert_close(
        nps_map(prediction, truth), torch.tensor([[values]], dtype=torch.float64)
    )
    assert nps(prediction, truth, bounds=False).item() == pytest.approx(sum(values) / 3)
    # darkest −1 for 0, brightest 1/2 for 0
    assert nps(prediction, truth).item() == pytest.approx(sum(values) / 3 + 1.5)
    weight = torch.tensor([[9.0, 2.0, 0.0]])
    assert nps(prediction, truth, weight=weight).item() == pytest.approx(2 * values[1] / 3 + 0.5)


@pytest.mark.parametrize("alpha", [0.5, 6.0, 10.0])
def test_equals_the_exponentials_as_printed_where_these_do_not_overflow(alpha):
    sizes = [0.0, 0.01, 0.3, 0.77, 1.0, 5.0]
    printed = [(math.exp(alpha * d) - 1) / (math.exp(alpha * d) + 1) for d in sizes]
    also = [2 / (math.exp(-alpha * d) + 1) - 1 for d in sizes]
    found = nps_map(*at(*sizes), alpha=alpha).flatten().tolist()
    assert found == pytest.approx(printed, rel=1e-12)
    assert found == pytest.approx(also, rel=1e-9, abs=1e-15)


def test_the_slope_dies_for_large_errors():
    prediction, truth = at(1e-9, 0.5, 1, 2, -1e-9, -0.5, -1, -2)
    prediction.requires_grad_()
    nps_map(prediction, truth).sum().backward()
    slopes = [3.0, 0.54212, 0.029598, 7.3730e-5]
    assert prediction.grad.flatten().tolist() == pytest.approx(
        slopes + [-slope for slope in slopes], rel=1e-4
    )


def test_at_0_the_slope_is_the_middle_of_its_subgradients():
    prediction, truth = at(0, 0)
    prediction.requires_grad_()
    nps(prediction, truth).backward()
    assert (prediction.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_error_on_which_the_printed_exponential_overflows_costs_1(dtype):
    prediction = torch.tensor([[[6e4, -6e4, 300.0, 20.0]]], dtype=dtype, requires_grad=True)
    loss = nps(prediction, torch.zeros_like(prediction), bounds=False, alpha=10.0)
    loss.backward()
    assert loss.item() == 1
    assert (prediction.grad == 0).all()


def test_far_outside_only_the_bounds_train():
    prediction, truth = torch.tensor([[[50.0, 70.0, 60.0]]]), torch.tensor([[[0.0, 1.0, 0.5]]])
    for bounds, slopes in ((False, [0, 0, 0]), (True, [1, 1, 0])):
        leaf = prediction.clone().requires_grad_()
        nps(leaf, truth, bounds=bounds).backward()
        assert leaf.grad.flatten().tolist() == slopes


@pytest.mark.parametrize("shape", [(3, 2, 7), (2, 3, 5, 4), (1, 2, 3, 4, 2)])
def test_equals_plain_loops_in_any_rank(shape):
    prediction, truth, weight = pair(shape)
    for given in (None, weight):
        pixels = pixel_loss_slow(prediction, truth, lambda d: math.tanh(2.5 * d), weight=given)
        bounds = bounds_slow(prediction, truth, weight=given)
        assert intensity_bounds(prediction, truth, weight=given).item() == pytest.approx(
            bounds, rel=1e-12
        )
        expected = shape[1] * pixels + bounds
        assert nps(prediction, truth, weight=given, alpha=5.0).item() == pytest.approx(
            expected, rel=1e-12
        )


def test_bounds_of_two_images_and_channels_written_out():
    truth = torch.tensor([[[0.0, 1.0, 0.5], [0.25, 0.5, 0.5]], [[1.0, 1.0, 1.0], [0.0, 0.0, 0.5]]])
    prediction = torch.tensor(
        [[[0.5, 0.25, 1.5], [0.5, 0.25, 0.25]], [[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]]]
    )
    # min and max: 1/4 and 1/2, 0 and 0 · 1 and 1, 0 and 1/2
    assert intensity_bounds(prediction, truth).item() == pytest.approx((0.75 + 0 + 2 + 0.5) / 2)


def test_bounds_do_not_care_where_the_pixels_are_or_how_much_they_weigh():
    prediction, truth, weight = pair()
    expected = intensity_bounds(prediction, truth)
    assert torch.equal(
        intensity_bounds(prediction.flip(2), truth.mT.reshape(truth.shape)), expected
    )
    assert torch.equal(intensity_bounds(prediction, truth, weight=weight + 0.1), expected)


def test_pixels_that_tie_share_the_gradient_of_the_bounds():
    prediction = torch.tensor([[[2.0, 2.0, 1.0, -1.0, -1.0, -1.0, -1.0]]], requires_grad=True)
    intensity_bounds(prediction, torch.tensor([[[0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]]])).backward()
    assert prediction.grad.flatten().tolist() == [0.5, 0.5, 0, -0.25, -0.25, -0.25, -0.25]


def test_it_is_the_printed_sum_also_with_another_dissimilarity():
    """Thesis (6.4) with φ = L1: C times the mean, plus the bounds."""
    prediction, truth, _ = pair((1, 3, 4, 5))
    printed = 0.0
    for y, z in zip(truth[0], prediction[0], strict=True):
        printed += (y - z).abs().sum() / 20 + (y.min() - z.min()).abs() + (y.max() - z.max()).abs()
    torch.testing.assert_close(
        3 * l1(prediction, truth) + intensity_bounds(prediction, truth), printed
    )


@pytest.mark.parametrize("alpha", [6.0, 10.0])
def test_range_and_monotony(alpha):
    sizes = torch.linspace(0, 3, 301, dtype=torch.float64)
    values = nps_map(*at(*sizes.tolist()), alpha=alpha).flatten()
    assert (values.diff() > 0).all()
    assert values[0] == 0
    assert values[-1] <= 1
    assert values[100] > 0.99  # at a residual of 1


def test_module_means_the_same():
    prediction, truth, weight = pair()
    expected = nps(prediction, truth, weight=weight, alpha=8.0, bounds=False)
    assert torch.equal(NPS(alpha=8.0, bounds=False)(prediction, truth, weight), expected)


@pytest.mark.parametrize("alpha", [0, -6.0, math.nan, math.inf])
def test_an_alpha_of_nothing_is_named(alpha):
    prediction, truth, _ = pair()
    with pytest.raises(ValueError, match=f"alpha must be > 0 and finite, not {alpha}"):
        nps(prediction, truth, alpha=alpha)

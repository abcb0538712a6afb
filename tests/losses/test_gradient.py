import pytest
import torch

from oracles.regression_losses import gradient_slow
from seamwise.losses.gradient import gradient, gradient_map
from seamwise.losses.pixel import l1
from support.regression import pair

ERROR = torch.tensor([[[[0.0, 1.0, 3.0], [2.0, 1.0, -1.0]]]])


def test_six_pixels_written_out():
    # errors 8; along rows 1 + 2 + 1 + 2; along columns 2 + 0 + 4
    assert gradient(ERROR, torch.zeros_like(ERROR)).item() == pytest.approx((8 + 6 + 6) / 6)


def test_a_difference_counts_at_its_first_pixel():
    expected = [[0 + 1 + 2, 1 + 2 + 0, 3 + 4], [2 + 1, 1 + 2, 1]]
    assert gradient_map(ERROR, torch.zeros_like(ERROR)).tolist() == [[expected]]


def test_a_difference_weighs_the_smaller_of_its_two_weights():
    weight = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 0.5, 4.0]]])
    errors = 1 * 0 + 2 * 1 + 0 * 3 + 3 * 2 + 0.5 * 1 + 4 * 1
    rows = 1 * 1 + 0 * 2 + 0.5 * 1 + 0.5 * 2
    columns = 1 * 2 + 0.5 * 0 + 0 * 4
    found = gradient(ERROR, torch.zeros_like(ERROR), weight=weight)
    assert found.item() == pytest.approx((errors + rows + columns) / 6)


@pytest.mark.parametrize("shape", [(3, 2, 7), (2, 3, 5, 4), (1, 2, 3, 4, 2)])
def test_equals_a_plain_loop_in_any_rank(shape):
    prediction, truth, weight = pair(shape)
    for given in (None, weight):
        expected = gradient_slow(prediction, truth, weight=given)
        assert gradient(prediction, truth, weight=given).item() == pytest.approx(
            expected, rel=1e-12
        )


def test_a_constant_error_costs_what_it_costs_in_l1():
    _, truth, _ = pair()
    torch.testing.assert_close(gradient(truth + 0.25, truth), l1(truth + 0.25, truth))


def test_an_edge_missed_costs_more_than_the_same_error_spread_out():
    edge = torch.tensor([[[0.0, 0, 0, 1, 1, 1]]])
    blurred = torch.tensor([[[0.0, 0, 0.25, 0.75, 1, 1]]])
    shifted = edge + 0.5 / 6
    assert l1(blurred, edge).item() == pytest.approx(l1(shifted, edge).item())
    assert gradient(blurred, edge).item() == pytest.approx((0.5 + 0.25 + 0.5 + 0.25) / 6)
    assert gradient(blurred, edge) > gradient(shifted, edge)


def test_the_subgradients_written_out():
    prediction = torch.tensor([[[0.0, 0.0, 3.0]]], requires_grad=True)
    gradient(prediction, torch.zeros(1, 1, 3)).backward()
    # |e_2|, |e_2 − e_1|; what is 0 has a slope of 0
    torch.testing.assert_close(3 * prediction.grad, torch.tensor([[[0.0, -1.0, 2.0]]]))

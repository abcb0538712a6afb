import pytest
import torch

from seamwise.losses import guide_losses


def test_by_hand():
    target = torch.tensor([[0, 1, 2, -1]])
    guides = torch.tensor([[[0.0, 0.5, 1.0, 9.0], [0.0, 1.0, -1.0, 9.0]]])
    output = torch.tensor([[[0.05, 0.5, 0.0, 0.0], [7.0, 1.0, 0.0, 0.0]]])
    relief, offset = guide_losses(output, guides, target)
    # 0.05²/0.2, 0, 1 − 0.05; the ignored pixel does not count
    assert relief.item() == pytest.approx((0.0125 + 0 + 0.95) / 3)
    # background has no offset: 0 and 1 − 0.125
    assert offset.item() == pytest.approx(0.875 / 2)
    _, offset = guide_losses(output, guides, target, weight=torch.tensor([[5.0, 1.0, 3.0, 1.0]]))
    assert offset.item() == pytest.approx(3 * 0.875 / 4)


def test_nothing_to_count_is_zero():
    target = torch.full((1, 3), -1)
    output = torch.ones(1, 2, 3, requires_grad=True)
    relief, offset = guide_losses(output, torch.zeros(1, 2, 3), target)
    (relief + offset).backward()
    assert relief.item() == offset.item() == 0
    assert not output.grad.any()


def test_a_channel_axis_changes_nothing_and_other_shapes_are_refused():
    torch.manual_seed(0)
    output, guides, weight = torch.randn(3, 3, 4, 5), torch.rand(3, 3, 4, 5), torch.rand(3, 4, 5)
    target = torch.randint(-1, 4, (3, 4, 5))
    expected = guide_losses(output, guides, target, weight=weight)
    for pixels, weights in [
        (target[:, None], weight),
        (target, weight[:, None]),
        (target[:, None], weight[:, None]),
        (target[:, None].float(), weight),
    ]:
        assert guide_losses(output, guides, pixels, weight=weights) == expected
    assert guide_losses(output, guides, target[:, None]) == guide_losses(output, guides, target)
    with pytest.raises(
        ValueError, match=r"target must be \(3, 4, 5\) for output \(3, 3, 4, 5\), not"
    ):
        guide_losses(output, guides, target[:1])
    with pytest.raises(
        ValueError, match=r"guides must have the output's shape .*, not \(3, 1, 4, 5"
    ):
        guide_losses(output, guides[:, :1], target)
    with pytest.raises(ValueError, match=r"weight must have the target's shape \(3, 4, 5\), not"):
        guide_losses(output, guides, target, weight=weight[:, :1])


def test_gradient():
    torch.manual_seed(0)
    output = torch.randn(2, 3, 4, 5, dtype=torch.float32, requires_grad=True)
    target = torch.randint(-1, 4, (2, 4, 5))
    relief, offset = guide_losses(output, torch.rand(2, 3, 4, 5), target)
    (relief + offset).backward()
    assert output.grad[:, 0][target == -1].abs().max() == 0
    assert output.grad[:, 1:].permute(0, 2, 3, 1)[target == 0].abs().max() == 0

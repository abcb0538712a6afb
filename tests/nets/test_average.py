import pytest
import torch

from seamwise.nets import Average, UNet


def nets(count, **options):
    torch.manual_seed(0)
    return [UNet(1, 3, width=3, depth=2, **options).eval() for _ in range(count)]


@pytest.mark.parametrize("ndim", [2, 3])
def test_its_softmax_is_the_mean_of_the_members_softmax(ndim):
    members = nets(3, ndim=ndim)
    image = 3 * torch.randn(2, 1, *(9, 11, 6)[:ndim])
    mean = sum(net(image).softmax(1) for net in members) / 3
    logits = Average(members)(image)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits.softmax(1), mean, atol=1e-6, rtol=0)
    # they are logarithms of probabilities already: one more softmax changes nothing
    torch.testing.assert_close(logits.exp(), mean, atol=1e-6, rtol=0)


def test_it_is_no_softmax_of_probabilities():
    members = nets(2)
    members[0].head.bias.data[:] = torch.tensor([20.0, 0, 0])
    members[1].head.bias.data[:] = torch.tensor([0.0, 20, 0])
    mean = Average(members)(torch.zeros(1, 1, 4, 4)).softmax(1)[0, :, 0, 0]
    torch.testing.assert_close(mean, torch.tensor([0.5, 0.5, 0.0]), atol=1e-6, rtol=0)


def test_one_member_is_itself():
    (net,) = nets(1)
    image = torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(
        Average([net])(image).softmax(1), net(image).softmax(1), atol=1e-6, rtol=0
    )


def test_it_stands_in_for_a_network():
    members = nets(2)
    average = Average([members[0], UNet(1, 3, width=2, depth=3)])
    assert (average.ndim, average.multiple) == (2, 8)
    assert {name.split(".")[1] for name in average.state_dict()} == {"0", "1"}
    members[1].head.bias.data += 1
    Average(members).load_state_dict(Average(nets(2)).state_dict())
    assert torch.equal(members[1].head.bias, nets(2)[1].head.bias)


def test_folding_the_norms_of_all_members_changes_nothing():
    members = nets(2, norm="batch")
    image = torch.randn(4, 1, 16, 16)
    for net in members:
        net.train()
        net(image)
    average = Average(members).eval()
    before = average(image)
    torch.testing.assert_close(average.fold_norms()(image), before, atol=1e-5, rtol=1e-5)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in average.modules())


def test_half_precision_members_are_averaged_in_single():
    members = nets(2)
    image = torch.randn(1, 1, 8, 8)
    whole = Average(members)(image).softmax(1)
    half = Average(members).to(torch.bfloat16)(image.to(torch.bfloat16))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.softmax(1), whole, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "members",
    [[], [UNet(1, 3, width=2), UNet(2, 3, width=2)], [UNet(1, 3, width=2), UNet(1, 4, width=2)]],
)
def test_members_must_agree(members):
    with pytest.raises(
        ValueError, match="members must be networks with the same axes, input and output channels"
    ):
        Average(members)

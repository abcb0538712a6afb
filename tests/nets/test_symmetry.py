import pytest
import torch

from seamwise.nets import UNet, tie_halves


def net_and_pictures(outputs, norm, ndim=2, depth=2):
    torch.manual_seed(0)
    net = UNet(6, outputs, ndim=ndim, width=8, depth=depth, norm=norm)
    a, b = torch.rand(2, 3, 3, *[12] * ndim)
    return net, torch.cat([a, b], 1), torch.cat([b, a], 1)


def exchanged(output):
    first, *second = output.chunk(2, 1) if output.shape[1] % 2 == 0 else [output]
    return torch.cat([*second, first], 1)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("outputs", [1, 2, 3, 6])
@pytest.mark.parametrize(("ndim", "depth"), [(1, 3), (2, 0), (2, 2), (3, 1)])
def test_exchanging_the_pictures_exchanges_halves_of_outputs_and_leaves_odd_ones(
    outputs, norm, ndim, depth
):
    net, there, back = net_and_pictures(outputs, norm, ndim, depth)
    assert not torch.allclose(exchanged(net(there)), net(back), atol=1e-3)
    tie_halves(net)
    torch.testing.assert_close(exchanged(net(there)), net(back), atol=1e-4, rtol=1e-4)
    if outputs % 2 == 0:
        assert not torch.allclose(net(there), net(back), atol=1e-3), (
            "the outputs do not tell the pictures apart"
        )


def test_the_first_half_is_kept_and_tying_again_changes_nothing():
    net, *_ = net_and_pictures(2, "batch")
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tie_halves(net)
    once = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for name, tensor in once.items():
        if tensor.ndim:
            half = len(tensor) // 2
            assert torch.equal(tensor[:half], before[name][:half])
    tie_halves(net)
    assert all(torch.equal(once[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("outputs", [2, 3])
def test_gradients_of_batches_with_both_orders_keep_the_halves_tied(outputs):
    net, there, back = net_and_pictures(outputs, "batch")
    net.double()
    tie_halves(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    target = torch.rand(3, outputs, 12, 12, dtype=torch.float64)
    for _ in range(5):
        loss = (
            (net(torch.cat([there, back]).double()) - torch.cat([target, exchanged(target)])) ** 2
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learned = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tie_halves(net)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, learned[name], atol=1e-10, rtol=1e-8)


def test_halves_become_their_mean():
    """What a batch with one order has taught each half, both then have."""
    net, there, back = net_and_pictures(2, "batch")
    tie_halves(net)
    first, head = net.down[0][0].weight, net.head.weight
    with torch.no_grad():
        first[1, 2] += 4  # the first half of the maps, of what they see of b
        head[0, 5] += 2  # the output for a, of the second half of the maps
    expected = first[1, 2] - 2, head[0, 5] - 1
    tie_halves(net, mean=True)
    torch.testing.assert_close((first[1, 2], head[0, 5]), expected)
    torch.testing.assert_close((first[5, 5], head[1, 1]), expected)
    torch.testing.assert_close(net(there).flip(1), net(back), atol=1e-4, rtol=1e-4)


def test_halves_of_the_inputs_of_an_odd_head_become_their_mean():
    net, there, back = net_and_pictures(3, "batch")
    tie_halves(net)
    with torch.no_grad():
        net.head.weight[0, 1] += 4
    expected = net.head.weight[0, 1] - 2
    tie_halves(net, mean=True)
    half = net.head.in_channels // 2
    torch.testing.assert_close(net.head.weight[0, [1, 1 + half]], expected.expand(2, 1, 1))
    torch.testing.assert_close(net(there), net(back), atol=1e-4, rtol=1e-4)


def test_instance_norms_do_not_mix_the_halves():
    net, there, back = net_and_pictures(2, "instance")
    tie_halves(net)
    torch.testing.assert_close(net(there).flip(1), net(back), atol=1e-4, rtol=1e-4)


def test_folded_norms_keep_the_halves_tied():
    net, there, back = net_and_pictures(2, "batch")
    tie_halves(net)
    net(torch.cat([there, back]))
    tie_halves(net)
    net.fold_norms()
    torch.testing.assert_close(net(there).flip(1), net(back), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(net(there), net(back), atol=1e-3)


def test_statistics_of_batch_norms_are_tied_too():
    net, there, _ = net_and_pictures(2, "batch")
    net(there)
    assert not torch.equal(*net.down[0][1].running_mean.chunk(2))
    tie_halves(net)
    for name in ("running_mean", "running_var", "weight", "bias"):
        assert torch.equal(*getattr(net.down[0][1], name).chunk(2))


@pytest.mark.parametrize(("channels", "width"), [(5, 8), (6, 7)])
def test_odd_numbers_of_maps_have_no_halves(channels, width):
    with pytest.raises(
        ValueError, match=f"even width and even in_channels, not {width} and {channels}: choose"
    ):
        tie_halves(UNet(channels, 2, width=width, depth=1))

import numpy as np
import pytest
import torch
from torch import nn

from seamwise.analysis import loss_landscape, random_direction
from seamwise.losses import cross_entropy, youden
from seamwise.nets import UNet


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def layer(weight, bias=(0.5,)):
    weight = torch.tensor(weight)
    made = nn.Linear(*weight.shape[::-1])
    made.load_state_dict({"weight": weight, "bias": torch.tensor(bias)})
    return made


def squares(network):
    return sum(parameter.square().sum() for parameter in network.parameters())


def small_network(*, norm=True, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    first, last = nn.Conv2d(2, 5, 3), nn.Conv2d(5, 3, 1)
    between = [nn.BatchNorm2d(5, eps=1e-15)] if norm else []
    network = nn.Sequential(first, *between, nn.ReLU(), last).to(dtype)
    network(torch.randn(4, 2, 9, 8, dtype=dtype))  # running statistics
    return network


def batch(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, 2, 9, 8, generator=generator, dtype=dtype)
    return image, torch.randint(-1, 3, (3, 7, 6), generator=generator)


def loss_of(network):
    image, target = batch()
    return cross_entropy(network(image), target)


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_curve_worked_out_by_hand():
    # ‖w + a d‖² with w = (3, 4), d = w, and the bias left alone: 25 (1 + a)² + 1/4
    found = loss_landscape(
        layer([[3.0, 4.0]]), squares, directions=[{"weight": torch.tensor([[3.0, 4.0]])}], steps=5
    )
    (along,) = found.coordinates
    assert along.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert found.values["loss"].tolist() == [0.25, 6.5, 25.25, 56.5, 100.25]


def test_surface_worked_out_by_hand():
    # (3 + 3a + 4b)² + (4 + 4a − 3b)² + (1/2 + b)² = 25 ((1 + a)² + b²) + (1/2 + b)²
    directions = [
        {"weight": torch.tensor([[3.0, 4.0]])},
        {"weight": torch.tensor([[4.0, -3.0]]), "bias": torch.tensor([1.0])},
    ]
    found = loss_landscape(layer([[3.0, 4.0]]), squares, directions=directions, extent=2, steps=3)
    assert [along.tolist() for along in found.coordinates] == [[-2, 0, 2]] * 2
    expected = [
        [25 * ((1 + a) ** 2 + b**2) + (0.5 + b) ** 2 for b in (-2, 0, 2)] for a in (-2, 0, 2)
    ]
    assert found.values["loss"].tolist() == expected


def test_a_space_of_three_directions():
    directions = [{"weight": torch.eye(3)[[number]]} for number in range(3)]
    network = layer([[0.0, 0.0, 0.0]], (0.0,))
    found = loss_landscape(network, lambda net: net.weight @ torch.tensor([1.0, 10, 100]),
                      directions=directions, steps=2)  # fmt: skip
    expected = [[[a + 10 * b + 100 * c for c in (-1, 1)] for b in (-1, 1)] for a in (-1, 1)]
    assert found.values["loss"].tolist() == expected


@pytest.mark.parametrize("extent", [1, 0.3, 0.7, 1e-3])
@pytest.mark.parametrize("steps", [3, 11, 21, 51])
def test_the_network_itself_is_exactly_in_the_middle(extent, steps):
    network = small_network()
    calls = []

    def once(network):
        calls.append(state(network))
        return 0

    before = state(network)
    found = loss_landscape(
        network, once, directions=[random_direction(network, rng=0)], extent=extent, steps=steps
    )
    (along,) = found.coordinates
    assert along[steps // 2] == 0
    assert along.tolist() == (-along[::-1]).tolist()
    assert along[-1] == pytest.approx(extent)
    assert np.diff(along) == pytest.approx(np.full(steps - 1, 2 * extent / (steps - 1)))
    assert len(calls) == steps
    assert same(calls[steps // 2], before)


def test_an_even_number_of_steps_goes_around_the_middle():
    network = small_network()
    found = loss_landscape(
        network, loss_of, directions=[random_direction(network, rng=0)], extent=3, steps=4
    )
    assert found.coordinates[0].tolist() == [-3, -1, 1, 3]


def test_several_losses_share_a_pass_and_the_plane():
    network = small_network()
    image, target = batch()
    passes = []

    def both(network):
        logits = network(image)
        passes.append(1)
        return {"ce": cross_entropy(logits, target), "j": youden(logits, target).item()}

    directions = [random_direction(network, rng=number) for number in range(2)]
    together = loss_landscape(network, both, directions=directions, steps=3)
    assert len(passes) == 9
    alone = loss_landscape(
        network, lambda net: youden(net(image), target), directions=directions, steps=3
    )
    assert list(together.values) == ["ce", "j"]
    assert np.array_equal(together.values["j"], alone.values["loss"])
    assert together.values["ce"][1, 1] == loss_of(network.eval()).item()


def test_values_are_those_of_the_moved_network():
    network = small_network()
    directions = [random_direction(network, rng=number) for number in range(2)]
    found = loss_landscape(network, loss_of, directions=directions, extent=0.5, steps=3)
    moved = small_network().eval()
    for name, parameter in moved.named_parameters():
        parameter.data += -0.5 * directions[0][name] + 0.5 * directions[1][name]
    assert found.values["loss"][0, 2] == pytest.approx(loss_of(moved).item(), rel=1e-12)
    assert np.ptp(found.values["loss"]) > 0.01


def test_direction_is_as_long_as_each_filter_and_0_where_there_is_none():
    network = small_network()
    direction = random_direction(network, rng=0)
    assert list(direction) == [name for name, _ in network.named_parameters()]
    for name, parameter in network.named_parameters():
        assert direction[name].shape == parameter.shape
        assert direction[name].dtype == parameter.dtype
        assert not direction[name].requires_grad
        if parameter.ndim == 1:
            assert not direction[name].any()
        else:
            lengths, expected = (
                values.detach().flatten(1).norm(dim=1) for values in (direction[name], parameter)
            )
            assert lengths.tolist() == pytest.approx(expected.tolist())
    assert {name for name, values in direction.items() if values.any()} == {"0.weight", "3.weight"}


def test_direction_of_a_filter_that_is_0_is_0():
    direction = random_direction(layer([[0.0, 0.0], [3.0, 4.0]], (1.0, 1.0)), rng=0)["weight"]
    assert direction.norm(dim=1).tolist() == pytest.approx([0, 5])


def test_directions_are_random_and_all_but_orthogonal():
    network = UNet(1, 3, width=4, depth=2)
    one, other = (
        torch.cat([v.flatten() for v in random_direction(network, rng=seed).values()])
        for seed in (0, 1)
    )
    assert abs(float(one @ other / one.norm() / other.norm())) < 0.05
    # within a filter the numbers spread alike in all places
    wide = random_direction(nn.Linear(20_000, 1), rng=0)["weight"][0]
    wide = wide / wide.std()
    assert float(wide.mean()) == pytest.approx(0, abs=0.03)
    assert float((wide**4).mean()) == pytest.approx(3, abs=0.2)  # of normal numbers


def test_the_seed_decides_and_the_type_does_not():
    network = small_network()
    one, again, other = (random_direction(network, rng=seed) for seed in (3, 3, 4))
    assert same(one, again)
    assert not same(one, other)
    generator = np.random.default_rng(3)
    assert same(random_direction(network, rng=generator), one)
    assert not same(random_direction(network, rng=generator), one)
    torch.manual_seed(99)
    assert same(random_direction(network, rng=3), one)
    single = random_direction(network.float(), rng=3)["0.weight"]
    assert single.dtype == torch.float32
    assert torch.allclose(single, one["0.weight"].float(), rtol=1e-6)


def test_a_direction_leaves_network_and_torch_alone():
    network = small_network()
    before, generator = state(network), torch.get_rng_state()
    random_direction(network, rng=0)
    assert same(state(network), before)
    assert torch.equal(torch.get_rng_state(), generator)


def surface(network, **options):
    directions = [random_direction(network, rng=number) for number in range(2)]
    return loss_landscape(network, loss_of, directions=directions, steps=3, **options).values[
        "loss"
    ]


def test_scale_of_a_layer_does_not_matter_without_a_norm():
    network = small_network(norm=False)
    before = surface(network)
    first, last = network[0], network[-1]
    with torch.no_grad():
        for parameter, factor in ((first.weight, 10), (first.bias, 10), (last.weight, 1 / 10)):
            parameter *= factor
    assert surface(network) == pytest.approx(before, rel=1e-9)
    with torch.no_grad():
        last.bias += 1
        last.bias[0] -= 3
    assert surface(network) != pytest.approx(before, rel=1e-3)


def test_scale_of_a_filter_does_not_matter_where_it_is_the_only_one():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 1, 3), nn.ReLU(), nn.Conv2d(1, 3, 1)).double()
    before = surface(network)
    with torch.no_grad():
        network[0].weight *= 10
        network[0].bias *= 10
        network[2].weight /= 10
    assert surface(network) == pytest.approx(before, rel=1e-9)


def test_scale_of_a_filter_does_not_matter_before_a_batch_norm():
    network = small_network()
    before = surface(network, batch_statistics=True)
    in_eval = surface(network)
    with torch.no_grad():
        network[0].weight[2] *= 10
        network[0].bias[2] *= 10
    assert surface(network, batch_statistics=True) == pytest.approx(before, rel=1e-9)
    assert surface(network) != pytest.approx(
        in_eval, rel=1e-3
    )  # running statistics have not followed
    network[1].running_mean[2] *= 10
    network[1].running_var[2] *= 100
    assert surface(network) == pytest.approx(in_eval, rel=1e-9)


def test_modes_of_batch_norm_and_dropout():
    network = nn.Sequential(small_network(), nn.Dropout(0.9))
    seen = []
    for batch_statistics in (False, True):
        loss_landscape(
            network,
            lambda net: (
                seen.append([net.training, net[0].training, net[0][1].training, net[1].training])
                or 0
            ),
            directions=[random_direction(network, rng=0)],
            steps=2,
            batch_statistics=batch_statistics,
        )
    assert seen == [[False] * 4] * 2 + [[False, False, True, False]] * 2
    assert np.array_equal(
        surface(small_network(norm=False)),
        surface(small_network(norm=False), batch_statistics=True),
    )
    assert not np.allclose(
        surface(small_network()), surface(small_network(), batch_statistics=True)
    )


@pytest.mark.parametrize("fails_at", [None, 1, 5])
def test_the_network_is_afterwards_what_it_was(fails_at):
    network = small_network()
    network[3].eval()
    network[0].weight.requires_grad_(False)
    network[3].weight.grad = torch.ones_like(network[3].weight)
    before, flags = state(network), [module.training for module in network.modules()]
    places = [value.data_ptr() for value in network.state_dict().values()]
    calls = []

    def spoiling(network):
        calls.append(1)
        loss = loss_of(network.train())  # running statistics move
        network[1].running_mean += 1
        if len(calls) == fails_at:
            raise RuntimeError("stop")
        assert not loss.requires_grad
        return loss

    directions = [random_direction(network, rng=number) for number in range(2)]
    if fails_at is None:
        loss_landscape(network, spoiling, directions=directions, steps=3)
    else:
        with pytest.raises(RuntimeError, match="stop"):
            loss_landscape(network, spoiling, directions=directions, steps=3)
    assert len(calls) == (fails_at or 9)
    assert same(state(network), before)
    assert [value.data_ptr() for value in network.state_dict().values()] == places
    assert [module.training for module in network.modules()] == flags
    assert [parameter.requires_grad for parameter in network.parameters()] == [False] + [True] * 5
    assert network[3].weight.grad.unique().tolist() == [1]
    assert torch.is_grad_enabled()


def test_shared_parameters_move_once():
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    network = nn.Sequential(first, second)
    with torch.no_grad():
        first.weight.copy_(torch.eye(2))
    found = loss_landscape(
        network, lambda net: net[1].weight[0, 0], directions=[{"0.weight": torch.eye(2)}], steps=3
    )
    assert found.values["loss"].tolist() == [0, 1, 2]


def test_a_unet_around_its_weights():
    torch.manual_seed(0)
    network = UNet(1, 3, width=4, depth=2)
    image = torch.rand(1, 1, 16, 16)
    target = (image[:, 0] > 0.5).long() + (image[:, 0] > 0.9)
    found = loss_landscape(
        network,
        lambda net: {"ce": cross_entropy(net(image), target), "j": youden(net(image), target)},
        directions=[random_direction(network, rng=0), random_direction(network, rng=1)],
        steps=5,
    )
    for values in found.values.values():
        assert values.shape == (5, 5)
        assert np.isfinite(values).all()
        assert len(np.unique(values)) > 20


def test_refuses_what_is_no_direction_of_the_network():
    network = layer([[3.0, 4.0]])
    good = random_direction(network, rng=0)
    with pytest.raises(
        ValueError,
        match="directions must hold one or more, not none: draw them with random_direction",
    ):
        loss_landscape(network, squares, directions=[])
    with pytest.raises(
        ValueError,
        match="directions must have names of the network's parameters, not 'w' in number 1",
    ):
        loss_landscape(network, squares, directions=[good, {"w": torch.zeros(1, 2)}])
    with pytest.raises(
        ValueError,
        match=r"directions must have shape \(1, 2\) for 'weight', not \(2, 1\) in number 0",
    ):
        loss_landscape(network, squares, directions=[{"weight": torch.zeros(2, 1)}])
    with pytest.raises(ValueError, match="network must have parameters of two axes or more"):
        random_direction(nn.BatchNorm2d(3), rng=0)
    with pytest.raises(ValueError, match="network must have parameters of two axes or more"):
        random_direction(nn.ReLU(), rng=0)


def test_refuses_other_extents_and_steps():
    network = layer([[3.0, 4.0]])
    directions = [random_direction(network, rng=0)]
    for extent in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="extent must be a positive number, not"):
            loss_landscape(network, squares, directions=directions, extent=extent)
    with pytest.raises(ValueError, match="steps must be 2 or more, not 1"):
        loss_landscape(network, squares, directions=directions, steps=1)
    with pytest.raises(TypeError, match="steps must be an integer, not "):
        loss_landscape(network, squares, directions=directions, steps=5.0)


def test_refuses_losses_that_come_and_go():
    network = layer([[3.0, 4.0]])
    before, calls = state(network), []

    def changing(network):
        calls.append(1)
        return {"a": 1, "b": 2} if len(calls) == 1 else {"a": 1}

    with pytest.raises(
        ValueError, match=r"loss_of must return the names \['a', 'b'\] at every point, not \['a'\]"
    ):
        loss_landscape(network, changing, directions=[random_direction(network, rng=0)])
    assert same(state(network), before)

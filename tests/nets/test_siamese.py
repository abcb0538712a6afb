import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from seamwise.nets import Siamese
from seamwise.nets.siamese import MARGIN, PATCH


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def seeded():
    torch.manual_seed(0)
    return Siamese().eval().requires_grad_(False)


def convolved(features, layer):
    """A 3×3 convolution of `(C, Y, X)`, mirrored at the borders, as a plain sum of products."""
    padded = np.pad(features, [(0, 0), (1, 1), (1, 1)], mode="reflect")
    windows = sliding_window_view(padded, (3, 3), axis=(1, 2))
    weight, bias = layer.weight.double().numpy(), layer.bias.double().numpy()
    return np.maximum(
        np.einsum("cyxij,dcij->dyx", windows, weight, optimize=True) + bias[:, None, None], 0
    )


def features_slow(net, image):
    first, second, third = (layer for layer in net.branch if isinstance(layer, torch.nn.Conv2d))
    fine = convolved(convolved(image.double().numpy(), first), second)
    pooled = fine.reshape(len(fine), fine.shape[1] // 2, 2, fine.shape[2] // 2, 2).max((2, 4))
    return convolved(pooled, third)


def test_the_parameters_are_those_of_the_docstring():
    net = Siamese()
    assert [count(layer) for layer in net.branch if count(layer)] == [640, 73_856, 295_168]
    assert count(net.head) == 16_384
    assert count(net) == 386_048
    # of the paper's slight model, 1.66 MB in float32
    free = count(net.branch) + 2 * (2 * net.head.weight.numel() + 1)
    assert free == 435_202
    assert round(4 * free / 2**20, 2) == 1.66


def test_a_patch_becomes_the_maps_of_the_paper():
    net, shapes = seeded(), []
    for layer in (*net.branch, net.head):
        layer.register_forward_hook(lambda layer, given, made: shapes.append(tuple(made.shape[1:])))
    net.head(net.branch(torch.rand(1, 1, 16, 16)))
    maps = [
        (64, 16, 16),
        (64, 16, 16),
        (128, 16, 16),
        (128, 16, 16),
        (128, 8, 8),
        (256, 8, 8),
        (256, 8, 8),
    ]
    assert shapes == [*maps, (1, 1, 1)]


def test_equals_plain_sums_of_products():
    net = seeded()
    a, b = torch.rand(2, 1, 16, 18)
    difference = features_slow(net, a) - features_slow(net, b)
    windows = sliding_window_view(difference, (8, 8), axis=(1, 2))
    expected = np.einsum("cyxij,cij->yx", windows, net.head.weight[0].double().numpy())
    logits = net.double()(a[None].double(), b[None].double())
    np.testing.assert_allclose(logits[0], np.stack([expected, -expected]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_exchanging_the_pictures_exchanges_the_logits(dtype):
    net = seeded().to(dtype)
    a, b = torch.rand(2, 2, 1, 20, 30).to(dtype)
    assert torch.equal(net(b, a), net(a, b).flip(1))
    assert not net(a, a).any()
    assert net(a, b).any()


def test_the_softmax_is_a_tanh():
    net = seeded()
    logits = net(*torch.rand(2, 3, 1, 16, 16))
    torch.testing.assert_close(logits.softmax(1)[:, 0], (1 + logits[:, 0].tanh()) / 2)


def test_a_whole_picture_gives_the_logit_of_every_patch_among_its_neighbours():
    net = seeded()
    a, b = torch.rand(2, 1, 1, 44, 38)
    whole = net(a, b)
    assert whole.shape == (1, 2, 15, 12)
    for i in range(2, 13, 2):
        for j in range(2, 10, 3):
            y, x = (slice(2 * k - MARGIN, 2 * k + PATCH + MARGIN) for k in (i, j))
            torch.testing.assert_close(net(a[..., y, x], b[..., y, x])[..., 2, 2], whole[..., i, j])


def test_the_margin_is_the_least_that_does():
    net = seeded()
    a, b = torch.rand(2, 1, 1, 24, 24)
    a.requires_grad_()
    net(a, b)[0, 0, 2, 2].backward()
    seen = a.grad[0, 0] != 0
    assert seen.any(0).all()
    assert seen.any(1).all()


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (50, 33)])
def test_there_is_a_patch_every_two_pixels(size):
    logits = seeded()(*torch.rand(2, 1, 1, *size))
    assert logits.shape[2:] == tuple(len(range(0, length - 15, 2)) for length in size)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1, 1, 16, 16), (1, 1, 16, 18)),
        ((1, 3, 16, 16),) * 2,
        ((1, 1, 15, 16),) * 2,
        ((1, 16, 16),) * 2,
    ],
)
def test_pictures_that_do_not_fit_are_named(a, b):
    with pytest.raises(
        ValueError, match=r"a and b must both be \(N, 1, Y, X\) with at least 16×16 pixels, not"
    ):
        Siamese()(torch.zeros(a), torch.zeros(b))

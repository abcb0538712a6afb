"""The arrays of a network are what torch computes with."""

import numpy as np
import pytest
import torch

from seamwise.nets import UNet
from seamwise.nets.graph import ArrayOperations, build_graph, fold_weights, unet_shapes


def trained(*channels, **options):
    torch.manual_seed(3)
    net = UNet(*channels, **options).eval().requires_grad_(False)
    for module in net.modules():  # statistics and scales as if it had been trained
        if hasattr(module, "running_mean") and module.running_mean is not None:
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(0.5, 2)
            module.bias.uniform_(-1, 1)
    return net


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
@pytest.mark.parametrize("depth", [0, 2])
def test_numpy_computes_the_logits_of_torch(ndim, norm, depth):
    net = trained(2, 3, ndim=ndim, width=3, depth=depth, norm=norm)
    image = torch.rand(2, 2, *(8, 12, 4)[:ndim])
    logits = build_graph(net.arrays(), ArrayOperations(), image.numpy())
    np.testing.assert_allclose(logits, net(image).numpy(), atol=2e-5)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_norms_are_folded_to_the_last_bit(norm):
    net = trained(1, 3, width=5, depth=1, norm=norm)
    ours, folded = net.arrays(), net.fold_norms().arrays()
    assert (ours.ndim, ours.depth, ours.multiple) == (2, 1, 2)
    assert (ours.in_channels, ours.out_channels) == (1, 3)
    for (weight, bias), (torchs, torchs_bias) in zip(
        ours.convolutions, folded.convolutions, strict=True
    ):
        assert weight.tobytes() == torchs.tobytes()
        assert bias.tobytes() == torchs_bias.tobytes()


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize(("ndim", "depth"), [(2, 0), (2, 3), (3, 1)])
def test_the_shapes_are_those_of_the_weights(norm, ndim, depth):
    options = {"ndim": ndim, "width": 3, "depth": depth, "norm": norm}
    weights = UNet(2, 4, **options).state_dict()
    expected = {name: tuple(weight.shape) for name, weight in weights.items()}
    assert unet_shapes(2, 4, **options) == expected


def test_a_missing_weight_is_named():
    weights = {name: w.numpy() for name, w in trained(1, 2, width=3, depth=1).state_dict().items()}
    del weights["up.0.2.weight"]
    with pytest.raises(KeyError, match=r"up\.0\.2\.weight"):
        fold_weights(weights, depth=1)


def test_operations_at_the_border_by_hand():
    operations = ArrayOperations()
    x = np.float32([[1, 2], [3, 4]])[np.newaxis, np.newaxis]
    assert operations.pad(x, 1)[0, 0].tolist() == [[1, 1, 2, 2]] * 2 + [[3, 3, 4, 4]] * 2
    assert operations.unshuffle(x)[0, :, 0, 0].tolist() == [1, 2, 3, 4]
    assert operations.mean_pool(x, 2, 2).tolist() == [[[[2.5]]]]
    assert operations.mean_pool(operations.pad(x, 1), 2, 1)[0, 0, 0].tolist() == [1, 1.5, 2]
    ones = np.ones((1, 1, 2, 2), np.float32)
    kernel = np.ones((1, 1, 3, 3), np.float32)
    assert operations.inner_convolution(operations.pad(ones, 1), kernel, None).tolist() == [
        [[[9, 9], [9, 9]]]
    ]
    # linear between the centres of 1 and 2, which lie at 0.5 and 2.5
    assert operations.enlarge(x)[0, 0, 0].tolist() == [1, 1.25, 1.75, 2]
    assert operations.enlarge(x)[0, 0, :, 0].tolist() == [1, 1.5, 2.5, 3]

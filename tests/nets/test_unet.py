import pytest
import torch

from seamwise.nets import UNet
from seamwise.nets.unet import pad_to_multiple


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("channels", "parameters"), [((3, 4), 31_379_140), ((6, 3), 31_380_803), ((6, 2), 31_380_738)]
)
def test_table_1_has_exactly_the_printed_number_of_parameters(channels, parameters):
    with torch.device("meta"):
        assert count(UNet(*channels)) == parameters


def test_shapes_of_every_row_of_table_1():
    with torch.device("meta"):
        net = UNet(3, 4)
        seen = []
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(
                    lambda m, i, o: seen.append((i[0].shape[1], o.shape[1], o.shape[-1], count(m)))
                )
        net(torch.empty(1, 3, 1024, 1024))
    assert seen[:4] == [
        (3, 64, 1024, 1792),
        (64, 64, 1024, 36_928),
        (64, 128, 512, 73_856),
        (128, 128, 512, 147_584),
    ]
    assert seen[8:12] == [
        (512, 1024, 64, 4_719_616),
        (1024, 1024, 64, 9_438_208),
        (1536, 512, 128, 7_078_400),
        (512, 512, 128, 2_359_808),
    ]
    assert seen[16:] == [(192, 64, 1024, 110_656), (64, 64, 1024, 36_928), (64, 4, 1024, 260)]


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (16, 16), (33, 50)])
def test_any_size_comes_back_in_its_own_size(size):
    net = UNet(2, 3, width=4, norm="batch").eval()
    assert net(torch.randn(2, 2, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize(("ndim", "size"), [(1, (21,)), (2, (21, 9)), (3, (5, 9, 6))])
@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
def test_any_dimension_and_norm_trains(ndim, size, norm):
    net = UNet(1, 4, ndim=ndim, width=2, depth=2, norm=norm)
    net(torch.randn(2, 1, *size)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_a_padded_size_equals_the_image_padded_by_hand():
    net = UNet(1, 2, width=4, depth=3).eval()
    image = torch.randn(1, 1, 13, 16)
    by_hand = torch.cat([image, image[:, :, [11, 10, 9]]], 2)
    torch.testing.assert_close(net(image), net(by_hand)[:, :, :13])


def test_padding_reflects_back_and_forth():
    line = torch.tensor([[[0.0, 1, 2]]])
    assert pad_to_multiple(line, 8).tolist() == [[[0, 1, 2, 1, 0, 1, 2, 1]]]
    assert pad_to_multiple(line[..., :1], 4).tolist() == [[[0, 0, 0, 0]]]


def test_weights_are_xavier_normal_and_biases_zero():
    torch.manual_seed(0)
    net = UNet(3, 4, width=32, depth=2)
    layer = net.down[1][2]
    expected = (2 / ((64 + 64) * 9)) ** 0.5
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert all((p == 0).all() for name, p in net.named_parameters() if name.endswith("bias"))


def test_shifting_by_the_multiple_shifts_the_output():
    torch.manual_seed(1)
    net = UNet(1, 2, width=4, depth=2).eval()
    image = torch.zeros(1, 1, 96, 96)
    image[..., 40:50, 40:52] = torch.randn(10, 12)
    moved = image.roll((4, 8), (2, 3))
    torch.testing.assert_close(
        net(image).roll((4, 8), (2, 3))[..., 24:72, 24:72], net(moved)[..., 24:72, 24:72]
    )


def test_folding_batch_norms_keeps_the_output():
    net = UNet(1, 4, width=4, norm="batch")
    for _ in range(3):
        net(torch.randn(4, 1, 32, 32) * 2 + 1)  # running statistics away from 0 and 1
    net.eval()
    image = torch.randn(1, 1, 40, 24)
    before = net(image)
    net.fold_norms()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    torch.testing.assert_close(net(image), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "options", "word"),
    [
        ((1, 2), {"ndim": 4}, "ndim"),
        ((0, 2), {}, "in_channels"),
        ((1, 2), {"width": 0}, "width"),
        ((1, 2), {"depth": -1}, "depth"),
    ],
)
def test_bad_options_are_named(arguments, options, word):
    with pytest.raises(ValueError, match=word):
        UNet(*arguments, **options)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 16), (1, 16, 16)])
def test_bad_images_are_named(shape):
    with pytest.raises(ValueError, match="image must be"):
        UNet(1, 2, width=2)(torch.zeros(shape))

import pytest
import torch
from torch import nn

from seamwise.losses.perceptual import Perceptual, perceptual
from seamwise.losses.pixel import l2
from support.regression import features, pair


class Network(nn.Module):
    """Two frozen layers of 2D features: of the image's size, and of half of it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Sequential(
            nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5), nn.Dropout(0.5)
        )
        self.eval().requires_grad_(False)

    def forward(self, image):
        first = self.first(image).relu()
        return first, self.second(first).relu()


def test_two_maps_written_out():
    prediction, truth = torch.tensor([[[1.0, 3.0, 4.0, 4.0]]]), torch.zeros(1, 1, 4)

    def features(image):
        return [image, nn.functional.avg_pool1d(image, 2)]

    # (1 + 9 + 16 + 16)/4 and (2² + 4²)/2: each map is a mean of its own
    assert perceptual(prediction, truth, features=features).item() == pytest.approx((10.5 + 10) / 2)


def test_a_feature_weighs_the_mean_of_the_weights_under_it():
    prediction, truth = torch.tensor([[[1.0, 3.0, 4.0, 4.0]]]), torch.zeros(1, 1, 4)
    weight = torch.tensor([[1.0, 2.0, 0.0, 0.5]])
    pooled = perceptual(prediction, truth, features=nn.AvgPool1d(2).eval(), weight=weight)
    # the third pixel is 0 before the network sees it
    assert pooled.item() == pytest.approx((1.5 * 2**2 + 0.25 * 2**2) / 2)


def test_a_network_that_starts_in_place_leaves_the_images_alone():
    network = (
        nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3, bias=False))
        .eval()
        .requires_grad_(False)
    )
    prediction, truth = (
        torch.linspace(-1, 1, 120).view(1, 3, 8, 5),
        torch.linspace(1, -2, 120).view(1, 3, 8, 5),
    )
    expected = l2(network[1](prediction.relu()), network[1](truth.relu()))
    before = prediction.clone(), truth.clone()
    leaf = prediction.requires_grad_()
    loss = perceptual(leaf, truth, features=network)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    assert torch.equal(leaf, before[0])
    assert torch.equal(truth, before[1])
    assert ((leaf.grad != 0) == (leaf > 0)).all()
    # one tensor given twice is two images
    assert perceptual(truth, truth, features=network) == 0
    assert torch.equal(truth, before[1])


def test_of_a_network_it_is_the_mean_over_the_layers():
    prediction, truth, _ = pair((2, 3, 8, 6))
    prediction, truth, network = prediction.float(), truth.float(), Network()
    layers = [
        ((a - b) ** 2).mean() for a, b in zip(network(prediction), network(truth), strict=True)
    ]
    assert layers[0] != layers[1]
    found = perceptual(prediction, truth, features=network)
    torch.testing.assert_close(found, (layers[0] + layers[1]) / 2)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 6, 5), (1, 2, 3, 4, 2)])
def test_features_that_are_the_image_make_it_l2(shape):
    prediction, truth, weight = pair(shape)
    for given in (None, weight):
        for seen in (lambda image: image, lambda image: [image, image], lambda image: (image,)):
            found = perceptual(prediction, truth, features=seen, weight=given)
            torch.testing.assert_close(found, l2(prediction, truth, weight=given))


def test_the_prediction_is_trained_and_the_network_is_not():
    prediction, truth, _ = pair((2, 3, 8, 6))
    prediction, network = prediction.float().requires_grad_(), Network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    loss = Perceptual(features=network).train()
    loss(prediction, truth).backward()
    assert (prediction.grad != 0).all()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not list(filter(lambda parameter: parameter.requires_grad, loss.parameters()))


def test_gradcheck_through_a_network():
    prediction, truth, weight = pair((1, 3, 4, 4), seed=1)
    network = Network().double()
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: perceptual(z, truth, features=network, weight=weight), prediction
    )


def test_the_network_too_computes_in_float32():
    prediction, truth, _ = pair((2, 3, 8, 6))
    seen = []

    def watching(image):
        maps = Network()(image)
        seen.extend([image.dtype, *(each.dtype for each in maps)])
        return maps

    expected = perceptual(prediction.half().float(), truth.half().float(), features=watching)
    with torch.autocast("cpu", torch.bfloat16):
        found = perceptual(prediction.half(), truth.half(), features=watching)
    assert set(seen) == {torch.float32}
    assert found.item() == expected.item()


def test_the_module_keeps_its_network_in_evaluation_mode():
    network = Network()
    whole = nn.Sequential(nn.Identity(), Perceptual(features=network))
    whole.train()
    assert whole.training
    assert whole[1].training
    assert not any(part.training for part in network.modules())
    assert Perceptual(features=features).train().training
    assert (
        whole.double()[1].features.first.weight.dtype == torch.float64
    )  # it moves with the module


def test_a_network_that_is_not_frozen_is_named():
    prediction, truth, _ = pair((1, 3, 4, 4))
    for network in (Network().train(), Network().requires_grad_(True)):
        with pytest.raises(
            ValueError,
            match=r"features must be a frozen network, .* features\.eval\(\)\.requires_grad_",
        ):
            perceptual(prediction.float(), truth.float(), features=network)


def test_a_network_of_another_type_is_named():
    prediction, truth, weight = pair((1, 3, 4, 4))
    for network, image, said in (
        (
            Network(),
            prediction,
            r"torch\.float64, .* not torch\.float32: features\.to\(torch\.float64\)",
        ),
        (
            Network().double(),
            prediction.float(),
            r"torch\.float32, .* not torch\.float64: features\.to",
        ),
        (
            Network().half(),
            prediction.half(),
            r"torch\.float32, .* not torch\.float16: features\.to",
        ),
    ):
        with pytest.raises(TypeError, match=f"^features must have parameters of {said}"):
            perceptual(image, truth, features=network, weight=weight)


def test_weights_on_four_axes_are_refused_and_images_are_not():
    prediction, truth, weight = pair((1, 2, 4, 3, 2, 2))
    torch.testing.assert_close(
        perceptual(prediction, truth, features=torch.tanh), l2(prediction.tanh(), truth.tanh())
    )
    with pytest.raises(
        ValueError, match="weight must come with images of 1 to 3 axes, not 4: remove it"
    ):
        perceptual(prediction, truth, features=torch.tanh, weight=weight)


def test_features_that_are_no_maps_are_named():
    prediction, truth, _ = pair((2, 3, 4, 4))
    wrong = r"features must return maps \(N, C_k, \*S_k\) .* images \(2, 3, 4, 4\), not "
    with pytest.raises(ValueError, match=wrong + r"\[\]"):
        perceptual(prediction, truth, features=lambda image: [])
    with pytest.raises(ValueError, match=wrong + r"\[\(2, 3\)\]"):
        perceptual(prediction, truth, features=lambda image: image.mean((2, 3)))
    with pytest.raises(ValueError, match=wrong + r"\[\(2, 3, 4, 4\), \(1, 6, 4, 4\)\]"):
        perceptual(prediction, truth, features=lambda image: [image, image.reshape(1, 6, 4, 4)])

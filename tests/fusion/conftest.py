"""Sharp pictures with segments in files, networks made by hand, settings that run in a second."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from seamwise.engine.networks import prepare_network
from seamwise.fusion import FusionSettings, find_pictures
from seamwise.io.images import write_labels, write_png
from seamwise.io.models import Architecture, FusionInfo
from seamwise.nets import UNet
from seamwise.synth import random_shapes
from support.curves import no_curves


@pytest.fixture(autouse=True, scope="module")
def _no_curves():
    with no_curves():
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """images/ and labels/ with two annotators for one of three pictures."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number in range(3):
        cut = astronaut()[100 * number : 100 * number + 72, 50:146]
        write_png(folder / "images" / f"p{number}.png", np.ascontiguousarray(cut))
        segments = random_shapes(cut.shape[:2], rng=number)
        write_labels(folder / "labels" / f"p{number}_h0.png", segments + 1)
    write_labels(folder / "labels" / "p0_h1.png", random_shapes((72, 96), rng=9))
    return folder


@pytest.fixture(scope="session")
def pictures(data):
    return find_pictures(data)


@pytest.fixture
def quick():
    return FusionSettings(
        steps=4, batch_size=2, crop=48, width=2, depth=1, validate_every=2, warmup=0
    )


def by_hand(output, colours=3):
    """A network that selects by the larger |Laplacian|, or returns source 0 as colours.

    With "bands", it has the same logits for three bands.
    """
    of_source = {"selection": 1, "bands": 1 + 3}.get(output)
    outputs = 2 * of_source if of_source else colours
    net = UNet(2 * colours, outputs, width=4, depth=0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        first, second = net.down[0][0], net.down[0][2]
        if of_source:
            laplacian = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
            for source in range(2):
                for sign in range(2):  # ReLU(L) + ReLU(−L) = |L|
                    first.weight[2 * source + sign, source * colours] = laplacian * (1 - 2 * sign)
            for channel in range(4):
                second.weight[channel, channel] = 1.0  # summed over the window
            net.head.weight[:of_source, :2] = net.head.weight[of_source:, 2:] = 40
        else:
            for colour in range(colours):
                first.weight[colour, colour, 1, 1] = second.weight[colour, colour, 1, 1] = 1
                net.head.weight[colour, colour] = 1
    architecture = Architecture(in_channels=2 * colours, out_channels=outputs, width=4, depth=0)
    info = FusionInfo(architecture=architecture, output=output, colours=colours)
    model = prepare_network(net, info, torch.device("cpu"))
    exact = model.net.float()
    return replace(model, make_net=lambda: exact, precision="float32")


@pytest.fixture(scope="session")
def selector():
    return by_hand("selection")


@pytest.fixture(scope="session")
def band_selector():
    return by_hand("bands")


@pytest.fixture(scope="session")
def regressor():
    return by_hand("picture")

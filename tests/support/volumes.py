"""Images on disk, and a model file for them, for the tests of what goes block by block."""

import numpy as np
import torch
from scipy import ndimage

from seamwise.io.models import (
    Architecture,
    DecodeRule,
    SegmentationInfo,
    ThresholdPair,
    WatershedPair,
    save_model,
)
from seamwise.nets import UNet

RULE = DecodeRule(
    threshold=ThresholdPair(touching=0.4, cell=0.45),
    watershed=WatershedPair(background=0.6, cell=0.8),
)


def intensity_model(path, ndim=2, *, channels=1, rule=RULE, empty=False):
    """A model that calls a pixel by the mean of the 3^d around it in the last channel, normalised.

    Below 0.35 background, up to 0.65 touching, above cell; background everywhere if `empty`.
    """
    net = UNet(channels, 4, ndim=ndim, width=1, depth=0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        first, second = net.down[0][0], net.down[0][2]
        first.weight[0, -1] = 1 / 3**ndim
        second.weight[(0, 0, *[1] * ndim)] = 1
        net.head.weight[:, 0] = torch.tensor([0.0, 40, 20, 0]).reshape(4, *[1] * ndim)
        net.head.bias[:] = torch.tensor([100.0 if empty else 0, -20, -7, -99])
    info = SegmentationInfo(
        architecture=Architecture(
            in_channels=channels, out_channels=4, ndim=ndim, width=1, depth=0
        ),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",) * channels,
        decode=rule,
    )
    save_model(path, net.state_dict(), info)
    return path


def blobs(shape, seed=0, smooth=2.5):
    """A uint16 image whose bright parts are cells of many shapes."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth)
    bright = np.tanh(0.9 * noise / noise.std())  # noise as it is shows nothing
    return (1000 * (bright - bright.min()) / np.ptp(bright)).astype(np.uint16)

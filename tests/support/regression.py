"""Random input for the tests of regression losses, and features that need no network."""

import torch
from torch.nn import functional


def pair(shape=(2, 3, 6, 5), seed=0):
    """Float64 prediction (a little beyond 0..1), truth (0..1), weights of 0..3, some of them 0."""
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.rand(shape, generator=generator, dtype=torch.float64) * 1.2 - 0.1
    truth = torch.rand(shape, generator=generator, dtype=torch.float64)
    weight = torch.rand((shape[0], *shape[2:]), generator=generator, dtype=torch.float64) * 4 - 1
    return prediction, truth, weight.clamp(min=0)


def features(image):
    """Two maps for images of 1 to 3 axes: of their size, and of half of it."""
    half = [max(length // 2, 1) for length in image.shape[2:]]
    return [image.tanh(), functional.interpolate(3 * image, half, mode="area")]

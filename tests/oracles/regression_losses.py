"""The regression losses by plain loops over images, channels and pixels, in Python numbers."""

import math
from itertools import product


def pixels(image):
    """Indices of the pixels of `(N, C, *S)`."""
    return list(product(*(range(length) for length in image.shape[2:])))


def values(image, weight=None):
    """Each image and channel as {pixel: value}, without weight 0, and its {pixel: weight}."""
    for n in range(image.shape[0]):
        weights = {p: 1.0 if weight is None else float(weight[(n, *p)]) for p in pixels(image)}
        weights = {p: w for p, w in weights.items() if w != 0}
        for c in range(image.shape[1]):
            yield {p: float(image[(n, c, *p)]) for p in weights}, weights


def pixel_loss_slow(prediction, truth, cost, *, weight=None):
    """Mean over images, channels and pixels of ω · cost(|y − z|)."""
    total = 0.0
    for (z, weights), (y, _) in zip(values(prediction, weight), values(truth, weight), strict=True):
        total += sum(weights[p] * cost(abs(y[p] - z[p])) for p in weights)
    return total / prediction.numel()


def gradient_slow(prediction, truth, *, weight=None):
    total = 0.0
    axes = range(prediction.ndim - 2)
    for (z, weights), (y, _) in zip(values(prediction, weight), values(truth, weight), strict=True):
        for p in weights:
            total += weights[p] * abs(y[p] - z[p])
            for axis in axes:
                q = tuple(x + (a == axis) for a, x in enumerate(p))
                if q in weights:
                    total += min(weights[p], weights[q]) * abs((y[q] - y[p]) - (z[q] - z[p]))
    return total / prediction.numel()


def bounds_slow(prediction, truth, *, weight=None):
    total = 0.0
    for (z, weights), (y, _) in zip(values(prediction, weight), values(truth, weight), strict=True):
        if weights:
            total += abs(min(y.values()) - min(z.values())) + abs(max(y.values()) - max(z.values()))
    return total / prediction.shape[0]


def ssim_slow(prediction, truth, *, weight=None):
    total = 0.0
    for (z, weights), (y, _) in zip(values(prediction, weight), values(truth, weight), strict=True):
        total += sum(weights[p] * (1 - _ssim_at(p, y, z)) for p in weights)
    return total / prediction.numel()


def _ssim_at(p, y, z):
    window = {}
    for q in y:
        steps = [abs(a - b) for a, b in zip(p, q, strict=True)]
        if max(steps) <= 5:
            window[q] = math.exp(-sum(step**2 for step in steps) / (2 * 1.5**2))
    total = sum(window.values())

    def mean(of):
        return sum(g * of(q) for q, g in window.items()) / total

    mu_y, mu_z = mean(y.get), mean(z.get)
    var_y, var_z = mean(lambda q: (y[q] - mu_y) ** 2), mean(lambda q: (z[q] - mu_z) ** 2)
    both = mean(lambda q: (y[q] - mu_y) * (z[q] - mu_z))
    c1, c2 = 0.0001, 0.0009
    return (
        (2 * mu_y * mu_z + c1) / (mu_y**2 + mu_z**2 + c1) * (2 * both + c2) / (var_y + var_z + c2)
    )

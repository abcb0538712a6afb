"""Class augmentation by plain loops over pixels, windows and balls."""

from itertools import product

import numpy as np


def semantic_target_slow(labels, *, touching_radius, gap_radius, min_neighbours=1, spacing=None):
    spacing = spacing or [1.0] * labels.ndim
    closed = _closing_slow(labels > 0, gap_radius, spacing)
    target = np.zeros(labels.shape, np.int8)
    for pixel in np.ndindex(labels.shape):
        if labels[pixel] < 0:
            target[pixel] = -1
        elif labels[pixel] == 0:
            target[pixel] = 3 if closed[pixel] else 0
        else:
            others = 0
            for step in product(range(-touching_radius, touching_radius + 1), repeat=labels.ndim):
                other = tuple(p + s for p, s in zip(pixel, step, strict=True))
                inside = all(0 <= q < n for q, n in zip(other, labels.shape, strict=True))
                others += inside and labels[other] > 0 and labels[other] != labels[pixel]
            target[pixel] = 2 if others >= min_neighbours else 1
    return target


def _closing_slow(mask, radius, spacing):
    reach = [int(radius / s) + 1 for s in spacing]
    ball = [
        step
        for step in product(*[range(-r, r + 1) for r in reach])
        if sum((s * d) ** 2 for s, d in zip(step, spacing, strict=True)) <= (radius * (1 + 1e-9)) ** 2
    ]
    dilated = set()
    for pixel in zip(*np.nonzero(mask), strict=True):
        dilated |= {tuple(int(p) + s for p, s in zip(pixel, step, strict=True)) for step in ball}
    closed = np.zeros(mask.shape, bool)
    for pixel in np.ndindex(mask.shape):
        closed[pixel] = all(tuple(p + s for p, s in zip(pixel, step, strict=True)) in dilated for step in ball)
    return closed

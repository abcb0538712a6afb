"""Probabilities that leak over the seams of touching cells, and the cells."""

import numpy as np
from scipy import ndimage

from seamwise.labels import semantic_target


def leaky(labels):
    """Probabilities without seams by arg max: only a low touching threshold separates cells."""
    target = semantic_target(labels, classes=3, touching_radius=1)
    classes = np.stack(
        [ndimage.gaussian_filter((target == k).astype(np.float32), 0.7) for k in range(3)]
    )
    return np.stack([classes[0], classes[1] + 0.6 * classes[2], 0.4 * classes[2]])


def tiles(rng):
    """Twelve rectangles that touch, some of them taken out, on background."""
    labels = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((10, 11), int))
    labels[np.isin(labels, rng.choice(np.arange(1, 13), 3, replace=False))] = 0
    return np.pad(labels, 4).astype(np.int32)

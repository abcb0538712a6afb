"""Class probabilities for the tests of decoders."""

import numpy as np
from scipy import ndimage


def three_classes(cell, touching):
    """(3, *S): background is what cell and touching leave."""
    cell, touching = np.array(cell), np.array(touching)
    return np.stack([1 - cell - touching, cell, touching])


def random_probabilities(shape, rng, classes=3, smooth=1.2):
    """(classes, *S): smooth blobs, no two pixels alike."""
    noise = np.stack(
        [ndimage.gaussian_filter(rng.normal(size=shape), smooth) for _ in range(classes)]
    )
    weight = np.exp(4 * noise / noise.std())
    return (weight / weight.sum(0)).astype(np.float32)


def same_up_to_numbers(first, second):
    """Two label images hold the same cells and background."""
    pairs = np.unique(np.stack([first, second]).reshape(2, -1), axis=1).T
    return len(pairs) == first.max() + 1 == second.max() + 1

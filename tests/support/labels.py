"""Label images that the tests share."""

import numpy as np
from scipy import ndimage


def voronoi(shape, cells, rng, background=0.3):
    """Touching cells with holes and ignored pixels, no straight borders."""
    seeds = rng.uniform(0, 1, (cells, len(shape))) * shape
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    labels = np.argmin(((grid[..., None, :] - seeds) ** 2).sum(-1), -1) + 1
    labels[
        ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
        > np.quantile(ndimage.gaussian_filter(rng.normal(size=shape), 1.5), 1 - background)
    ] = 0
    labels[rng.random(shape) < 0.02] = -1
    return labels

import numpy as np
from scipy import ndimage


def triple(shape=(41, 52), seed=0):
    """Two grey sources, each blurred on its own side, and the sharp picture; numbers of 0..255."""
    rng = np.random.default_rng(seed)
    sharp = ndimage.gaussian_filter(rng.normal(size=shape), 1, mode="reflect")
    sharp = np.round(255 * (sharp - sharp.min()) / np.ptp(sharp))
    blurred = np.round(ndimage.gaussian_filter(sharp, 2, mode="reflect"))
    left = np.arange(shape[1]) < shape[1] * 0.6
    return np.where(left, blurred, sharp), np.where(left, sharp, blurred), sharp

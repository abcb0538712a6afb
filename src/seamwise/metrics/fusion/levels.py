"""Whole grey levels and the histograms of information measures; see `grey_levels`."""

import numpy as np
from numpy.typing import NDArray

from seamwise.metrics.fusion.pictures import Grey

_LEVELS = 256


def grey_levels(picture: Grey) -> NDArray[np.intp]:
    """Return round(255 · (x − min x) / (max x − min x)), halves up; 0 for a constant picture."""
    low = picture.min()
    span = picture.max() - low
    if span == 0:
        return np.zeros(picture.shape, dtype=np.intp)
    levels: NDArray[np.intp] = np.floor((picture - low) / span * (_LEVELS - 1) + 0.5).astype(
        np.intp
    )
    return levels


def joint_histogram(x: NDArray[np.intp], y: NDArray[np.intp]) -> Grey:
    """Return the share of the pixels with level i in `x` and j in `y`, (256, 256), of sum 1."""
    pairs = np.bincount((x * _LEVELS + y).ravel(), minlength=_LEVELS**2)
    return pairs.reshape(_LEVELS, _LEVELS) / x.size


def entropy(p: Grey) -> float:
    """Shannon entropy −Σ p log₂ p in bits of probabilities that sum to 1; empty bins add 0."""
    p = p[p > 0]
    # + 0.0 makes the −0.0 of a certain event 0.0
    return float(-np.sum(p * np.log2(p))) + 0.0


def mutual_information(h: Grey) -> float:
    """Return I(X; Y) = H(X) + H(Y) − H(X, Y) in bits; 0 if either picture is constant."""
    return entropy(h.sum(axis=1)) + entropy(h.sum(axis=0)) - entropy(h)

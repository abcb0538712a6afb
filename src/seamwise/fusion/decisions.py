"""From logits of a network for pairs to weights: `score_of`, `weight_of`, `copied_share`."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from seamwise.io.models import FusionInfo
from seamwise.types import Picture

_DECIDED = 0.1  # temperature of a softened model far from seams
_SOFT, _JOINED = 3.0, 2.0  # pixels: σ of the Gaussians that tell what is near a seam


def score_of(logits: NDArray[np.float32], info: FusionInfo) -> Picture:
    """Return the score of the first source `(Y, X)`, as soft as the model asks.

    ::

        s = h_σ * (f_0 − f_1) / T

    with the first logit of each source, T and σ the model's temperature and smoothing.
    """
    score: Picture = (logits[0] - logits[len(logits) // 2]) / np.float32(info.temperature)
    if info.smoothing > 0:
        blur = cv2.GaussianBlur(score, (0, 0), info.smoothing, borderType=cv2.BORDER_REFLECT)
        score = np.asarray(blur, np.float32)
    return score


def weight_of(score: Picture, info: FusionInfo) -> Picture:
    """Return the weight of the first source `(Y, X)`.

    ::

        z_0 = sigmoid(s·T / t),    t = T + (T_0 − T)·|h_3 * sgn s|²,    T_0 = 0.1

    for T above 1: a model that is softened is so near seams, and what is copied from one source
    elsewhere keeps its detail. Otherwise t = T.
    """
    if info.temperature > 1:
        share = _side(score, _SOFT) ** 2
        score = score / (1 + np.float32(_DECIDED / info.temperature - 1) * share)
    weight: Picture = expit(score)
    return weight


def copied_share(score: Picture) -> Picture:
    """Return how much of a pixel is copied from a source: √|h_2 * sgn s|, 1 far from seams."""
    share: Picture = np.sqrt(np.abs(_side(score, _JOINED)))
    return share


def _side(score: Picture, sigma: float) -> Picture:
    """The mean sign of a score around each pixel."""
    side = cv2.GaussianBlur(np.sign(score), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(side, np.float32)

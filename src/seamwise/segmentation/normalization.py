"""Bring an image to a common range, once per image; see `normalization`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import NormalizationRule

_BLOCK = 4  # a bright structure counts if it fills a block of this many pixels along each axis
_SAMPLES = 2**21  # percentiles are taken from about this many evenly spaced pixels
_SLAB = 2**22  # blocks are averaged over about this many pixels at a time
_HEADROOM = 2.0


@dataclass(frozen=True, eq=False)
class Normalization:
    """A linear map per channel: (x − offset) · scale."""

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __call__(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise any part `(C, *S)` of the image."""
        shape = (-1,) + (1,) * (block.ndim - 1)
        # float32 holds every 8- and 16-bit number; a large offset in wider types must go before rounding
        wide = block.dtype.itemsize > 2 and block.dtype != np.float32
        normalised: NDArray[np.floating[Any]] = block.astype(np.float64 if wide else np.float32)
        normalised -= self.offset.astype(normalised.dtype).reshape(shape)
        normalised *= self.scale.astype(normalised.dtype).reshape(shape)
        return normalised.astype(np.float32, copy=False)


def normalization(image: NDArray[Any], rule: NormalizationRule) -> Normalization:
    """Measure the map that sends a low percentile of each channel to 0 and a high one to 1.

    ::

        x ↦ (x − lo) / (hi − lo),   lo = percentile(rule.low),
        hi = max(percentile(rule.high), lo + (peak − lo)/2)

    where `peak` is the largest mean of any block of 4^d pixels. On a sparse image the high percentile
    is itself background, and dividing by it would raise the noise to the level of cells; the second term
    keeps every structure that fills such a block, as any of 7 pixels or more across does, at or below 2.

    Parameters
    ----------
    image : (C, *S) array of any real type
        The whole image: percentiles of a tile would differ from tile to tile.
    rule : NormalizationRule

    Returns
    -------
    Normalization
        A channel without any contrast (or one that float32 cannot hold) maps to 0.
    """
    offset = np.zeros(len(image))
    scale = np.zeros(len(image))
    for c, channel in enumerate(image):
        low, high = np.percentile(_evenly_spaced(channel), [rule.low, rule.high])
        high = max(high, low + (_peak(channel) - low) / _HEADROOM)
        offset[c] = low
        contrast = float(high) - float(low)
        scale[c] = 1 / contrast if np.finfo(np.float32).tiny < contrast < np.finfo(np.float32).max else 0
    return Normalization(offset, scale)


def _evenly_spaced(channel: NDArray[Any]) -> NDArray[Any]:
    step = int(np.ceil((channel.size / _SAMPLES) ** (1 / channel.ndim)))
    return channel[(slice(None, None, max(step, 1)),) * channel.ndim]


def _peak(channel: NDArray[Any]) -> float:
    """Largest mean of a block; blocks that the border cuts are left out unless the image is smaller."""
    block = [min(_BLOCK, n) for n in channel.shape]
    peak = -np.inf
    rows = max(block[0], _SLAB // max(channel[0].size, 1) // block[0] * block[0])
    for start in range(0, channel.shape[0] - block[0] + 1, rows):
        slab = channel[start : start + rows]
        whole = slab[tuple(slice(n // b * b) for n, b in zip(slab.shape, block, strict=True))]
        split = [part for n, b in zip(whole.shape, block, strict=True) for part in (n // b, b)]
        means = whole.reshape(split).mean(tuple(range(1, 2 * channel.ndim, 2)), dtype=np.float64)
        peak = max(peak, float(means.max()))
    return peak

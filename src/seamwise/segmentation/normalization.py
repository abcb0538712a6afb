"""Intensities of an image in a common range; see `normalization`, and `measure` for parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.models import NormalizationRule
from seamwise.segmentation.moments import joined_moments, moments_of, shape_of
from seamwise.segmentation.percentiles import percentiles

_BLOCK = 4  # a bright structure counts if it fills a block of this many pixels along each axis
_SAMPLES = 2**21  # percentiles are taken from about this many evenly spaced pixels
_SLAB = 2**22  # blocks are averaged over about this many pixels at a time
_HEADROOM = 2.0
_CEILING = 1e4  # of the linear scale: asinh of it is 5, and float32 holds it
_FLOOR = 10.0  # the contrast is at least this many times the spread of the background
_DEVIATION_FLOOR = 6.0  # the same for the rule "deviation": a cell's parts differ by less
_LOUDEST = 100.0  # no pixel has more votes than one this many times brighter than the median
_LONELY = 4.0  # of the linear scale: brighter pixels than this may be hot
_SKEWNESS, _KURTOSIS = 0.3, 0.8  # of noise, at most, whatever their sign; the excess kurtosis
_LEAST = 100  # blocks: fewer tell nothing
_EPS = 1e-6  # added to a contrast by bioimage.io
_CLEAR = 4.0  # a pixel is clearly brighter than background by this many times the spread


@dataclass(frozen=True, eq=False)
class Normalization:
    """A map per channel: u = (x − offset) · scale.

    With `bends`, u is compressed (`compress_intensities`).
    """

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    bends: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether it maps the whole image to 0: it has no contrast, or is noise."""
        return not self.scale.any()

    def __call__(self, block: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise any part `(C, *S)` of the image."""
        shape = (-1,) + (1,) * (block.ndim - 1)
        # float32 holds every 8- and 16-bit number; in wider types a large offset must go before
        # rounding
        is_wide = block.dtype.itemsize > 2 and (self.bends or block.dtype != np.float32)
        values: NDArray[np.floating[Any]] = block.astype(np.float64 if is_wide else np.float32)
        values -= self.offset.astype(values.dtype).reshape(shape)
        values *= self.scale.astype(values.dtype).reshape(shape)
        if self.bends:
            np.clip(values, -_CEILING, _CEILING, out=values)
            linear = values.astype(np.float32, copy=False)
            for channel in linear:
                _dim_lonely(channel)
            return compress_intensities(linear)
        return values.astype(np.float32, copy=False)


def compress_intensities(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """asinh(2u)/2: like u near 0, like a logarithm far from it; 1 becomes 0.72, 50 becomes 2.3."""
    result: NDArray[np.float32] = np.arcsinh(2 * values)
    result /= 2
    return result


def _dim_lonely(channel: NDArray[np.float32]) -> None:
    """Give each far too bright pixel, in place, no more than its brightest neighbour has.

    No cell is one pixel.
    """
    positions = np.nonzero(channel > _LONELY)
    if not len(positions[0]):
        return
    canvas = np.pad(channel, 1, constant_values=-np.inf)
    offsets = [offset for offset in product((0, 1, 2), repeat=channel.ndim) if set(offset) != {1}]
    around = np.full(len(positions[0]), -np.inf, np.float32)
    for offset in offsets:
        neighbours = tuple(index + step for index, step in zip(positions, offset, strict=True))
        np.maximum(around, canvas[neighbours], out=around)
    around[np.isneginf(around)] = np.inf  # an image of one pixel has no neighbours
    channel[positions] = np.minimum(channel[positions], around)


def identity_normalization(channels: int) -> Normalization:
    """Return the map that leaves an image of so many channels as it is."""
    return Normalization(np.zeros(channels), np.ones(channels))


def normalization(
    image: NDArray[Any], rule: NormalizationRule, *, keep_noise: bool = False
) -> Normalization:
    """Measure the map from a low percentile of each channel to 0 and from a high one to 1.

    ::

        x ↦ (x − lo) / (hi − lo),   lo = percentile(rule.low),
        hi = max(percentile(rule.high), lo + (peak − lo)/2)

    where ``peak`` is the largest mean of any block of 4^d pixels. In a sparse image the high
    percentile is itself background, and a division by it would raise the noise to the level of
    cells. The second term keeps every structure that fills such a block at or below 2; 7 pixels
    across are enough.

    The rule "contrast", for bright cells on a darker background, depends on no extreme value. With
    p_k the percentiles and σ = p_25 − p_5, the spread of the background (of Gaussian noise, its
    deviation)::

        u = (x − p_10) / s,   x ↦ asinh(2u)/2
        s = max(10·σ, the x − p_10 below which half the sum of √(x − p_10) lies),
            over the pixels x > p_25 + 4·σ

    Pixels clearly above the background vote for the contrast s by the root of their brightness: a
    speck or a cell 50 times brighter than the others, hot pixels or a scale bar have few votes, and
    so has noise that is just above the background. What is far brighter than s is bent down as by a
    logarithm, so that dim and bright cells stay visible together. Pixels of the very highest value,
    as a saturated border or a scale bar has, do not vote unless all do. A pixel with u > 4 gets no
    more than its brightest neighbour has: no cell is a single pixel.

    Parameters
    ----------
    image : (C, *S) array of any real type
        The whole image; percentiles would differ from tile to tile.
    rule : NormalizationRule
    keep_noise : bool
        For training, where an image of noise is an example without cells.

    Returns
    -------
    Normalization
        A channel without contrast, or with one that float32 cannot hold, maps to 0. So does an
        image of which each channel `is_noise`, except by the rules of other programs.
    """
    whole = measure(image, (0,) * (image.ndim - 1), image.shape[1:])
    return normalization_of([whole], rule, keep_noise=keep_noise)


@dataclass(frozen=True, eq=False)
class Sample:
    """What `normalization` needs from a part of an image.

    Attributes
    ----------
    values : tuple of 1D arrays
        Evenly spaced pixels of each channel.
    peak : (C,) float64 array
        Largest mean of a block in each channel; minus infinity if the part has no whole block.
    moments : (C, 2, 5) float64 array
        `moments_of` the means of the blocks, and of the difference of their halves along the last
        axis but one.
    """

    values: tuple[NDArray[Any], ...]
    peak: NDArray[np.float64]
    moments: NDArray[np.float64]


# beyond float64 there is no contrast that a number could hold
@np.errstate(over="ignore", invalid="ignore")
def measure(part: NDArray[Any], origin: Sequence[int], shape: Sequence[int]) -> Sample:
    """Measure a part of an image; all parts together give the same as the whole image.

    Parameters
    ----------
    part : (C, *S) array of any real type
    origin : sequence of int
        Position of its first pixel: a multiple of 4 along each axis, so that the blocks are the
        same.
    shape : sequence of int
        Shape of the whole image.

    Examples
    --------
    >>> image, rule = np.arange(60.0).reshape(1, 6, 10), NormalizationRule()
    >>> parts = [measure(image[:, :4], (0, 0), (6, 10)), measure(image[:, 4:], (4, 0), (6, 10))]
    >>> normalization_of(parts, rule).offset == normalization(image, rule).offset
    array([ True])
    """
    step = max(int(np.ceil((np.prod(shape, dtype=np.float64) / _SAMPLES) ** (1 / len(shape)))), 1)
    evenly = tuple(slice(-start % step, None, step) for start in origin)
    block = [min(_BLOCK, n) for n in shape]
    peaks, moments = zip(*(_blocks(channel, block) for channel in part), strict=True)
    return Sample(
        tuple(channel[evenly].ravel().copy() for channel in part),
        np.array(peaks),
        np.stack(moments),
    )


def merge_samples(samples: Sequence[Sample]) -> Sample:
    """Return the sample of the part that consists of the parts of these samples."""
    channels = zip(*(sample.values for sample in samples), strict=True)
    peaks = np.stack([sample.peak for sample in samples])
    moments = reduce(joined_moments, (sample.moments for sample in samples))
    return Sample(tuple(np.concatenate(values) for values in channels), peaks.max(0), moments)


@np.errstate(over="ignore", invalid="ignore")
def normalization_of(
    samples: Sequence[Sample], rule: NormalizationRule, *, keep_noise: bool = False
) -> Normalization:
    """Return the normalisation of the image that consists of the parts of these samples."""
    whole = merge_samples(samples)
    if rule.kind in _PLAIN:
        return _plain(whole.values, rule)
    normalise = _by_percentiles(whole, rule) if rule.kind == "percentiles" else _bent(whole, rule)
    channels = zip(whole.values, whole.moments, strict=True)
    if keep_noise or not all(is_noise(*channel) for channel in channels):
        return normalise
    return replace(normalise, scale=np.zeros_like(normalise.scale))


def _plain(channels: Sequence[NDArray[Any]], rule: NormalizationRule) -> Normalization:
    offset, scale = zip(*(_PLAIN[rule.kind](values, rule) for values in channels), strict=True)
    return Normalization(np.array(offset, float), np.array(scale, float))


@np.errstate(over="ignore", invalid="ignore")
def _bent(whole: Sample, rule: NormalizationRule) -> Normalization:
    map_of = _contrast if rule.kind == "contrast" else _deviation
    offset, scale = zip(*(map_of(values) for values in whole.values), strict=True)
    return Normalization(np.array(offset, float), np.array(scale, float), bends=True)


@np.errstate(over="ignore", invalid="ignore")
def _by_percentiles(whole: Sample, rule: NormalizationRule) -> Normalization:
    offset, scale = np.zeros(len(whole.peak)), np.zeros(len(whole.peak))
    for c, (values, peak) in enumerate(zip(whole.values, whole.peak, strict=True)):
        low, high = np.percentile(values, [rule.low, rule.high])
        high = max(high, low + (peak - low) / _HEADROOM)
        offset[c] = low
        contrast = float(high) - float(low)
        scale[c] = (
            1 / contrast if np.finfo(np.float32).tiny < contrast < np.finfo(np.float32).max else 0
        )
    return Normalization(offset, scale)


def is_noise(values: NDArray[Any], moments: NDArray[np.float64]) -> bool:
    """Whether one channel is noise and nothing else, white or smooth, even over the image.

    Such noise is normally distributed at every scale, and so are its differences. So it is noise
    if the |skewness| of its pixels and of the means of its blocks is at most 0.3, and the |excess
    kurtosis| of both and of the difference of the halves of a block is at most 0.8. Cells have
    outlines, which give the differences a kurtosis far above that. Cells may go unnoticed whose
    contrast is below about the deviation of the noise, or below twice that of smooth noise: no
    model that ships finds them. Skewed noise (Poisson, of few counts), noise on a slope, and noise
    with a dead row are not seen.

    Parameters
    ----------
    values : 1D array
        Evenly spaced pixels.
    moments : (2, 5) float64 array
        See `Sample`.
    """
    if moments[:, 0].min() < _LEAST:
        return False
    skewness, kurtosis = shape_of(moments)
    if abs(skewness[0]) > _SKEWNESS or abs(kurtosis).max() > _KURTOSIS:
        return False
    skewness, kurtosis = shape_of(moments_of(values.astype(np.float64)))
    return bool(abs(skewness) <= _SKEWNESS and abs(kurtosis) <= _KURTOSIS)


def _contrast(values: NDArray[Any]) -> tuple[float, float]:
    """Offset and scale of one channel by the rule "contrast"; without contrast, a scale of 0."""
    p5, p10, p25 = percentiles(values, [5, 10, 25], method="lower")
    spread = p25 - p5
    return p10, _scale(
        values[values > p25 + _CLEAR * spread].astype(np.float64) - p10, _FLOOR * spread
    )


def _deviation(values: NDArray[Any]) -> tuple[float, float]:
    """Offset and scale of one channel by the rule "deviation"."""
    p25, p50, p75 = percentiles(values, [25, 50, 75], method="lower")
    spread = 0.75 * (p75 - p25)
    deviation = np.abs(values.astype(np.float64) - p50)
    return p50, _scale(deviation[deviation > _CLEAR * spread], _DEVIATION_FLOOR * spread)


def _range(values: NDArray[Any], rule: NormalizationRule) -> tuple[float, float]:
    low, high = np.percentile(values, [rule.low, rule.high])
    return low, 1 / (float(high) - float(low) + _EPS)


def _standard(values: NDArray[Any], rule: NormalizationRule) -> tuple[float, float]:
    return values.mean(dtype=np.float64), 1 / (values.std(dtype=np.float64) + _EPS)


def _identity(values: NDArray[Any], rule: NormalizationRule) -> tuple[float, float]:
    return 0.0, 1.0


# of networks of other programs
_PLAIN = {"range": _range, "standard": _standard, "identity": _identity}


def _scale(clear: NDArray[np.float64], contrast: float) -> float:
    """1 / contrast, from the heights of the pixels that are clearly not background and from the
    least contrast; 0 if there is no contrast at all.
    """
    clear = np.sort(clear)
    if clear.size and clear[0] < clear[-1]:
        clear = clear[: np.searchsorted(clear, clear[-1])]  # what saturates has no vote
    if clear.size:
        share = np.cumsum(np.sqrt(np.minimum(clear, _LOUDEST * clear[clear.size // 2])))
        contrast = max(contrast, clear[np.searchsorted(share, share[-1] / 2)])
    has_contrast = np.isfinite(contrast) and contrast > np.finfo(np.float64).tiny
    return 1 / contrast if has_contrast else 0.0


def _blocks(channel: NDArray[Any], block: Sequence[int]) -> tuple[float, NDArray[np.float64]]:
    """Largest mean of a block, and the moments of all; blocks that the border cuts are ignored."""
    peak, moments = -np.inf, np.zeros((2, 5))
    if min(n // b for n, b in zip(channel.shape, block, strict=True)) == 0:
        return peak, moments
    half = [*block[:-2], max(block[-2] // 2, 1), block[-1]]
    rows = max(block[0], _SLAB // max(channel[0].size, 1) // block[0] * block[0])
    for start in range(0, channel.shape[0] - block[0] + 1, rows):
        slab = channel[start : start + rows]
        whole = slab[tuple(slice(n // b * b) for n, b in zip(slab.shape, block, strict=True))]
        split = [part for n, b in zip(whole.shape, half, strict=True) for part in (n // b, b)]
        halves = whole.reshape(split).mean(tuple(range(1, 2 * channel.ndim, 2)), dtype=np.float64)
        count = block[-2] // half[-2]
        parts = [halves[..., number::count, :] for number in range(count)]  # three, of three rows
        means = sum(parts) / count
        peak = max(peak, float(means.max()))
        moments = joined_moments(
            moments, np.stack([moments_of(means), moments_of(parts[0] - parts[-1])])
        )
    return peak, moments

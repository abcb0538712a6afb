"""How bright frames are against each other; see `thumbnail`, `gains` and `focus_changes`."""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignable import MOST_CHANNELS
from seamwise.fusion.frames import luminance
from seamwise.fusion.homography import Matrix, resampling
from seamwise.types import Picture

GAINS = (0.5, 2.0)  # one stop; a gain beyond becomes this bound
_BLACK, _WHITE = 0.02, 0.98  # a pixel beyond them shows nothing about exposure
_DIM = 0.5  # frames without a brighter value are dim: their black is lower
_CLIPPED_SHARE = 0.01  # of what a pixel of the thumbnail is blurred from
_THUMBNAIL_PIXELS = 60_000
_ALIKE = 1.25  # relative contrasts within this ratio are alike
_FLAT = 0.02  # a relative contrast below: blur changes nothing
_TILES = 8  # of a side, whose gains vary as those of the whole do not
_LEAST_PIXELS, _LEAST_TILES = 20, 4
_CLEAREST = 0.2  # share of the pixels that tells whether a frame stores light
_SIGNIFICANT = 4.0  # standard errors
# Spreads of tiles. In static bursts of 64 × 96 to 144 × 192 pixels, blur alone made a gain of 5 or
# 6 spreads of 4 to 7 tiles. Of 60 tiles it made up to 3.3, but there a true gain may have 2.1.
_UNIFORM, _FEW_TILES = 2.0, 15.0
_NOTICEABLE = 0.01
# A faint gain has to be one of dark and of bright pixels. In static bursts of 96 × 128 pixels and
# more, the smaller of both was at most 0.82 of the gain; of true ones of 2 % mostly above 0.85;
# the script was not kept.
_FAINT, _OF_BOTH = 0.04, 0.83


class Thumbnail(NamedTuple):
    """A small copy of a frame.

    Attributes
    ----------
    colours : (Y, X, C) float32 array
        Blurred; NaN where values were clipped.
    contrast : (Y, X) float32 array
        Local contrast of the frame, of its luminance.
    light : (Y, X) float32 array
        Blurred luminance of the light that the frame is taken to show.
    """

    colours: Picture
    contrast: Picture
    light: Picture


def shrink(picture: NDArray[Any], pixels: int) -> Picture:
    """Return the picture with at most about so many pixels."""
    height, width = picture.shape[:2]
    scale = min(1.0, math.sqrt(pixels / (height * width)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def white(frame: Picture) -> NDArray[np.uint8]:
    """Return 255 where a value is clipped, else 0."""
    return (frame > _WHITE) * np.uint8(255)


def thumbnail(
    frame: Picture,
    clipped: NDArray[np.uint8],
    light: Picture,
    contrast: Picture,
    *,
    is_linear: bool,
) -> Thumbnail:
    """Return a small copy of a frame; see `white`.

    The luminance is that of the light, what the frame stores if it is linear, else the square of
    it. The contrast is that of the `FocusPyramid` of this light.
    """
    clipped_share = _blur(clipped) / 255
    colours = np.where(clipped_share > _CLIPPED_SHARE, np.float32(np.nan), _blur(frame))
    small_light = _blur(light)[..., 0]
    small = cv2.resize(contrast, colours.shape[1::-1], interpolation=cv2.INTER_AREA)
    # of a square
    slope = 1 if is_linear else 2 * np.sqrt(np.maximum(small_light, np.float32(_BLACK**2)))
    return Thumbnail(colours, np.asarray(small / slope, np.float32), small_light)


def gains(copy: Thumbnail, reference: Thumbnail, matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """Return the gain of a frame in each channel, 1 unless it differs significantly.

    ::

        gain = median of reference / frame,    over pixels that are well exposed and alike in focus

    A pixel is not well exposed if it is below 0.02 in either blurred picture, or blurred from over
    1 % of clipped values, above 0.98. In dim frames, where nothing is above 0.5, this black is as
    much lower as their brightest value is below 0.5. A pixel is alike in focus if the local
    contrast, relative to brightness, differs by at most a quarter, or if both are flat: blur
    changes how bright a texture looks.

    Parameters
    ----------
    copy, reference : Thumbnail
        Of the frame and of the reference frame.
    matrix : (3, 3) array
        From frame to reference, in pixels of the full frame.
    shape : tuple of int
        Of the full frame.

    Returns
    -------
    (C,) float64 array
        Within 0.5..2, one stop. All are 1 unless the gain of a channel differs from 1 by over 1 %,
        by over 4 standard errors, and by over twice the spread of the medians of 8 × 8 tiles. For a
        change of exposure is the same everywhere. If only n tiles tell, less than half of them, it
        has to be over 2 + 15/n times the spread. A gain of less than 4 % also has to be one of the
        darker and of the brighter half of the pixels: a near thing out of focus spreads a veil
        that is added, and changes dark pixels most.
    """
    colours, contrast = _moved(copy, matrix, shape, reference.colours.shape)
    # NaN, outside of the frame or clipped, is not exposed
    black = _black(colours, reference.colours)
    is_exposed = np.minimum(colours, reference.colours) > black
    relative = (
        contrast / _brightness(colours, black),
        reference.contrast / _brightness(reference.colours, black),
    )
    low, high = np.minimum(*relative), np.maximum(*relative)
    is_alike = (high < _ALIKE * low) | (high < _FLAT)
    is_usable = is_exposed & is_alike[..., np.newaxis]
    result, is_significant = np.ones(colours.shape[2]), False
    for channel in range(colours.shape[2]):
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = np.log(reference.colours[..., channel] / colours[..., channel])
        ratios = np.where(is_usable[..., channel], ratios, np.nan)
        gain, least = _median(ratios)
        result[channel] = np.exp(gain)
        if abs(gain) > least:
            is_significant |= _is_exposure(ratios, colours[..., channel], gain)
    return np.clip(result, *GAINS) if is_significant else np.ones_like(result)


def focus_changes(
    copy: Thumbnail, reference: Thumbnail, matrix: Matrix, shape: tuple[int, ...]
) -> tuple[float, float]:
    """Return by how much another focus changes local means: of what is stored, and of its square.

    ::

        a = m²_ref − g·m²,    b = s_ref − h·s,

    with m and s blurred luminances of what is stored and of its square, and the gains g and h
    medians of ratios. Blur keeps the sum of light. So b is small if the square of what is stored is
    light, as in pictures of a camera, and a if what is stored is light itself. The results are the
    medians of |a| and |b| over the fifth of the well exposed pixels where a − b is largest.

    Parameters
    ----------
    copy, reference : Thumbnail
        Of frames that are not taken to be linear.
    matrix, shape
        As for `gains`.
    """
    thumbnail_shape = reference.colours.shape
    colours, light = _moved(copy._replace(contrast=copy.light), matrix, shape, thumbnail_shape)
    black = np.float32(_black(colours, reference.colours))
    stored, reference_stored = luminance(colours), luminance(reference.colours)
    is_exposed = np.minimum(stored, reference_stored) > black
    if is_exposed.sum() < _LEAST_PIXELS:
        return 0.0, 0.0
    of_stored = _change(stored[is_exposed] ** 2, reference_stored[is_exposed] ** 2)
    of_light = _change(light[is_exposed], reference.light[is_exposed])
    apart = np.abs(of_stored - of_light)
    is_clear = apart >= np.quantile(apart, 1 - _CLEAREST)
    a, b = (float(np.median(np.abs(change[is_clear]))) for change in (of_stored, of_light))
    return a, b


def _change(values: Picture, reference: Picture) -> Picture:
    """What differs but for a gain."""
    return np.asarray(reference - np.median(reference / values) * values, np.float32)


def _moved(
    copy: Thumbnail, matrix: Matrix, shape: tuple[int, ...], thumbnail_shape: tuple[int, ...]
) -> tuple[Picture, Picture]:
    """Colours and contrast of a frame where the reference has them; NaN outside of the frame."""
    to_small = resampling(shape, thumbnail_shape)
    small_matrix = to_small @ matrix @ np.linalg.inv(to_small)
    size, outside = thumbnail_shape[1::-1], (np.nan,) * MOST_CHANNELS

    def moved(values: Picture) -> Picture:
        picture = cv2.warpPerspective(
            values, small_matrix, size, flags=cv2.INTER_LINEAR, borderValue=outside
        )
        return np.asarray(picture, np.float32)

    return moved(copy.colours).reshape(thumbnail_shape), moved(copy.contrast)


def _black(*pictures: Picture) -> float:
    """What is too dark to tell the exposure: less in frames that use a small part of the range."""
    brightest = max(float(np.fmax.reduce(picture, axis=None)) for picture in pictures)
    return _BLACK * min(1.0, brightest / _DIM) if brightest > 0 else _BLACK


def _brightness(colours: Picture, black: float) -> Picture:
    return np.asarray(np.maximum(colours.mean(2), np.float32(black)), np.float32)


def _median(values: Picture) -> tuple[float, float]:
    """Median of the numbers, and from what size on it is significant; 0 if there are too few."""
    parts = [
        tile[np.isfinite(tile)]
        for rows in np.array_split(values, _TILES, 0)
        for tile in np.array_split(rows, _TILES, 1)
    ]
    medians = np.array([np.median(part) for part in parts if part.size >= _LEAST_PIXELS])
    if len(medians) < _LEAST_TILES:
        return 0.0, math.inf
    spread = 1.4826 * float(np.median(np.abs(medians - np.median(medians))))
    error = 1.25 * spread / math.sqrt(len(medians))
    few = _FEW_TILES / len(medians) if 2 * len(medians) < _TILES**2 else 0.0
    uniform = (_UNIFORM + few) * spread
    return float(np.nanmedian(values)), max(_SIGNIFICANT * error, uniform, _NOTICEABLE)


def _is_exposure(ratios: Picture, brightness: Picture, gain: float) -> bool:
    """Whether a gain is one of dark and of bright pixels, as that of an exposure is."""
    if abs(gain) > _FAINT:
        return True
    is_told = np.isfinite(ratios)
    ordered = ratios[is_told][np.argsort(brightness[is_told])]
    halves = [np.median(half) * np.sign(gain) for half in np.array_split(ordered, 2)]
    return bool(min(halves) >= _OF_BOTH * abs(gain))


def _blur(picture: NDArray[Any]) -> Picture:
    small = cv2.GaussianBlur(shrink(picture, _THUMBNAIL_PIXELS), (0, 0), 2)
    return np.asarray(small, np.float32).reshape(*small.shape[:2], -1)

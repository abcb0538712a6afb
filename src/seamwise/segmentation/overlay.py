"""Draw cell outlines on an image; see `overlay`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import hsv2rgb

from seamwise.io.models import NormalizationRule
from seamwise.labels import Labels, inner_contour
from seamwise.segmentation.normalization import normalization

_GOLDEN_RATIO = 0.618034  # successive hues lie far apart, whatever their number


def overlay(image: NDArray[Any], labels: Labels) -> NDArray[np.uint8]:
    """Draw the outline of every cell, each in a colour of its own, on the grey image.

    Parameters
    ----------
    image : (*S) or (C, *S) array
        The first channel is shown, from its 1st to its 99.8th percentile. Of a stack, the middle slice.
    labels : (*S) integer array

    Returns
    -------
    (Y, X, 3) uint8 array
        Outlines lie inside the cells and are one pixel wide.

    Raises
    ------
    ValueError
        Image and labels differ in size.
    """
    channel = image[0] if image.ndim > labels.ndim else image
    if channel.shape != labels.shape:
        raise ValueError(
            f"labels of size {labels.shape} do not fit an image of size {channel.shape}"
        )
    while labels.ndim > 2:
        channel, labels = channel[len(channel) // 2], labels[len(labels) // 2]
    picture = np.repeat(stretch(channel)[..., np.newaxis], 3, axis=2)
    outlined = inner_contour(labels)
    picture[outlined] = colours(int(labels.max(initial=0)))[labels[outlined]]
    return picture


def stretch(channel: NDArray[Any]) -> NDArray[np.uint8]:
    """Map a grey image to 0..255 as a network sees it: the 1st percentile black, the 99.8th white."""
    scaled = normalization(channel[np.newaxis], NormalizationRule())(channel[np.newaxis])[0]
    np.clip(scaled, 0, 1, out=scaled)
    scaled *= 255
    grey: NDArray[np.uint8] = scaled.astype(np.uint8)
    return grey


def colours(count: int) -> NDArray[np.uint8]:
    """A bright colour for each of the labels 1..count, black for 0: `(count + 1, 3)` uint8."""
    hue = np.arange(count + 1) * _GOLDEN_RATIO % 1
    rgb = hsv2rgb(np.stack([hue, np.full_like(hue, 0.85), np.ones_like(hue)], axis=-1)[np.newaxis])[
        0
    ]
    rgb[0] = 0
    return np.asarray(rgb * 255, dtype=np.uint8)

"""Draw cell outlines on an image; see `overlay`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import hsv2rgb

from seamwise.io.models import NormalizationRule
from seamwise.labels import Labels, inner_contour
from seamwise.segmentation.normalization import normalization

_GOLDEN_RATIO = 0.618034  # successive hues differ much, whatever their number


def overlay(image: NDArray[Any], labels: Labels) -> NDArray[np.uint8]:
    """Draw the outline of every cell, each in a colour of its own, on the grey image.

    Parameters
    ----------
    image : (*S) or (C, *S) array
        The first channel is shown, from its 1st to its 99.8th percentile; for a stack, its middle
        slice.
    labels : (*S) integer array

    Returns
    -------
    (Y, X, 3) uint8 array
        Outlines are inside the cells and one pixel wide.

    Raises
    ------
    ValueError
        Image and labels differ in size.
    """
    channel = image[0] if image.ndim > labels.ndim else image
    if channel.shape != labels.shape:
        raise ValueError(
            f"labels must have the size {channel.shape} of the image, not {labels.shape}"
        )
    while labels.ndim > 2:
        channel, labels = channel[len(channel) // 2], labels[len(labels) // 2]
    drawing = np.repeat(stretch(channel)[..., np.newaxis], 3, axis=2)
    outline = inner_contour(labels)
    drawing[outline] = label_colours(int(labels.max(initial=0)))[labels[outline]]
    return drawing


def stretch(channel: NDArray[Any]) -> NDArray[np.uint8]:
    """Map a grey image to 0..255 as a network sees it: 1st percentile black, 99.8th white."""
    brightness = normalization(channel[np.newaxis], NormalizationRule())(channel[np.newaxis])[0]
    np.clip(brightness, 0, 1, out=brightness)
    brightness *= 255
    grey: NDArray[np.uint8] = brightness.astype(np.uint8)
    return grey


def label_colours(count: int) -> NDArray[np.uint8]:
    """Return a bright colour for each label 1..count, and black for 0: `(count + 1, 3)` uint8."""
    hue = np.arange(count + 1) * _GOLDEN_RATIO % 1
    rgb = hsv2rgb(np.stack([hue, np.full_like(hue, 0.85), np.ones_like(hue)], axis=-1)[np.newaxis])[
        0
    ]
    rgb[0] = 0
    return np.asarray(rgb * 255, dtype=np.uint8)

"""Draw cell outlines and numbers on an image; see `overlay`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.io.models import NormalizationRule
from seamwise.labels import Labels, inner_contour
from seamwise.labels.colours import colours_of
from seamwise.plain_values import whole_number
from seamwise.segmentation.normalization import normalization


def overlay(
    image: NDArray[Any], labels: Labels, *, width: int = 1, numbers: bool = False
) -> NDArray[np.uint8]:
    """Draw the outline of every cell, each in a colour of its own, on the grey image.

    The colour depends on the number of the cell only, so that it is the same in every picture.

    Parameters
    ----------
    image : (*S) or (C, *S) array
        The first channel is shown, from its 1st to its 99.8th percentile; for a stack, its middle
        slice.
    labels : (*S) integer array
    width : int
        Of the outlines in pixels, 1 or more.
    numbers : bool
        Write the number of each cell in it.

    Returns
    -------
    (Y, X, 3) uint8 array
        Outlines are inside the cells.

    Raises
    ------
    ValueError
        Image and labels differ in size, or the width is not a whole number of 1 or more.
    """
    whole_number("width", width, 1)
    channel = image[0] if image.ndim > labels.ndim else image
    if channel.shape != labels.shape:
        raise ValueError(
            f"labels must have the size {channel.shape} of the image, not {labels.shape}"
        )
    while labels.ndim > 2:
        channel, labels = channel[len(channel) // 2], labels[len(labels) // 2]
    drawing = np.repeat(stretch(channel)[..., np.newaxis], 3, axis=2)
    outline = thick_contour(labels, width)
    drawing[outline] = colours_of(labels[outline])
    return write_numbers(drawing, labels) if numbers else drawing


def thick_contour(labels: Labels, width: int) -> NDArray[np.bool_]:
    """Mark the outermost pixels of each cell, on the inside, so many deep."""
    outline = inner_contour(labels)
    if width > 1:
        outline = ndimage.binary_dilation(outline, iterations=width - 1)
        outline &= labels > 0
    return outline


def write_numbers(drawing: NDArray[np.uint8], labels: Labels) -> NDArray[np.uint8]:
    """Return the drawing with the number of each cell on it, white with a dark edge."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(drawing)
    pen = ImageDraw.Draw(picture)
    for number, y, x, area in label_places(labels):
        size = number_size(area, number)
        font = ImageFont.load_default(size)
        pen.text(
            (x + 0.5, y + 0.5),
            str(number),
            font=font,
            anchor="mm",
            fill=(255, 255, 255),
            stroke_width=1 + int(size) // 16,
            stroke_fill=(0, 0, 0),
        )
    return np.asarray(picture)


def number_size(area: int, number: int) -> float:
    """Height of the digits of a number that fit a cell of this many pixels, 7 to 24."""
    return float(np.clip(1.1 * np.sqrt(area) / len(str(number)), 7, 24))


def label_places(labels: Labels) -> list[tuple[int, int, int, int]]:
    """Return number, y, x and pixels of each cell: of its pixels the one nearest to the centroid.

    Examples
    --------
    >>> label_places(np.array([[0, 7, 7, 7], [0, 7, 0, 7]]))
    [(7, 0, 2, 5)]
    """
    y, x = np.nonzero(labels > 0)
    ids, rows, area = np.unique(labels[y, x], return_inverse=True, return_counts=True)
    middle = [np.bincount(rows, place, minlength=len(ids)) / area for place in (y, x)]
    distance = (y - middle[0][rows]) ** 2 + (x - middle[1][rows]) ** 2
    order = np.lexsort((distance, rows))
    first = order[np.concatenate([[0], np.cumsum(area)[:-1]])] if len(ids) else order
    return list(zip(ids.tolist(), y[first].tolist(), x[first].tolist(), area.tolist(), strict=True))


def stretch(channel: NDArray[Any]) -> NDArray[np.uint8]:
    """Map a grey image to 0..255 as a network sees it: 1st percentile black, 99.8th white."""
    brightness = normalization(channel[np.newaxis], NormalizationRule(), keep_noise=True)(
        channel[np.newaxis]
    )[0]
    np.clip(brightness, 0, 1, out=brightness)
    brightness *= 255
    grey: NDArray[np.uint8] = brightness.astype(np.uint8)
    return grey


def label_colours(count: int) -> NDArray[np.uint8]:
    """Return a bright colour for each label 1..count, and black for 0: `(count + 1, 3)` uint8."""
    colours = colours_of(np.arange(count + 1))
    colours[0] = 0
    return colours

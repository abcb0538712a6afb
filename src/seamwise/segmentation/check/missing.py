"""Cells that a mask seems to lack; see `missing_cells`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels import Labels
from seamwise.labels.slabs import areas

_FEWEST = 4  # cells that say how bright and how large a cell is
_SMALL, _LARGE = 0.5, 2.0  # of the median area
_FILLED = 0.6  # of its box that a cell covers; a disc covers 0.79, a ball 0.52
_CLEAR = 4.0  # spreads of the background that lie between it and a cell
_BRIGHT = 0.9  # of the height of a cell over the background
_APART = 2  # pixels between a labelled cell and one that is missing


def missing_cells(channel: NDArray[Any], labels: Labels) -> list[tuple[slice, ...]]:
    """Return the boxes of objects in the background that look like the labelled cells.

    With b the median of the background, s the distance from its 5th percentile to the median, and c
    the lower quartile of the mean intensities of the cells, an object is a connected part of the
    background, more than 2 pixels from all cells, with::

        x > (b + c)/2,   mean ≥ b + 0.9 (c − b),   ½ ≤ area / median area ≤ 2

    that fills most of its box. Nothing is returned unless c > b + 8 s: cells must stand out.

    Parameters
    ----------
    channel : (*S) array
    labels : (*S) integer array
        0 background, positive cells, negative = ignore.

    Examples
    --------
    >>> labels = np.zeros((20, 60), int)
    >>> for number in range(6):
    ...     labels[5:13, 10 * number : 10 * number + 6] = number + 1
    >>> missing_cells(100.0 * (labels > 0), np.where(labels == 6, 0, labels))
    [(slice(5, 13, None), slice(50, 56, None))]
    """
    sizes = areas(np.maximum(labels, 0))[1:]
    sizes = sizes[sizes > 0]
    is_background = labels == 0
    if len(sizes) < _FEWEST or not is_background.any():
        return []
    values = channel.astype(np.float64)
    numbers = np.unique(labels[labels > 0])
    means = ndimage.mean(values, labels, numbers)
    low, ground = np.percentile(values[is_background], (5, 50))
    bright = float(np.percentile(means, 25))
    if bright <= ground + 2 * _CLEAR * (ground - low) or bright <= ground:
        return []
    least = ground + _BRIGHT * (bright - ground)
    near = ndimage.binary_dilation(labels > 0, iterations=_APART)
    objects, count = ndimage.label((values > (ground + bright) / 2) & is_background)
    if not count:
        return []
    every = np.arange(1, count + 1)
    area = ndimage.sum_labels(np.ones_like(values), objects, every)
    meets = ndimage.maximum(near, objects, every)
    mean = ndimage.mean(values, objects, every)
    typical = float(np.median(sizes))
    has_size = (area >= _SMALL * typical) & (area <= _LARGE * typical)
    boxes = ndimage.find_objects(objects)
    extents = np.array([_lengths(box) for box in boxes])
    filled = _FILLED if labels.ndim == 2 else _FILLED * 2 / 3
    is_full = area > filled * extents.prod(axis=1)
    is_cell = has_size & is_full & (mean >= least) & (meets == 0)
    return [boxes[number] for number in np.flatnonzero(is_cell)]


def _lengths(box: tuple[slice, ...]) -> list[int]:
    return [part.stop - part.start for part in box]

"""Cells that a mask seems to lack; see `missing_cells` and `rough_objects`."""

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
# of rough objects, in median diameters and areas; chosen on phase contrast, see docs/check.md
_SMOOTHING = 0.06
_HALO = 0.25
_GROUP = 3.0  # larger ones are not cells: a wall, or the edge of a well
_CLEARLY_ROUGH = 3.0  # spreads of the background


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
    ground, bright, spreads = _contrast(values, labels)
    if spreads <= 2 * _CLEAR:
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


def rough_objects(channel: NDArray[Any], labels: Labels) -> list[tuple[slice, ...]]:
    """Return the boxes of objects in the background of a plane that are as rough as its cells.

    In phase contrast, cells are about as bright as the background, but have edges inside. The
    roughness r is the gradient's magnitude at a scale of 1 pixel, smoothed by 0.06 median
    diameters. With b the median of r in the background, s the distance from its 5th percentile to
    the median, and c the lower quartile of the mean r of the cells, an object is a connected part
    of the background, more than ¼ median diameter from all cells, with::

        r > (b + c)/2,   mean ≥ b + 0.9 (c − b),   ½ ≤ area / median area ≤ 3

    Nothing is returned unless c > b + 3 s, nor where cells stand out by their brightness, nor for
    stacks.

    Parameters
    ----------
    channel : (Y, X) array
    labels : (Y, X) integer array
        0 background, positive cells, negative = ignore.

    Examples
    --------
    >>> labels = np.zeros((24, 120), int)
    >>> for number in range(6):
    ...     labels[6:18, 20 * number + 2 : 20 * number + 14] = number + 1
    >>> stripes = np.where(labels > 0, np.arange(120) // 2 % 2, 0.5)
    >>> rough_objects(stripes, labels)
    []
    >>> len(rough_objects(stripes, np.where(labels > 5, 0, labels)))
    1
    """
    sizes = areas(np.maximum(labels, 0))[1:]
    sizes = sizes[sizes > 0]
    is_background = labels == 0
    if labels.ndim != 2 or len(sizes) < _FEWEST or not is_background.any():
        return []
    typical = float(np.median(sizes))
    diameter = 2 * np.sqrt(typical / np.pi)
    values = channel.astype(np.float64)
    *_, spreads = _contrast(values, labels)
    edges = ndimage.gaussian_gradient_magnitude(values, 1.0)
    rough = ndimage.gaussian_filter(edges, _SMOOTHING * diameter)
    ground, cell, rough_spreads = _contrast(rough, labels)
    if spreads > 2 * _CLEAR or rough_spreads <= _CLEARLY_ROUGH:
        return []
    is_apart = ndimage.distance_transform_edt(labels <= 0) > _HALO * diameter
    objects, count = ndimage.label((rough > (ground + cell) / 2) & is_background & is_apart)
    every = np.arange(1, count + 1)
    area = areas(objects)[1:]
    mean = ndimage.mean(rough, objects, every)
    has_size = (area >= _SMALL * typical) & (area <= _GROUP * typical)
    is_cell = has_size & (mean >= ground + _BRIGHT * (cell - ground))
    boxes = ndimage.find_objects(objects)
    return [boxes[number] for number in np.flatnonzero(is_cell)]


def _contrast(values: NDArray[np.float64], labels: Labels) -> tuple[float, float, float]:
    """Median of the background, lower quartile of the cells, and spreads between the two.

    A spread is the distance from the 5th percentile of the background to its median.
    """
    means = ndimage.mean(values, labels, np.unique(labels[labels > 0]))
    low, ground = np.percentile(values[labels == 0], (5, 50))
    cell = float(np.percentile(means, 25))
    if cell <= ground:
        return float(ground), cell, 0.0
    return float(ground), cell, float((cell - ground) / (ground - low)) if ground > low else np.inf


def _lengths(box: tuple[slice, ...]) -> list[int]:
    return [part.stop - part.start for part in box]

"""Guides of a label image: relief, centre and radius of each cell; see `measure_guides`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels.numbering import as_labels, check_numbers
from seamwise.types import Labels

_UNIT_BALL = {1: 2.0, 2: np.pi, 3: 4 / 3 * np.pi}


@dataclass(frozen=True, eq=False)
class Guides:
    """The guides of a label image, in parts that can be cropped and turned.

    Attributes
    ----------
    relief : (*S) float32 array
        Distance to the boundary of the own cell in units of the cell's largest, in (0, 1]; 0 where
        there is no cell.
    centre : (n + 1, ndim) float32 array
        Mean position of the pixels of each number; number 0 is not used.
    radius : (n + 1,) float32 array
        Of the disc (ball) of as many pixels; 1 for a number without pixels.
    """

    relief: NDArray[np.float32]
    centre: NDArray[np.float32]
    radius: NDArray[np.float32]


def measure_guides(labels: Labels) -> Guides:
    """Measure relief, centre and radius of the cells 1..n of labels `(*S)`, n-dimensional.

    ::

        relief(p) = d(p) / max { d(q) : q in the cell of p }
        d(p) = 1 + distance from p to the nearest pixel that has a face neighbour of another number

    The contour of a cell has d = 1. Outside the image there is no other number: a cell that the
    border cuts is highest there. Ignored pixels (negative) belong to no cell.

    Raises
    ------
    TypeError
        `labels` is not of an integer type.

    Examples
    --------
    >>> measure_guides(np.array([0, 1, 1, 1, 2, 2, 2, 2])).relief.round(2).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.25, 0.5, 0.75, 1.0]
    """
    labels = as_labels(labels)
    if labels.ndim not in _UNIT_BALL:
        raise ValueError(f"labels must have one to three axes, not shape {labels.shape}")
    check_numbers(labels)
    cell = labels > 0
    numbers = labels[cell]
    count = int(labels.max(initial=0))
    distance = _depth(labels)[cell]
    largest = np.zeros(count + 1)
    np.maximum.at(largest, numbers, distance)
    relief = np.zeros(labels.shape, np.float32)
    relief[cell] = distance / largest[numbers]
    size = np.bincount(numbers, minlength=count + 1).clip(1)
    sums = [np.bincount(numbers, weights=axis, minlength=count + 1) for axis in np.nonzero(cell)]
    centre = np.stack(sums, 1) / size[:, np.newaxis]
    radius = (size / _UNIT_BALL[labels.ndim]) ** (1 / labels.ndim)
    return Guides(relief, centre.astype(np.float32), radius.clip(1).astype(np.float32))


def _depth(labels: Labels) -> NDArray[np.float64]:
    """1 + distance to the nearest pixel with a face neighbour of another number, or 1."""
    contour = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        along = (slice(None),) * axis
        first, second = (*along, slice(None, -1)), (*along, slice(1, None))
        edge = labels[first] != labels[second]
        contour[first] |= edge
        contour[second] |= edge
    if not contour.any():
        return np.ones(labels.shape)
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(~contour) + 1
    return depth

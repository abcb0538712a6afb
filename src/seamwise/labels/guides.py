"""What leads each pixel to its cell, besides the classes; see `guide_maps`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels.numbering import Labels, as_labels


@dataclass(frozen=True, eq=False)
class Guides:
    """The guides of a label image, in parts that can be cropped and turned.

    Attributes
    ----------
    relief : (*S) float32 array
        Distance to the boundary of the own cell in units of the cell's largest, in (0, 1]; 0 where there is no cell.
    centre : (n + 1, ndim) float32 array
        Mean position of the pixels of each number; number 0 is not used.
    radius : (n + 1,) float32 array
        Of the disc (ball) of as many pixels; 1 for a number without pixels.
    """

    relief: NDArray[np.float32]
    centre: NDArray[np.float32]
    radius: NDArray[np.float32]


def measure_guides(labels: Labels) -> Guides:
    """Measure relief, centre and radius of the cells 1..n of labels `(*S)`.

    ::

        relief(p) = d(p) / max { d(q) : q in the cell of p },   d(p) = distance to the nearest pixel of another number

    Beyond the image border lies no other number: a cell that the border cuts is highest there.
    """
    labels = as_labels(labels)
    cell = labels > 0
    inside = cell.copy()
    for axis in range(labels.ndim):
        first, second = (tuple(slice(None) if a != axis else s for a in range(labels.ndim)) for s in (slice(None, -1), slice(1, None)))
        edge = labels[first] != labels[second]
        inside[first][edge] = False
        inside[second][edge] = False
    # pixels of the contour have distance 1
    distance = np.where(cell, ndimage.distance_transform_edt(inside) + 1, 0) if not inside.all() else np.ones(labels.shape)
    count = int(labels.max(initial=0))
    numbers = labels[cell]
    largest = np.zeros(count + 1)
    np.maximum.at(largest, numbers, distance[cell])
    relief = np.zeros(labels.shape, np.float32)
    relief[cell] = distance[cell] / largest[numbers]
    size = np.bincount(numbers, minlength=count + 1)
    sums = [np.bincount(numbers, weights=where, minlength=count + 1) for where in np.nonzero(cell)]
    centre = (np.stack(sums, 1) / np.maximum(size, 1)[:, np.newaxis]).astype(np.float32)
    volume = {1: 2.0, 2: np.pi, 3: 4 / 3 * np.pi}[labels.ndim]
    radius = (np.maximum(size, 1) / volume) ** (1 / labels.ndim)
    return Guides(relief, centre, np.maximum(radius, 1).astype(np.float32))

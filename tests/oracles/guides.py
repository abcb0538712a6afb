"""Plain, slow guides: the distance of each pixel to every pixel of a contour."""

import numpy as np

from seamwise.labels.guides import Guides

VOLUME = {1: 2.0, 2: np.pi, 3: 4 / 3 * np.pi}


def guides_by_loops(labels):
    places = [tuple(p) for p in np.ndindex(labels.shape)]
    distance = np.zeros(labels.shape)
    contour = [
        p
        for p in places
        if any(labels[p] != labels[q] for q in places if np.abs(np.subtract(p, q)).sum() == 1)
    ]
    for p in places:
        lengths = [np.sqrt(np.square(np.subtract(p, q)).sum()) for q in contour]
        distance[p] = 1 + min(lengths, default=0) if labels[p] > 0 else 0
    count = max(int(labels.max()), 0)
    relief, centre, radius = (
        np.zeros(labels.shape),
        np.zeros((count + 1, labels.ndim)),
        np.ones(count + 1),
    )
    for number in range(1, count + 1):
        cell = labels == number
        if cell.any():
            relief[cell] = distance[cell] / distance[cell].max()
            centre[number] = np.argwhere(cell).mean(0)
            radius[number] = max((cell.sum() / VOLUME[labels.ndim]) ** (1 / labels.ndim), 1)
    return Guides(relief, centre, radius)

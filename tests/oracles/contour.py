"""Contour precision and recall by plain loops over all pairs of contour pixels."""

from fractions import Fraction
from math import dist

import numpy as np

from oracles.labels import inner_contour_slow


def contour_shares(labels_true, labels_pred, *, radius, spacing):
    """Precision and recall as fractions; both contours must have pixels."""
    labels_pred = np.where(labels_true < 0, -1, labels_pred)
    true, pred = (
        [*zip(*np.nonzero(inner_contour_slow(g)), strict=True)] for g in (labels_true, labels_pred)
    )
    return _share_near(pred, true, radius, spacing), _share_near(true, pred, radius, spacing)


def _share_near(points, others, radius, spacing):
    near = 0
    for point in points:
        for other in others:
            if dist(np.multiply(point, spacing), np.multiply(other, spacing)) <= radius * (
                1 + 1e-9
            ):
                near += 1
                break
    return Fraction(near, len(points))

"""Measurements of one cell in plain loops."""

import numpy as np


def border_faces(labels, cell):
    """Faces of pixels that a cell shares with other cells, by the axis across, and with which."""
    faces, partners = [0] * labels.ndim, set()
    for place in np.argwhere(labels == cell):
        for axis in range(labels.ndim):
            for step in (-1, 1):
                other = place.copy()
                other[axis] += step
                if not 0 <= other[axis] < labels.shape[axis]:
                    continue
                partner = int(labels[tuple(other)])
                if partner > 0 and partner != cell:
                    faces[axis] += 1
                    partners.add(partner)
    return faces, sorted(partners)


def zones(labels, cell, *, steps, rim, gap, ring):
    """Pixels of the rim of a cell and of its ring, ties given to every cell."""
    places = np.argwhere(labels == cell)
    outermost = [p for p in places if _is_outermost(labels, p)]
    rim_pixels = {tuple(map(int, p)) for p in places if _distance(p, outermost, steps) < rim}
    every = np.argwhere(labels > 0)
    ring_pixels = set()
    for p in np.argwhere(labels == 0):
        own = _distance(p, places, steps)
        if gap < own <= gap + ring and np.isclose(own, _distance(p, every, steps)):
            ring_pixels.add(tuple(map(int, p)))
    return rim_pixels, ring_pixels


def _is_outermost(labels, place):
    for axis in range(labels.ndim):
        for step in (-1, 1):
            other = place.copy()
            other[axis] += step
            inside = 0 <= other[axis] < labels.shape[axis]
            if inside and labels[tuple(other)] != labels[tuple(place)]:
                return True
    return False


def _distance(place, places, steps):
    if not len(places):
        return np.inf
    return float(np.sqrt((((np.array(places) - place) * steps) ** 2).sum(axis=1)).min())

"""Decoding by plain loops and flood fill."""

from itertools import product

import numpy as np


def instances_slow(classes, *, min_size=0):
    cells = _components(classes == 1, _face_steps(classes.ndim))
    regions = _components((classes == 1) | (classes == 2), _face_steps(classes.ndim))
    with_cell = {regions[p] for p in np.ndindex(classes.shape) if cells[p]}
    labels = cells.copy()
    for pixel in np.ndindex(classes.shape):
        if classes[pixel] == 2 and regions[pixel] in with_cell:
            nearest = {}
            for other in np.ndindex(classes.shape):
                if cells[other] and regions[other] == regions[pixel]:
                    squared = sum((p - q) ** 2 for p, q in zip(pixel, other, strict=True))
                    nearest[cells[other]] = min(squared, nearest.get(cells[other], squared))
            closest = min(nearest.values())
            winners = [cell for cell, squared in nearest.items() if squared == closest]
            labels[pixel] = winners[0] if len(winners) == 1 else 0
    return _cleaned_slow(labels, min_size)


def threshold_slow(probabilities, *, touching, cell, gap="background", min_size=0):
    classes = np.zeros(probabilities.shape[1:], int)
    for pixel in np.ndindex(classes.shape):
        z = _without_gap_slow([channel[pixel] for channel in probabilities], gap)
        if len(z) > 2 and z[2] >= touching:
            classes[pixel] = 2
        elif z[1] >= cell:
            classes[pixel] = 1
    return instances_slow(classes, min_size=min_size)


def watershed_slow(
    probabilities, *, background, cell, background_as="marker", gap="background", min_size=0
):
    shape = probabilities.shape[1:]
    sure_cell, sure_background = np.zeros(shape, bool), np.zeros(shape, bool)
    height = np.zeros(shape)
    for pixel in np.ndindex(shape):
        z = _without_gap_slow([channel[pixel] for channel in probabilities], gap)
        height[pixel] = (z[2] if len(z) > 2 else 0) - z[1]
        sure_cell[pixel], sure_background[pixel] = z[1] >= cell, z[0] >= background
        if sure_cell[pixel] and sure_background[pixel]:
            sure_cell[pixel], sure_background[pixel] = z[1] > z[0], z[1] <= z[0]
    labels = _components(sure_cell, _face_steps(len(shape)))
    open_to_floods = np.ones(shape, bool)
    if background_as == "marker":
        labels[sure_background] = -1
    else:
        open_to_floods = ~sure_background
    edge = [tuple(pixel) for pixel in np.argwhere(labels)]  # in the order of their arrival
    while edge:
        lowest = min(edge, key=lambda pixel: height[pixel])
        edge.remove(lowest)
        for step in _face_steps(len(shape)):
            other = tuple(int(p) + s for p, s in zip(lowest, step, strict=True))
            if _inside(other, shape) and open_to_floods[other] and not labels[other]:
                labels[other] = labels[lowest]
                edge.append(other)
    labels[labels < 0] = 0
    return _cleaned_slow(labels, min_size)


def _without_gap_slow(z, gap):
    if len(z) < 4:
        return z
    if gap == "background":
        return [z[0] + z[3], z[1], z[2]]
    return [z[0] / sum(z[:3]), z[1] / sum(z[:3]), z[2] / sum(z[:3])]


def _cleaned_slow(labels, min_size):
    _fill_holes_slow(labels)
    for cell in range(1, labels.max() + 1):
        if (labels == cell).sum() < min_size:
            labels[labels == cell] = 0
    _, sequential = np.unique(np.append(labels, 0), return_inverse=True)
    return sequential[:-1].reshape(labels.shape)


def _fill_holes_slow(labels):
    background = _components(labels == 0, _all_steps(labels.ndim))
    for region in range(1, background.max() + 1):
        around, at_border = set(), False
        for pixel in zip(*np.nonzero(background == region), strict=True):
            for step in _face_steps(labels.ndim):
                other = tuple(p + s for p, s in zip(pixel, step, strict=True))
                if not _inside(other, labels.shape):
                    at_border |= any(s and n > 1 for s, n in zip(step, labels.shape, strict=True))
                elif labels[other]:
                    around.add(labels[other])
        if len(around) == 1 and not at_border:
            labels[background == region] = around.pop()


def _components(mask, steps):
    labels = np.zeros(mask.shape, int)
    count = 0
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start]:
            continue
        count += 1
        labels[start] = count
        stack = [start]
        while stack:
            pixel = stack.pop()
            for step in steps:
                other = tuple(p + s for p, s in zip(pixel, step, strict=True))
                if _inside(other, mask.shape) and mask[other] and not labels[other]:
                    labels[other] = count
                    stack.append(other)
    return labels


def _all_steps(ndim):
    return [step for step in product((-1, 0, 1), repeat=ndim) if any(step)]


def _face_steps(ndim):
    return [step for step in _all_steps(ndim) if sum(map(abs, step)) == 1]


def _inside(pixel, shape):
    return all(0 <= p < n for p, n in zip(pixel, shape, strict=True))

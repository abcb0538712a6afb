"""Class augmentation, contours and pieces by plain loops over pixels, windows and balls."""

import math
from itertools import product

import numpy as np


def semantic_target_slow(labels, *, touching_radius, gap_radius, min_neighbours=1, spacing=None):
    spacing = spacing or [1.0] * labels.ndim
    closed = _closing_slow(labels > 0, gap_radius, spacing)
    target = np.zeros(labels.shape, np.int8)
    for pixel in np.ndindex(labels.shape):
        if labels[pixel] < 0:
            target[pixel] = -1
        elif labels[pixel] == 0:
            target[pixel] = 3 if closed[pixel] else 0
        else:
            others = 0
            reach = [max(1, math.floor(touching_radius * min(spacing) / s + 0.5)) for s in spacing]
            for step in product(*(range(-n, n + 1) for n in reach)):
                other = tuple(p + s for p, s in zip(pixel, step, strict=True))
                inside = all(0 <= q < n for q, n in zip(other, labels.shape, strict=True))
                others += inside and labels[other] > 0 and labels[other] != labels[pixel]
            target[pixel] = 2 if others >= min_neighbours else 1
    return target


def binary_target_slow(mask, *, gap_radius):
    """Algorithm 1 on a grid without borders, then the gap; four classes."""
    cells = {tuple(map(int, pixel)) for pixel in zip(*np.nonzero(mask > 0), strict=True)}
    dilated = set().union(*(cube(pixel) for pixel in cells))
    closed = {pixel for pixel in dilated if cube(pixel) <= dilated}
    division = {pixel for pixel in closed - cells if mask[pixel] == 0}
    touching = set().union(*(cube(pixel) for pixel in division))
    gap = _closing_slow(mask > 0, gap_radius, [1.0] * mask.ndim)
    target = np.zeros(mask.shape, np.int8)
    for pixel in np.ndindex(mask.shape):
        if mask[pixel] < 0:
            target[pixel] = -1
        elif pixel in touching:
            target[pixel] = 2
        elif mask[pixel] > 0:
            target[pixel] = 1
        else:
            target[pixel] = 3 if gap[pixel] else 0
    return target


def cube(pixel):
    return {
        tuple(p + s for p, s in zip(pixel, step, strict=True))
        for step in product((-1, 0, 1), repeat=len(pixel))
    }


def connected_components_slow(mask):
    """Flood fill by faces within each value, in scan order."""
    pieces = np.where(mask < 0, -1, 0)
    for start in np.ndindex(mask.shape):
        if mask[start] > 0 and pieces[start] == 0:
            pieces[start] = number = pieces.max() + 1
            front = [start]
            while front:
                for other in face_neighbours(front.pop(), mask.shape):
                    if mask[other] == mask[start] and pieces[other] == 0:
                        pieces[other] = number
                        front.append(other)
    return pieces


def inner_contour_slow(labels):
    contour = np.zeros(labels.shape, bool)
    for pixel in np.ndindex(labels.shape):
        for other in face_neighbours(pixel, labels.shape):
            contour[pixel] |= (
                labels[pixel] > 0 and labels[other] >= 0 and labels[other] != labels[pixel]
            )
    return contour


def face_neighbours(pixel, shape):
    for axis in range(len(shape)):
        for step in (-1, 1):
            if 0 <= pixel[axis] + step < shape[axis]:
                yield (*pixel[:axis], pixel[axis] + step, *pixel[axis + 1 :])


def _closing_slow(mask, radius, spacing):
    reach = [int(radius / s) + 1 for s in spacing]
    ball = [
        step
        for step in product(*[range(-r, r + 1) for r in reach])
        if sum((s * d) ** 2 for s, d in zip(step, spacing, strict=True))
        <= (radius * (1 + 1e-9)) ** 2
    ]
    dilated = set()
    for pixel in zip(*np.nonzero(mask), strict=True):
        dilated |= {tuple(int(p) + s for p, s in zip(pixel, step, strict=True)) for step in ball}
    closed = np.zeros(mask.shape, bool)
    for pixel in np.ndindex(mask.shape):
        closed[pixel] = all(
            tuple(p + s for p, s in zip(pixel, step, strict=True)) in dilated for step in ball
        )
    return closed

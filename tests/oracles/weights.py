"""Weight maps by plain loops over pixels: every distance to every pixel."""

import math
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.optimize import linprog
from skimage.morphology import skeletonize


def balance_slow(labels, target, **options):
    b = _class_weights(target)
    return _map(target, lambda p: b[target[p]])


def dwm_slow(labels, target, *, spacing, beta=30.0, additive=False):
    b, cells = _class_weights(target), np.argwhere((target == 1) | (target == 2))

    def weight(p):
        d = _nearest(p, cells, spacing)
        if additive:
            return b[target[p]] + (1 - min(d, beta) / beta) + 1
        return b[target[p]] * (1 - min(d / beta, 1)) + 1

    return _map(target, weight)


def unet_slow(labels, target, *, spacing, w0=10.0, sigma=5.0):
    b = _class_weights(target)
    cells = [np.argwhere(labels == number) for number in np.unique(labels[labels > 0])]

    def weight(p):
        if target[p] in (1, 2) or not cells:
            return b[target[p]]
        d = sorted(_nearest(p, cell, spacing) for cell in cells)
        return b[target[p]] + w0 * math.exp(-((d[0] + d[min(1, len(d) - 1)]) ** 2) / (2 * sigma**2))

    return _map(target, weight)


def w3_slow(labels, target, *, spacing, balance="frequency", beta=30.0, nu=10.0, sigma=3.0):
    b = _class_weights(target, balance)
    cells, contour = np.argwhere((target == 1) | (target == 2)), _pixels(_contour(labels))
    spine = np.zeros(labels.shape, bool)
    for number in np.unique(labels[labels > 0]):
        spine |= _skeleton(labels == number)
    spine = np.argwhere(spine)

    def phi(u):
        return max(1 - u / beta, 0)

    def weight(p):
        if target[p] == 2:
            return nu * b[2]
        if target[p] in (0, 3):
            return nu * b[target[p]] + nu * phi(_nearest(p, cells, spacing)) * b[1]
        if p in contour:
            return nu * b[1] + nu * phi(_nearest(p, spine, spacing))
        if not contour:
            return nu * b[1]
        distances = {q: _distance(p, q, spacing) for q in contour}
        least = min(distances.values())
        nearest = [weight(q) for q, d in distances.items() if math.isclose(d, least)]
        return nu * b[1] + max(nearest) * math.exp(-(least**2) / sigma**2)

    return _map(target, weight)


def saw_slow(labels, target, *, spacing, tau=None, sigma=1.0, rounds=20):
    b = _class_weights(target)
    regions = _regions(labels)
    contour = _pixels(_contour(regions))
    distances = {}
    for number in np.unique(regions[regions > 0]):
        spine = np.argwhere(_skeleton(regions == number))
        distances |= {p: _nearest(p, spine, spacing) for p in contour if regions[p] == number}
    largest = max(distances.values(), default=0) if tau is None else tau
    f = np.zeros(labels.shape)
    for p, d in distances.items():
        f[p] = max(1 - d / largest, 0) if largest else 1
    for ring, before in _rings(regions, contour, rounds):
        copied = {
            p: max(
                f[q]
                for q in _face_neighbours(p, f.shape)
                if q in before and regions[q] == regions[p]
            )
            for p in ring
        }
        for p, value in copied.items():
            f[p] = value
        f = ndimage.gaussian_filter(f, [sigma / s for s in spacing])
        f /= f.max()
    return _map(target, lambda p: b[target[p]] + f[p] + 1)


_KNOWN = {}


def _regions(labels):
    """Found once for each image: its linear programs take longer than all the rest."""
    key = labels.shape, labels.tobytes()
    if key not in _KNOWN:
        _KNOWN[key] = _find_regions(labels)
    return _KNOWN[key]


def _find_regions(labels):
    """Cells, and after them the components of the background in their convex hulls, opened."""
    complement = np.zeros(labels.shape, bool)
    for number in np.unique(labels[labels > 0]):
        corners = _pixels(labels == number)
        for p in _pixels(labels == 0):
            complement[p] |= _in_hull(p, corners)
    cross = ndimage.generate_binary_structure(labels.ndim, 1)
    components, _ = ndimage.label(
        ndimage.binary_opening(complement, cross), cross
    )  # not for volumes of one slice
    return np.where(components > 0, components + labels.max(), labels)


def _in_hull(p, corners):
    """Whether p is a mean of the corners with some weights; a flat cell has no hull but itself."""
    corners = np.array(corners, float)
    if (corners.min(0) > p).any() or (corners.max(0) < p).any():
        return False
    wide = np.ptp(corners, axis=0) > 0
    flat = corners[:, wide]
    if np.linalg.matrix_rank(flat - flat[0]) < flat.shape[1] or flat.shape[1] < 2:
        return False
    together = np.vstack([flat.T, np.ones(len(flat))])
    found = linprog(np.zeros(len(flat)), A_eq=together, b_eq=[*np.array(p, float)[wide], 1])
    return found.status == 0


def _rings(regions, contour, rounds):
    before, seen = set(contour), set(contour)
    for _ in range(rounds):
        ring = {
            q
            for p in before
            for q in _face_neighbours(p, regions.shape)
            if q not in seen and regions[q] == regions[p] > 0
        }
        yield ring, before
        seen |= ring
        before = ring


def _class_weights(target, balance="rarest"):
    counts = {number: (target == number).sum() for number in range(4) if (target == number).any()}
    top = {"rarest": min, "frequency": sum}[balance](counts.values())
    return {number: top / count for number, count in counts.items()} | {
        number: 0.0 for number in range(4) if number not in counts
    }


def _map(target, weight):
    result = np.zeros(target.shape)
    for p in np.ndindex(target.shape):
        if target[p] >= 0:
            result[p] = weight(p)
    return result


def _pixels(mask):
    return [tuple(map(int, p)) for p in np.argwhere(mask)]


def _distance(p, q, spacing):
    return math.sqrt(sum((s * (a - b)) ** 2 for s, a, b in zip(spacing, p, q, strict=True)))


def _nearest(p, pixels, spacing):
    """The least distance to any of the pixels `(n, ndim)`."""
    return math.sqrt(
        (((pixels - p) * np.array(spacing, float)) ** 2).sum(axis=1).min(initial=math.inf)
    )


def _contour(labels):
    contour = np.zeros(labels.shape, bool)
    for p in _pixels(labels > 0):
        contour[p] = any(0 <= labels[q] != labels[p] for q in _face_neighbours(p, labels.shape))
    return contour


def _face_neighbours(p, shape):
    for axis, step in product(range(len(shape)), (-1, 1)):
        q = (*p[:axis], p[axis] + step, *p[axis + 1 :])
        if 0 <= q[axis] < shape[axis]:
            yield q


def _skeleton(mask):
    """As `skeletons`: a region one pixel thick along an axis is thinned without that axis."""
    places = np.argwhere(mask)
    for axis in range(mask.ndim):
        levels = np.unique(places[:, axis])
        if len(levels) == 1 and mask.ndim > 1:
            plane = _skeleton(mask.take(levels[0], axis))
            thinned = np.zeros_like(mask)
            np.moveaxis(thinned, axis, 0)[levels[0]] = plane
            return thinned
    if mask.ndim == 1:  # a line is its own skeleton
        return mask
    thinned = skeletonize(mask)
    if thinned.any():
        return thinned
    outside = np.argwhere(~np.pad(mask, 1))
    depth = {p: _nearest([i + 1 for i in p], outside, (1,) * mask.ndim) for p in _pixels(mask)}
    for p, d in depth.items():
        thinned[p] = d == max(depth.values())
    return thinned

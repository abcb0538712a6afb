"""`decode.relief` by plain loops over components and pairs."""

import numpy as np
from scipy import ndimage

from seamwise.decode import instances


def relief_slow(  # noqa: C901
    maps, *, foreground=0.5, core=0.0, peak=0.3, saddle=0.8, min_size=0, min_core=0
):
    guides = maps.ndim
    height, classes = maps[-guides], np.zeros(maps.shape[1:], np.uint8)
    for p in np.ndindex(classes.shape):
        z = maps[(slice(None), *p)]
        if z[1] + z[2] >= foreground * (z[0] + z[3] + z[1] + z[2]):
            classes[p] = 2 if z[2] > z[1] or height[p] < core else 1
    cells, count = ndimage.label(classes == 1)
    for number in range(1, count + 1):
        if height[cells == number].max() < peak:
            classes[cells == number] = 2
    labels = instances(classes, min_core=min_core).astype(int)
    labels[classes == 0] = 0  # holes are filled at the end
    highest = {n: height[labels == n].max() for n in range(1, labels.max() + 1)}
    between = {}
    for p in np.ndindex(labels.shape):
        for axis in range(labels.ndim):
            q = tuple(x + (a == axis) for a, x in enumerate(p))
            if q[axis] < labels.shape[axis] and 0 < labels[p] != labels[q] > 0:
                pair = tuple(sorted((labels[p], labels[q])))
                between.setdefault(pair, []).append((height[p] + height[q]) / 2)
    result = labels.copy()
    for (a, b), values in between.items():
        if np.mean(values) >= saddle * min(highest[a], highest[b]):
            one, other = result[labels == a][0], result[labels == b][0]
            result[result == one] = other
    for number in np.unique(result[result > 0]):
        holes, n = ndimage.label(
            result == 0, ndimage.generate_binary_structure(result.ndim, result.ndim)
        )
        for hole in range(1, n + 1):
            where = holes == hole
            rim = ndimage.binary_dilation(where) & ~where
            if set(np.unique(result[rim])) == {number} and not _reaches_border(where):
                result[where] = number
    for number in np.unique(result[result > 0]):
        if (result == number).sum() < min_size:
            result[result == number] = 0
    return np.unique(np.append(0, result), return_inverse=True)[1][1:].reshape(result.shape)


def _reaches_border(where):
    return any(
        np.take(where, end, axis).any()
        for axis in range(where.ndim)
        if where.shape[axis] > 1
        for end in (0, -1)
    )

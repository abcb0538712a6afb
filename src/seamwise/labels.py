"""Instance labels and the semantic classes a network learns from them.

`labels` is an integer array of any rank: 0 background, 1..n one number per cell, negative = ignore
(not annotated: counts nowhere). A semantic `target` holds class numbers: `BACKGROUND`, `CELL`,
`TOUCHING`, `GAP`, and `IGNORE`.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BACKGROUND, CELL, TOUCHING, GAP = 0, 1, 2, 3
IGNORE = -1

_SLAB = 2**22  # pixels

Labels = NDArray[Any]  # any integer dtype
Target = NDArray[np.int8]


def semantic_target(
    labels: Labels,
    *,
    classes: int = 4,
    touching_radius: int = 2,
    gap_radius: float = 7,
    min_neighbours: int = 1,
    spacing: Sequence[float] | None = None,
) -> Target:
    """Turn instance labels into the 2, 3 or 4 classes of class augmentation.

    With g the labels, η_k(p) the (2k+1)^d window of pixel p, and ϱ_r the bottom-hat (closing minus
    original) of the foreground g > 0 by a ball of radius r::

        h(p) = 2  touching    if g(p) > 0 and some q in η_k(p) has g(q) > 0, g(q) ≠ g(p)
               1  cell        if g(p) > 0 otherwise
               3  gap         if g(p) = 0 and ϱ_r(p) = 1
               0  background  if g(p) = 0 otherwise
              −1  ignored     if g(p) < 0

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive = one number per cell, negative = ignore.
    classes : {2, 3, 4}
        2: background and cell. 3: with touching. 4: with touching and gap.
    touching_radius : int ≥ 1
        k, in pixels. A one-pixel background line between two cells needs k = 2 to be seen as touching.
    gap_radius : float ≥ 0
        r, in units of `spacing` (pixels without it). Background between cells less than about 2r apart
        becomes gap, and so do concavities narrower than that. 0 gives no gap pixels.
    min_neighbours : int ≥ 1
        Number of window pixels with a different label that make p touching. 2 is the strict reading of
        thesis (4.1).
    spacing : sequence of float, optional
        Pixel size along each axis; makes the gap ball round in physical units.

    Returns
    -------
    (*S) int8 array

    Raises
    ------
    TypeError
        `labels` is not of an integer type.
    ValueError
        An option is out of range.

    Notes
    -----
    Image borders count as background: a cell at the border has no gap towards the outside.
    Ignored pixels are neither foreground for the gap nor a neighbour for touching.

    Thesis (4.1) prints "> 1" neighbours and 5.2.1 prints "∀ p′"; read literally the second can never
    hold, since p itself is in its window. We use "at least one", as the text of both chapters says.
    The bottom-hat of 5.2.1 is taken over the grey-level g; on background it is positive exactly where
    the binary one is, and that is what we compute, from two distance transforms.

    Source: thesis (4.1) and section 5.2.1; Guerrero Peña et al. 2019, arXiv:1910.09783.

    Examples
    --------
    >>> import numpy as np
    >>> semantic_target(np.array([1, 1, 1, 2, 2, 0, 0, 3, 0]), touching_radius=1, gap_radius=2)
    array([1, 1, 2, 2, 1, 3, 3, 1, 0], dtype=int8)
    """
    labels = as_labels(labels)
    if classes not in (2, 3, 4):
        raise ValueError(f"classes must be 2, 3 or 4, not {classes}")
    if min(touching_radius, min_neighbours) < 1 or touching_radius != int(touching_radius):
        raise ValueError(
            "touching_radius and min_neighbours must be whole numbers of at least 1, "
            f"not {touching_radius} and {min_neighbours}"
        )
    if gap_radius < 0:
        raise ValueError(f"gap_radius must be 0 or more, not {gap_radius}")
    spacing = [1.0] * labels.ndim if spacing is None else [float(s) for s in spacing]
    if len(spacing) != labels.ndim or min(spacing, default=1.0) <= 0:
        raise ValueError(f"spacing must be {labels.ndim} positive numbers, one per axis, not {spacing}")
    foreground = labels > 0
    target = foreground.astype(np.int8)
    if classes >= 3:
        target[_touching(labels, foreground, touching_radius, min_neighbours)] = TOUCHING
    if classes == 4 and gap_radius > 0:
        target[_closing(foreground, gap_radius, spacing) & ~foreground] = GAP
    target[labels < 0] = IGNORE
    return target


def relabel(labels: Labels) -> Labels:
    """Renumber the cells 1..n in the order of their old numbers, in the smallest safe dtype.

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive = cells (any numbers, gaps allowed), negative = ignore.

    Returns
    -------
    (*S) array
        uint8, uint16, uint32 or uint64, whichever holds n; signed if ignored pixels (then all −1) occur.

    Examples
    --------
    >>> import numpy as np
    >>> relabel(np.array([0, 70000, 300, -7]))
    array([ 0,  2,  1, -1], dtype=int8)
    """
    labels = as_labels(labels)
    highest = int(labels.max(initial=0))
    ignored = labels < 0
    if ignored.any():
        labels = np.where(ignored, 0, labels)
    if highest <= max(labels.size, 2**16):
        present = areas(labels) > 0
        present[0] = False
        number = np.cumsum(present) * present
        number = number.astype(smallest_dtype(0, int(number.max(initial=0))))
        renumbered: Labels = look_up(number, labels)
    else:  # few cells with huge numbers: a look-up table would be larger than the image
        cells, inverse = np.unique(labels, return_inverse=True)
        first = 0 if cells[0] == 0 else 1
        renumbered = (inverse.reshape(labels.shape) + first).astype(smallest_dtype(0, cells.size))
    if ignored.any():
        signed = smallest_dtype(-1, int(renumbered.max(initial=0)))
        renumbered = np.where(ignored, signed.type(IGNORE), renumbered.astype(signed))
    return renumbered


def areas(labels: Labels) -> NDArray[np.int64]:
    """Number of pixels of each label 0, 1, …, of an array without negative labels.

    Examples
    --------
    >>> areas(np.array([[0, 2, 2], [0, 0, 3]])).tolist()
    [3, 0, 2, 1]
    """
    count = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for slab in _slabs(labels):
        count += np.bincount(labels[slab].ravel(), minlength=len(count))
    return count


def look_up(table: NDArray[Any], labels: Labels) -> NDArray[Any]:
    """`table[labels]`, in bounded memory.

    Examples
    --------
    >>> look_up(np.array([0, 9, 7], np.uint8), np.array([[2, 1], [0, 2]]))
    array([[7, 9],
           [0, 7]], dtype=uint8)
    """
    result = np.empty(labels.shape, table.dtype)
    for slab in _slabs(labels):
        result[slab] = table[labels[slab]]
    return result


def _slabs(array: NDArray[Any]) -> Iterator[slice]:
    """Parts of the first axis: numpy turns what it counts and every index into 8 bytes, which adds up."""
    rows = max(1, _SLAB // max(array[:1].size, 1))
    return (slice(start, start + rows) for start in range(0, len(array), rows))


def smallest_dtype(minimum: int, maximum: int) -> np.dtype[Any]:
    """Return the smallest integer dtype that holds both numbers: unsigned unless `minimum` < 0.

    Examples
    --------
    >>> smallest_dtype(0, 255), smallest_dtype(0, 256), smallest_dtype(-1, 128)
    (dtype('uint8'), dtype('uint16'), dtype('int16'))
    """
    kinds = (np.uint8, np.uint16, np.uint32, np.uint64) if minimum >= 0 else (np.int8, np.int16, np.int32, np.int64)
    for kind in kinds:
        limits = np.iinfo(kind)
        if limits.min <= minimum and maximum <= limits.max:
            return np.dtype(kind)
    raise ValueError(f"no integer type holds numbers from {minimum} to {maximum}")


def as_labels(labels: Any, *, name: str = "labels") -> Labels:
    """Return `labels` as an array, or raise TypeError if its type cannot be a label image."""
    array: Labels = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers (0 background, 1..n cells, negative = ignore), not {array.dtype}; "
            "give each cell its own number, e.g. with skimage.measure.label"
        )
    return array


def _touching(labels: Labels, foreground: NDArray[np.bool_], radius: int, min_neighbours: int) -> Any:
    if min_neighbours > 1:
        return foreground & (_count_other_labels(labels, radius) >= min_neighbours)
    if labels.dtype.itemsize > 4:
        labels = relabel(labels)  # the filters compute in float64, which is exact only up to 2^53
    size = 2 * radius + 1
    # windows are cut at the image border: repeating the edge pixels adds no label that is not inside
    above = np.iinfo(labels.dtype).max
    highest = ndimage.maximum_filter(np.where(foreground, labels, 0), size, mode="nearest")
    lowest = ndimage.minimum_filter(np.where(foreground, labels, above), size, mode="nearest")
    return foreground & ((highest != labels) | (lowest != labels))


def _count_other_labels(labels: Labels, radius: int) -> NDArray[np.int32]:
    padded = np.pad(labels, radius)
    count = np.zeros(labels.shape, np.int32)
    for offset in product(range(2 * radius + 1), repeat=labels.ndim):
        window = padded[tuple(slice(o, o + n) for o, n in zip(offset, labels.shape, strict=True))]
        count += (window > 0) & (window != labels)
    return count


def _closing(foreground: NDArray[np.bool_], radius: float, spacing: Sequence[float]) -> NDArray[np.bool_]:
    """Binary closing by a ball, zero-padded, from two distance transforms (exact, cost free of radius)."""
    if not foreground.any():
        return foreground
    steps = [int(np.ceil(radius / s)) + 1 for s in spacing]
    padded = np.pad(foreground, [(n, n) for n in steps])
    # a ball of radius 3 holds the pixel at distance 3 also where 3·0.1 is not 0.3 in binary
    reach = radius * (1 + 1e-9)
    dilated = ndimage.distance_transform_edt(~padded, sampling=spacing) <= reach
    closed = ndimage.distance_transform_edt(dilated, sampling=spacing) > reach
    inner: NDArray[np.bool_] = closed[tuple(slice(n, -n) for n in steps)]
    return inner

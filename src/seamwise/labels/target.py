"""The classes that a network learns, of labels (`semantic_target`) or masks (`binary_target`)."""

from collections.abc import Sequence
from itertools import compress, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.labels.classes import GAP, IGNORE, TOUCHING
from seamwise.labels.distance import squared_distance
from seamwise.labels.numbering import as_labels, as_mask, relabel, smallest_dtype
from seamwise.labels.spacing import checked_spacing, window_reach
from seamwise.types import Labels, Target

_FEW_STEPS = 64  # of a radius, up to which the distance with a limit is the faster one


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

    With g the labels, η_k(p) the window of pixel p, (2k+1)^d pixels where all axes are spaced
    alike, and ϱ_r the bottom-hat (closing minus original) of the foreground g > 0 by a ball of
    radius r::

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
        k, in pixels of the finest axis. Along an axis with `spacing` s the window reaches
        k·min(s)/s pixels to each side, rounded (halves up), but at least one. A background line of
        one pixel between two cells needs two pixels to be seen as touching.
    gap_radius : float ≥ 0
        r, in units of `spacing` (pixels without it). Background between cells less than about 2r
        apart becomes gap, and so do concavities narrower than that. 0 gives no gap pixels.
    min_neighbours : int ≥ 1
        Number of window pixels with a different label that make p touching. 2 is the strict reading
        of thesis (4.1).
    spacing : sequence of float, optional
        Pixel size along each axis; makes window and ball as long in each direction in physical
        units.

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

    Thesis (4.1) prints "> 1" neighbours and 5.2.1 prints "∀ p′"; read literally the second can
    never hold, since p itself is in its window. We use "at least one", as the text of both chapters
    says. The bottom-hat of 5.2.1 is taken over the grey-level g; on background it is positive
    exactly where the binary one is, and that is what we compute, from two distance transforms.

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
    spacing = checked_spacing(spacing, labels.ndim)
    foreground = labels > 0
    target = foreground.astype(np.int8)
    if classes >= 3:
        reach = window_reach(touching_radius, spacing)
        target[_touching(labels, foreground, reach, min_neighbours)] = TOUCHING
    if classes == 4 and gap_radius > 0:
        target[_closing(foreground, gap_radius, spacing) & ~foreground] = GAP
    target[labels < 0] = IGNORE
    return target


def binary_target(
    mask: NDArray[Any],
    *,
    classes: int = 3,
    gap_radius: float = 7,
    spacing: Sequence[float] | None = None,
) -> Target:
    """Turn a black-and-white mask, whose cells thin lines separate, into classes (Algorithm 1).

    With f the cells, g > 0, of the mask g, s the cube of 3^d pixels, ⊕ dilation and ⊖ erosion::

        D    = ((f ⊕ s) ⊖ s) − f           division: background too narrow for the cube
        h(p) = 2  touching    if p in D ⊕ s
               1  cell        if g(p) > 0 otherwise
               3  gap         if g(p) = 0 and ϱ_r(p) = 1 otherwise, with ϱ_r of `semantic_target`
               0  background  if g(p) = 0 otherwise
              −1  ignored     if g(p) < 0

    Parameters
    ----------
    mask : (*S) bool or integer array
        0 background, positive = cell, negative = ignore.
    classes : {2, 3, 4}
        2: background and cell. 3: with touching, as in the thesis. 4: with touching and gap.
    gap_radius, spacing
        As in `semantic_target`; only for the gap.

    Returns
    -------
    (*S) int8 array

    Raises
    ------
    TypeError
        `mask` is neither boolean nor of an integer type.
    ValueError
        An option is out of range.

    Notes
    -----
    Here *touching* holds the line itself and one pixel on each side of it, be it cell or
    background; in `semantic_target` it holds cell pixels only. A division is at most two pixels
    wide. Holes and notches as narrow as that count as divisions too: the mask cannot tell them from
    lines.

    In a mask of several numbers, say from `connected_components`, cell pixels with another number
    in their 3^d window are touching as well. Along a whole line they are so anyway; but resampled
    by augmentation, a line of one pixel breaks here and there, and the numbers still tell where it
    was.

    Beyond the image border is background. Algorithm 1 taken literally, with an erosion that reads
    zeros outside, takes the cell pixels at the border out of the closing, and its difference is −1
    there. Ignored pixels are neither cell nor division.

    Source: thesis Algorithm 1 and Figure 10; Guerrero Peña et al., ICIP 2018. The fourth class is
    that of section 5.2.1; the thesis does not combine the two.

    Examples
    --------
    >>> binary_target(np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 1], bool))
    array([1, 1, 2, 2, 2, 1, 0, 0, 0, 1], dtype=int8)
    """
    mask = as_mask(mask)
    target = semantic_target(
        mask, classes=classes, touching_radius=1, gap_radius=gap_radius, spacing=spacing
    )
    if classes >= 3:
        target[_around_divisions(mask) & (mask >= 0)] = TOUCHING
    return target


def _around_divisions(mask: Labels) -> Any:
    cube = np.ones((3,) * mask.ndim, bool)
    # one pixel of background around the image, so that the erosion reads what the dilation wrote
    # there
    closing = ndimage.binary_closing(np.pad(mask > 0, 1), cube)[(slice(1, -1),) * mask.ndim]
    return ndimage.binary_dilation(closing & (mask == 0), cube)


def _touching(
    labels: Labels, foreground: NDArray[np.bool_], reach: Sequence[int], min_neighbours: int
) -> Any:
    if min_neighbours > 1:
        return foreground & (_count_other_labels(labels, reach) >= min_neighbours)
    if labels.dtype.itemsize > 2:  # a copy in few bytes, for the four copies that follow
        small = smallest_dtype(int(labels.min(initial=0)), int(labels.max(initial=0)))
        labels = labels.astype(small) if small.itemsize <= 2 else relabel(labels)
    # background gets the number that never wins
    numbers = np.iinfo(labels.dtype)
    highest = _over_windows(np.maximum, np.where(foreground, labels, numbers.min), reach)
    lowest = _over_windows(np.minimum, np.where(foreground, labels, numbers.max), reach)
    return foreground & ((highest != labels) | (lowest != labels))


def _over_windows(extreme: np.ufunc, values: Labels, reach: Sequence[int]) -> Labels:
    """Maximum or minimum over each pixel's window of `reach` pixels to each side, in the image."""
    for axis, furthest in enumerate(reach):
        copy = values.copy()
        along = (slice(None),) * axis
        for k in range(1, min(furthest + 1, values.shape[axis])):
            first, last = (*along, slice(None, -k)), (*along, slice(k, None))
            extreme(values[first], copy[last], out=values[first])
            extreme(values[last], copy[first], out=values[last])
    return values


def _count_other_labels(labels: Labels, reach: Sequence[int]) -> NDArray[np.int32]:
    frame = np.pad(labels, [(n, n) for n in reach])
    count = np.zeros(labels.shape, np.int32)
    for offset in product(*(range(2 * n + 1) for n in reach)):
        window = frame[tuple(slice(o, o + n) for o, n in zip(offset, labels.shape, strict=True))]
        count += (window > 0) & (window != labels)
    return count


def _closing(
    foreground: NDArray[np.bool_], radius: float, spacing: Sequence[float]
) -> NDArray[np.bool_]:
    """Binary closing by a ball, zero-padded, from two distance transforms that end beyond it."""
    if not foreground.any():
        return foreground
    if (
        1 in foreground.shape and foreground.size > 1
    ):  # a plane that is stored as a stack of one slice is a plane
        is_long = [n > 1 for n in foreground.shape]
        plane = foreground.reshape([n for n in foreground.shape if n > 1])
        return _closing(plane, radius, list(compress(spacing, is_long))).reshape(foreground.shape)
    steps = [int(np.ceil(radius / s)) + 1 for s in spacing]
    frame = np.pad(foreground, [(n, n) for n in steps])
    closing = _beyond(_beyond(frame, radius, spacing), radius, spacing)
    inner: NDArray[np.bool_] = closing[tuple(slice(n, -n) for n in steps)]
    return inner


def _beyond(mask: NDArray[np.bool_], radius: float, spacing: Sequence[float]) -> NDArray[np.bool_]:
    """Where the nearest True pixel is farther than the radius.

    A ball of radius 3 holds the pixel at distance 3 also where 3·0.1 is not 0.3 in binary.
    """
    if radius > _FEW_STEPS * min(spacing):
        distances = ndimage.distance_transform_edt(~mask, sampling=spacing)
        return np.asarray(distances > radius * (1 + 1e-9))
    squares = squared_distance(mask, limit=radius + min(spacing), spacing=spacing)
    return np.asarray(squares > (radius * (1 + 1e-6)) ** 2)

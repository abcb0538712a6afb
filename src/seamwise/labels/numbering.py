"""Label numbers: check and renumber them; see `relabel`."""

from typing import Any

import numpy as np
from scipy import ndimage

from seamwise.array_like import as_array
from seamwise.labels.classes import IGNORE
from seamwise.labels.slabs import areas, look_up
from seamwise.types import Labels

_MOST_NUMBERS = 10**7  # of cells in a small image, which may be a part of a larger one


def relabel(labels: Labels) -> Labels:
    """Renumber the cells 1..n in the order of their old numbers, in the smallest safe dtype.

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive = cells (any numbers, gaps allowed), negative = ignore.

    Returns
    -------
    (*S) array
        uint8, uint16, uint32 or uint64, whichever holds n; signed if ignored pixels (then all −1)
        occur.

    Examples
    --------
    >>> import numpy as np
    >>> relabel(np.array([0, 70000, 300, -7]))
    array([ 0,  2,  1, -1], dtype=int8)
    """
    labels = as_labels(labels)
    highest = int(labels.max(initial=0))
    is_ignored = labels < 0
    if is_ignored.any():
        labels = np.where(is_ignored, 0, labels)
    if highest <= max(labels.size, 2**16):
        has_pixels = areas(labels) > 0
        has_pixels[0] = False
        number = np.cumsum(has_pixels) * has_pixels
        number = number.astype(smallest_dtype(0, int(number.max(initial=0))))
        result: Labels = look_up(number, labels)
    else:  # few cells with huge numbers: a look-up table would be larger than the image
        cells, inverse = np.unique(labels, return_inverse=True)
        first = 0 if cells[0] == 0 else 1
        result = (inverse.reshape(labels.shape) + first).astype(smallest_dtype(0, cells.size))
    if is_ignored.any():
        signed_dtype = smallest_dtype(-1, int(result.max(initial=0)))
        result = np.where(is_ignored, signed_dtype.type(IGNORE), result.astype(signed_dtype))
    return result


def bounding_boxes(labels: Labels) -> list[tuple[slice, ...]]:
    """Box of each of the cells 1..n, as `relabel` numbers them; negative labels have none.

    Examples
    --------
    >>> bounding_boxes(np.array([[0, 2, 0], [1, 2, 0]]))
    [(slice(1, 2, None), slice(0, 1, None)), (slice(0, 2, None), slice(1, 2, None))]
    """
    labels = as_labels(labels)
    check_numbers(labels)
    # find_objects cannot take an empty image
    return ndimage.find_objects(np.maximum(labels, 0)) if labels.size else []


def smallest_dtype(minimum: int, maximum: int) -> np.dtype[Any]:
    """Return the smallest integer dtype that holds both numbers: unsigned unless `minimum` < 0.

    Examples
    --------
    >>> smallest_dtype(0, 255), smallest_dtype(0, 256), smallest_dtype(-1, 128)
    (dtype('uint8'), dtype('uint16'), dtype('int16'))
    """
    kinds = (
        (np.uint8, np.uint16, np.uint32, np.uint64)
        if minimum >= 0
        else (np.int8, np.int16, np.int32, np.int64)
    )
    for kind in kinds:
        limits = np.iinfo(kind)
        if limits.min <= minimum and maximum <= limits.max:
            return np.dtype(kind)
    raise ValueError(
        f"no integer type holds numbers from {minimum} to {maximum}: "
        "renumber them with seamwise.labels.relabel"
    )


def as_labels(labels: Any, *, name: str = "labels") -> Labels:
    """Return `labels` as an array, or raise TypeError if its type cannot be a label image."""
    array: Labels = as_array(labels, name=name)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers (0 background, 1..n cells, negative = ignore), "
            f"not {array.dtype}: "
            "give each cell its own number, e.g. with skimage.measure.label"
        )
    return _with_axes(array, name)


def as_mask(mask: Any) -> Labels:
    """Return a mask as an integer array, True as 1, or raise TypeError for another type."""
    array: Labels = as_array(mask, name="mask")
    if array.dtype.kind not in "biu":
        raise TypeError(
            "mask must be boolean or integers (0 background, positive = cell, negative = ignore), "
            f"not {array.dtype}: threshold it first, e.g. mask > 0.5"
        )
    return _with_axes(array.view(np.uint8) if array.dtype == bool else array, "mask")


def check_numbers(labels: Labels) -> None:
    """Raise ValueError if tables with a row for each number 0..n would be far too long."""
    largest = int(labels.max(initial=0))
    if largest > max(labels.size, _MOST_NUMBERS):
        raise ValueError(
            f"labels must have cells numbered 1..n, not up to {largest}: renumber them with "
            "seamwise.labels.relabel"
        )


def _with_axes(array: Labels, name: str) -> Labels:
    if array.ndim == 0:
        raise ValueError(f"{name} must be an image, not the single number {array}")
    return array

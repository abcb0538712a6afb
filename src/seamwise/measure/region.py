"""Cells in a region of interest; see `in_region`."""

import numpy as np
from numpy.typing import NDArray

from seamwise.measure.field import Field, Reader


def in_region(field: Field, mask: Reader, area: NDArray[np.int64]) -> tuple[NDArray[np.bool_], int]:
    """Tell which cells have more than half of their pixels in a region, and how large it is.

    Parameters
    ----------
    field : Field
    mask : function
        box → `(1, *box)` array; the region is where it is not 0.
    area : (n,) int array
        Pixels of each cell.

    Returns
    -------
    is_inside : (n,) bool array
    pixels : int
        Of the region.
    """
    inside, pixels = np.zeros(len(field.ids) + 1, np.int64), 0
    for block in range(len(field.blocks)):
        box = field.blocks.box(block)
        region = mask(box)[0] != 0
        pixels += int(np.count_nonzero(region))
        ranks = field.ranks(box)[region]
        inside += np.bincount(np.maximum(ranks, 0), minlength=len(inside))
    return 2 * inside[1:] > area, pixels

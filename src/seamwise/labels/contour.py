"""The rim of each cell; see `inner_contour`."""

import numpy as np
from numpy.typing import NDArray

from seamwise.labels.numbering import as_labels
from seamwise.types import Labels


def inner_contour(labels: Labels) -> NDArray[np.bool_]:
    """Mark the pixels at the rim of each cell, on the inside.

    With g the labels and N(p) the 2d face neighbours of pixel p that lie in the image::

        Γ(p) = 1  if g(p) > 0 and some q in N(p) has g(q) ≥ 0, g(q) ≠ g(p)

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive = one number per cell, negative = ignore.

    Returns
    -------
    (*S) bool array
        One pixel wide along the background; two pixels wide, one on each side, where cells touch.

    Raises
    ------
    TypeError
        `labels` is not of an integer type.

    Notes
    -----
    The image border is not a contour, and neither is the border of an ignored region: nobody knows
    whether the cell ends there. A cell that fills the image has no contour.

    Source: Γ of thesis section 3.2, there "the contour of a mask", without saying on which side.

    Examples
    --------
    >>> inner_contour(np.array([[1, 1, 1, 2, 2, 0, 3, -1, 0]])).astype(int)
    array([[0, 0, 1, 1, 1, 0, 1, 0, 0]])
    """
    labels = as_labels(labels)
    contour = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        along, edges = labels.swapaxes(0, axis), contour.swapaxes(0, axis)
        differs = along[1:] != along[:-1]
        if labels.dtype.kind == "i":
            differs &= (along[1:] >= 0) & (along[:-1] >= 0)
        edges[1:] |= differs
        edges[:-1] |= differs
    contour &= labels > 0
    return contour

"""The connected pieces of masks and labels; see `connected_components` and `fragments`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import measure

from seamwise.labels.classes import IGNORE
from seamwise.labels.numbering import as_labels, as_mask, smallest_dtype
from seamwise.labels.slabs import areas
from seamwise.types import Labels


@dataclass(frozen=True)
class Fragments:
    """A label that consists of several pieces.

    Attributes
    ----------
    label : int
        Its number.
    sizes : tuple of int
        Pixels of each piece, the largest first.
    """

    label: int
    sizes: tuple[int, ...]


def connected_components(mask: NDArray[Any], *, connectivity: int = 1) -> Labels:
    """Number the connected pieces of a black-and-white mask, or of every label of a label image.

    Two pixels belong together if a path of neighbours of the same value > 0 joins them.

    Parameters
    ----------
    mask : (*S) bool or integer array of one to three axes
        0 background, positive = cell, negative = ignore.
    connectivity : int from 1 to the number of axes
        Neighbours are pixels that differ by one step along at most so many axes. 1: faces only; in
        2D, 2 adds the corners.

    Returns
    -------
    (*S) array, smallest safe dtype, signed if ignored pixels (then all −1) occur
        0 background, 1..n pieces, in no particular order.

    Raises
    ------
    TypeError
        `mask` is neither boolean nor of an integer type.
    ValueError
        It has no axis or more than three, or `connectivity` is out of range.

    Notes
    -----
    Annotators separate cells by a line of background one pixel wide, and where it runs diagonally
    its pixels meet at corners only. Cells joined by faces are cut by such a line; joined by corners
    too, they would leak through it. The price is that a pixel that hangs on its cell by a corner
    becomes a cell.

    Source: the components h^T of thesis section 3.2; 3.2.1 for the line.

    Examples
    --------
    >>> connected_components(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool))
    array([[1, 1, 0],
           [1, 0, 2],
           [0, 2, 2]], dtype=uint8)
    """
    mask = as_mask(mask)
    if not 1 <= mask.ndim <= 3:
        raise ValueError(f"mask must have one to three axes, not shape {mask.shape}")
    is_ignored = mask < 0
    cells = np.where(is_ignored, 0, mask)
    pieces: Labels = measure.label(cells, background=0, connectivity=connectivity)  # type: ignore[no-untyped-call]
    pieces = pieces.astype(smallest_dtype(-int(is_ignored.any()), int(pieces.max(initial=0))))
    if is_ignored.any():
        pieces[is_ignored] = IGNORE
    return pieces


def fragments(labels: Labels, *, connectivity: int = 1) -> tuple[Fragments, ...]:
    """List the labels that consist of more than one piece, in ascending order.

    Such labels are cells with crumbs (stray pixels of an annotation tool), cells cut in two by
    another one, or two cells that were given the same number.

    Parameters
    ----------
    labels : (*S) integer array of one to three axes
        0 background, positive = one number per cell, negative = ignore.
    connectivity : int
        As in `connected_components`. With 1, a pixel that touches its cell at a corner only is a
        piece.

    Raises
    ------
    TypeError, ValueError
        As `connected_components`.

    Examples
    --------
    >>> fragments(np.array([[5, 5, 5, 0, 5], [7, 7, 0, 0, 0], [0, 0, 7, 5, 5]]))
    (Fragments(label=5, sizes=(3, 2, 1)), Fragments(label=7, sizes=(2, 1)))
    """
    labels = np.maximum(as_labels(labels), 0)
    pieces = connected_components(labels, connectivity=connectivity)
    sizes = areas(pieces)
    owners = np.zeros(len(sizes), labels.dtype)
    owners[pieces] = labels
    order = np.lexsort((-sizes, owners))[1:]  # without the background, which is piece 0 of owner 0
    numbers, starts, counts = np.unique(owners[order], return_index=True, return_counts=True)
    return tuple(
        Fragments(int(number), tuple(sizes[order[start : start + count]].tolist()))
        for number, start, count in zip(numbers, starts, counts, strict=True)
        if count > 1
    )

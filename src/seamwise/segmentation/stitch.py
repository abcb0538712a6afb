"""Cells of a stack from the cells of its slices; see `stitch` and `segment_slices`."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.resources import Resources
from seamwise.io.models import SegmentationInfo
from seamwise.labels import Labels, as_labels, relabel, smallest_dtype
from seamwise.labels.slabs import look_up
from seamwise.metrics import OverlapTable, overlap_table
from seamwise.segmentation.decoding import decode_slabs
from seamwise.segmentation.normalization import Normalization, normalization
from seamwise.segmentation.options import STITCH_IOU, SegmentOptions, check_iou
from seamwise.segmentation.predict import (
    Model,
    as_model_input,
    decode_rule,
    load,
    probability_slabs,
)


def stitch(slices: Iterable[Labels], *, iou: float = STITCH_IOU) -> Labels:
    """Join the objects of neighbouring slices to cells.

    With ``IoU(a, b) = |a ∩ b| / |a ∪ b|`` of an object a of slice z and an object b of slice z +
    1, laid over each other, a and b are parts of one cell if::

        IoU(a, b) ≥ iou,   b = argmax IoU(a, ·),   a = argmax IoU(·, b)

    where the lower number wins a tie. A cell is a chain of such pairs: in each slice it has at
    most one object.

    Parameters
    ----------
    slices : iterable of (Y, X) integer arrays
        Label images from first to last, each numbered on its own: 0 background, positive = one
        number per object. A stack (Z, Y, X) is one, too. Read one at a time.
    iou : float in (0, 1]
        Least IoU. A lower one follows cells that are tilted or change their size fast, a higher
        one keeps cells apart that lie over each other.

    Returns
    -------
    (Z, Y, X) array, smallest safe unsigned dtype
        0 background, 1..n cells in the order of their first slice, and there of their numbers.

    Raises
    ------
    TypeError
        A slice is not of an integer type.
    ValueError
        There are no slices, they differ in size or hold negative numbers, or `iou` is out of range.

    Notes ----- One pass that sees two slices at a time, so that the definition has limits. A cell
    that is missing in a slice, that shrinks or grows to less than `iou` of itself, or that moves
    by much of its width from one slice to the next is cut in two. A cell that divides goes on in
    one of its halves, and the other is a new cell. Two cells over each other with no slice
    between them become one if their ends overlap like one cell's. Of thick slices a network for
    stacks has more to see.

    Besides the result, two slices are held; until the number of cells is known a pixel of the
    result takes 4 bytes.

    Examples
    --------
    >>> stitch([np.array([[5, 5, 5, 0, 2]]), np.array([[0, 1, 1, 0, 0]]), np.array([[0, 3, 3, 0, 9]])])
    array([[[2, 2, 2, 0, 1]],
    <BLANKLINE>
           [[0, 2, 2, 0, 0]],
    <BLANKLINE>
           [[0, 2, 2, 0, 3]]], dtype=uint8)
    """
    check_iou("iou", iou)
    stitched: deque[NDArray[np.uint32]] = deque()
    below: Labels | None = None
    cells, count = np.zeros(0, np.uint32), 0
    for z, plane in enumerate(slices):
        above = _numbered(plane, z, None if below is None else below.shape)
        table = overlap_table(np.zeros_like(above) if below is None else below, above)
        mine, theirs = _best_of_each_other(table, iou)
        inherited = np.zeros(table.n_pred, np.uint32)
        inherited[theirs] = cells[mine]
        new = inherited == 0
        inherited[new] = count + np.arange(1, new.sum() + 1)
        stitched.append(look_up(np.concatenate([np.zeros(1, np.uint32), inherited]), above))
        below, cells, count = above, inherited, count + int(new.sum())
    if below is None:
        raise ValueError("slices is empty: give at least one label image")
    labels: Labels = np.empty((len(stitched), *below.shape), smallest_dtype(0, count))
    for result in labels:
        result[...] = stitched.popleft()
    return labels


def segment_slices(
    stack: NDArray[Any],
    options: SegmentOptions = SegmentOptions(),
    resources: Resources = Resources(),
    *,
    model: Model | None = None,
) -> Labels:
    """Find the cells of a stack with a model for planes: slice by slice, then stitched.

    Parameters
    ----------
    stack : (Z, Y, X) or (C, Z, Y, X) array of any real type
        Grey slices, or channels first as many as the model was trained on.
    options : SegmentOptions
        `stitch_iou` is the least IoU of the parts of a cell in neighbouring slices, see `stitch`.
        The others act on each slice: smaller parts of a cell than `min_size` are dropped.
        `channel`, `axes` and `flood_halo` are for files.
    resources : Resources
        Only `device` is used.
    model : Model, optional
        What `load` returned, to load it only once: used in place of `options.model`.

    Returns
    -------
    (Z, Y, X) array, smallest safe unsigned dtype
        0 background, 1..n cells.

    Raises
    ------
    ValueError
        `stack` has another number of axes, the model is not for planes; and what
        `predict.segment` raises.

    Notes ----- Intensities are normalised once, from all slices stacked as if they were one
    image: a slice without cells would otherwise have its noise raised to their level. A constant
    slice has no cells.

    Examples
    --------
    >>> from seamwise.synth import crowded_cells
    >>> segment_slices(crowded_cells((5, 64, 80), cells=6, rng=0).image).shape
    (5, 64, 80)
    """
    if options.mode == "3d":
        raise ValueError("mode 3d segments a stack at once: use segment")
    ready = model or load(options.model, device=resources.device)
    planes, normalise = _planes(np.asarray(stack), ready.info)
    rule = decode_rule(ready.info, options.decode, options.min_size)

    def cells(plane: NDArray[Any]) -> Labels:
        if plane.min() == plane.max():
            return np.zeros(plane.shape[1:], np.uint8)
        slabs = probability_slabs(
            plane, ready, tile=options.tile, flips=options.flips, normalise=normalise
        )
        return decode_slabs(slabs, plane.shape[1:], rule)

    return stitch(map(cells, planes.swapaxes(0, 1)), iou=options.iou)


def _planes(stack: NDArray[Any], info: SegmentationInfo) -> tuple[NDArray[Any], Normalization]:
    """Check a stack, and return it as `(C, Z, Y, X)` with the normalisation of all its slices."""
    if info.architecture.ndim != 2:
        raise ValueError(
            f"model has {info.architecture.ndim} spatial axes, expected 2: use segment for stacks"
        )
    if stack.ndim not in (3, 4):
        raise ValueError(
            f"stack must have axes ZYX, with channels first if there are any; its shape is {stack.shape}"
        )
    *channels, depth, height, width = stack.shape
    picture = as_model_input(stack.reshape(*channels, depth * height, width), info)
    return picture.reshape(-1, depth, height, width), normalization(picture, info.normalization)


def _numbered(plane: Labels, z: int, shape: tuple[int, ...] | None) -> Labels:
    """Check a slice, and number its objects 1..n."""
    plane = as_labels(plane, name=f"slice {z}")
    if plane.shape != (shape or plane.shape) or plane.ndim == 0:
        raise ValueError(
            f"slice {z} has size {plane.shape}, the one before {shape}: they must be equal"
        )
    if plane.min(initial=0) < 0:
        raise ValueError(
            f"slice {z} holds {plane.min()}: expected 0 background, 1..n objects; set it to 0"
        )
    return relabel(plane)


def _best_of_each_other(
    table: OverlapTable, least: float
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Rows and columns of the pairs of which each is the other's best; no two pairs share any."""
    pairs = table.iou().tocoo()
    enough = pairs.data >= least
    rows, cols, iou = pairs.row[enough], pairs.col[enough], pairs.data[enough]
    both = np.intersect1d(
        _best_of_each(rows, cols, iou), _best_of_each(cols, rows, iou), assume_unique=True
    )
    return rows[both], cols[both]


def _best_of_each(
    ones: NDArray[np.integer[Any]], others: NDArray[np.integer[Any]], iou: NDArray[np.float64]
) -> NDArray[np.intp]:
    """For each of `ones`, the place of its pair with the greatest IoU, of equals with the lowest other."""
    order = np.lexsort((others, -iou, ones))
    firsts = np.unique(ones[order], return_index=True)[1]
    return order[firsts]

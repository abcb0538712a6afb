"""Cells of a stack from the cells of its slices; see `stitch` and `segment_slices`."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.engine.resources import Resources
from seamwise.io.models import SegmentationInfo
from seamwise.labels import Labels, as_labels, relabel, smallest_dtype
from seamwise.labels.slabs import look_up
from seamwise.metrics import OverlapTable, overlap_table
from seamwise.segmentation.decoding import decode_slabs
from seamwise.segmentation.fit import Look, Watch, misfit, sees_nothing, skewness
from seamwise.segmentation.model_input import as_model_input
from seamwise.segmentation.normalization import Normalization, normalization
from seamwise.segmentation.options import STITCH_IOU, SegmentOptions, check_iou
from seamwise.segmentation.predict import (
    Model,
    Prediction,
    decode_rule,
    load,
    probability_slabs,
    view_of,
)
from seamwise.segmentation.second_look import second_look


def stitch(slices: Iterable[Labels], *, iou: float = STITCH_IOU) -> Labels:
    """Join the objects of neighbouring slices to cells.

    Let ``IoU(a, b) = |a ∩ b| / |a ∪ b|`` for an object a of slice z and an object b of slice
    z + 1. Then a and b are parts of one cell if::

        IoU(a, b) ≥ iou,   b = argmax IoU(a, ·),   a = argmax IoU(·, b)

    where the lower number wins a tie. A cell is a chain of such pairs: in each slice it has at
    most one object.

    Parameters
    ----------
    slices : iterable of (Y, X) integer arrays
        Label images from first to last, each numbered on its own: 0 background, positive = one
        number per object. A stack (Z, Y, X) will do. Read one at a time.
    iou : float in (0, 1]
        Least IoU. A lower one follows cells that are tilted or change their size fast; a higher
        one separates cells that are on top of each other.

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

    Notes
    -----
    One pass sees two slices at a time. So a cell is cut in two if it is missing in a slice, if it
    shrinks or grows to less than `iou` of itself, or if it moves by much of its width from one
    slice to the next. When a cell divides, one half keeps its number and the other is a new cell.
    Two cells on top of each other, with no slice between them, become one if their ends overlap
    like one cell's. For thick slices, a network for stacks sees more.

    In addition to the result, two slices are held. Until the number of cells is known, a pixel of
    the result takes 4 bytes.

    Examples
    --------
    >>> slices = [[5, 5, 5, 0, 2]], [[0, 1, 1, 0, 0]], [[0, 3, 3, 0, 9]]
    >>> stitch([np.array(plane) for plane in slices])
    array([[[2, 2, 2, 0, 1]],
    <BLANKLINE>
           [[0, 2, 2, 0, 0]],
    <BLANKLINE>
           [[0, 2, 2, 0, 3]]], dtype=uint8)
    """
    check_iou("iou", iou)
    planes: deque[NDArray[np.uint32]] = deque()
    lower: Labels | None = None
    cells, count = np.zeros(0, np.uint32), 0
    for z, plane in enumerate(slices):
        upper = _number(plane, z, None if lower is None else lower.shape)
        table = overlap_table(np.zeros_like(upper) if lower is None else lower, upper)
        rows, columns = _best_pairs(table, iou)
        numbers = np.zeros(table.n_pred, np.uint32)  # of the cells in this slice
        numbers[columns] = cells[rows]
        is_new = numbers == 0
        numbers[is_new] = count + np.arange(1, is_new.sum() + 1)
        planes.append(look_up(np.concatenate([np.zeros(1, np.uint32), numbers]), upper))
        lower, cells, count = upper, numbers, count + int(is_new.sum())
    if lower is None:
        raise ValueError("slices is empty: give at least one label image")
    labels: Labels = np.empty((len(planes), *lower.shape), smallest_dtype(0, count))
    for result in labels:
        result[...] = planes.popleft()
    return labels


def segment_slices(
    stack: NDArray[Any],
    options: SegmentOptions = SegmentOptions(),
    resources: Resources = Resources(),
    *,
    model: Model | None = None,
    spacing: Sequence[float] | None = None,
) -> Prediction:
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
        What `load` returned, to load it only once: used in place of `options.model` and
        `options.runtime`.
    spacing : sequence of float, optional
        Pixel size in micrometres, along (z,) y, x, that is stored with the stack; `options.spacing`
        goes before it.

    Returns
    -------
    Prediction
        Labels `(Z, Y, X)`, without probabilities.

    Raises
    ------
    ValueError
        `stack` has another number of axes, the model is not for planes; and what
        `predict.segment` raises.

    Notes
    -----
    Intensities are normalised once, from all slices stacked as if they were one
    image: a slice without cells would otherwise have its noise raised to their level. A constant
    slice has no cells.

    Examples
    --------
    >>> from seamwise.synth import crowded_cells
    >>> segment_slices(crowded_cells((5, 64, 80), cells=6, rng=0).image).labels.shape
    (5, 64, 80)
    """
    if options.mode == "3d":
        raise ValueError("mode 3d segments a stack at once: use segment")
    network = model or load(options.model, device=resources.device, runtime=options.runtime)
    planes, normalise = _planes(np.asarray(stack), network.info)
    zoom = options.zoom(network.info, spacing)
    rule = decode_rule(network.info, options.decode, options.min_size, pixels=zoom.pixels)
    looks: list[Look] = []
    counts: list[int] = []

    def cells(plane: NDArray[Any]) -> Labels:
        if plane.min() == plane.max():
            return np.zeros(plane.shape[1:], np.uint8)
        slabs = probability_slabs(
            plane,
            network,
            tile=options.tile,
            flips=options.flips,
            normalise=normalise,
            guides=rule.is_guided,
            offsets=False,
            zoom=zoom,
        )
        classes = network.info.architecture.out_channels
        watch = Watch(slabs, classes)
        labels = decode_slabs(watch, plane.shape[1:], rule, classes=classes)
        looks.append(watch.look)
        counts.append(int(labels.max(initial=0)))
        return labels

    labels = stitch(map(cells, planes.swapaxes(0, 1)), iou=options.iou)
    plane, look = planes[:, planes.shape[1] // 2], sum(looks, Look())
    sections = sum(counts)  # of cells, as the model sees them
    if sees_nothing(network.info, look, rule):
        labels, sections = np.zeros_like(labels), 0
    caution = second_look(
        lambda box: plane[(slice(None), *box)],
        plane.shape[1:],
        view_of(network, zoom, normalise),
        look,
        cells=sections,
    ) or misfit(
        network.info,
        look,
        cells=sections,
        zoom=zoom,
        skew=skewness(planes[0]),
        diameter=options.diameter,
        is_blank=normalise.is_blank,
    )
    return Prediction(labels, None, caution)


def _planes(stack: NDArray[Any], info: SegmentationInfo) -> tuple[NDArray[Any], Normalization]:
    """Check a stack, and return it as `(C, Z, Y, X)` with the normalisation of all its slices."""
    if info.architecture.ndim != 2:
        raise ValueError(
            f"model must have 2 spatial axes, not {info.architecture.ndim}: use segment for stacks"
        )
    if stack.ndim not in (3, 4):
        raise ValueError(
            f"stack must have axes ZYX, with channels first if there are any, not {stack.shape}"
        )
    *channels, depth, height, width = stack.shape
    image = as_model_input(stack.reshape(*channels, depth * height, width), info)
    return image.reshape(-1, depth, height, width), normalization(image, info.normalization)


def _number(plane: Labels, z: int, shape: tuple[int, ...] | None) -> Labels:
    """Check a slice, and number its objects 1..n."""
    plane = as_labels(plane, name=f"slice {z}")
    if plane.shape != (shape or plane.shape) or plane.ndim == 0:
        raise ValueError(
            f"slice {z} must have the size {shape} of the one before, not {plane.shape}"
        )
    if plane.min(initial=0) < 0:
        raise ValueError(
            f"slice {z} must hold 0 background, 1..n objects, not {plane.min()}: set it to 0"
        )
    return relabel(plane)


def _best_pairs(
    table: OverlapTable, min_iou: float
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Rows and columns of the pairs in which each is the other's best; no two pairs share one."""
    pairs = table.iou().tocoo()
    is_enough = pairs.data >= min_iou
    rows, cols, iou = pairs.row[is_enough], pairs.col[is_enough], pairs.data[is_enough]
    best_of_rows, best_of_columns = _best(rows, cols, iou), _best(cols, rows, iou)
    mutual = np.intersect1d(best_of_rows, best_of_columns, assume_unique=True)
    return rows[mutual], cols[mutual]


def _best(
    ones: NDArray[np.integer[Any]], others: NDArray[np.integer[Any]], iou: NDArray[np.float64]
) -> NDArray[np.intp]:
    """For each of `ones`, the index of its pair of greatest IoU; the lower other wins a tie."""
    order = np.lexsort((others, -iou, ones))
    firsts = np.unique(ones[order], return_index=True)[1]
    return order[firsts]

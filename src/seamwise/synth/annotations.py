"""Imperfect annotations made from exact labels; see `degrade_annotation`."""

from collections.abc import Iterator
from operator import index
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from seamwise.labels import BACKGROUND, IGNORE, Labels, as_labels, bounding_boxes, relabel
from seamwise.types import Box


def degrade_annotation(
    labels: Labels,
    *,
    rng: int | np.random.Generator,
    drop: float = 0.0,
    dropped: Literal["background", "ignore"] = "background",
    erode: int = 0,
    dilate: int = 0,
    shift: int = 0,
) -> Labels:
    """Make exact labels as imperfect as hand-drawn ones: missing, too small or large, misplaced.

    With g_k the pixels of cell k, the steps are, in this order::

        drop     round(drop · n) of the n cells, drawn at random, are removed
        erode    g_k ← {p ∈ g_k : every q ∉ g_k has |p − q| > erode}
        dilate   g_k ← g_k ∪ {p background : |p − q| ≤ dilate for a q ∈ g_k, no other cell nearer}
        shift    g_k ← g_k + s_k, each component of s_k uniform on −shift..shift

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive = one number per cell, negative = ignore.
    rng : int or numpy.random.Generator
        The same seed gives the same labels; which cells are dropped depends on `rng` and `drop`
        alone.
    drop : float in [0, 1]
        Share of the cells that nobody annotated. A half is rounded to the even number of cells.
    dropped : {"background", "ignore"}
        What the pixels of a dropped cell become: 0 or −1.
    erode, dilate : int ≥ 0
        Pixels (Euclidean distance). Both together smooth each cell.
    shift : int ≥ 0
        Largest displacement of a cell along each axis, in pixels.

    Returns
    -------
    (*S) array
        The cells that remain keep their numbers. The dtype is that of `labels`; with
        `dropped="ignore"` the next signed one if `labels` is unsigned (int64 for uint64).

    Raises
    ------
    TypeError
        `labels`, `erode`, `dilate` or `shift` is not of an integer type.
    ValueError
        An option is out of range.

    Notes
    -----
    Touching cells are eroded where they touch; the image border erodes nothing. A cell that erosion
    would empty keeps its deepest pixels. Erosion may cut a cell in two parts of the same number.

    Dilation takes background only, never a pixel of another cell or an ignored one; of two cells
    equally near, the lower number wins.

    Where two cells shift onto the same pixel, the lower number wins, so a cell can lose pixels or
    vanish below another. Ignored pixels stay where they are and win over cells. The image border
    cuts a shifted cell; a cell that would leave the image stays where it was.

    Examples
    --------
    >>> import numpy as np
    >>> degrade_annotation(np.array([0, 1, 1, 1, 2, 2, 2, 2, 0]), rng=0, erode=1)
    array([0, 0, 1, 0, 0, 2, 2, 0, 0])
    >>> degrade_annotation(np.array([0, 0, 0, 1, 0, 2, 0, 0, 0]), rng=0, dilate=2)
    array([0, 1, 1, 1, 1, 2, 2, 2, 0])
    """
    labels = as_labels(labels)
    _check_options(drop, dropped, erode, dilate, shift)
    rng = np.random.default_rng(rng)
    weak = _drop(labels, drop, dropped, rng)
    if erode:
        weak = _erode(weak, erode)
    if dilate:
        weak = _dilate(weak, dilate)
    if shift:
        weak = _shift(weak, shift, rng)
    return weak


def _check_options(drop: float, dropped: str, erode: int, dilate: int, shift: int) -> None:
    if not 0 <= drop <= 1:
        raise ValueError(
            f"drop must be a share from 0 to 1, not {drop}; 0.1 drops a tenth of the cells"
        )
    if dropped not in ("background", "ignore"):
        raise ValueError(f'dropped must be "background" or "ignore", not {dropped!r}')
    for name, pixels in (("erode", erode), ("dilate", dilate), ("shift", shift)):
        if index(pixels) < 0:
            raise ValueError(
                f"{name} must be 0 pixels or more, not {pixels}; 0 leaves this step out"
            )


def _cells(labels: Labels) -> Iterator[tuple[Any, Box]]:
    """Each cell number with its bounding box, in ascending order of the numbers."""
    numbers = np.unique(labels[labels > 0])
    return zip(numbers, bounding_boxes(relabel(labels)), strict=True)


def _drop(labels: Labels, share: float, dropped: str, rng: np.random.Generator) -> Labels:
    numbers = np.unique(labels[labels > 0])
    victims = rng.choice(numbers, size=round(share * numbers.size), replace=False)
    if dropped == "ignore":
        # numpy has no integer type for both uint64 and −1 and would turn to floats
        dtype = np.int64 if labels.dtype == np.uint64 else np.promote_types(labels.dtype, np.int8)
        return np.where(np.isin(labels, victims), IGNORE, labels.astype(dtype))
    return np.where(np.isin(labels, victims), labels.dtype.type(BACKGROUND), labels)


def _erode(labels: Labels, pixels: int) -> Labels:
    result = labels.copy()
    for number, box in _cells(labels):
        # one pixel more on each side, where the image has it, so that the nearest pixel outside is
        # in view
        wider = _widen(box, 1, labels.shape)
        mask = labels[wider] == number
        if not mask.all():
            depth = ndimage.distance_transform_edt(mask)
            result[wider][mask & (depth <= pixels) & (depth < depth.max())] = BACKGROUND
    return result


def _dilate(labels: Labels, pixels: int) -> Labels:
    result = labels.copy()
    nearest = np.full(labels.shape, np.inf, np.float32)
    for number, box in _cells(labels):
        wider = _widen(box, pixels, labels.shape)
        distance = ndimage.distance_transform_edt(labels[wider] != number).astype(np.float32)
        won = (labels[wider] == 0) & (distance <= pixels) & (distance < nearest[wider])
        nearest[wider][won] = distance[won]
        result[wider][won] = number
    return result


def _shift(labels: Labels, pixels: int, rng: np.random.Generator) -> Labels:
    result = np.minimum(labels, BACKGROUND)
    for number, box in _cells(labels):
        pixel = np.argwhere(labels[box] == number) + [axis.start for axis in box]
        targets = pixel + rng.integers(-pixels, pixels, size=labels.ndim, endpoint=True)
        targets = targets[((targets >= 0) & (targets < labels.shape)).all(axis=1)]
        place = tuple((targets if len(targets) else pixel).T)
        result[place] = np.where(result[place] == BACKGROUND, number, result[place])
    return result


def _widen(box: Box, pixels: int, shape: tuple[int, ...]) -> Box:
    return tuple(
        slice(max(axis.start - pixels, 0), min(axis.stop + pixels, size))
        for axis, size in zip(box, shape, strict=True)
    )

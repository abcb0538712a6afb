"""Faults of one mask; see `mask_faults`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seamwise.io.outcome import amount
from seamwise.labels import Labels, bounding_boxes, connected_components, fragments, relabel
from seamwise.labels.slabs import areas
from seamwise.segmentation.sanity import looks_like

_TINY = 5  # pixels of a piece that interpolation leaves at a rim
_MANY = 3.0  # times as many such pieces as others
_REAL = 0.2  # of the largest piece: a smaller one is a crumb
_APART = 5.0  # pixels between two pieces that are not one cell with a cut
_HOLE = 0.1  # of the area of a cell
_SPECK = 0.02  # of the median area
_MOST_OF_IMAGE = 0.3  # that one cell among others covers
_WHITE = (255, 65535)
_NECK = 0.55  # height of the saddle between two halves, of the lower half
_LEVELS = 20  # that are looked at for a neck
_ROUND = 0.55  # of the area of a half that its largest disc (ball) covers
_FEWEST = 4  # cells with which a median says something
_BALL = {2: np.pi, 3: 4 / 3 * np.pi}


@dataclass(frozen=True)
class MaskFault:
    """A fault of a mask: key of `findings.KINDS`, what was seen, how often, and a place."""

    kind: str
    text: str
    count: int = 1
    box: tuple[slice, ...] | None = None


def mask_faults(labels: Labels) -> list[MaskFault]:
    """Return what is wrong with the mask of one image.

    Parameters
    ----------
    labels : (*S) integer array
        0 background, positive cells, negative = ignore.

    Notes
    -----
    A mask that is not a label image at all has one fault only.

    - "photograph", "few numbers": `sanity.looks_like`.
    - "black and white": there is one number, and it is 255 or 65535, or in pieces of like size.
    - "interpolated": pieces of at most 5 pixels are three times as many as larger ones, which still
      have more than half of the pixels.
    - "background": one number covers more than 30 % of the image, ten times as much as the median
      cell, and most of the rim of the image.
    - "number twice", "cut": a second piece has at least a fifth of the largest one, and lies more,
      or less, than 5 pixels from it. "crumbs": smaller pieces.
    - "holes": background within a cell, a tenth of its area or more.
    - "specks": less than 2 % of the median area, not at the rim.
    - "two cells": two round halves, each at least half the median area, with a neck: on the way
      from one to the other the distance to the boundary falls below 55 % of the lower maximum.
    """
    cells = np.maximum(labels, 0)
    if not cells.any():
        return [MaskFault("no cells", "every pixel is background or ignored")]
    numbers = np.unique(cells[cells > 0])
    cells = relabel(cells)
    looks = looks_like(cells)
    pieces = areas(connected_components(cells))[1:]
    tiny = int((pieces <= _TINY).sum())
    is_crumbled = len(pieces) > 20 and tiny > _MANY * (len(pieces) - tiny)
    if is_crumbled and pieces[pieces > _TINY].sum() > pieces.sum() / 2:
        text = f"{tiny} of {len(pieces)} pieces have at most {_TINY} pixels"
        return [MaskFault("interpolated", text)]
    if is_crumbled or looks == "photograph":
        return [MaskFault("photograph", "the pixels of a number are scattered")]
    if looks == "classes":
        text = f"{len(numbers)} numbers in {len(pieces)} pieces"
        return [MaskFault("few numbers", text)]
    if len(numbers) == 1 and (numbers[0] in _WHITE or (pieces > _REAL * pieces.max()).sum() > 1):
        return [MaskFault("black and white", f"one number in {len(pieces)} pieces")]
    sizes = areas(cells)
    background = _background(cells, sizes, numbers)
    if background is not None:
        return [background]
    field = _Field(cells, numbers, bounding_boxes(cells), sizes, float(np.median(sizes[1:])))
    return _summed([*_pieces(field), *_shapes(field)])


@dataclass(frozen=True, eq=False)
class _Field:
    """Cells 1..n, their numbers in the file, boxes and sizes."""

    cells: Labels
    numbers: NDArray[np.integer[Any]]
    boxes: list[tuple[slice, ...]]
    sizes: NDArray[np.int64]
    median: float


def _summed(faults: list[MaskFault]) -> list[MaskFault]:
    """One fault of each kind, with the text and place of the first and the count of all."""
    result = []
    for kind in dict.fromkeys(fault.kind for fault in faults):
        same = [fault for fault in faults if fault.kind == kind]
        others = len(same) - 1
        text = same[0].text
        if others:
            text += f"; {others} more {'number' if others == 1 else 'numbers'}"
        result.append(MaskFault(kind, text, len(same), same[0].box))
    return result


def _background(
    cells: Labels, sizes: NDArray[np.int64], numbers: NDArray[np.integer[Any]]
) -> MaskFault | None:
    largest = int(sizes[1:].argmax()) + 1
    others = np.delete(sizes[1:], largest - 1)
    others = others[others > 0]
    if sizes[largest] < _MOST_OF_IMAGE * cells.size or len(others) < _FEWEST:
        return None
    rim = np.ones(cells.shape, bool)
    rim[(slice(1, -1),) * cells.ndim] = False
    is_around = (cells[rim] == largest).mean() > 0.5
    if not is_around or sizes[largest] < 10 * np.median(others):
        return None
    share = sizes[largest] / cells.size
    return MaskFault("background", f"number {numbers[largest - 1]} covers {share:.0%} of the image")


def _pieces(field: _Field) -> Iterator[MaskFault]:
    for part in fragments(field.cells, connectivity=field.cells.ndim):
        box, number = field.boxes[part.label - 1], field.numbers[part.label - 1]
        if part.sizes[1] < max(_REAL * part.sizes[0], 0.1 * field.median):
            extra = ", ".join(str(size) for size in part.sizes[1:4])
            yield MaskFault("crumbs", f"number {number}: pieces of {extra} px", box=box)
            continue
        distance = _distance(field.cells[box] == part.label)
        kind = "number twice" if distance > _APART else "cut"
        text = (
            f"number {number}: pieces of {part.sizes[0]} and {part.sizes[1]} pixels, "
            f"{distance:.0f} pixels apart"
        )
        yield MaskFault(kind, text, box=box)


def _distance(cell: NDArray[np.bool_]) -> float:
    """Between the two largest pieces of a cell."""
    pieces, _ = ndimage.label(cell, np.ones((3,) * cell.ndim))
    first, second = np.argsort(-np.bincount(pieces.ravel())[1:])[:2] + 1
    return float(ndimage.distance_transform_edt(pieces != first)[pieces == second].min())


def _shapes(field: _Field) -> Iterator[MaskFault]:
    median = field.median
    split = {part.label for part in fragments(field.cells)}  # `_pieces` speaks about those
    is_typical = len(field.boxes) >= _FEWEST
    for label, (number, box) in enumerate(zip(field.numbers, field.boxes, strict=True), 1):
        area = int(field.sizes[label])
        if is_typical and area < _SPECK * median and not _at_rim(box, field.cells.shape):
            yield MaskFault("specks", f"number {number}: {amount(area, 'pixel')}", box=box)
            continue
        part = np.pad(field.cells[box], 1)
        cell = part == label
        filled = ndimage.binary_fill_holes(cell)
        hole = filled & ~cell & (part == 0)
        if hole.sum() > _HOLE * area:
            text = f"number {number}: holes of {int(hole.sum())} px, {area} without them"
            yield MaskFault("holes", text, box=box)
        elif is_typical and area > median and label not in split and _has_neck(filled, median):
            yield MaskFault("two cells", f"number {number}: two halves with a neck", box=box)


def _has_neck(cell: NDArray[np.bool_], median: float) -> bool:
    """Whether a cell consists of two round halves."""
    depth = ndimage.distance_transform_edt(cell)
    top = depth.max()
    low, high = 0.0, float(top)
    levels = np.linspace(0.5, top, _LEVELS)[:-1]
    for below, level in pairwise(levels):
        cores, count = ndimage.label(depth > level)
        if count < 2:
            continue
        heights = np.sort(ndimage.maximum(depth, cores, range(1, count + 1)))[::-1]
        if heights[1] > 0.6 * top:
            low, high = float(below), float(heights[1])
            break
    if not low or low > _NECK * high:
        return False
    chosen = np.argsort(-ndimage.maximum(depth, cores, range(1, count + 1)))[:2] + 1
    seeds = np.where(np.isin(cores, chosen), cores, 0)
    _, nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    halves = np.where(cell, seeds[tuple(nearest)], 0)
    for number in chosen:
        half = halves == number
        ball = _BALL[cell.ndim] * depth[half].max() ** cell.ndim
        if half.sum() < 0.5 * median or ball < _ROUND * half.sum():
            return False
    return True


def _at_rim(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    return any(part.start == 0 or part.stop == n for part, n in zip(box, shape, strict=True))

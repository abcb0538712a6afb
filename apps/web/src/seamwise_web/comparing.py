"""Two label images of one field against each other: `compare`."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import bounding_boxes
from seamwise.metrics import CellErrors, Matching, cell_errors, match_many
from seamwise_web.answers import RefusalError
from seamwise_web.label_sets import LabelSet

# what may be wrong with a cell, of the true labels and of the predicted ones
_KINDS = {
    "true": ("missed", "merged", "split", "inexact"),
    "pred": ("invented", "merges", "pieces", "near_misses"),
}
_STEPS = {"true": _KINDS["true"], "pred": ("invented",)}
"""Where the page stops: a merge is looked at from its true cells."""


def compare(true: LabelSet, pred: LabelSet, iou: float) -> dict[str, Any]:
    """Return scores, the cells of each kind of error, and where the errors are.

    Parameters
    ----------
    true, pred : LabelSet
    iou : float in (0, 1]
        Smallest IoU of a match, for the errors. The scores are at 0.5, 0.55, … 0.95.

    Raises
    ------
    RefusalError
        The label images differ in size, or predicted labels are negative.
    ValueError
        The IoU is out of range.
    """
    if true.labels.shape != pred.labels.shape:
        sizes = (" × ".join(map(str, one.labels.shape[::-1])) for one in (true, pred))
        words = " and ".join(sizes)
        raise RefusalError(
            400, f"the labels must be of one size, not {words} pixels: open two of one image"
        )
    if pred.labels.min() < 0:
        raise RefusalError(
            400, f"{pred.name} has negative labels, as true ones alone may have: exchange the two"
        )
    errors = cell_errors(true.labels, pred.labels, iou=iou)
    scores = match_many(true.labels, pred.labels)
    steps = [*_steps(errors, "true", true), *_steps(errors, "pred", pred)]
    return {
        "scores": [_row(one) for one in scores],
        "mean_ap": float(np.mean([one.accuracy for one in scores])),
        "counts": {**errors.counts(), "true": len(true.ids) - 1, "pred": len(pred.ids) - 1},
        "kinds": {side: _cells_of(errors, kinds) for side, kinds in _KINDS.items()},
        "errors": sorted(steps, key=lambda step: (step["z"], *step["box"][:2])),
    }


def _row(matching: Matching) -> dict[str, float]:
    """What the page shows of the scores at an IoU."""
    return {
        "iou": matching.iou,
        "ap": matching.accuracy,
        "f1": matching.f1,
        "pq": matching.panoptic_quality,
    }


def _cells_of(errors: CellErrors, kinds: Sequence[str]) -> dict[str, list[int]]:
    return {kind: getattr(errors, kind).tolist() for kind in kinds}


def _steps(errors: CellErrors, side: str, labels: LabelSet) -> Iterator[dict[str, Any]]:
    """The errors of a side, each with the box of its cell: top, left, bottom, right.

    And with the middle slice of the cell; 0 in a plane.
    """
    boxes = bounding_boxes(labels.labels)
    for kind in _STEPS[side]:
        numbers: NDArray[Any] = getattr(errors, kind)
        for number in numbers.tolist():
            *depth, rows, columns = boxes[number - 1]
            yield {
                "kind": kind,
                "side": side,
                "number": number,
                "id": int(labels.ids[number]),
                "z": sum((one.start + one.stop - 1) // 2 for one in depth),
                "box": [rows.start, columns.start, rows.stop, columns.stop],
            }

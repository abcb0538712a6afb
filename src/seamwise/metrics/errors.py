"""Which cells are missed, invented, split or merged; see `cell_errors`."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import Labels
from seamwise.metrics.matching import check_iou, matched_pairs
from seamwise.metrics.overlap import OverlapTable, overlap_table

PIECE = 0.1
"""Least share of a cell that a piece of it has; a smaller one is a crumb."""

_Ids = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CellErrors:
    """The cells of one image, each with what became of it.

    Every true cell is in exactly one of the first five. Every predicted cell is in one of the last
    five; one that is a merge may be a piece, too.

    Attributes
    ----------
    correct : (n,) integer array
        Labels of true cells with a partner, IoU ≥ the limit.
    split : (n,) integer array
        True cells in two pieces or more.
    merged : (n,) integer array
        True cells that share a predicted cell with another.
    inexact : (n,) integer array
        True cells without a partner, of which one predicted cell holds more than half, or which
        hold more than half of one: it was seen, but its outline is wrong.
    missed : (n,) integer array
        All other true cells.
    invented : (n,) integer array
        Predicted cells that have less than half of their pixels in any true cell, hold more than
        half of none, and have no partner.
    merges : (n,) integer array
        Predicted cells that hold several true ones.
    pieces : (n,) integer array
        Predicted cells that are pieces of a split one.
    partners : (n,) integer array
        Predicted cells that match a true one and are neither of these two.
    near_misses : (n,) integer array
        All other predicted cells: they share more than half of themselves or of a true cell, but
        match none.
    """

    correct: _Ids
    split: _Ids
    merged: _Ids
    inexact: _Ids
    missed: _Ids
    invented: _Ids
    merges: _Ids
    pieces: _Ids
    partners: _Ids
    near_misses: _Ids

    def counts(self) -> dict[str, int]:
        """Return how many cells there are of each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}


def cell_errors(labels_true: Labels, labels_pred: Labels, *, iou: float = 0.5) -> CellErrors:
    """Tell for every cell whether it is correct, and if not, why.

    A piece of a true cell is a predicted cell with more than half of its own pixels in it, and with
    at least a tenth of the pixels of the true one. A cell with two pieces is split. The same with
    true and predicted exchanged is a merge. A cell that is split or merged is not counted as
    correct, though the larger piece may well match: `match` counts that one as a true positive.

    Parameters
    ----------
    labels_true, labels_pred : (*S) integer arrays
        As in `match`; negative true labels are ignored.
    iou : float in (0, 1]
        Smallest IoU of a match.

    Raises
    ------
    TypeError, ValueError
        As `match`.

    Examples
    --------
    >>> true = np.array([1, 1, 1, 1, 0, 2, 2, 3, 3, 0, 4, 0, 0])
    >>> pred = np.array([1, 1, 2, 2, 0, 3, 3, 3, 3, 0, 0, 0, 4])
    >>> errors = cell_errors(true, pred)
    >>> {name: count for name, count in errors.counts().items() if count}
    {'split': 1, 'merged': 2, 'missed': 1, 'invented': 1, 'merges': 1, 'pieces': 2}
    """
    check_iou(iou, "iou")
    table = overlap_table(labels_true, labels_pred)
    true, pred = matched_pairs(table, iou)
    pairs = table.pixels.tocoo()
    of_true = pairs.data / table.true_areas[pairs.row]
    of_pred = pairs.data / table.pred_areas[pairs.col]
    is_piece = (of_pred > 0.5) & (of_true >= PIECE)
    is_part = (of_true > 0.5) & (of_pred >= PIECE)
    is_split = np.bincount(pairs.row[is_piece], minlength=table.n_true) >= 2
    is_merge = np.bincount(pairs.col[is_part], minlength=table.n_pred) >= 2
    is_merged = _marks(table.n_true, pairs.row[is_part & is_merge[pairs.col]]) & ~is_split
    is_seen = (of_true > 0.5) | (of_pred > 0.5)
    matched_true, matched_pred = _marks(table.n_true, true), _marks(table.n_pred, pred)
    seen_true = _marks(table.n_true, pairs.row[is_seen])
    seen_pred = _marks(table.n_pred, pairs.col[is_seen])
    correct = matched_true & ~is_split & ~is_merged
    inexact = seen_true & ~(correct | is_split | is_merged)
    is_split_piece = _marks(table.n_pred, pairs.col[is_piece & is_split[pairs.row]])
    missed = ~(correct | is_split | is_merged | inexact)
    return _with_labels(
        table,
        {
            "correct": correct,
            "split": is_split,
            "merged": is_merged,
            "inexact": inexact,
            "missed": missed,
        },
        {
            "invented": ~(matched_pred | seen_pred),
            "merges": is_merge,
            "pieces": is_split_piece,
            "partners": matched_pred & ~is_merge & ~is_split_piece,
            "near_misses": seen_pred & ~(matched_pred | is_merge | is_split_piece),
        },
    )


def _marks(count: int, places: NDArray[Any]) -> NDArray[np.bool_]:
    marks = np.zeros(count, bool)
    marks[places] = True
    return marks


def _with_labels(
    table: OverlapTable,
    true: dict[str, NDArray[np.bool_]],
    pred: dict[str, NDArray[np.bool_]],
) -> CellErrors:
    of_true = {name: table.true_ids[mask] for name, mask in true.items()}
    of_pred = {name: table.pred_ids[mask] for name, mask in pred.items()}
    return CellErrors(**of_true, **of_pred)

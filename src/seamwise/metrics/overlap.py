"""Count the pixels that true and predicted objects share; see `overlap_table`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from seamwise.labels import Labels, as_labels

# Measured: up to this many lookup entries per value, a lookup beats sorting the values.
_LOOKUP_ENTRIES_PER_VALUE = 2


@dataclass(frozen=True, eq=False)
class OverlapTable:
    """Shared pixel counts of n true and m predicted objects.

    Attributes
    ----------
    true_ids, pred_ids : (n,) and (m,) integer arrays
        Labels of the objects, ascending, without background, in the dtype of the label images.
    true_areas, pred_areas : (n,) and (m,) int64 arrays
        Number of pixels of each object, without ignored pixels.
    pixels : (n, m) int64 sparse array
        Entry (i, j) is the number of pixels that carry both ``true_ids[i]`` and ``pred_ids[j]``.
        Only pairs that share a pixel are stored.
    """

    true_ids: Labels
    pred_ids: Labels
    true_areas: NDArray[np.int64]
    pred_areas: NDArray[np.int64]
    pixels: csr_array

    @property
    def n_true(self) -> int:
        """Number of true objects, n."""
        return self.true_ids.size

    @property
    def n_pred(self) -> int:
        """Number of predicted objects, m."""
        return self.pred_ids.size

    def iou(self) -> csr_array:
        """Intersection over union (Jaccard index) of every pair that shares a pixel.

        ``IoU_ij = o_ij / (a_i + b_j - o_ij)`` with overlap o, true area a and predicted area b.

        Returns
        -------
        (n, m) float64 sparse array
            Values in (0, 1], stored for the same pairs as ``pixels``; every other pair has IoU 0.

        Examples
        --------
        >>> table = overlap_table(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 0]))
        >>> table.iou().toarray().round(3)
        array([[0.667],
               [0.25 ]])
        """
        pairs = self.pixels.tocoo()
        union = self.true_areas[pairs.row] + self.pred_areas[pairs.col] - pairs.data
        return coo_array((pairs.data / union, (pairs.row, pairs.col)), shape=pairs.shape).tocsr()


def overlap_table(labels_true: Labels, labels_pred: Labels) -> OverlapTable:
    """Count the pixels of every (true object, predicted object) pair that shares any.

    ``o_ij = |{p : g(p) = i, f(p) = j, g(p) >= 0}|`` with true labels g and predicted labels f.

    Parameters
    ----------
    labels_true : (*S) integer array
        0 background, positive = one number per object (in any order, of any size), negative =
        ignore. An ignored pixel counts for nothing: not for an overlap, not for an area; a
        predicted object that lies wholly on ignored pixels is absent.
    labels_pred : (*S) integer array
        0 background, positive = one number per object.

    Returns
    -------
    OverlapTable
        Sparse: memory grows with the pixels and with the pairs that meet, not with n times m.

    Raises
    ------
    TypeError
        If an array is boolean (connected components must be labelled first) or not of integer
        dtype.
    ValueError
        If the shapes differ or ``labels_pred`` holds negative values.

    Notes
    -----
    A label image is mostly runs of equal pixels, so only the places where either label changes are
    looked at: one pass over the pixels, then sparse counting over the runs. Empty arrays give an
    empty table.

    Examples
    --------
    >>> table = overlap_table(np.array([7, 7, 0, 9, -1]), np.array([5, 5, 5, 0, 5]))
    >>> table.true_ids, table.true_areas
    (array([7, 9]), array([2, 1]))
    >>> table.pred_ids, table.pred_areas
    (array([5]), array([3]))
    >>> table.pixels.toarray()
    array([[2],
           [0]])
    """
    true, pred = checked_pair(labels_true, labels_pred)
    true_runs, pred_runs, lengths = _joint_runs(true.ravel(), pred.ravel())
    is_counted = true_runs >= 0
    true_ids, rows = _rank(true_runs[is_counted])
    pred_ids, cols = _rank(pred_runs[is_counted])
    pixels = coo_array(
        (lengths[is_counted], (rows, cols)), shape=(true_ids.size, pred_ids.size)
    ).tocsr()
    return OverlapTable(
        true_ids=true_ids[1:],
        pred_ids=pred_ids[1:],
        true_areas=pixels.sum(axis=1)[1:],
        pred_areas=pixels.sum(axis=0)[1:],
        pixels=pixels[1:, 1:],
    )


def checked_pair(labels_true: Labels, labels_pred: Labels) -> tuple[Labels, Labels]:
    """Return both as arrays, or raise TypeError or ValueError if they cannot be compared."""
    true = as_labels(labels_true, name="labels_true")
    pred = as_labels(labels_pred, name="labels_pred")
    if true.shape != pred.shape:
        raise ValueError(
            f"labels_pred must have the shape of labels_true {true.shape}, not {pred.shape}: "
            "crop or resample one to the other's grid"
        )
    if pred.min(initial=0) < 0:
        raise ValueError(
            f"labels_pred must hold values of 0 or more, not {pred.min()}: "
            "mark pixels to ignore in labels_true instead"
        )
    return true, pred


def _joint_runs(true: Labels, pred: Labels) -> tuple[Labels, Labels, NDArray[np.int64]]:
    """Split two flat label arrays into runs along which both are constant: labels and lengths."""
    starts_run = np.ones(true.size, dtype=bool)
    np.not_equal(true[1:], true[:-1], out=starts_run[1:])
    starts_run[1:] |= pred[1:] != pred[:-1]
    starts = np.flatnonzero(starts_run)
    return (
        true[starts],
        pred[starts],
        np.diff(starts, append=true.size).astype(np.int64, copy=False),
    )


def _rank(labels: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """Distinct labels ≥ 0 in ascending order, with 0, and the place of each label among them."""
    largest = int(labels.max(initial=0))
    if largest >= _LOOKUP_ENTRIES_PER_VALUE * labels.size:
        with_background = np.concatenate((labels, np.zeros(1, dtype=labels.dtype)))
        ids, places = np.unique(with_background, return_inverse=True)
        return ids, places[:-1]
    occurs = np.zeros(largest + 1, dtype=bool)
    occurs[0] = True
    occurs[labels] = True
    ids = np.flatnonzero(occurs).astype(labels.dtype)
    return ids, (np.cumsum(occurs) - 1)[labels]

"""Score predicted objects against true ones; see `match`, `match_many`, `match_dataset`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from seamwise.labels import Labels
from seamwise.metrics.dataset import Counts, Dataset, summarise
from seamwise.metrics.overlap import OverlapTable, overlap_table

# Quotients, not sums of 0.05: an IoU of exactly 3/5 must reach the limit 0.6.
DEFAULT_IOUS = tuple(step / 20 for step in range(10, 20))
"""0.5, 0.55, … 0.95."""

_UNIQUE_ABOVE = 0.5


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of a matching at one smallest IoU; `match` defines each of them.

    Attributes
    ----------
    overlap_measure : str
        How the overlap of a pair is measured: always ``"iou"``.
    iou : float
        Smallest IoU of a match.
    precision, recall, accuracy, f1 : float
        Detection scores in [0, 1]. ``accuracy`` is what the field calls average precision (AP);
        ``precision`` at an IoU of 0.5 is P05 of the thesis.
    mean_true_score : float
        Sum of matched IoU over the number of true objects, in [0, 1].
    mean_matched_score : float
        Sum of matched IoU over the number of matches, in [0, 1].
    panoptic_quality : float
        Panoptic quality (PQ) in [0, 1].
    """

    overlap_measure: str = "iou"
    iou: float
    precision: float
    recall: float
    accuracy: float
    f1: float
    mean_true_score: float
    mean_matched_score: float
    panoptic_quality: float

    @property
    def segmentation_quality(self) -> float:
        """Segmentation quality (SQ), another name of ``mean_matched_score``."""
        return self.mean_matched_score

    @property
    def recognition_quality(self) -> float:
        """Recognition quality (RQ), another name of ``f1``."""
        return self.f1


@dataclass(frozen=True, kw_only=True)
class Matching(Scores, Counts[Scores]):
    """Counts of a matching at one smallest IoU, with the scores that follow from them.

    Attributes
    ----------
    tp : int
        Matched pairs (true positives).
    fp : int
        Predicted objects without a match (false positives).
    fn : int
        True objects without a match (false negatives).
    n_true, n_pred : int
        Number of true and of predicted objects: ``n_true = tp + fn``, ``n_pred = tp + fp``.

    Notes
    -----
    All fields are plain Python numbers and strings: ``json.dumps(dataclasses.asdict(matching))``
    works.
    """

    tp: int
    fp: int
    fn: int
    n_true: int
    n_pred: int

    level: ClassVar[str] = "iou"
    scores: ClassVar[type[Scores]] = Scores

    @classmethod
    def pool(cls, parts: Sequence["Matching"]) -> "Matching":
        """Add the counts and matched IoUs of several images and score the sums."""
        return _score(
            parts[0].iou,
            tp=sum(part.tp for part in parts),
            n_true=sum(part.n_true for part in parts),
            n_pred=sum(part.n_pred for part in parts),
            iou_sum=sum(part.mean_matched_score * part.tp for part in parts),
        )


def match(labels_true: Labels, labels_pred: Labels, *, iou: float = 0.5) -> Matching:
    """Match true and predicted objects one to one by intersection over union, and score the match.

    A pair may match if ``IoU >= iou``. Matched pairs are true positives (TP), other predicted
    objects false positives (FP), other true objects false negatives (FN)::

        precision        = TP / (TP + FP)
        recall           = TP / (TP + FN)
        accuracy         = TP / (TP + FP + FN)            the AP of the field
        f1               = TP / (TP + FP/2 + FN/2)        recognition quality, RQ
        mean_matched     = sum of matched IoU / TP        segmentation quality, SQ
        mean_true        = sum of matched IoU / (TP + FN)
        panoptic_quality = sum of matched IoU / (TP + FP/2 + FN/2) = SQ * RQ

    Parameters
    ----------
    labels_true : (*S) integer array
        0 background, positive = one number per object, negative = ignore (counts for neither side).
    labels_pred : (*S) integer array
        0 background, positive = one number per object.
    iou : float in (0, 1]
        Smallest IoU of a match. The IoU is one float64 division, so give 0.6 rather than a sum such
        as ``0.5 + 0.05 + 0.05``, which is a little larger.

    Returns
    -------
    Matching
        Field names as in ``stardist.matching``.

    Raises
    ------
    TypeError
        If a label array is boolean or not of integer dtype, or ``iou`` is not a number.
    ValueError
        If the shapes differ, ``labels_pred`` holds negative values, or ``iou`` is outside (0, 1].

    Notes
    -----
    *Ties.* Above 0.5 an object has at most one partner. At 0.5 and below it may have several; then
    the number of matches is made as large as possible, and among such matchings the sum of their
    IoU.

    *Empty.* With no object on either side there was nothing to find and nothing was invented:
    precision, recall, accuracy, f1 and panoptic_quality are 1, so that a mean over images rewards a
    blank prediction of a blank image (one invented object makes them 0). This departs from
    ``stardist``, which gives 0. With objects on one side only, all scores are 0. The two mean IoU
    scores are 0 whenever nothing matched, as in ``stardist``; so a blank image is the one case
    where PQ is not SQ * RQ.

    *In the thesis* IoU is called Jaccard index. Its detection scores follow from ``iou=0.5``: Table
    3 is ``precision``, ``recall`` and ``f1``; in Tables 4, 6 and 7, P05 is ``precision``, and RQ,
    SQ and PQ are called so here too. It counts Jaccard > 0.5; we use >= because the field does. The
    two differ only for an IoU of exactly 0.5, which is where one object may have two partners, and
    which large cells hardly ever hit: to exclude it, give ``iou=math.nextafter(0.5, 1)``.

    *Source.* Accuracy: Caicedo et al., Nature Methods 16 (2019). PQ, SQ, RQ: Kirillov et al., CVPR
    2019.

    Examples
    --------
    >>> labels_true = np.array([1, 1, 1, 1, 0, 2, 2, 0])
    >>> labels_pred = np.array([5, 5, 5, 0, 0, 0, 6, 6])
    >>> matching = match(labels_true, labels_pred)  # IoU 3/4 and 1/3
    >>> matching.tp, matching.fp, matching.fn
    (1, 1, 1)
    >>> matching.f1, matching.segmentation_quality, matching.panoptic_quality
    (0.5, 0.75, 0.375)
    """
    check_iou(iou, "iou")
    return match_many(labels_true, labels_pred, ious=(iou,))[0]


def match_many(
    labels_true: Labels,
    labels_pred: Labels,
    *,
    ious: Sequence[float] = DEFAULT_IOUS,
) -> tuple[Matching, ...]:
    """Match at several smallest IoUs, counting the overlaps once.

    Parameters
    ----------
    labels_true, labels_pred : (*S) integer arrays
        As in `match`.
    ious : sequence of float in (0, 1]
        Smallest IoU of a match, one matching each; by default 0.5, 0.55, ..., 0.95.

    Returns
    -------
    tuple of Matching
        One for each of `ious`, in the order given.

    Raises
    ------
    TypeError, ValueError
        As in `match`; also if ``ious`` is empty or a single number.

    Examples
    --------
    >>> labels_true = np.array([1, 1, 1, 1])
    >>> labels_pred = np.array([3, 3, 3, 0])
    >>> [matching.tp for matching in match_many(labels_true, labels_pred, ious=(0.5, 0.75, 0.8))]
    [1, 1, 0]
    """
    _check_ious(ious)
    table = overlap_table(labels_true, labels_pred)
    return tuple(_match_table(table, float(iou)) for iou in ious)


def match_dataset(
    pairs: Iterable[tuple[Labels, Labels]],
    *,
    ious: Sequence[float] = DEFAULT_IOUS,
) -> Dataset[Matching, Scores]:
    """Match every image of a data set and summarise the scores over the images.

    The two summaries, pooled and mean, differ: `Dataset` defines them.

    Parameters
    ----------
    pairs : iterable of (labels_true, labels_pred)
        The two label arrays of each image, as in `match`. Pairs are taken one at a time and
        released before the next, so a generator can read a data set larger than memory. Shapes may
        differ from image to image.
    ious : sequence of float in (0, 1]
        Smallest IoU of a match, one matching each; by default 0.5, 0.55, ..., 0.95.

    Returns
    -------
    Dataset
        ``per_image``, ``pooled`` and ``mean``.

    Raises
    ------
    TypeError, ValueError
        As in `match_many`, naming the pair at fault; also if ``pairs`` is empty.

    Examples
    --------
    >>> one_found = (np.array([1, 0, 0]), np.array([1, 0, 0]))
    >>> two_missed = (np.array([1, 0, 2]), np.array([0, 0, 0]))
    >>> result = match_dataset([one_found, two_missed], ious=(0.5,))
    >>> round(result.pooled[0].recall, 3), result.mean[0].recall
    (0.333, 0.5)
    """
    _check_ious(ious)
    # map, not a for loop: a loop variable would keep the last pair alive while the next one is read
    per_image = tuple(map(partial(_match_pair, ious=ious), count(), pairs))
    if not per_image:
        raise ValueError(
            "pairs must hold at least one (labels_true, labels_pred), not none: "
            "a generator yields its pairs only once"
        )
    return summarise(per_image)


def _match_pair(
    index: int,
    pair: tuple[Labels, Labels],
    ious: Sequence[float],
) -> tuple[Matching, ...]:
    labels_true, labels_pred = pair
    try:
        return match_many(labels_true, labels_pred, ious=ious)
    except (TypeError, ValueError) as error:
        raise type(error)(f"pairs[{index}]: {error}") from error


def matched_pairs(
    table: OverlapTable, iou: float
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Return the places of the true and of the predicted objects of every match.

    Parameters
    ----------
    table : OverlapTable
    iou : float in (0, 1]
        Smallest IoU of a match, as in `match`.
    """
    pairs = table.iou().tocoo()
    matches = _matches(pairs.row, pairs.col, pairs.data, iou)
    return pairs.row[matches], pairs.col[matches]


def _matches(
    rows: NDArray[np.integer[Any]],
    cols: NDArray[np.integer[Any]],
    ious: NDArray[np.float64],
    iou: float,
) -> NDArray[np.integer[Any]]:
    """Which of the pairs match."""
    eligible = np.flatnonzero(ious >= iou)
    if iou > _UNIQUE_ABOVE:
        return eligible
    return eligible[_best_one_to_one(rows[eligible], cols[eligible], ious[eligible])]


def _match_table(table: OverlapTable, iou: float) -> Matching:
    pairs = table.iou().tocoo()
    ious = pairs.data[_matches(pairs.row, pairs.col, pairs.data, iou)]
    return _score(
        iou,
        tp=ious.size,
        n_true=table.n_true,
        n_pred=table.n_pred,
        iou_sum=float(ious.sum()),
    )


def _best_one_to_one(
    rows: NDArray[np.integer[Any]], cols: NDArray[np.integer[Any]], iou: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mask of the pairs of a matching of most pairs and, among those, of the largest IoU sum.

    Every row also gets a column of its own that means "unmatched", so that a full matching always
    exists. With at most k matches, the IoU sum changes by less than k: an unmatched row that costs
    k + 2 against 2 - IoU for a matched one makes one more match outweigh any gain in IoU.
    """
    row_ids, rows = np.unique(rows, return_inverse=True)
    col_ids, cols = np.unique(cols, return_inverse=True)
    n_rows, n_cols = row_ids.size, col_ids.size
    every_row = np.arange(n_rows)
    cost = np.concatenate((2 - iou, np.full(n_rows, min(n_rows, n_cols) + 2.0)))
    # csgraph of older scipy takes no other indices
    edges = [
        np.concatenate(parts).astype(np.int32)
        for parts in ((rows, every_row), (cols, n_cols + every_row))
    ]
    graph = coo_array((cost, tuple(edges)), shape=(n_rows, n_cols + n_rows)).tocsr()
    _, partner = min_weight_full_bipartite_matching(graph)
    is_matched: NDArray[np.bool_] = partner[rows] == cols
    return is_matched


def _score(iou: float, *, tp: int, n_true: int, n_pred: int, iou_sum: float) -> Matching:
    fp, fn = n_pred - tp, n_true - tp
    nothing_there = 1.0 if n_true == n_pred == 0 else 0.0
    return Matching(
        iou=iou,
        tp=tp,
        fp=fp,
        fn=fn,
        n_true=n_true,
        n_pred=n_pred,
        precision=_ratio(tp, n_pred, default=nothing_there),
        recall=_ratio(tp, n_true, default=nothing_there),
        accuracy=_ratio(tp, tp + fp + fn, default=nothing_there),
        f1=_ratio(tp, tp + fp / 2 + fn / 2, default=nothing_there),
        mean_true_score=_ratio(iou_sum, n_true, default=0.0),
        mean_matched_score=_ratio(iou_sum, tp, default=0.0),
        panoptic_quality=_ratio(iou_sum, tp + fp / 2 + fn / 2, default=nothing_there),
    )


def _ratio(numerator: float, denominator: float, *, default: float) -> float:
    return numerator / denominator if denominator else default


def _check_ious(ious: Sequence[float]) -> None:
    if np.ndim(ious) != 1:
        raise TypeError(f"ious must be a sequence of numbers, not {ious!r}: use match for one IoU")
    if len(ious) == 0:
        raise ValueError("ious must hold at least one number in (0, 1], not none: e.g. (0.5, 0.75)")
    for iou in ious:
        check_iou(iou, "ious")


def check_iou(iou: float, name: str) -> None:
    """Raise TypeError or ValueError unless this is a smallest IoU, in (0, 1]."""
    if not isinstance(iou, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number in (0, 1], not {iou!r}: match_many takes several")
    if not 0 < iou <= 1:
        raise ValueError(f"{name} must be in (0, 1], not {iou}: 0.5 is the usual choice")

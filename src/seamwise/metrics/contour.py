"""Score predicted contours against true ones; see `contour_scores`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from seamwise.labels import IGNORE, Labels, inner_contour, relabel
from seamwise.labels.spacing import checked_spacing
from seamwise.metrics.dataset import Counts
from seamwise.metrics.overlap import checked_pair

DEFAULT_RADII = (1, 2, 3, 4, 5, 6, 7)
"""Radii in pixels at which contours are compared."""


@dataclass(frozen=True, kw_only=True)
class ContourScores:
    """Scores of contours at one radius; `contour_scores` defines each of them.

    Attributes
    ----------
    radius : float
        How far a pixel may lie from the other contour.
    precision, recall, f1 : float
        In [0, 1].
    """

    radius: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class ContourMatching(ContourScores, Counts[ContourScores]):
    """Counts of contour pixels at one radius, with the scores that follow from them.

    Attributes
    ----------
    n_true, n_pred : int
        Number of true and of predicted contour pixels.
    found_true, right_pred : int
        How many of them have a pixel of the other contour within the radius.
    """

    n_true: int
    n_pred: int
    found_true: int
    right_pred: int

    level: ClassVar[str] = "radius"
    scores: ClassVar[type[ContourScores]] = ContourScores

    @classmethod
    def pool(cls, parts: Sequence["ContourMatching"]) -> "ContourMatching":
        """Add the counts of several images and score the sums."""
        return _score(
            parts[0].radius,
            n_true=sum(part.n_true for part in parts),
            n_pred=sum(part.n_pred for part in parts),
            found_true=sum(part.found_true for part in parts),
            right_pred=sum(part.right_pred for part in parts),
        )


def contour_f1(
    labels_true: Labels,
    labels_pred: Labels,
    *,
    radius: float,
    spacing: Sequence[float] | None = None,
) -> float:
    """F1 of the predicted contours at one radius, thesis Table 2; see `contour_scores`.

    Examples
    --------
    >>> contour_f1(np.array([0, 1, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 1, 0]), radius=1)
    1.0
    """
    return contour_scores(labels_true, labels_pred, radii=(radius,), spacing=spacing)[0].f1


def contour_scores(
    labels_true: Labels,
    labels_pred: Labels,
    *,
    radii: Sequence[float] = DEFAULT_RADII,
    spacing: Sequence[float] | None = None,
) -> tuple[ContourMatching, ...]:
    """Score the contours of the predicted cells: how far are they from the true ones?

    With Γ and Γ' the pixels of the true and of the predicted contours (`labels.inner_contour`) and
    ι the radius::

        precision = |{q in Γ' : |p − q| ≤ ι for some p in Γ}| / |Γ'|
        recall    = |{p in Γ : |p − q| ≤ ι for some q in Γ'}| / |Γ|
        f1        = 2 · precision · recall / (precision + recall)

    Contours are those of the single cells: where two cells touch, the line between them counts.

    Parameters
    ----------
    labels_true : (*S) integer array
        0 background, positive = one number per cell, negative = ignore: such a region is cut out of
        both arrays, as if the image ended there.
    labels_pred : (*S) integer array
        0 background, positive = one number per cell.
    radii : sequence of float > 0
        ι, in units of `spacing` (pixels without it). Distances are measured once for all of them.
    spacing : sequence of float, optional
        Pixel size along each axis.

    Returns
    -------
    tuple of ContourMatching
        One for each radius, in the order given.

    Raises
    ------
    TypeError
        A label array is not of an integer type, or `radii` is a single number.
    ValueError
        The shapes differ, `labels_pred` holds negative values, or `radii` or `spacing` is out of
        range.

    Notes
    -----
    *Empty.* Without a contour on either side all scores are 1, with a contour on one side only all
    are 0, as in `match`. A cell that fills the image has no contour.

    *No assignment.* Two pixels may rely on the same pixel of the other contour. This is the
    boundary F1 (BF score) of Csurka et al.; it needs nothing but the distance to the nearest pixel
    and has no ties. The benchmark of Berkeley gives each pixel at most one partner, which costs an
    assignment and changes little for contours one pixel wide, but for doubled contours: those count
    here as right. The thesis prints no more than the radius and a reference to Estrada and Jepson,
    whose matching is another again: compare the order of methods with Table 2, not the digits.

    *Ignored regions.* A true contour may run just inside such a region, unseen. A predicted contour
    pixel outside it is nonetheless judged by the contours that are seen.

    *Cost.* Grows with the number of contour pixels, not with the image: nearest pixels come from a
    k-d tree.

    Source: thesis section 3.3 and Table 2 (ι = 2..7; Figure 15: 1..7). Csurka, Larlus, Perronnin
    and Meylan, BMVC 2013; Martin, Fowlkes and Malik, PAMI 2004; Estrada and Jepson, IJCV 85 (2009).

    Examples
    --------
    >>> labels_true = np.array([0, 1, 1, 1, 1, 0, 0, 0])  # contour at 1 and 4
    >>> labels_pred = np.array([0, 0, 1, 1, 1, 1, 1, 0])  # contour at 2 and 6
    >>> scores = contour_scores(labels_true, labels_pred, radii=(1, 2))
    >>> [(each.precision, each.recall) for each in scores]
    [(0.5, 0.5), (1.0, 1.0)]
    """
    labels_true, labels_pred = checked_pair(labels_true, labels_pred)
    _check_radii(radii)
    steps = checked_spacing(spacing, labels_true.ndim)
    # a radius of 3 reaches the pixel at distance 3 also where 3·0.1 is not 0.3 in binary
    reach = [radius * (1 + 1e-9) for radius in radii]
    true_points, predicted_points = (
        np.argwhere(contour) * steps for contour in _contours(labels_true, labels_pred)
    )
    from_true, from_pred = (
        _distances(true_points, predicted_points, max(reach)),
        _distances(predicted_points, true_points, max(reach)),
    )
    return tuple(
        _score(
            radius,
            n_true=len(true_points),
            n_pred=len(predicted_points),
            found_true=int(np.count_nonzero(from_true <= limit)),
            right_pred=int(np.count_nonzero(from_pred <= limit)),
        )
        for radius, limit in zip(radii, reach, strict=True)
    )


def _contours(
    labels_true: Labels, labels_pred: Labels
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    is_ignored = labels_true < 0
    if is_ignored.any():
        labels_pred = np.where(is_ignored, IGNORE, relabel(labels_pred).astype(np.int64))
    return inner_contour(labels_true), inner_contour(labels_pred)


def _distances(points: NDArray[Any], others: NDArray[Any], reach: float) -> NDArray[np.float64]:
    """Distance of each point to the nearest of the others; infinite beyond `reach`."""
    distances: NDArray[np.float64] = cKDTree(others).query(points, distance_upper_bound=reach)[0]
    return distances


def _score(
    radius: float, *, n_true: int, n_pred: int, found_true: int, right_pred: int
) -> ContourMatching:
    without_points = 1.0 if n_true == n_pred == 0 else 0.0
    precision = right_pred / n_pred if n_pred else without_points
    recall = found_true / n_true if n_true else without_points
    return ContourMatching(
        radius=radius,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        n_true=n_true,
        n_pred=n_pred,
        found_true=found_true,
        right_pred=right_pred,
    )


def _check_radii(radii: Sequence[float]) -> None:
    if np.ndim(radii) != 1:
        raise TypeError(
            f"radii must be a sequence of numbers, not {radii!r}: use contour_f1 for one radius"
        )
    if len(radii) == 0 or not all(0 < radius < np.inf for radius in radii):
        raise ValueError(f"radii must be one or more positive numbers, not {radii}: e.g. (1, 2, 3)")

"""Scores of many images: for each image, pooled, and their mean; see `Dataset` and `summarise`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import Any, ClassVar, Generic, TypeVar

Scored = TypeVar("Scored")


class Counts(ABC, Generic[Scored]):
    """Counts of one image at one level (an IoU, a radius), with the scores that follow."""

    level: ClassVar[str]
    """Name of the field that tells the level."""
    scores: ClassVar[type[Any]]
    """The class of the scores alone."""

    @classmethod
    @abstractmethod
    def pool(cls, parts: Sequence[Any]) -> Any:
        """Add the counts of several images and score the sums."""

    @classmethod
    def mean(cls, parts: Sequence[Any]) -> Scored:
        """Average the scores of several images."""
        values = {field.name: getattr(parts[0], field.name) for field in fields(cls.scores)}
        for name, value in values.items():
            if name != cls.level and not isinstance(value, str):
                values[name] = fmean(getattr(part, name) for part in parts)
        scores: Scored = cls.scores(**values)
        return scores


Counted = TypeVar("Counted", bound=Counts[Any])


@dataclass(frozen=True)
class Dataset(Generic[Counted, Scored]):
    """Scores of many images.

    Attributes
    ----------
    per_image : tuple of tuple of Matching or ContourMatching
        ``per_image[i][t]`` belongs to image i at the IoU or radius number t.
    pooled : tuple of Matching or ContourMatching
        ``pooled[t]`` is scored from the counts of all images together: every *object* (or contour
        pixel) weighs the same, crowded images dominate.
    mean : tuple of Scores or ContourScores
        ``mean[t]`` holds the arithmetic means of the scores of the images: every *image* weighs the
        same, as in the thesis.

    Notes
    -----
    Both summaries exist in the literature, and they differ; say which one a number is. A mean
    panoptic quality is not the product of the mean SQ and the mean RQ, and a mean F1 is not the
    harmonic mean of the mean precision and the mean recall.
    """

    per_image: tuple[tuple[Counted, ...], ...]
    pooled: tuple[Counted, ...]
    mean: tuple[Scored, ...]


def summarise(per_image: Iterable[tuple[Counted, ...]]) -> Dataset[Counted, Any]:
    """Summarise the scores of many images.

    Parameters
    ----------
    per_image : iterable of tuple of Matching or ContourMatching
        What `match_many` or `contour_scores` returned for each image, all at the same IoUs or
        radii.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        There is no image, or the IoUs or radii differ.

    Examples
    --------
    >>> import numpy as np
    >>> from seamwise.metrics import contour_scores, match_many
    >>> line = np.array([1, 0, 2])
    >>> result = summarise([match_many(line, line), match_many(line, line * 0)])
    >>> result.pooled[0].tp, result.pooled[0].fn, result.mean[0].recall
    (2, 2, 0.5)

    Contours: of three true pixels one is found, in the second image.

    >>> images = [(np.array([1, 0, 2]), np.array([0, 0, 0])), (np.array([0, 1, 0]),) * 2]
    >>> result = summarise(contour_scores(true, pred, radii=(1,)) for true, pred in images)
    >>> round(result.pooled[0].recall, 3), result.mean[0].recall
    (0.333, 0.5)
    """
    rows = tuple(per_image)
    levels = {_levels(row) for row in rows}
    if len(levels) != 1:
        raise ValueError(
            "per_image must hold the scores of one image or more, all at the same IoUs or radii, "
            f"not {len(rows)} images at {len(levels)} choices of these: "
            "give what match_many or contour_scores returns"
        )
    columns = tuple(zip(*rows, strict=True))
    return Dataset(
        per_image=rows,
        pooled=tuple(column[0].pool(column) for column in columns),
        mean=tuple(column[0].mean(column) for column in columns),
    )


def _levels(row: Sequence[Counts[Any]]) -> tuple[float, ...]:
    return tuple(getattr(each, each.level) for each in row)

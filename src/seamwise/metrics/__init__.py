"""Scores that compare predicted labels with true ones."""

from seamwise.metrics.contour import (
    DEFAULT_RADII,
    ContourMatching,
    ContourScores,
    DatasetContours,
    contour_f1,
    contour_scores,
    summarise_contours,
)
from seamwise.metrics.matching import (
    DEFAULT_IOUS,
    DatasetMatching,
    Matching,
    Scores,
    match,
    match_dataset,
    match_many,
    summarise_matchings,
)
from seamwise.metrics.overlap import OverlapTable, overlap_table

__all__ = [
    "DEFAULT_IOUS",
    "DEFAULT_RADII",
    "ContourMatching",
    "ContourScores",
    "DatasetContours",
    "DatasetMatching",
    "Matching",
    "OverlapTable",
    "Scores",
    "contour_f1",
    "contour_scores",
    "match",
    "match_dataset",
    "match_many",
    "overlap_table",
    "summarise_contours",
    "summarise_matchings",
]

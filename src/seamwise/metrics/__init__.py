"""Scores that compare predicted labels with true ones."""

from seamwise.metrics.matching import (
    DEFAULT_THRESHOLDS,
    DatasetMatching,
    Matching,
    Scores,
    match,
    match_dataset,
    match_many,
)
from seamwise.metrics.overlap import OverlapTable, overlap_table

__all__ = [
    "DEFAULT_THRESHOLDS",
    "DatasetMatching",
    "Matching",
    "OverlapTable",
    "Scores",
    "match",
    "match_dataset",
    "match_many",
    "overlap_table",
]

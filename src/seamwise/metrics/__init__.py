"""Scores that compare predicted labels with true ones."""

from seamwise.metrics.cell_doubt import CellDoubts, cell_doubt
from seamwise.metrics.contour import (
    DEFAULT_RADII,
    ContourMatching,
    ContourScores,
    contour_f1,
    contour_scores,
)
from seamwise.metrics.dataset import Dataset, summarise
from seamwise.metrics.errors import CellErrors, cell_errors
from seamwise.metrics.matching import (
    DEFAULT_IOUS,
    Matching,
    Scores,
    match,
    match_dataset,
    match_many,
)
from seamwise.metrics.overlap import OverlapTable, overlap_table
from seamwise.metrics.seams import Seams, seam_doubt

__all__ = [
    "DEFAULT_IOUS",
    "DEFAULT_RADII",
    "CellDoubts",
    "CellErrors",
    "ContourMatching",
    "ContourScores",
    "Dataset",
    "Matching",
    "OverlapTable",
    "Scores",
    "Seams",
    "cell_doubt",
    "cell_errors",
    "contour_f1",
    "contour_scores",
    "match",
    "match_dataset",
    "match_many",
    "overlap_table",
    "seam_doubt",
    "summarise",
]

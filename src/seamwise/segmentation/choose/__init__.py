"""Choose how a model is made: which loss, which thresholds, which models together."""

from seamwise.segmentation.choose.compare import (
    IOUS,
    METRICS,
    Comparison,
    ImageSplit,
    RunScores,
    compare,
)
from seamwise.segmentation.choose.conditions import (
    OWN_SETTINGS,
    Conditions,
    Run,
    conditions_of,
    first_weights,
    read_comparison,
    settings_of,
)
from seamwise.segmentation.choose.ensemble import combine
from seamwise.segmentation.choose.report import Verdict, judge, score_rows, write_report
from seamwise.segmentation.choose.stored import tune_stored
from seamwise.segmentation.choose.surface import plot_surface
from seamwise.segmentation.choose.tune import (
    GRID,
    StoredMaps,
    Trial,
    Tuning,
    cautions,
    save_tuned,
    tune,
    tune_maps,
    with_pair,
)

__all__ = [
    "GRID",
    "IOUS",
    "METRICS",
    "OWN_SETTINGS",
    "Comparison",
    "Conditions",
    "ImageSplit",
    "Run",
    "RunScores",
    "StoredMaps",
    "Trial",
    "Tuning",
    "Verdict",
    "cautions",
    "combine",
    "compare",
    "conditions_of",
    "first_weights",
    "judge",
    "plot_surface",
    "read_comparison",
    "save_tuned",
    "score_rows",
    "settings_of",
    "tune",
    "tune_maps",
    "tune_stored",
    "with_pair",
    "write_report",
]

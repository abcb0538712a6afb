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
from seamwise.segmentation.choose.tune import (
    GRID,
    Trial,
    Tuning,
    cautions,
    plot_surface,
    save_tuned,
    tune,
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
    "with_pair",
    "write_report",
]

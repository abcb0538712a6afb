"""Choose what a model is made of: which loss, which thresholds, which models together."""

from seamwise.segmentation.choose.compare import (
    METRICS,
    THRESHOLDS,
    Comparison,
    Conditions,
    Run,
    RunScores,
    compare,
    conditions_of,
    first_weights,
    settings_of,
)
from seamwise.segmentation.choose.ensemble import combine
from seamwise.segmentation.choose.report import Verdict, judge, rows, write_report
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

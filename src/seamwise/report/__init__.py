"""Pages to look at results: self-contained HTML, which needs no network.

`segmentation_report` shows what was segmented, `evaluation_report` what is wrong with it,
`training_report` what is wrong with training data.
"""

from seamwise.report.evaluation import evaluation_report
from seamwise.report.segmentation import segmentation_report
from seamwise.report.training_data import training_report

__all__ = ["evaluation_report", "segmentation_report", "training_report"]

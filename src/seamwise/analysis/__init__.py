"""What may be said of methods, scores and losses: tests over many cases, simulations, landscapes."""

from seamwise.analysis.landscape import Landscape, landscape, random_direction
from seamwise.analysis.statistics import (
    FriedmanTest,
    NemenyiTest,
    critical_difference_diagram,
    friedman,
    nemenyi,
)
from seamwise.analysis.youden_simulation import (
    BinaryClassifier,
    BinaryScores,
    LossCourse,
    ShrinkingMask,
    binary_scores,
    expected_scores,
    loss_course,
    sampled_scores,
    shrinking_mask,
    stratified_classifier,
    touching_pair,
    uniform_classifier,
    youden_mcc_correlation,
)

__all__ = [
    "BinaryClassifier",
    "BinaryScores",
    "FriedmanTest",
    "Landscape",
    "LossCourse",
    "NemenyiTest",
    "ShrinkingMask",
    "binary_scores",
    "critical_difference_diagram",
    "expected_scores",
    "friedman",
    "landscape",
    "loss_course",
    "nemenyi",
    "random_direction",
    "sampled_scores",
    "shrinking_mask",
    "stratified_classifier",
    "touching_pair",
    "uniform_classifier",
    "youden_mcc_correlation",
]

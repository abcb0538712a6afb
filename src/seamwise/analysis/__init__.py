"""Compare methods, scores and losses: tests over many cases, verdicts, loss landscapes."""

from seamwise.analysis.binary_scores import (
    BinaryClassifier,
    BinaryScores,
    binary_scores,
    expected_scores,
    sampled_scores,
    stratified_classifier,
    uniform_classifier,
    youden_mcc_correlation,
)
from seamwise.analysis.evidence import (
    Claim,
    claim_of_fact,
    claim_of_pairs,
    holm_corrected,
    p_text,
    spread_text,
)
from seamwise.analysis.loss_landscape import LossLandscape, loss_landscape, random_direction
from seamwise.analysis.statistics import (
    FriedmanTest,
    NemenyiTest,
    critical_difference_diagram,
    friedman,
    nemenyi,
)

__all__ = [
    "BinaryClassifier",
    "BinaryScores",
    "Claim",
    "FriedmanTest",
    "LossLandscape",
    "NemenyiTest",
    "binary_scores",
    "claim_of_fact",
    "claim_of_pairs",
    "critical_difference_diagram",
    "expected_scores",
    "friedman",
    "holm_corrected",
    "loss_landscape",
    "nemenyi",
    "p_text",
    "random_direction",
    "sampled_scores",
    "spread_text",
    "stratified_classifier",
    "uniform_classifier",
    "youden_mcc_correlation",
]

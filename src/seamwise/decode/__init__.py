"""Decoders: class probabilities `(C, *S)` → instance labels `(*S)`.

Each has two steps: what a pixel is, from its probabilities alone (`semantic_classes`,
`threshold_classes`, `watershed_elevation`), and then which cell it belongs to, over the whole image
(`instances`, `judge_by_relief`, `flood`).
"""

from seamwise.decode.argmax import argmax, semantic_classes
from seamwise.decode.instances import instances
from seamwise.decode.relief import judge_by_relief, relief
from seamwise.decode.threshold import threshold, threshold_classes
from seamwise.decode.watershed import flood, watershed, watershed_elevation

__all__ = [
    "argmax",
    "flood",
    "instances",
    "judge_by_relief",
    "relief",
    "semantic_classes",
    "threshold",
    "threshold_classes",
    "watershed",
    "watershed_elevation",
]

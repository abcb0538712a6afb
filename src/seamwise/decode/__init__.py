"""Decoders: class probabilities `(C, *S)` → instance labels `(*S)`.

Each has two steps: what a pixel is, from its probabilities alone (`semantic_classes`,
`threshold_classes`, `relief`), and then which cell it belongs to, over the whole image
(`instances`, `flood`).
"""

from seamwise.decode.argmax import argmax, semantic_classes
from seamwise.decode.instances import instances
from seamwise.decode.threshold import threshold, threshold_classes
from seamwise.decode.watershed import flood, relief, watershed

__all__ = [
    "argmax",
    "flood",
    "instances",
    "relief",
    "semantic_classes",
    "threshold",
    "threshold_classes",
    "watershed",
]

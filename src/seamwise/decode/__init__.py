"""Decoders: class probabilities `(C, *S)` → instance labels `(*S)`.

Each has two steps: what a pixel is, from its probabilities alone (`semantic_classes`, `threshold_classes`,
`landscape`), and then which cell it belongs to, over the whole image (`instances`, `flood`).
"""

from seamwise.decode.argmax import argmax, semantic_classes
from seamwise.decode.instances import instances
from seamwise.decode.relief import relief, relief_landscape
from seamwise.decode.threshold import threshold, threshold_classes
from seamwise.decode.watershed import flood, landscape, watershed

__all__ = [
    "argmax",
    "flood",
    "instances",
    "landscape",
    "relief",
    "relief_landscape",
    "semantic_classes",
    "threshold",
    "threshold_classes",
    "watershed",
]

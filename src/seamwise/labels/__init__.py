"""Instance labels and the semantic classes a network learns from them.

`labels` is an integer array of any rank: 0 background, 1..n one number per cell, negative = ignore
(not annotated: counts nowhere). A semantic `target` holds class numbers: `BACKGROUND`, `CELL`,
`TOUCHING`, `GAP`, and `IGNORE`. `CLASS_NAMES` names the classes 0 to 3.
"""

from seamwise.labels.classes import BACKGROUND, CELL, CLASS_NAMES, GAP, IGNORE, TOUCHING
from seamwise.labels.contour import inner_contour
from seamwise.labels.guides import Guides, measure_guides
from seamwise.labels.numbering import as_labels, bounding_boxes, relabel, smallest_dtype
from seamwise.labels.pieces import Fragments, connected_components, fragments
from seamwise.labels.target import binary_target, semantic_target
from seamwise.types import Labels, Target

__all__ = [
    "BACKGROUND",
    "CELL",
    "CLASS_NAMES",
    "GAP",
    "IGNORE",
    "TOUCHING",
    "Fragments",
    "Guides",
    "Labels",
    "Target",
    "as_labels",
    "binary_target",
    "bounding_boxes",
    "connected_components",
    "fragments",
    "inner_contour",
    "measure_guides",
    "relabel",
    "semantic_target",
    "smallest_dtype",
]

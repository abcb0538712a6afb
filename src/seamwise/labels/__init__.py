"""Instance labels and the semantic classes a network learns from them.

`labels` is an integer array of any rank: 0 background, 1..n one number per cell, negative = ignore
(not annotated: counts nowhere). A semantic `target` holds class numbers: `BACKGROUND`, `CELL`,
`TOUCHING`, `GAP`, and `IGNORE`.
"""

from seamwise.labels.contour import inner_contour
from seamwise.labels.numbering import (
    BACKGROUND,
    CELL,
    GAP,
    IGNORE,
    TOUCHING,
    Labels,
    Target,
    areas,
    as_labels,
    as_mask,
    bounding_boxes,
    checked_spacing,
    look_up,
    relabel,
    slabs,
    smallest_dtype,
    window_reach,
)
from seamwise.labels.pieces import Fragments, connected_components, fragments
from seamwise.labels.target import binary_target, semantic_target

__all__ = [
    "BACKGROUND",
    "CELL",
    "GAP",
    "IGNORE",
    "TOUCHING",
    "Fragments",
    "Labels",
    "Target",
    "areas",
    "as_labels",
    "as_mask",
    "binary_target",
    "bounding_boxes",
    "checked_spacing",
    "connected_components",
    "fragments",
    "inner_contour",
    "look_up",
    "relabel",
    "semantic_target",
    "slabs",
    "smallest_dtype",
    "window_reach",
]

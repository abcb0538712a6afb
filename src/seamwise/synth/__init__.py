"""Synthetic images with exact labels, and labels made as imperfect as hand-drawn ones."""

from seamwise.synth.annotations import weaken
from seamwise.synth.cells import SyntheticImage, crowded_cells

__all__ = ["SyntheticImage", "crowded_cells", "weaken"]

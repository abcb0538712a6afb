"""Synthetic images with exact labels, imperfect annotations, and pairs of different focus."""

from seamwise.synth.annotations import degrade_annotation
from seamwise.synth.camera import CONFOCAL, WIDEFIELD, Camera, SyntheticImage
from seamwise.synth.cells import crowded_cells
from seamwise.synth.focus import FocusPair, draw_mask, focus_pair, random_shapes
from seamwise.synth.nuclei import Medium, Nucleus, nuclei
from seamwise.synth.tissue import tissue

__all__ = [
    "CONFOCAL",
    "WIDEFIELD",
    "Camera",
    "FocusPair",
    "Medium",
    "Nucleus",
    "SyntheticImage",
    "crowded_cells",
    "degrade_annotation",
    "draw_mask",
    "focus_pair",
    "nuclei",
    "random_shapes",
    "tissue",
]

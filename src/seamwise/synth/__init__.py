"""Synthetic images with exact labels, time series, imperfect annotations,
and pairs of different focus."""

from seamwise.synth.annotations import degrade_annotation
from seamwise.synth.burst import FocusBurst, Layer, focus_burst
from seamwise.synth.camera import CONFOCAL, WIDEFIELD, Camera, SyntheticImage
from seamwise.synth.cells import crowded_cells
from seamwise.synth.focus import FocusPair, draw_mask, focus_pair, random_shapes
from seamwise.synth.nuclei import Medium, Nucleus, nuclei
from seamwise.synth.scene import draw_scene, drawn_picture
from seamwise.synth.time_lapse import TimeLapse, time_lapse
from seamwise.synth.tissue import tissue

__all__ = [
    "CONFOCAL",
    "WIDEFIELD",
    "Camera",
    "FocusBurst",
    "FocusPair",
    "Layer",
    "Medium",
    "Nucleus",
    "SyntheticImage",
    "TimeLapse",
    "crowded_cells",
    "degrade_annotation",
    "draw_mask",
    "draw_scene",
    "drawn_picture",
    "focus_burst",
    "focus_pair",
    "nuclei",
    "random_shapes",
    "time_lapse",
    "tissue",
]

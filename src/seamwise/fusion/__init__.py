"""Multi-focus fusion: one picture in focus everywhere from several; and the training of networks for it."""

from seamwise.fusion.align import Aligned, Alignment, AlignmentError, estimate_alignment
from seamwise.fusion.data import SegmentedPicture, Split, find_pictures, make_pair, split
from seamwise.fusion.frames import Fused
from seamwise.fusion.methods import Fusion, fuse
from seamwise.fusion.predict import fuse_frames, fuse_pair, load
from seamwise.fusion.settings import FusionSettings, Simulation
from seamwise.fusion.train import train

__all__ = [
    "Aligned",
    "Alignment",
    "AlignmentError",
    "Fused",
    "Fusion",
    "FusionSettings",
    "SegmentedPicture",
    "Simulation",
    "Split",
    "estimate_alignment",
    "find_pictures",
    "fuse",
    "fuse_frames",
    "fuse_pair",
    "load",
    "make_pair",
    "split",
    "train",
]

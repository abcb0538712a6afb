"""Multi-focus fusion: one picture in focus everywhere from several; and the training of networks for it."""

from seamwise.fusion.align import AlignedFrames, Alignment, AlignmentError, estimate_alignment
from seamwise.fusion.data import PictureSplit, SegmentedPicture, find_pictures, make_pair, split
from seamwise.fusion.methods import fuse
from seamwise.fusion.predict import fuse_frames, fuse_pair, load
from seamwise.fusion.result import Fusion
from seamwise.fusion.settings import FusionSettings, Simulation
from seamwise.fusion.train import train

__all__ = [
    "AlignedFrames",
    "Alignment",
    "AlignmentError",
    "Fusion",
    "FusionSettings",
    "PictureSplit",
    "SegmentedPicture",
    "Simulation",
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

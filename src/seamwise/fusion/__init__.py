"""Fuse pictures of different focus into one that is sharp everywhere, and train networks for it."""

from seamwise.fusion.alignment import AlignedFrames, Alignment
from seamwise.fusion.batch import fuse_files
from seamwise.fusion.boxplots import draw_boxplots
from seamwise.fusion.brightness import Brightness, find_brightness
from seamwise.fusion.burst import Burst, find_frames
from seamwise.fusion.burst_train import train_burst
from seamwise.fusion.data import (
    PictureSplit,
    SegmentedPicture,
    find_pictures,
    make_pair,
    pictures_sha256,
    split,
)
from seamwise.fusion.frames import luminance
from seamwise.fusion.fused_pairs import DUMMIES, FusedPair, find_fused_pairs, split_inputs
from seamwise.fusion.jobs import FuseJob, plan
from seamwise.fusion.measure import (
    METRICS,
    FusionScores,
    make_results_folder,
    score_files,
    write_scores,
)
from seamwise.fusion.memory import memory_estimate
from seamwise.fusion.methods import CLASSICAL, fuse, fuse_burst, shipped_weights
from seamwise.fusion.options import FuseOptions, FuseOutputs
from seamwise.fusion.predict import Model, fuse_frames, fuse_pair, load
from seamwise.fusion.register import AlignmentError, estimate_alignment
from seamwise.fusion.result import Fusion
from seamwise.fusion.settings import (
    BurstSettings,
    BurstSimulation,
    FusionSettings,
    Simulation,
)
from seamwise.fusion.surface import Surface, find_surface
from seamwise.fusion.train import fixed_pairs, train

__all__ = [
    "CLASSICAL",
    "DUMMIES",
    "METRICS",
    "AlignedFrames",
    "Alignment",
    "AlignmentError",
    "Brightness",
    "Burst",
    "BurstSettings",
    "BurstSimulation",
    "FuseJob",
    "FuseOptions",
    "FuseOutputs",
    "FusedPair",
    "Fusion",
    "FusionScores",
    "FusionSettings",
    "Model",
    "PictureSplit",
    "SegmentedPicture",
    "Simulation",
    "Surface",
    "draw_boxplots",
    "estimate_alignment",
    "find_brightness",
    "find_frames",
    "find_fused_pairs",
    "find_pictures",
    "find_surface",
    "fixed_pairs",
    "fuse",
    "fuse_burst",
    "fuse_files",
    "fuse_frames",
    "fuse_pair",
    "load",
    "luminance",
    "make_pair",
    "make_results_folder",
    "memory_estimate",
    "pictures_sha256",
    "plan",
    "score_files",
    "shipped_weights",
    "split",
    "split_inputs",
    "train",
    "train_burst",
    "write_scores",
]

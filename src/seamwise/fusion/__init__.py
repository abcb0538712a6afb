"""Fuse pictures of different focus into one that is sharp everywhere, and train networks for it."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from seamwise.room import Room

if TYPE_CHECKING:
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
    from seamwise.fusion.depth_map import write_depth
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
    from seamwise.fusion.memory import memory_estimate, memory_of_burst
    from seamwise.fusion.methods import CLASSICAL, fuse, fuse_burst, shipped_weights
    from seamwise.fusion.options import FuseOptions, FuseOutputs
    from seamwise.fusion.predict import Model, fuse_frames, fuse_pair, load
    from seamwise.fusion.readable import readable
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
    "memory_of_burst",
    "pictures_sha256",
    "plan",
    "readable",
    "score_files",
    "shipped_weights",
    "split",
    "split_inputs",
    "train",
    "train_burst",
    "write_depth",
    "write_scores",
]

_ROOMS = {
    "seamwise.fusion.alignment": (
        "AlignedFrames",
        "Alignment",
    ),
    "seamwise.fusion.batch": ("fuse_files",),
    "seamwise.fusion.boxplots": ("draw_boxplots",),
    "seamwise.fusion.brightness": (
        "Brightness",
        "find_brightness",
    ),
    "seamwise.fusion.burst": (
        "Burst",
        "find_frames",
    ),
    "seamwise.fusion.burst_train": ("train_burst",),
    "seamwise.fusion.data": (
        "PictureSplit",
        "SegmentedPicture",
        "find_pictures",
        "make_pair",
        "pictures_sha256",
        "split",
    ),
    "seamwise.fusion.depth_map": ("write_depth",),
    "seamwise.fusion.frames": ("luminance",),
    "seamwise.fusion.fused_pairs": (
        "DUMMIES",
        "FusedPair",
        "find_fused_pairs",
        "split_inputs",
    ),
    "seamwise.fusion.jobs": (
        "FuseJob",
        "plan",
    ),
    "seamwise.fusion.measure": (
        "METRICS",
        "FusionScores",
        "make_results_folder",
        "score_files",
        "write_scores",
    ),
    "seamwise.fusion.memory": ("memory_estimate", "memory_of_burst"),
    "seamwise.fusion.methods": (
        "CLASSICAL",
        "fuse",
        "fuse_burst",
        "shipped_weights",
    ),
    "seamwise.fusion.options": (
        "FuseOptions",
        "FuseOutputs",
    ),
    "seamwise.fusion.predict": (
        "Model",
        "fuse_frames",
        "fuse_pair",
        "load",
    ),
    "seamwise.fusion.readable": ("readable",),
    "seamwise.fusion.register": (
        "AlignmentError",
        "estimate_alignment",
    ),
    "seamwise.fusion.result": ("Fusion",),
    "seamwise.fusion.settings": (
        "BurstSettings",
        "BurstSimulation",
        "FusionSettings",
        "Simulation",
    ),
    "seamwise.fusion.surface": (
        "Surface",
        "find_surface",
    ),
    "seamwise.fusion.train": (
        "fixed_pairs",
        "train",
    ),
}


def __getattr__(name: str) -> Any:
    # training needs torch; `seamwise fuse` with another runtime does not wait for it
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(room), name)
    raise AttributeError(f"module 'seamwise.fusion' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = Room

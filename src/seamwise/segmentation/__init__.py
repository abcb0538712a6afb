"""Segmentation: train a network, and find the cells of an image with it."""

from seamwise.engine.history import TrainProgress
from seamwise.segmentation.augment import Augmentation
from seamwise.segmentation.choose import (
    Comparison,
    ImageSplit,
    Trial,
    Tuning,
    combine,
    compare,
    tune,
)
from seamwise.segmentation.data import (
    AnnotatedImage,
    Pair,
    Split,
    find_pairs,
    find_split,
    mask_notes,
    read_pair,
)
from seamwise.segmentation.predict import Model, Prediction, load, segment
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.stitch import segment_slices, stitch
from seamwise.segmentation.stream import Segmented, segment_volume
from seamwise.segmentation.systems import System, system
from seamwise.segmentation.train import train
from seamwise.segmentation.transforms import TargetAndWeight, TargetAndWeightd, count_classes

__all__ = [
    "AnnotatedImage",
    "Augmentation",
    "Comparison",
    "ImageSplit",
    "Model",
    "Pair",
    "Prediction",
    "Segmented",
    "Split",
    "System",
    "TargetAndWeight",
    "TargetAndWeightd",
    "TrainProgress",
    "TrainSettings",
    "Trial",
    "Tuning",
    "combine",
    "compare",
    "count_classes",
    "find_pairs",
    "find_split",
    "load",
    "mask_notes",
    "read_pair",
    "segment",
    "segment_slices",
    "segment_volume",
    "stitch",
    "system",
    "train",
    "tune",
]

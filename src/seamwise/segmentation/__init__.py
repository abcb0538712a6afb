"""Segmentation: train a network, and find the cells of an image with it."""

from seamwise.engine.history import Progress
from seamwise.segmentation.augment import Augmentation
from seamwise.segmentation.choose.compare import Comparison, compare
from seamwise.segmentation.data import AnnotatedImage, Pair, Split, find_pairs, read_pair
from seamwise.segmentation.choose.ensemble import combine
from seamwise.segmentation.predict import Model, Prediction, load, segment
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.stitch import segment_slices, stitch
from seamwise.segmentation.stream import Segmented, segment_volume
from seamwise.segmentation.systems import System, system
from seamwise.segmentation.train import train
from seamwise.segmentation.transforms import TargetAndWeight, TargetAndWeightd, count_classes
from seamwise.segmentation.choose.tune import Trial, Tuning, tune

__all__ = [
    "AnnotatedImage",
    "Augmentation",
    "Comparison",
    "Model",
    "Pair",
    "Prediction",
    "Progress",
    "Segmented",
    "Split",
    "System",
    "TargetAndWeight",
    "TargetAndWeightd",
    "TrainSettings",
    "Trial",
    "Tuning",
    "combine",
    "compare",
    "count_classes",
    "find_pairs",
    "load",
    "read_pair",
    "segment",
    "segment_slices",
    "segment_volume",
    "stitch",
    "system",
    "train",
    "tune",
]

"""Segmentation: train a network, and find the cells of an image with it."""

from seamwise.engine.history import TrainProgress
from seamwise.segmentation.augment import Augmentation
from seamwise.segmentation.batch import segment_files
from seamwise.segmentation.big import LabelsOnDisk, segment_volume
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
from seamwise.segmentation.measure import FileScores, ScoredPair, pair_files, score_files
from seamwise.segmentation.options import OutputOptions, SegmentOptions
from seamwise.segmentation.predict import Model, Prediction, load, segment, segment_image
from seamwise.segmentation.record import record_range
from seamwise.segmentation.score_tables import write_scores
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.stitch import segment_slices, stitch
from seamwise.segmentation.systems import System, system
from seamwise.segmentation.train import train
from seamwise.segmentation.transforms import TargetAndWeight, TargetAndWeightd, count_classes
from seamwise.segmentation.weight_files import weigh_files

__all__ = [
    "AnnotatedImage",
    "Augmentation",
    "Comparison",
    "FileScores",
    "ImageSplit",
    "LabelsOnDisk",
    "Model",
    "OutputOptions",
    "Pair",
    "Prediction",
    "ScoredPair",
    "SegmentOptions",
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
    "pair_files",
    "read_pair",
    "record_range",
    "score_files",
    "segment",
    "segment_files",
    "segment_image",
    "segment_slices",
    "segment_volume",
    "stitch",
    "system",
    "train",
    "tune",
    "weigh_files",
    "write_scores",
]

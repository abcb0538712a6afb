"""Segmentation: train a network, and find the cells of an image with it."""

from seamwise.engine.history import TrainProgress
from seamwise.segmentation.augment import Augmentation, modulate_touching
from seamwise.segmentation.batch import segment_files
from seamwise.segmentation.big import (
    LabelsOnDisk,
    NetworkLoad,
    plan_blocks,
    segment_volume,
    work_folder,
)
from seamwise.segmentation.bioimageio import export_bioimageio
from seamwise.segmentation.choose import (
    Comparison,
    ImageSplit,
    Trial,
    Tuning,
    combine,
    compare,
    tune,
)
from seamwise.segmentation.corrected import with_corrected
from seamwise.segmentation.data import (
    AnnotatedImage,
    Pair,
    Split,
    as_channels,
    find_pairs,
    find_split,
    image_notes,
    mask_notes,
    read_pair,
    read_pairs,
    read_split,
)
from seamwise.segmentation.decoding import decode_slabs, decode_whole
from seamwise.segmentation.demo import demo
from seamwise.segmentation.export import export_onnx
from seamwise.segmentation.maps import decode_files, decode_maps
from seamwise.segmentation.measure import FileScores, ScoredPair, pair_files, score_files
from seamwise.segmentation.normalization import (
    compress_intensities,
    identity_normalization,
    normalization,
)
from seamwise.segmentation.options import OutputOptions, SegmentOptions
from seamwise.segmentation.overlay import label_colours, overlay, stretch
from seamwise.segmentation.predict import (
    Model,
    Prediction,
    as_model_input,
    class_probabilities,
    load,
    probability_slabs,
    segment,
    segment_image,
    segment_normalized,
    tile_probabilities,
)
from seamwise.segmentation.record import record_activations, record_range
from seamwise.segmentation.samples import Samples
from seamwise.segmentation.score_tables import write_scores
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.start import read_start, start_defaults
from seamwise.segmentation.stitch import segment_slices, stitch
from seamwise.segmentation.systems import System, system
from seamwise.segmentation.train import train
from seamwise.segmentation.transforms import MAPS, TargetAndWeight, TargetAndWeightd, count_classes
from seamwise.segmentation.unlabelled import with_unlabelled
from seamwise.segmentation.weight_files import weigh_files
from seamwise.segmentation.zoom import cell_diameters, magnified_shape, resample

__all__ = [
    "MAPS",
    "AnnotatedImage",
    "Augmentation",
    "Comparison",
    "FileScores",
    "ImageSplit",
    "LabelsOnDisk",
    "Model",
    "NetworkLoad",
    "OutputOptions",
    "Pair",
    "Prediction",
    "Samples",
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
    "as_channels",
    "as_model_input",
    "cell_diameters",
    "class_probabilities",
    "combine",
    "compare",
    "compress_intensities",
    "count_classes",
    "decode_files",
    "decode_maps",
    "decode_slabs",
    "decode_whole",
    "demo",
    "export_bioimageio",
    "export_onnx",
    "find_pairs",
    "find_split",
    "identity_normalization",
    "image_notes",
    "label_colours",
    "load",
    "magnified_shape",
    "mask_notes",
    "modulate_touching",
    "normalization",
    "overlay",
    "pair_files",
    "plan_blocks",
    "probability_slabs",
    "read_pair",
    "read_pairs",
    "read_split",
    "read_start",
    "record_activations",
    "record_range",
    "resample",
    "score_files",
    "segment",
    "segment_files",
    "segment_image",
    "segment_normalized",
    "segment_slices",
    "segment_volume",
    "start_defaults",
    "stitch",
    "stretch",
    "system",
    "tile_probabilities",
    "train",
    "tune",
    "weigh_files",
    "with_corrected",
    "with_unlabelled",
    "work_folder",
    "write_scores",
]

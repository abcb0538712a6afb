"""Segmentation: train a network, and find the cells of an image with it."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from seamwise.room import Room

if TYPE_CHECKING:
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
    from seamwise.segmentation.channels import as_channels
    from seamwise.segmentation.choose.compare import Comparison, ImageSplit, compare
    from seamwise.segmentation.choose.ensemble import combine
    from seamwise.segmentation.choose.stored import tune_stored
    from seamwise.segmentation.choose.tune import Trial, Tuning, tune
    from seamwise.segmentation.corrected import with_corrected
    from seamwise.segmentation.data import (
        AnnotatedImage,
        Pair,
        Split,
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
    from seamwise.segmentation.model_input import as_model_input
    from seamwise.segmentation.nnunet_data import NNUNetDataset, write_nnunet
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
        class_probabilities,
        decode_rule,
        load,
        probability_slabs,
        segment,
        segment_image,
        segment_normalized,
    )
    from seamwise.segmentation.record import record_activations, record_range, record_rule
    from seamwise.segmentation.samples import Samples
    from seamwise.segmentation.score_tables import write_scores
    from seamwise.segmentation.settings import TrainSettings
    from seamwise.segmentation.sliders import Slider, rule_with, sliders_of
    from seamwise.segmentation.start import read_start, start_defaults
    from seamwise.segmentation.stitch import segment_slices, stitch
    from seamwise.segmentation.systems import System, system
    from seamwise.segmentation.tile_maps import tile_probabilities
    from seamwise.segmentation.train import train
    from seamwise.segmentation.transforms import (
        MAPS,
        TargetAndWeight,
        TargetAndWeightd,
        count_classes,
        mean_weight,
    )
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
    "NNUNetDataset",
    "NetworkLoad",
    "OutputOptions",
    "Pair",
    "Prediction",
    "Samples",
    "ScoredPair",
    "SegmentOptions",
    "Slider",
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
    "decode_rule",
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
    "mean_weight",
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
    "record_rule",
    "resample",
    "rule_with",
    "score_files",
    "segment",
    "segment_files",
    "segment_image",
    "segment_normalized",
    "segment_slices",
    "segment_volume",
    "sliders_of",
    "start_defaults",
    "stitch",
    "stretch",
    "system",
    "tile_probabilities",
    "train",
    "tune",
    "tune_stored",
    "weigh_files",
    "with_corrected",
    "with_unlabelled",
    "work_folder",
    "write_nnunet",
    "write_scores",
]

_ROOMS = {
    "seamwise.engine.history": ("TrainProgress",),
    "seamwise.segmentation.augment": (
        "Augmentation",
        "modulate_touching",
    ),
    "seamwise.segmentation.batch": ("segment_files",),
    "seamwise.segmentation.big": (
        "LabelsOnDisk",
        "NetworkLoad",
        "plan_blocks",
        "segment_volume",
        "work_folder",
    ),
    "seamwise.segmentation.bioimageio": ("export_bioimageio",),
    "seamwise.segmentation.channels": ("as_channels",),
    "seamwise.segmentation.choose.compare": ("Comparison", "ImageSplit", "compare"),
    "seamwise.segmentation.choose.ensemble": ("combine",),
    "seamwise.segmentation.choose.stored": ("tune_stored",),
    "seamwise.segmentation.choose.tune": ("Trial", "Tuning", "tune"),
    "seamwise.segmentation.corrected": ("with_corrected",),
    "seamwise.segmentation.data": (
        "AnnotatedImage",
        "Pair",
        "Split",
        "find_pairs",
        "find_split",
        "image_notes",
        "mask_notes",
        "read_pair",
        "read_pairs",
        "read_split",
    ),
    "seamwise.segmentation.decoding": (
        "decode_slabs",
        "decode_whole",
    ),
    "seamwise.segmentation.demo": ("demo",),
    "seamwise.segmentation.export": ("export_onnx",),
    "seamwise.segmentation.maps": (
        "decode_files",
        "decode_maps",
    ),
    "seamwise.segmentation.measure": (
        "FileScores",
        "ScoredPair",
        "pair_files",
        "score_files",
    ),
    "seamwise.segmentation.model_input": ("as_model_input",),
    "seamwise.segmentation.nnunet_data": ("NNUNetDataset", "write_nnunet"),
    "seamwise.segmentation.normalization": (
        "compress_intensities",
        "identity_normalization",
        "normalization",
    ),
    "seamwise.segmentation.options": (
        "OutputOptions",
        "SegmentOptions",
    ),
    "seamwise.segmentation.overlay": (
        "label_colours",
        "overlay",
        "stretch",
    ),
    "seamwise.segmentation.predict": (
        "Model",
        "Prediction",
        "class_probabilities",
        "decode_rule",
        "load",
        "probability_slabs",
        "segment",
        "segment_image",
        "segment_normalized",
    ),
    "seamwise.segmentation.record": (
        "record_activations",
        "record_range",
        "record_rule",
    ),
    "seamwise.segmentation.samples": ("Samples",),
    "seamwise.segmentation.score_tables": ("write_scores",),
    "seamwise.segmentation.settings": ("TrainSettings",),
    "seamwise.segmentation.sliders": (
        "Slider",
        "rule_with",
        "sliders_of",
    ),
    "seamwise.segmentation.start": (
        "read_start",
        "start_defaults",
    ),
    "seamwise.segmentation.stitch": (
        "segment_slices",
        "stitch",
    ),
    "seamwise.segmentation.systems": (
        "System",
        "system",
    ),
    "seamwise.segmentation.tile_maps": ("tile_probabilities",),
    "seamwise.segmentation.train": ("train",),
    "seamwise.segmentation.transforms": (
        "MAPS",
        "TargetAndWeight",
        "TargetAndWeightd",
        "count_classes",
        "mean_weight",
    ),
    "seamwise.segmentation.unlabelled": ("with_unlabelled",),
    "seamwise.segmentation.weight_files": ("weigh_files",),
    "seamwise.segmentation.zoom": (
        "cell_diameters",
        "magnified_shape",
        "resample",
    ),
}


def __getattr__(name: str) -> Any:
    # training needs torch; `seamwise segment` with another runtime does not wait for it
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(room), name)
    raise AttributeError(f"module 'seamwise.segmentation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = Room

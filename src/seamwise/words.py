"""The words that options may have, each list once; help lists them without importing numpy."""

from typing import Literal, get_args

RuntimeChoice = Literal["auto", "torch", "openvino", "onnx"]
"""What computes a network; `engine.runtime.choose_runtime` says what "auto" is."""

RuntimeRecord = Literal[
    "torch", "openvino float32", "openvino bfloat16", "openvino int8", "onnx float32"
]  # fmt: skip
"""What has computed the network of a result."""

AnyRuntime = RuntimeChoice | RuntimeRecord
"""A runtime to choose, or to use as a record tells."""

Precision = Literal["float32", "bfloat16", "int8"]
"""Numbers that a network computes in."""

Annotation = Literal["instances", "binary"]
"""What a mask holds: a number for each cell, or cells in white on black."""

Unlabelled = Literal["background", "ignore", "near"]
"""What 0 means in a mask: background, not annotated, or background near a cell only."""

RuleName = Literal["argmax", "threshold", "watershed", "relief"]
"""How probabilities become cells."""

TunedRule = Literal["threshold", "watershed"]
"""Decoding rules with thresholds."""

BackgroundAs = Literal["marker", "mask"]
"""What background is to a watershed."""

MapName = Literal["balance", "dwm", "pieces", "saw", "unet", "w3"]
"""Weight maps."""

StackMode = Literal["3d", "2d-stitch"]
"""How a stack is segmented."""

SystemName = Literal[
    "unet2", "unet3", "fl", "dwm", "saw", "lsmax", "bwm", "unet", "w3",
    "dsc", "j3", "j4", "j3_cells", "j4_cells", "ce2", "ce3", "ce4",
    "dice", "dice_focal", "tversky", "focal_tversky", "youden",
]  # fmt: skip
"""Segmentation systems: classes, loss and weight map."""

ZarrVersion = Literal["0.4", "0.5"]
"""Versions of OME-Zarr."""

Motion = Literal["none", "shift", "similarity", "affine", "homography"]
"""How a frame may have moved, from the simplest on."""

MotionChoice = Literal["auto", "none", "shift", "similarity", "affine", "homography"]
"""How a frame may move: a motion, or the simplest that explains it."""

FusionMode = Literal["sequence", "together"]
"""How a network sees the frames of a burst."""

FusionNetwork = Literal["selection", "bands", "picture"]
"""What a fusion network predicts: which source, or the colours."""

FusionLoss = Literal["nps", "l1", "l2", "huber", "gradient", "ssim", "perceptual"]
"""Losses of a network that predicts colours."""

Sampling = Literal["random", "epochs"]
"""How a training draws its images: each time any of them, or each once before any comes again."""

CellMean = Literal["mean", "median", "max", "mean_corrected", "nucleus_mean", "cytoplasm_mean"]
"""Which value of a channel decides whether a cell is positive."""

LoggerName = Literal["tensorboard", "wandb"]
"""Where else the progress of a training goes."""

OutlineFormat = Literal["roi", "geojson", "coco", "ctc"]
"""Files that hold the outlines or masks of cells."""


NetworkOutputs = Literal["logits", "probabilities"]
"""What a network returns."""

NNUNetFormat = Literal["tiff", "nifti"]
"""Files of a data set for nnU-Net."""

ExportFormat = Literal["onnx", "bioimageio"]
"""Files that a model is exported to."""


def check_word(name: str, value: object, words: tuple[object, ...]) -> None:
    """Raise ValueError unless an option has one of its words; None among them is its default."""
    if not isinstance(value, str | None) or value not in words:
        expected = " or ".join(str(word) for word in words if word is not None)
        raise ValueError(f"{name} must be {expected}, not {value!r}")


def check_runtime(value: object) -> None:
    """Raise ValueError unless a runtime can be chosen, or stands in a record."""
    if value not in get_args(RuntimeRecord):
        check_word("runtime", value, get_args(RuntimeChoice))

"""The public names, written out: adding or dropping one is a decision."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import get_origin

import pytest
import torch

import seamwise
from seamwise.synth import crowded_cells

README = Path(__file__).parents[1] / "README.md"

PUBLIC = {
    "seamwise": {
        "__version__", "analysis", "decode", "engine", "fuse", "fusion", "io", "labels",
        "losses", "metrics", "nets", "segment", "segmentation", "synth", "tiling", "weights",
    },
    "seamwise.weights": {"balance", "class_weights", "counts_of", "dwm", "saw", "unet", "w3"},
    "seamwise.labels": {
        "BACKGROUND", "CELL", "CLASS_NAMES", "GAP", "IGNORE", "TOUCHING", "Fragments", "Labels",
        "Target", "as_labels", "binary_target", "bounding_boxes", "connected_components",
        "fragments", "inner_contour", "relabel", "semantic_target", "smallest_dtype",
    },
    "seamwise.losses": {
        "L1", "L2", "NPS", "SSIM", "CrossEntropy", "CrossEntropyAndDice",
        "CrossEntropyAndYouden", "Dice", "Focal", "Gradient", "Huber", "LovaszSoftmax",
        "Perceptual", "Tversky", "Youden", "cross_entropy", "cross_entropy_and_dice",
        "cross_entropy_and_youden", "cross_entropy_map", "dice", "focal", "focal_map",
        "gradient", "gradient_map", "huber", "huber_map", "intensity_bounds", "l1", "l1_map",
        "l2", "l2_map", "lovasz_softmax", "nps", "nps_map", "perceptual", "soft_confusion",
        "ssim", "ssim_map", "tversky", "weighted_mean", "youden",
    },
    "seamwise.nets": {"Average", "Siamese", "UNet", "tie_halves"},
    "seamwise.decode": {
        "argmax", "flood", "instances", "judge_by_relief", "relief", "semantic_classes",
        "threshold", "threshold_classes", "watershed", "watershed_relief",
    },
    "seamwise.metrics": {
        "DEFAULT_RADII", "DEFAULT_IOUS", "ContourMatching", "ContourScores", "Dataset",
        "Matching", "OverlapTable", "Scores", "contour_f1", "contour_scores", "match",
        "match_dataset", "match_many", "overlap_table", "summarise",
    },
    "seamwise.metrics.fusion": {
        "psnr", "q_cb", "q_g", "q_mi", "q_ncie", "q_p", "q_s", "q_te", "ssim", "to_grey",
    },
    "seamwise.synth": {
        "CONFOCAL", "WIDEFIELD", "Camera", "FocusPair", "SyntheticImage", "crowded_cells",
        "draw_mask", "focus_pair", "random_shapes", "tissue", "degrade_annotation", "Medium",
        "Nucleus", "nuclei",
    },
    "seamwise.fusion": {
        "CLASSICAL", "DUMMIES", "METRICS", "AlignedFrames", "Alignment", "AlignmentError",
        "Burst", "FuseJob", "FuseOptions", "FuseOutputs", "FusedPair", "Fusion", "FusionScores",
        "FusionSettings", "Model", "PictureSplit", "SegmentedPicture", "Simulation",
        "draw_boxplots", "estimate_alignment", "find_frames", "find_fused_pairs",
        "find_pictures", "fixed_pairs", "fuse", "fuse_burst", "fuse_files", "fuse_frames",
        "fuse_pair", "load", "luminance", "make_pair", "make_results_folder", "memory_estimate",
        "plan", "score_files", "shipped_weights", "split", "split_inputs", "train",
        "write_scores",
    },
    "seamwise.fusion.classical": {"cnn", "dct", "dct_cv", "gff", "laplacian_pyramid", "matting"},
    "seamwise.analysis": {
        "BinaryClassifier", "BinaryScores", "Claim", "FriedmanTest", "LossLandscape",
        "NemenyiTest", "binary_scores", "claim_of_fact", "claim_of_pairs",
        "critical_difference_diagram", "expected_scores", "friedman", "holm_corrected",
        "loss_landscape", "nemenyi", "p_text", "random_direction", "sampled_scores",
        "spread_text", "stratified_classifier", "uniform_classifier", "youden_mcc_correlation",
    },
    "seamwise.engine": {"Listener", "Resources", "StageProgress", "free_memory", "parse_memory"},
    "seamwise.segmentation.big": {"LabelsOnDisk", "segment_volume"},
    "seamwise.io": {
        "DamagedError", "Draft", "FusionInfo", "Image", "Level", "ModelInfo", "OmeImage", "Photo",
        "PhotoInfo", "SegmentationInfo", "Volume", "ZarrStorage", "create_image", "create_labels",
        "describe_model", "find_images", "label_names", "load_model", "model_path",
        "open_ome_zarr", "open_volume", "photo_info", "plan_levels", "read_image", "read_labels",
        "read_photo", "read_spaced_labels", "save_model", "shipped_models", "write_image",
        "write_labels", "write_map", "write_photo", "write_png",
    },
    "seamwise.segmentation": {
        "AnnotatedImage", "Augmentation", "Model", "Pair", "Prediction", "Split", "System",
        "TargetAndWeight", "TargetAndWeightd", "TrainProgress", "TrainSettings", "Trial",
        "Tuning", "count_classes", "system", "Comparison", "combine", "compare", "ImageSplit",
        "find_split", "mask_notes", "find_pairs", "load", "read_pair", "record_range", "segment",
        "train", "tune", "segment_slices", "segment_volume", "stitch", "FileScores",
        "LabelsOnDisk", "OutputOptions", "ScoredPair", "SegmentOptions",
        "pair_files", "score_files", "segment_files", "segment_image", "weigh_files",
        "write_scores",
    },
    "seamwise.segmentation.choose": {
        "GRID", "IOUS", "METRICS", "OWN_SETTINGS", "read_comparison", "Comparison",
        "Conditions", "ImageSplit", "Run", "RunScores", "Trial", "Tuning", "Verdict",
        "cautions", "combine", "compare", "conditions_of", "first_weights", "judge",
        "plot_surface", "save_tuned", "score_rows", "settings_of", "tune", "with_pair",
        "write_report",
    },
}  # fmt: skip


MODULES_OF_THE_DOCS = {  # modules that the docs send users to, without an `__all__` of their own
    "seamwise.decode.blockwise": {
        "Cells", "Cores", "Finish", "Survey", "assign", "cells_in", "find_cores", "finish",
        "flood_block", "join_cores", "join_surveys", "survey",
    },
    "seamwise.tiling": {"Blocks", "Tile", "blend", "grow", "intersect", "relative_to", "tiles"},
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES_OF_THE_DOCS)
def test_public_names_of_a_module(name):
    module = importlib.import_module(name)
    own = {
        key: item
        for key, item in vars(module).items()
        if getattr(item, "__module__", None) == name and not key.startswith("_")
    }
    assert own.keys() == MODULES_OF_THE_DOCS[name]
    for public, item in own.items():
        assert inspect.getdoc(item), f"{name}.{public} has no docstring"


def parameter_texts(function):
    """Text of each parameter in the docstring of a function, with its type."""
    text = inspect.getdoc(function).partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    parts = re.split(r"^(\w+) : ", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


@pytest.mark.parametrize("name", ["logits", "target", "ignore_index"])
def test_a_parameter_has_one_text_in_all_region_losses(name):
    losses = importlib.import_module("seamwise.losses")
    region = (losses.dice, losses.tversky, losses.lovasz_softmax, losses.youden)
    assert len({parameter_texts(loss)[name] for loss in region}) == 1
    pixelwise = (losses.cross_entropy, losses.focal)
    assert len({parameter_texts(loss)[name] for loss in pixelwise}) == 1


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names(name):
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    for public in module.__all__:
        item = getattr(module, public)
        item = get_origin(item) or item  # a class with its type argument
        assert not callable(item) or inspect.getdoc(item), f"{name}.{public} has no docstring"


def test_help_shows_the_two_doors_without_torch():
    script = (
        "import pydoc, sys, seamwise; print(pydoc.plain(pydoc.render_doc(seamwise)));"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    for line in ("segment(image, *, model='nuclei-2d', **options)", "fuse(frames, *, model="):
        assert line in done.stdout
    assert "Find the cells of an image" in done.stdout


def test_the_doors_pass_all_on():
    image = crowded_cells((64, 80), cells=5, rng=0).image
    options = {"min_size": 9, "keep_probabilities": False}
    ours = seamwise.segment(image, model="nuclei-2d", **options).labels
    assert (ours == seamwise.segmentation.segment(image, **options).labels).all()
    with pytest.raises(FileNotFoundError, match="no model named"):
        seamwise.fuse([image, image], model="nothing")


MODULES = [info.name for info in pkgutil.walk_packages(seamwise.__path__, "seamwise.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_the_loss_example_of_the_readme_runs():
    blocks = README.read_text().split("```python\n")[1:]
    (example,) = [block.split("```")[0] for block in blocks if "youden" in block]
    logits = torch.randn(1, 3, 32, 40, requires_grad=True)
    labels = crowded_cells((32, 40), cells=3, radius=6, rng=0).labels
    names = {"labels": labels, "logits": logits}
    exec(example, names)
    names["loss"].backward()
    assert logits.grad.abs().sum() > 0

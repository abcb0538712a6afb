"""The public names, written out: adding or dropping one is a decision.

Code outside of the library's rooms uses these names and no others.
"""

import ast
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

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

PUBLIC = {
    "seamwise": {
        "__version__", "analysis", "decode", "engine", "exchange", "fuse", "fusion", "io", "labels",
        "losses", "measure", "metrics", "nets", "report", "segment", "segmentation", "synth",
        "tiling", "weights",
    },
    "seamwise.weights": {
        "balance", "class_weights", "counts_of", "distance", "dwm", "pieces", "saw", "saw_regions",
        "skeletons", "unet", "w3",
    },
    "seamwise.labels": {
        "BACKGROUND", "CELL", "CLASS_NAMES", "Fragments", "GAP", "Guides", "IGNORE",
        "Labels", "TOUCHING", "Target", "as_labels", "binary_target", "bounding_boxes",
        "connected_components", "fragments", "inner_contour", "measure_guides", "relabel",
        "semantic_target", "smallest_dtype",
    },
    "seamwise.losses": {
        "CrossEntropy", "CrossEntropyAndDice", "CrossEntropyAndYouden", "Dice",
        "DiceAndFocal", "Focal", "FocalTversky",
        "Gradient", "Huber", "L1", "L2", "LovaszSoftmax", "NPS", "Perceptual", "SSIM",
        "SoftCounts", "Tversky", "Youden", "count_members", "cross_entropy",
        "cross_entropy_and_dice", "cross_entropy_and_youden", "cross_entropy_map", "dice",
        "dice_and_focal", "focal", "focal_map", "focal_tversky", "gradient",
        "gradient_map", "guide_losses", "huber", "huber_map", "indicator",
        "intensity_bounds", "l1", "l1_map", "l2", "l2_map", "lovasz_softmax",
        "mean_over_present", "nps", "nps_map", "pairwise_loss", "perceptual",
        "soft_confusion", "ssim", "ssim_map", "tversky", "weighted_mean", "youden",
    },
    "seamwise.exchange": {
        "CocoImage", "Filling", "Outline", "export_labels", "fill", "import_labels", "read_coco",
        "read_geojson", "read_rois", "trace", "write_coco", "write_geojson", "write_rois",
    },
    "seamwise.measure": {
        "FieldSize", "FileTable", "MeasureJob", "MeasureOptions", "Pairing", "Table", "Width",
        "check_laptrack", "draw_plots", "joined", "mark_positive", "measure", "measure_file",
        "measure_files", "pair_images", "parse_width", "summarise", "summary_path", "time_points",
        "track_cells", "tracks_folder",
    },
    "seamwise.report": {"evaluation_report", "segmentation_report", "training_report"},
    "seamwise.nets": {"Average", "BurstNet", "Siamese", "UNet", "tie_halves"},
    "seamwise.decode": {
        "argmax", "flood", "instances", "judge_by_relief", "relief", "semantic_classes",
        "threshold", "threshold_classes", "watershed", "watershed_elevation",
    },
    "seamwise.metrics": {
        "CellDoubts", "CellErrors", "ContourMatching", "ContourScores", "DEFAULT_IOUS",
        "DEFAULT_RADII", "Dataset", "Matching", "OverlapTable", "Scores", "Seams", "cell_doubt",
        "cell_errors", "contour_f1", "contour_scores", "match", "match_dataset", "match_many",
        "overlap_table", "seam_doubt",
        "summarise",
    },
    "seamwise.metrics.fusion": {
        "psnr", "q_cb", "q_g", "q_mi", "q_ncie", "q_p", "q_s", "q_te", "ssim", "to_grey",
    },
    "seamwise.synth": {
        "CONFOCAL", "Camera", "FocusBurst", "FocusPair", "Layer", "Medium", "Nucleus",
        "SyntheticImage", "TimeLapse", "WIDEFIELD", "crowded_cells", "degrade_annotation",
        "draw_mask", "draw_scene", "drawn_picture", "focus_burst", "focus_pair", "nuclei",
        "random_shapes",
        "time_lapse", "tissue",
    },
    "seamwise.fusion": {
        "AlignedFrames", "Alignment", "AlignmentError", "Brightness", "Burst", "BurstSettings",
        "BurstSimulation", "CLASSICAL", "DUMMIES",
        "FuseJob", "FuseOptions", "FuseOutputs", "FusedPair", "Fusion", "FusionScores",
        "FusionSettings", "METRICS", "Model", "PictureSplit", "SegmentedPicture",
        "Simulation", "Surface", "draw_boxplots", "estimate_alignment", "find_brightness",
        "find_frames", "find_fused_pairs", "find_pictures", "find_surface", "fixed_pairs", "fuse",
        "fuse_burst", "fuse_files", "fuse_frames", "fuse_pair", "load", "luminance", "make_pair",
        "make_results_folder", "memory_estimate", "memory_of_burst", "pictures_sha256", "plan",
        "readable", "score_files", "shipped_weights", "split", "split_inputs", "train",
        "train_burst", "write_depth", "write_scores",
    },
    "seamwise.fusion.classical": {"cnn", "dct", "dct_cv", "gff", "laplacian_pyramid", "matting"},
    "seamwise.analysis": {
        "BinaryClassifier", "BinaryScores", "Claim", "ClassHistograms", "FAILS", "FEWEST_CASES",
        "FriedmanTest", "HOLDS", "LEVEL", "LossLandscape", "NemenyiTest", "OPEN",
        "binary_scores", "bold_columns", "bold_maximum", "claim_of_fact", "claim_of_pairs",
        "class_histograms", "critical_difference_diagram", "expected_scores", "friedman",
        "holm_corrected",
        "loss_landscape", "markdown_table", "nemenyi", "p_text", "random_direction",
        "sampled_scores", "spread_text", "stratified_classifier", "table_with_reference",
        "uniform_classifier", "verdict_table", "youden_mcc_correlation",
    },
    "seamwise.engine": {
        "Lane", "Listener", "Resources", "RunSettings", "Runtime", "StageProgress", "TrainProgress",
        "build_network", "check_output", "choose_device", "choose_precision", "choose_runtime",
        "describe_runtime", "fit", "free_memory", "is_first_process", "learning_rate",
        "log_to", "memory_format", "open_logger", "parse_memory", "prepare_network", "read_log",
        "read_settings", "run_identity",
    },
    "seamwise.segmentation.big": {
        "LabelsOnDisk", "NetworkLoad", "plan_blocks", "segment_volume", "work_folder",
    },
    "seamwise.io": {
        "Architecture", "Card", "DamagedError", "DecodeRule", "Draft", "FusionInfo", "Image",
        "Level", "ModelInfo", "NormalizationRule", "OmeImage", "Outcome", "Photo",
        "PhotoInfo", "Provenance", "ReliefPair", "SegmentationInfo", "Volume",
        "ZarrStorage", "amount", "atomic_path", "check_model_output", "check_writable",
        "count_samples",
        "create_image", "create_labels", "describe_model", "file_sha256", "find_images",
        "is_package", "label_names", "load_model", "lock_file", "make_folder", "model_path",
        "open_labels", "open_ome_zarr", "open_scratch", "open_volume", "photo_info", "plan_levels",
        "read_card",
        "read_image", "read_json", "read_labels", "read_photo", "read_spaced_labels",
        "real_path", "renamed_note", "save_model", "set_of_files", "shipped_models", "user_cache",
        "write_columns",
        "write_image", "write_json",
        "write_labels", "write_map", "write_photo", "write_png",
        "write_probabilities",
    },
    "seamwise.segmentation": {
        "magnified_shape", "resample",
        "AnnotatedImage", "Augmentation", "Comparison", "FileScores", "ImageSplit",
        "LabelsOnDisk", "MAPS", "Model", "NNUNetDataset", "NetworkLoad", "OutputOptions", "Pair",
        "Prediction", "Samples", "ScoredPair", "SegmentOptions", "Slider", "Split", "System",
        "rule_with", "sliders_of",
        "TargetAndWeight", "TargetAndWeightd", "TrainProgress", "TrainSettings", "Trial",
        "Tuning", "as_channels", "as_model_input", "cell_diameters", "class_probabilities",
        "combine", "compare", "compress_intensities", "count_classes",
        "decode_files", "decode_maps", "decode_rule", "decode_slabs",
        "decode_whole",
        "demo", "export_bioimageio", "export_onnx", "find_pairs", "find_split",
        "identity_normalization", "image_notes",
        "label_colours", "load", "mask_notes", "mean_weight", "modulate_touching", "normalization",
        "overlay", "pair_files", "plan_blocks", "probability_slabs", "read_pair", "read_pairs",
        "read_split", "read_start", "record_activations", "record_range", "record_rule",
        "score_files", "segment",
        "segment_files", "segment_image",
        "segment_normalized", "segment_slices", "segment_volume", "start_defaults", "stitch",
        "stretch",
        "system", "tile_probabilities", "train", "tune", "tune_stored", "weigh_files",
        "with_corrected",
        "with_unlabelled", "work_folder",
        "write_nnunet", "write_scores",
    },
    "seamwise.segmentation.check": {
        "Advice", "Finding", "KINDS", "Kind", "Look", "MaskFault", "Survey", "advise",
        "mask_faults", "survey", "write_settings",
    },
    "seamwise.segmentation.choose": {
        "Comparison", "Conditions", "GRID", "IOUS", "ImageSplit", "METRICS", "OWN_SETTINGS",
        "Run", "RunScores", "Trial", "Tuning", "Verdict", "cautions", "combine", "compare",
        "conditions_of", "first_weights", "judge", "plot_surface", "read_comparison",
        "save_tuned", "score_rows", "settings_of", "tune", "tune_maps", "tune_stored", "with_pair",
        "write_report", "StoredMaps",
    },
}  # fmt: skip


MODULES_OF_THE_DOCS = {  # modules that users are sent to, without an `__all__` of their own
    "seamwise.decode.blockwise": {
        "Cells", "Cores", "Finish", "Survey", "assign", "cells_in", "find_cores", "finish",
        "flood_block", "join_cores", "join_surveys", "survey",
    },
    "seamwise.pictures": {"as_unit", "check_in_unit", "in_dtype"},
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


# who uses the library as its users do
OUTSIDE = ("apps", "benchmarks", "examples", "recipes", "reproduction", "src/seamwise/cli")
OUTSIDE_FILES = [path for folder in OUTSIDE for path in sorted((ROOT / folder).rglob("*.py"))]
DOORS = PUBLIC | MODULES_OF_THE_DOCS
NAMES_ONLY = ("seamwise.words.", "seamwise.types.")  # values of options, types: all may be used


def imported_names(text):
    """Each name that a file imports from the package, as (module, name)."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "*") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def past_the_doors(text, *, own="seamwise.cli"):
    """The imports of a file that are not public names of a door; `own` is not looked at."""
    return [
        f"{module}: {name}"
        for module, name in imported_names(text)
        if module.partition(".")[0] == "seamwise"
        and not f"{module}.".startswith((f"{own}.", *NAMES_ONLY))
        and name not in DOORS.get(module, ())
        and f"{module}.{name}" not in (own, *DOORS)
    ]


@pytest.mark.parametrize("path", OUTSIDE_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_outside_uses_public_names(path):
    assert not past_the_doors(path.read_text())


@pytest.mark.parametrize(
    ("line", "is_public"),
    [
        ("from seamwise.io import read_image", True),
        ("from seamwise.io.images import read_image", False),
        ("from seamwise.io import raster_kind", False),
        ("from seamwise import __version__, losses", True),
        ("from seamwise import tiling, pictures", True),
        ("import seamwise.io.images", False),
        ("from seamwise.weights.saw import saw_regions", False),
        ("def f():\n    from seamwise.engine.loop import fit", False),
        ("from seamwise.words import SystemName", True),
        ("from seamwise.cli.progress import Progress", True),
        ("from pathlib import Path", True),
    ],
)
def test_an_import_past_a_door_is_seen(line, is_public):
    assert (not past_the_doors(line)) == is_public


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


@pytest.mark.parametrize("name", ["engine", "io", "nets", "segmentation"])
def test_the_lists_of_names_of_a_room_agree(name):
    module = importlib.import_module(f"seamwise.{name}")
    tree = ast.parse(Path(module.__file__).read_text())
    late = {
        one
        for room, names in module._ROOMS.items()
        for one in ([room] if isinstance(names, str) else names)
    }
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.name for line in block.body for alias in line.names}
    assert late == typed
    assert late <= set(module.__all__) <= set(dir(module))


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

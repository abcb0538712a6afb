"""The public names, written out: adding or dropping one is a decision."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import seamwise

PUBLIC = {
    "seamwise": {"__version__", "segment"},
    "seamwise.losses": {
        "CrossEntropy", "Youden", "cross_entropy", "cross_entropy_and_youden", "cross_entropy_map", "soft_confusion",
        "weighted_mean", "youden",
    },
    "seamwise.nets": {"UNet"},
    "seamwise.decode": {"argmax", "instances", "semantic_classes"},
    "seamwise.metrics": {
        "DEFAULT_THRESHOLDS", "DatasetMatching", "Matching", "OverlapTable", "Scores", "match", "match_dataset",
        "match_many", "overlap_table",
    },
    "seamwise.synth": {"SyntheticImage", "crowded_cells", "weaken"},
    "seamwise.segmentation": {
        "AnnotatedImage", "Augmentation", "Model", "Pair", "Prediction", "Progress", "Split", "TrainSettings",
        "find_pairs", "load", "read_pair", "segment", "train",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names(name):
    module = importlib.import_module(name)
    assert set(module.__all__) == PUBLIC[name]
    for public in module.__all__:
        item = getattr(module, public)
        assert not callable(item) or inspect.getdoc(item), f"{name}.{public} has no docstring"


MODULES = [info.name for info in pkgutil.walk_packages(seamwise.__path__, "seamwise.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0

"""What takes long: which files begin first, and what `make nightly` alone runs."""

import os

import pytest

is_nightly = "SEAMWISE_LONG" in os.environ
nightly = pytest.mark.skipif(not is_nightly, reason="takes long: in make nightly")

LONGEST = (
    "reproduction/test_segmentation.py",
    "segmentation/big/test_stream.py",
    "segmentation/big/test_resume.py",
    "test_examples.py",
    "fusion/test_align.py",
    "engine/test_cluster.py",
    "test_docs.py",
    "test_recipes.py",
    "weights/test_maps.py",
    "segmentation/test_train.py",
    "decode/test_blockwise.py",
    "reproduction/test_fusion.py",
    "segmentation/test_predict.py",
    "cli/test_training.py",
    "segmentation/choose/test_compare.py",
    "engine/test_ddp.py",
    "engine/test_compile_cache.py",
)
"""Files of tests, the longest first: processes that share the files then end together."""

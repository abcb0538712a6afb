"""What takes long: which files begin first, and what `make nightly` alone runs."""

import os

import pytest

is_nightly = "SEAMWISE_LONG" in os.environ
nightly = pytest.mark.skipif(not is_nightly, reason="takes long: in make nightly")

LONGEST = (
    "test_docs.py",
    "reproduction/test_segmentation.py",
    "test_examples.py",
    "fusion/test_align_chain.py",
    "fusion/test_align.py",
    "engine/test_cluster.py",
    "fusion/test_batch.py",
    "reproduction/test_fusion.py",
    "segmentation/test_train.py",
    "decode/test_blockwise.py",
    "segmentation/big/test_resume.py",
    "segmentation/big/test_stream.py",
    "engine/test_ddp.py",
    "cli/test_training.py",
    "segmentation/big/test_existing.py",
    "segmentation/big/test_memory.py",
    "segmentation/test_predict.py",
    "segmentation/choose/test_compare.py",
    "test_imports.py",
)
"""Files of tests, the longest first: processes that share the files then end together."""

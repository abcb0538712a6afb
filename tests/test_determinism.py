"""What docs/determinism.md promises: its rows name tests that exist; here are those of no room."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch

from seamwise.fusion import FuseOptions, fuse_burst
from seamwise.measure import measure_files, pair_images
from seamwise.segmentation import load, segment, segment_files
from seamwise.synth import crowded_cells
from support.focus_stacks import planes

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "determinism.md"


@pytest.fixture
def threads():
    """A function that sets the threads of torch and OpenCV; they are as before at the end."""
    before = torch.get_num_threads(), cv2.getNumThreads()

    def set_threads(count):
        torch.set_num_threads(count)
        cv2.setNumThreads(count)
        assert cv2.getNumThreads() == count

    yield set_threads
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.fixture(scope="module")
def image():
    return crowded_cells((150, 170), cells=20, rng=0).image


def test_each_test_that_the_page_names_exists():
    names = re.findall(r"`(tests/[\w/]+\.py)`? ?:?:?`?(test_\w+)?", PAGE.read_text())
    assert len(names) > 10
    for path, name in names:
        text = (ROOT / path).read_text()
        assert name, f"{PAGE.name}: {path} without a test"
        assert f"def {name}(" in text, f"{PAGE.name}: {path} has no {name}"


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_one_thread_and_two_find_the_same_pixels(runtime, image, threads):
    labels = []
    for count in (1, 2):
        threads(count)
        model = load("nuclei-2d", device="cpu", runtime=runtime)
        labels.append(segment(image, model=model).labels)
    assert labels[0].any()
    assert np.array_equal(*labels)


@pytest.mark.parametrize("model", ["focus-burst", "gff"])
def test_one_thread_and_two_fuse_the_same_pixels(model, threads):
    pictures = []
    for count in (1, 2):
        threads(count)
        fused = fuse_burst(list(planes(0)), FuseOptions(model=model))
        pictures.append(fused.image.tobytes())
    assert pictures[0] == pictures[1]


def test_two_runs_leave_the_same_bytes(tmp_path, image):
    tifffile.imwrite(tmp_path / "a.tif", image)
    for run in ("first", "second"):
        labels = tmp_path / run / "labels"
        list(segment_files([tmp_path / "a.tif"], labels, model=load("nuclei-2d")))
        pairs = pair_images([tmp_path / "a.tif"], [labels / "a.tif"])
        list(measure_files(pairs, tmp_path / run / "cells.csv"))
    for name in ("labels/a.tif", "cells.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

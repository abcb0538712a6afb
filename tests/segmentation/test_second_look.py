"""Cells that are cut into pieces, each of a usual size, are noted: see `second_look`."""

import numpy as np
import pytest
import tifffile

from seamwise.io.models import Architecture, DecodeRule, Fit, SegmentationInfo
from seamwise.metrics import match
from seamwise.segmentation import (
    SegmentOptions,
    load,
    segment_image,
    segment_slices,
    segment_volume,
)
from seamwise.segmentation.fit import Look
from seamwise.segmentation.normalization import Normalization, identity_normalization
from seamwise.segmentation.second_look import View, second_look
from seamwise.segmentation.zoom import Zoom
from seamwise.synth import crowded_cells

INFO = SegmentationInfo(
    architecture=Architecture(in_channels=1, out_channels=4, guides=True),
    classes=("background", "cell", "touching", "gap"),
    channels=("grey",),
    decode=DecodeRule(),
    diameters=(7, 20, 50),
    fit=Fit(certainty=0.3, skewness=0.1),
)
BY_CLASSES = Fit(certainty=0.3, skewness=0.1, by_relief=False)
SIDE = 256


def lattice(shape, count, height):
    """Maps of `count`² squares, with this relief."""
    y, x = ((np.arange(n) * count / n) % 1 > 0.3 for n in shape)
    is_cell = (y[:, np.newaxis] & x).astype(np.float32)
    nothing = np.zeros_like(is_cell)
    classes = [1 - is_cell, is_cell, nothing, nothing]
    return np.stack([*classes, height * is_cell, nothing, nothing])


def looked(seen, *, height=0.5, info=INFO, look=None, cells=1000, shape=(SIDE, SIDE), zoom=1.0):
    """The line of a second look at which the network sees `seen`² cells, and what it was shown."""
    image = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
    shown = []

    def see(block):
        shown.append(block.shape[1:])
        return lattice(block.shape[1:], seen, height)

    view = View(info, Zoom((zoom, zoom)), identity_normalization(1), see)
    # the first look: as many pieces as `cells`
    first = look or Look(SIDE * SIDE // 2, SIDE * SIDE // 2 * 0.3, by_relief=True)
    line = second_look(lambda box: image[(slice(None), *box)], shape, view, first, cells=cells)
    return line, shown


def test_cells_that_are_surer_and_larger_at_a_quarter_of_the_size_are_cut():
    line, shown = looked(4)
    assert shown == [(SIDE // 4, SIDE // 4)]
    # squares of 0.7 · 256 / 4 = 45 pixels: as large as a disc of 2 · 45 / √π = 50
    assert line == (
        "cells of about 50 pixels across may be cut into pieces: the model is surer at a quarter "
        "of the size: try --diameter 50"
    )
    assert looked(4, look=Look(by_relief=True), cells=0)[0] == line


def test_cells_that_are_surer_and_smaller_at_twice_the_size_were_missed():
    few = Look(200, 40.0, by_relief=True)  # two cells of 11 pixels across
    line, shown = looked(32, look=few, cells=2)
    assert shown == [(SIDE // 4, SIDE // 4), (SIDE, SIDE)]  # of the middle
    assert "pixels across may be missed: the model is surer at twice the size" in line
    assert line.endswith("try --diameter 3")  # 0.7 · 128 / 32 = 2.8


@pytest.mark.parametrize(
    "options",
    [
        {"height": 0.34},  # not clearly surer
        {"cells": 16},  # of the same size
        {"seen": 1},  # one cell says nothing
        {"look": Look(10_000, 3500.0, by_relief=True)},  # sure at once
        {"look": Look(10_000, 3000.0, by_relief=False)},
        {"info": INFO.model_copy(update={"fit": None})},
        {"info": INFO.model_copy(update={"fit": BY_CLASSES})},  # certainty of another kind
        {"shape": (64, 64, 64)},  # a stack
    ],
)
def test_otherwise_nothing_is_noted(options):
    assert looked(options.pop("seen", 4), **options)[0] == ""


def test_an_image_without_contrast_is_not_seen_again():
    calls = []
    view = View(INFO, Zoom((1.0, 1.0)), Normalization(np.zeros(1), np.zeros(1)), calls.append)
    image = np.full((1, SIDE, SIDE), 7, np.uint8)
    look = Look(by_relief=True)
    assert (
        second_look(lambda box: image[(slice(None), *box)], (SIDE,) * 2, view, look, cells=0) == ""
    )
    assert not calls


def test_a_model_that_is_less_sure_than_in_training_finds_no_size():
    unsure = Look(SIDE * SIDE // 2, SIDE * SIDE // 2 * 0.1, by_relief=True)
    assert looked(4, height=0.29, look=unsure)[0] == ""
    assert "cut" in looked(4, height=0.31, look=unsure)[0]


def test_the_middle_of_a_large_image_is_seen_and_a_zoom_counts():
    line, shown = looked(4, shape=(5000, 300), zoom=0.5, cells=10**6)
    assert shown == [(256, 38)]
    line, shown = looked(8, shape=(600, 600), zoom=0.5, cells=10**6)
    assert shown == [(75, 75)]
    assert line.endswith("try --diameter 59")  # 0.7 · 600 / 8 = 52.5 pixels of the image


@pytest.fixture(scope="module")
def model():
    return load("nuclei-2d", device="cpu")


@pytest.fixture(scope="module")
def crowd():
    return crowded_cells((120, 120), cells=8, rng=2)


@pytest.mark.parametrize("factor", [6, 8])
def test_nuclei_that_are_far_too_large_are_noted_with_a_size_that_finds_them(model, crowd, factor):
    image, truth = (
        np.kron(array, np.ones((factor, factor), array.dtype))
        for array in (crowd.image, crowd.labels)
    )
    first = segment_image(image, model=model, keep_probabilities=False)
    assert match(truth, first.labels).recall < 0.5
    caution = first.caution
    assert "try --diameter" in caution
    diameter = float(caution.rpartition(" ")[2])
    again = segment_image(image, SegmentOptions(diameter=diameter), model=model)
    assert match(truth, again.labels).recall > 0.9
    assert again.caution == ""


def test_nuclei_of_a_usual_size_are_not_noted(model, crowd):
    assert segment_image(crowd.image, model=model).caution == ""


def test_slices_and_blocks_are_looked_at_too(model, crowd, tmp_path):
    image = np.kron(crowd.image, np.ones((8, 8), crowd.image.dtype))
    options = SegmentOptions(mode="2d-stitch")
    stack = np.stack([image, image])
    assert "try --diameter" in segment_slices(stack, options, model=model).caution
    tifffile.imwrite(tmp_path / "a.tif", image)
    result = segment_volume(tmp_path / "a.tif", tmp_path / "a.ome.zarr", model=model)
    assert "try --diameter" in result.caution

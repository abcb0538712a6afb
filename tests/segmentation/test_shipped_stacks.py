"""The shipped models for stacks, on stacks that no training has seen."""

from dataclasses import replace

import numpy as np
import pytest

from seamwise.metrics import match
from seamwise.segmentation import SegmentOptions, load, segment_image
from seamwise.synth import CONFOCAL, Nucleus, nuclei, tissue


@pytest.fixture(scope="module")
def model():
    return load("nuclei-3d", device="cpu")


def test_clear_nuclei_are_found_by_the_voxel_size(model):
    spacing = (2.0, 1.0, 1.0)
    drawn = nuclei(
        (40, 96, 96),
        cells=14,
        rng=5,
        cluster=1,
        nucleus=Nucleus(radius=10, brightness=(0.6, 1)),
        camera=replace(CONFOCAL, spacing=spacing, photons=200),
    )
    found = segment_image(drawn.image, SegmentOptions(spacing=spacing), model=model).labels
    assert found.shape == drawn.labels.shape
    score = match(drawn.labels, found)
    assert score.accuracy > 0.5


def test_noise_has_no_nuclei(model):
    noise = np.random.default_rng(0).normal(1000, 30, (24, 64, 64)).astype(np.uint16)
    options = SegmentOptions(spacing=(1.0, 1.0, 1.0))
    noisy = segment_image(noise, options, model=model)
    assert not noisy.labels.any()
    assert "the model sees no cells" in noisy.caution
    noisy = segment_image(noise, options, model=load("walls-3d", device="cpu"))
    assert not noisy.labels.any()  # it takes all for one cell, and is unsure
    assert "the model sees noise" in noisy.caution


def test_cells_with_stained_walls_are_found_by_the_voxel_size():
    spacing = (2.0, 1.0, 1.0)
    camera = replace(CONFOCAL, spacing=spacing, photons=200)
    drawn = tissue((36, 96, 96), rng=3, cell_size=26, wall=1.4, faint=0.8, camera=camera)
    walls = load("walls-3d", device="cpu")
    found = segment_image(drawn.image, SegmentOptions(spacing=spacing), model=walls).labels
    sizes = np.bincount(drawn.labels.ravel())
    whole = np.flatnonzero(sizes > 2000)[1:]  # slivers at the border are not expected
    inner = np.where(np.isin(drawn.labels, whole), drawn.labels, 0)
    score = match(inner, found)
    assert score.recall > 0.8  # 0.9, of 50 cells

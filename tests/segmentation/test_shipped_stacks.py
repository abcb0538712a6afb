"""The shipped models for stacks, on stacks that no training has seen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

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


@pytest.mark.parametrize("name", ["nuclei-3d", "walls-3d"])
def test_noise_has_no_cells(name):
    """White or smooth noise is known by its distribution, skewed noise by the model."""
    model, rng = load(name, device="cpu"), np.random.default_rng(0)
    smooth = 1000 + 300 * ndimage.gaussian_filter(rng.standard_normal((44, 90, 90)), 3)
    counts = rng.poisson(1, (24, 64, 64))
    options = SegmentOptions(spacing=(1.0, 1.0, 1.0))
    for noise, line in ((smooth, "nothing can be seen"), (counts, "the model sees no")):
        noisy = segment_image(noise.astype(np.uint16), options, model=model)
        assert not noisy.labels.any()
        assert line in noisy.caution


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

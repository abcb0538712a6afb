import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from seamwise.synth import CONFOCAL, Camera, Medium, Nucleus, nuclei

CLEAR = Camera(psf_sigma=0, background=0, photons=np.inf)
EMPTY = Medium(haze=0, attenuation=np.inf, scatter=np.inf)
PLAIN = Nucleus(
    radius=7, radius_spread=0, irregularity=0, brightness=(1, 1), texture=0, spots=0, hollow=0
)
SHAPE = (40, 44, 48)


def drawn(nucleus=PLAIN, medium=EMPTY, *, shape=SHAPE, cells=8, camera=CLEAR, rng=1):
    return nuclei(shape, cells=cells, rng=rng, nucleus=nucleus, medium=medium, camera=camera)


@pytest.mark.parametrize("shape", [SHAPE, (64, 72)])
def test_labels_are_sequential_and_one_component_each(shape):
    labels = nuclei(shape, cells=12, rng=3, nucleus=Nucleus(radius=6)).labels
    assert labels.shape == shape
    assert np.unique(labels).tolist() == list(range(int(labels.max()) + 1))
    assert labels.max() >= 8
    for cell in range(1, int(labels.max()) + 1):
        assert ndimage.label(labels == cell)[1] == 1


def test_the_same_seed_gives_the_same_image():
    one, same, other = (nuclei(SHAPE, cells=6, rng=rng) for rng in (0, 0, 1))
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert not np.array_equal(one.image, other.image)


def test_without_a_medium_light_is_where_nuclei_are():
    plain = drawn()
    np.testing.assert_array_equal(plain.image > 0, plain.labels > 0)
    middle = ndimage.maximum(plain.image, plain.labels, range(1, int(plain.labels.max()) + 1))
    np.testing.assert_allclose(middle, 0.75 * 65535, rtol=0.02)


def test_the_brightness_lies_between_its_bounds():
    plain = drawn(replace(PLAIN, brightness=(0.25, 0.5)))
    middle = ndimage.maximum(plain.image, plain.labels, range(1, int(plain.labels.max()) + 1))
    assert (middle >= 0.23 * 0.75 * 65535).all()
    assert (middle <= 0.5 * 0.75 * 65536).all()
    assert np.ptp(middle) > 0.05 * 65535


def test_a_hollow_nucleus_is_darkest_in_its_middle():
    plain, hollow = drawn(cells=1), drawn(replace(PLAIN, hollow=1.0), cells=1)
    inside = plain.labels > 0
    depth = ndimage.distance_transform_edt(inside)
    rim, core = inside & (depth < 2), depth > depth.max() - 1
    assert plain.image[core].mean() > plain.image[rim].mean()
    assert hollow.image[core].mean() < 0.2 * hollow.image[rim].mean()


def test_spots_lack_their_share_and_nothing_else_changes():
    plain, spotted = drawn().image, drawn(replace(PLAIN, spots=0.8)).image
    changed = plain != spotted
    assert 0.02 < changed.sum() / (plain > 0).sum() < 0.3
    np.testing.assert_allclose(spotted[changed], 0.2 * plain[changed].astype(float), atol=1)


def test_haze_has_its_mean_and_fills_the_ground():
    hazy = drawn(medium=replace(EMPTY, haze=0.2), cells=0).image / (0.75 * 65535)
    assert hazy.mean() == pytest.approx(0.2, rel=0.15)
    assert hazy.min() > 0.09


def test_sheets_are_thin_and_are_no_nuclei():
    sheets = drawn(medium=replace(EMPTY, sheets=1.0), cells=0)
    assert not sheets.labels.any()
    bright = sheets.image > 0.3 * 65535
    assert 0.005 < bright.mean() < 0.2
    assert np.median(ndimage.distance_transform_edt(bright)[bright]) < 4


def test_light_fades_and_blurs_with_depth():
    ground = replace(EMPTY, haze=0.05)
    clear = drawn(medium=ground, cells=0).image.astype(float)
    dim = drawn(medium=replace(ground, attenuation=20), cells=0).image
    expected = clear * np.exp(-np.arange(40) / 20)[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(dim, expected, atol=1)
    sharp, soft = drawn().image, drawn(medium=replace(EMPTY, scatter=10)).image
    np.testing.assert_array_equal(sharp[0], soft[0])
    edges = [np.abs(np.diff(image[25:].astype(float), axis=2)).max() for image in (sharp, soft)]
    assert edges[1] < 0.7 * edges[0]


def test_a_plane_has_no_depth():
    deep = Medium(haze=0.1, attenuation=1e-3, scatter=1e-3)
    planes = [drawn(medium=m, shape=(48, 50)).image for m in (deep, replace(EMPTY, haze=0.1))]
    np.testing.assert_array_equal(*planes)


def test_the_step_between_slices_flattens_nuclei():
    camera = replace(CLEAR, spacing=(2, 1, 1))
    labels = drawn(shape=(20, 44, 48), cells=1, camera=camera).labels
    z, y, x = (np.ptp(axis) + 1 for axis in np.nonzero(labels))
    assert abs(2 * z - y) <= 4
    assert abs(x - y) <= 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Nucleus(hollow=1.5), "hollow must lie in [0, 1], not 1.5"),
        (lambda: Nucleus(brightness=(0.5, 0.2)), "brightness must be (low, high)"),
        (lambda: Medium(haze=-1), "haze must lie in [0, 1], not -1"),
        (lambda: Medium(attenuation=0), "attenuation must be a positive length, not 0"),
        (lambda: Medium(scatter=-2), "scatter must be a positive length, not -2"),
        (lambda: nuclei((8, 8), cells=-1, rng=0), "cells must be 0 or more, not -1"),
        (lambda: nuclei((20, 20), cells=1, rng=0, cluster=0), "cluster must lie in"),
        (lambda: nuclei((8, 8), cells=1, rng=0), "radius must lie in [1, 4], not 8"),
        (lambda: nuclei((8,), cells=1, rng=0), "shape must have two or three positive sizes"),
    ],
)
def test_what_is_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_the_usual_camera_is_confocal():
    assert np.array_equal(
        nuclei(SHAPE, cells=4, rng=2).image, nuclei(SHAPE, cells=4, rng=2, camera=CONFOCAL).image
    )

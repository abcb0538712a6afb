import numpy as np
import pytest
from scipy import ndimage

from seamwise import synth
from support.drawings import with_camera

crowded_cells = with_camera(synth.crowded_cells, synth.WIDEFIELD)

PLAIN = {"texture": 0, "illumination": 0, "background": 0, "psf_sigma": 0, "photons": np.inf}
CASES = [
    ((96, 128), {"cells": 30, "radius": 9}),
    ((24, 48, 40), {"cells": 12, "radius": 8}),
    ((12, 48, 40), {"cells": 12, "radius": 8, "spacing": (2.0, 1.0, 1.0)}),
    ((1, 64, 80), {"cells": 12, "radius": 8}),
]


def touching_pairs(labels):
    pairs = set()
    for axis in range(labels.ndim):
        one = np.moveaxis(labels, axis, 0)
        for a, b in zip(one[:-1].ravel().tolist(), one[1:].ravel().tolist(), strict=True):
            if a and b and a != b:
                pairs.add((min(a, b), max(a, b)))
    return pairs


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_labels_are_sequential_and_one_component_each(shape, options):
    drawn = crowded_cells(shape, rng=4, **options)
    assert drawn.image.shape == drawn.labels.shape == shape
    assert drawn.labels.dtype == np.uint8
    cells = int(drawn.labels.max())
    assert 6 <= cells <= options["cells"]
    assert np.unique(drawn.labels).tolist() == list(range(cells + 1))
    for cell in range(1, cells + 1):
        assert ndimage.label(drawn.labels == cell)[1] == 1


@pytest.mark.parametrize("seed", range(12))
def test_strongly_dented_crowds_stay_one_component_each(seed):
    labels = crowded_cells(
        (64, 64), cells=80, rng=seed, radius=6, irregularity=0.5, radius_spread=0.5
    ).labels
    for cell in range(1, int(labels.max()) + 1):
        assert ndimage.label(labels == cell)[1] == 1


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_clusters_touch(shape, options):
    labels = crowded_cells(shape, rng=4, cluster=6, **options).labels
    assert len(touching_pairs(labels)) >= 3


@pytest.mark.parametrize("shape", [(160, 160), (60, 64, 70)])
def test_a_cluster_without_end_is_one_patch(shape):
    labels = crowded_cells(shape, cells=10, rng=0, radius=8, cluster=1e6, irregularity=0).labels
    assert labels.max() == 10
    assert ndimage.label(labels > 0)[1] == 1


def test_clusters_of_one_do_not_touch():
    labels = crowded_cells((128, 128), cells=12, rng=0, radius=8, cluster=1).labels
    assert labels.max() == 12
    assert touching_pairs(labels) == set()


def test_same_seed_same_image_and_another_seed_another():
    first = crowded_cells((48, 64), cells=8, rng=5, radius=7)
    again = crowded_cells((48, 64), cells=8, rng=np.random.default_rng(5), radius=7)
    other = crowded_cells((48, 64), cells=8, rng=6, radius=7)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.labels != other.labels).any()


def test_a_ball_has_the_area_and_axes_of_its_radius():
    labels = crowded_cells(
        (81, 41), cells=1, rng=2, radius=8, irregularity=0, radius_spread=0
    ).labels
    assert int((labels > 0).sum()) == pytest.approx(np.pi * 8**2, rel=0.04)
    ys, xs = np.nonzero(labels)
    assert abs(np.ptp(ys) + 1 - 16) <= 1
    assert abs(np.ptp(xs) + 1 - 16) <= 1


def test_spacing_shortens_a_ball_along_the_coarse_axis():
    labels = crowded_cells(
        (40, 120), cells=1, rng=1, radius=12, irregularity=0, radius_spread=0, spacing=(3.0, 1.0)
    ).labels
    ys, xs = np.nonzero(labels)
    assert abs(np.ptp(ys) + 1 - 8) <= 1
    assert abs(np.ptp(xs) + 1 - 24) <= 1


@pytest.mark.parametrize(("psf_sigma", "share"), [(0, 0.7), (1, 0.85)])
def test_shared_borders_are_dimmer_than_the_interior_and_than_without_dimming(psf_sigma, share):
    options = {**PLAIN, "psf_sigma": psf_sigma}
    drawn = crowded_cells((128, 128), cells=40, rng=3, radius=10, brightness=(1, 1), **options)
    cell = drawn.labels > 0
    highest = ndimage.maximum_filter(drawn.labels, 3)
    lowest = ndimage.minimum_filter(np.where(cell, drawn.labels, 255), 3)
    border = cell & (highest != lowest)
    interior = ndimage.distance_transform_edt(cell & ~border) > 4
    assert drawn.image[border].mean() < share * drawn.image[interior].mean()
    undimmed = crowded_cells(
        (128, 128), cells=40, rng=3, radius=10, brightness=(1, 1), border_dimming=0, **options
    )
    np.testing.assert_array_equal(undimmed.labels, drawn.labels)
    assert drawn.image[border].mean() < share * undimmed.image[border].mean()


def test_without_noise_the_background_is_exactly_the_offset():
    drawn = crowded_cells((64, 64), cells=5, rng=0, radius=8, **{**PLAIN, "background": 0.1})
    assert np.unique(drawn.image[drawn.labels == 0]).tolist() == [round(0.1 * 0.75 * 65535)]
    assert (drawn.image[drawn.labels > 0] > round(0.1 * 0.75 * 65535)).all()


def test_brightness_bounds_the_brightest_pixel_of_each_cell():
    drawn = crowded_cells(
        (96, 96), cells=12, rng=0, radius=8, cluster=1, brightness=(0.4, 0.6), **PLAIN
    )
    peak = ndimage.maximum(drawn.image, drawn.labels, range(1, int(drawn.labels.max()) + 1)) / (
        0.75 * 65535
    )
    assert ((peak > 0.38) & (peak < 0.61)).all()
    assert np.ptp(peak) > 0.05


def test_noise_has_the_variance_of_photons_and_camera():
    options = {"illumination": 0, "background": 0.5, "photons": 100, "read_noise": 3}
    image = crowded_cells((200, 200), cells=0, rng=0, **options).image / (0.75 * 65535)
    assert image.mean() == pytest.approx(0.5, rel=0.01)
    assert image.var() == pytest.approx((50 + 9) / 100**2, rel=0.05)


def test_psf_is_anisotropic_in_pixels_and_keeps_the_light():
    options = {**PLAIN, "cells": 1, "rng": 2, "radius": 8, "border_dimming": 0, "radius_spread": 0}
    sharp = crowded_cells((81, 61), **options).image.astype(float)
    blurred = crowded_cells((81, 61), **{**options, "psf_sigma": (3.0, 0.0)}).image.astype(float)
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-3)
    np.testing.assert_allclose(blurred.sum(axis=0), sharp.sum(axis=0), rtol=1e-2, atol=40)
    assert np.abs(blurred.sum(axis=1) - sharp.sum(axis=1)).max() > 0.05 * sharp.sum(axis=1).max()


def test_illumination_falls_by_the_asked_share_in_the_worst_corner():
    options = {
        **PLAIN,
        "cells": 60,
        "rng": 1,
        "radius": 6,
        "border_dimming": 0,
        "brightness": (1, 1),
    }
    even = crowded_cells((64, 80), **options)
    uneven = crowded_cells((64, 80), **{**options, "illumination": 0.6})
    inside = even.labels > 0
    ratio = uneven.image[inside] / even.image[inside]
    assert ratio.max() == pytest.approx(1, abs=0.01)
    assert 0.4 - 1e-3 <= ratio.min() <= 0.55


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_image_has_the_asked_dtype_and_most_of_its_range(dtype):
    image = crowded_cells((64, 64), cells=10, rng=0, radius=8, dtype=dtype).image
    assert image.dtype == dtype
    assert 0.4 * np.iinfo(dtype).max < image.max()


def test_labels_use_the_smallest_dtype_that_holds_them():
    labels = crowded_cells((256, 256), cells=300, rng=0, radius=4).labels
    assert labels.max() == 300
    assert labels.dtype == np.uint16


def test_no_cells_give_background():
    drawn = crowded_cells((16, 20), cells=0, rng=0, radius=5)
    assert not drawn.labels.any()
    assert drawn.labels.dtype == np.uint8
    assert drawn.image.any()


def test_a_full_image_holds_fewer_cells_than_asked():
    labels = crowded_cells((32, 32), cells=1000, rng=0, radius=6).labels
    assert 8 <= labels.max() < 60


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (64,)}, "shape must have two or three"),
        ({"shape": (2, 8, 64, 64)}, "shape must have two or three"),
        ({"shape": (0, 64)}, "shape must have two or three positive"),
        ({"cells": -1}, "cells must be 0 or more, not -1"),
        ({"radius": 33}, r"radius must lie in \[1, 32\], not 33"),
        ({"radius": 0.5}, r"radius must lie in \[1, 32\]"),
        ({"radius": np.nan}, "radius must lie in"),
        ({"radius": 2, "spacing": (3.0, 1.0)}, r"radius must lie in \[3, "),
        ({"radius_spread": 0.6}, "radius_spread"),
        ({"irregularity": -0.1}, "irregularity"),
        ({"cluster": 0.5}, "cluster"),
        ({"brightness": (0.8, 0.4)}, "brightness must be"),
        ({"brightness": (0, 1)}, "brightness must be"),
        ({"texture": 2}, "texture"),
        ({"border_dimming": 1.1}, "border_dimming"),
        ({"psf_sigma": -1}, "psf_sigma"),
        ({"psf_sigma": (1, np.inf)}, "psf_sigma"),
        ({"psf_sigma": (1, 1, 1)}, "psf_sigma must be one number or 2"),
        ({"illumination": 1.5}, "illumination"),
        ({"background": -0.1}, "background"),
        ({"photons": 0}, "photons must lie in"),
        ({"photons": 1e13}, "photons must lie in"),
        ({"read_noise": -1}, "read_noise"),
        ({"spacing": (1.0, 0.0)}, "spacing must be positive"),
        ({"spacing": (1.0, 1.0, 1.0)}, "spacing must be one number or 2"),
        ({"dtype": np.float32}, "dtype must be uint8 or uint16, not float32"),
    ],
)
def test_bad_input_is_named(change, message):
    options = {"shape": (48, 64), "cells": 3, "rng": 0, "radius": 6, **change}
    with pytest.raises(ValueError, match=message):
        crowded_cells(options.pop("shape"), **options)


@pytest.mark.parametrize("change", [{"cells": 2.5}, {"shape": (48.0, 64)}])
def test_sizes_and_counts_must_be_integers(change):
    options = {"shape": (48, 64), "cells": 3, "rng": 0, **change}
    with pytest.raises(TypeError):
        crowded_cells(options.pop("shape"), **options)

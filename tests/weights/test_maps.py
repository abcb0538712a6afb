"""What all weight maps have in common, and each of them against plain loops."""

import numpy as np
import pytest

from oracles.weights import balance_slow, dwm_slow, saw_slow, unet_slow, w3_slow
from seamwise import weights
from seamwise.labels import binary_target, inner_contour, semantic_target
from seamwise.synth import crowded_cells

SLOW = {"balance": balance_slow, "dwm": dwm_slow, "unet": unet_slow, "saw": saw_slow, "w3": w3_slow}
OPTIONS = {
    "balance": [{}],
    "dwm": [{}, {"beta": 4.5}, {"beta": 4.5, "additive": True}],
    "unet": [{}, {"w0": 3.0, "sigma": 2.5}],
    "saw": [{}, {"tau": 2.2, "sigma": 0.8, "rounds": 3}, {"rounds": 0}],
    "w3": [{}, {"beta": 5.0, "nu": 4.0, "sigma": 1.7, "balance": "rarest"}],
}
EACH = [(name, options) for name, several in OPTIONS.items() for options in several]


def scene(shape, radius, seed=0):
    """Crowded cells, one of them bent around a notch, and an ignored strip and pixel."""
    labels = crowded_cells(shape, cells=7, radius=radius, rng=seed).labels.astype(int)
    notch = (slice(2, 11),) * 2
    bent = labels[..., *notch]
    bent[:] = 40
    bent[..., 3:6, 2:] = 0
    labels[..., -2:] = -1
    labels[(-4,) * len(shape)] = -1
    return labels


PLANE = scene((26, 31), 5)
VOLUME = scene((5, 14, 15), 4)
THIN = scene((5, 13, 14), 4)  # has cells one voxel thick along an axis


@pytest.mark.parametrize(("name", "options"), EACH)
@pytest.mark.parametrize(
    ("labels", "spacing"),
    [(PLANE, None), (PLANE, (0.5, 2.0)), (VOLUME, (2.0, 1.0, 1.0))],
    ids=["2d", "2d spaced", "3d"],
)
@pytest.mark.parametrize("classes", [3, 4])
def test_equals_plain_loops(name, options, labels, spacing, classes):
    target = semantic_target(labels, classes=classes, touching_radius=1, gap_radius=2)
    found = getattr(weights, name)(labels, target, spacing=spacing, **options)
    expected = SLOW[name](labels, target, spacing=spacing or (1.0,) * labels.ndim, **options)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_saw_equals_plain_loops_where_cells_are_one_voxel_thick():
    target = semantic_target(THIN, classes=4, touching_radius=1, gap_radius=2)
    expected = saw_slow(THIN, target, spacing=(2.0, 1.0, 1.0))
    found = weights.saw(THIN, target, spacing=(2.0, 1.0, 1.0))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", SLOW)
def test_equals_plain_loops_where_the_line_between_cells_is_touching(name):
    labels = np.where(inner_contour(np.maximum(PLANE, 0)), 0, PLANE)
    target = binary_target(labels)
    assert ((labels == 0) & (target == 2)).any()
    found = getattr(weights, name)(labels, target)
    np.testing.assert_allclose(
        found, SLOW[name](labels, target, spacing=(1.0, 1.0)), rtol=2e-5, atol=2e-6
    )


@pytest.mark.parametrize("name", SLOW)
def test_the_three_class_target_is_the_default(name):
    expected = getattr(weights, name)(PLANE, semantic_target(PLANE, classes=3))
    np.testing.assert_array_equal(getattr(weights, name)(PLANE), expected)


@pytest.mark.parametrize("name", SLOW)
def test_numbers_and_types_of_the_labels_do_not_matter(name):
    weigh = getattr(weights, name)
    inside = PLANE[:-4, :-2]
    expected = weigh(inside)
    numbers = np.random.default_rng(0).permutation(41)
    other = np.where(inside > 0, 1 + numbers[np.maximum(inside, 0)], 0)
    for dtype in (np.uint8, np.uint16, np.int32, np.int64, np.uint64):
        np.testing.assert_array_equal(weigh(other.astype(dtype)), expected)
    np.testing.assert_array_equal(weigh(np.where(other > 0, other + 10**9, 0)), expected)


@pytest.mark.parametrize("name", SLOW)
def test_a_plane_is_a_volume_of_one_slice(name):
    weigh = getattr(weights, name)
    expected = weigh(PLANE, spacing=(0.5, 2.0))
    np.testing.assert_allclose(weigh(PLANE[None], spacing=(3.0, 0.5, 2.0))[0], expected, rtol=1e-6)
    np.testing.assert_allclose(
        weigh(PLANE[:, None], spacing=(0.5, 3.0, 2.0))[:, 0], expected, rtol=1e-6
    )


@pytest.mark.parametrize("name", ["balance", "dwm", "unet"])  # thinning has no mirror symmetry
def test_mirrored_and_turned_labels_give_mirrored_and_turned_maps(name):
    weigh = getattr(weights, name)
    expected = weigh(PLANE, spacing=(0.5, 2.0))
    np.testing.assert_allclose(
        weigh(PLANE[::-1, ::-1], spacing=(0.5, 2.0)), expected[::-1, ::-1], rtol=1e-6
    )
    np.testing.assert_allclose(weigh(PLANE.T, spacing=(2.0, 0.5)), expected.T, rtol=1e-6)


@pytest.mark.parametrize("name", SLOW)
def test_ignored_pixels_weigh_nothing_in_labels_and_in_target(name):
    weigh = getattr(weights, name)
    assert (weigh(PLANE)[PLANE < 0] == 0).all()
    target = semantic_target(np.maximum(PLANE, 0), classes=3)
    target[5:9] = -1
    found = weigh(PLANE, target)
    assert (found[(target < 0) | (PLANE < 0)] == 0).all()
    assert (found[(target >= 0) & (PLANE >= 0)] > 0).all()
    assert (weigh(np.full((4, 5), -1)) == 0).all()


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize(
    "labels", [np.zeros((5, 6), int), np.ones((5, 6), int), np.zeros((0, 6), int), np.ones(1, int)]
)
def test_images_of_nothing_or_of_one_cell_are_finite(name, labels):
    found = getattr(weights, name)(labels)
    assert found.shape == labels.shape
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", SLOW)
def test_counts_of_the_data_set_fix_the_scale(name):
    weigh = getattr(weights, name)
    target = semantic_target(PLANE, classes=3)
    own = [int((target == number).sum()) for number in range(3)]
    np.testing.assert_array_equal(weigh(PLANE, target, counts=own), weigh(PLANE, target))
    np.testing.assert_allclose(
        weigh(PLANE, target, counts=[10 * n for n in own]), weigh(PLANE, target), rtol=1e-6
    )
    assert not np.allclose(weigh(PLANE, target, counts=[1000, 10, 1]), weigh(PLANE, target))


@pytest.mark.parametrize("name", SLOW)
def test_bad_input_is_named(name):
    weigh = getattr(weights, name)
    with pytest.raises(TypeError, match="labels must be integers"):
        weigh(np.zeros((3, 4)))
    with pytest.raises(TypeError, match="target must be integers"):
        weigh(PLANE, np.zeros(PLANE.shape))
    with pytest.raises(
        ValueError, match=r"target must have the shape of labels \(26, 31\), not \(3, 4\)"
    ):
        weigh(PLANE, np.zeros((3, 4), int))
    with pytest.raises(ValueError, match=r"target must hold classes 0..3 or -1 \(ignored\), not 4"):
        weigh(np.array([0, 1]), np.array([0, 4]))
    with pytest.raises(ValueError, match="not -2"):
        weigh(np.array([0, 1]), np.array([0, -2]))
    with pytest.raises(ValueError, match="spacing must be 2 positive numbers"):
        weigh(PLANE, spacing=(1, 2, 3))
    with pytest.raises(ValueError, match="spacing"):
        weigh(PLANE, spacing=(1, 0))
    with pytest.raises(
        ValueError, match="balance must be one of rarest, frequency, count, not 'sum'"
    ):
        weigh(PLANE, balance="sum")
    with pytest.raises(ValueError, match="counts"):
        weigh(PLANE, counts=[3, -1, 2])


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("dwm", "beta"),
        ("unet", "sigma"),
        ("saw", "sigma"),
        ("saw", "tau"),
        ("w3", "beta"),
        ("w3", "nu"),
        ("w3", "sigma"),
    ],
)
@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, "wide"])
def test_options_that_must_be_positive(name, option, value):
    with pytest.raises(ValueError, match=f"{option} must be a positive number, not {value!r}"):
        getattr(weights, name)(PLANE, **{option: value})


def test_options_that_must_not_be_negative():
    with pytest.raises(ValueError, match="w0 must be a number of 0 or more, not -1"):
        weights.unet(PLANE, w0=-1)
    with pytest.raises(ValueError, match="rounds must be a whole number of 0 or more, not -1"):
        weights.saw(PLANE, rounds=-1)
    with pytest.raises(ValueError, match=r"rounds must be a whole number of 0 or more, not 2\.5"):
        weights.saw(PLANE, rounds=2.5)


@pytest.mark.parametrize("name", SLOW)
def test_a_moved_cluster_has_a_moved_map(name):
    """Also across the parts in which large images are worked on."""
    weigh, cluster = getattr(weights, name), np.maximum(PLANE, 0)[:-4, :-2]
    height, width = cluster.shape
    images = np.zeros((2, 420, 380), int)
    images[0, 60 : 60 + height, 60 : 60 + width] = cluster
    images[1, 330 : 330 + height, 290 : 290 + width] = cluster
    here, there = weigh(images[0]), weigh(images[1])
    np.testing.assert_allclose(there[320:380, 280:330], here[50:110, 50:100], rtol=1e-6)

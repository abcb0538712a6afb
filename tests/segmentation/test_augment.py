from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from seamwise.segmentation.augment import (
    Augmentation,
    _zoom,
    modulate_touching,
    random_crop,
    vary_intensity,
)

STILL = Augmentation(
    rotate=0, mirror=False, scale=0, warp=0, gamma=0, brightness=0, noise=0, touching_contrast=0
)


def coordinates(shape):
    """An image whose channels are the coordinates of a pixel, and labels that number the pixels."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32)
    return grid, np.arange(1, np.prod(shape) + 1, dtype=np.int32).reshape(shape)


@pytest.mark.parametrize(("shape", "crop"), [((40, 50), (16, 20)), ((9, 20, 22), (4, 8, 8))])
def test_without_changes_a_crop_is_a_crop(shape, crop):
    image, labels = coordinates(shape)
    for seed in range(5):
        cut, cut_labels = random_crop(
            image, labels, crop=crop, settings=STILL, rng=np.random.default_rng(seed)
        )
        assert cut.shape == (len(shape), *crop)
        # every label names the pixel the image value comes from, within the half pixel of rounding
        where = np.stack(np.unravel_index(cut_labels - 1, shape))
        assert (cut_labels > 0).all()
        assert np.abs(where - cut).max() <= 0.5 + 1e-4


def test_image_and_labels_move_together_under_all_changes():
    image, labels = coordinates((80, 90))
    for seed in range(5):
        cut, cut_labels = random_crop(
            image, labels, crop=(48, 40), settings=Augmentation(), rng=np.random.default_rng(seed)
        )
        inside = cut_labels > 0
        where = np.stack(np.unravel_index(cut_labels[inside] - 1, labels.shape))
        assert np.abs(where - cut[:, inside]).max() <= 0.5 + 1e-3
        assert inside.mean() > 0.5


def test_beyond_the_image_labels_are_ignored_and_the_image_is_mirrored():
    image, labels = np.full((1, 10, 10), 5, np.float32), np.ones((10, 10), np.int32)
    cut, cut_labels = random_crop(
        image, labels, crop=(20, 30), settings=STILL, rng=np.random.default_rng(0)
    )
    assert (cut_labels == 1).sum() == 100
    assert (cut_labels == -1).sum() == 500
    assert (cut == 5).all()


def test_the_generator_is_the_only_source_of_randomness():
    image, labels = coordinates((60, 60))
    first, second, other = (
        random_crop(
            image, labels, crop=(32, 32), settings=Augmentation(), rng=np.random.default_rng(seed)
        )
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_mirroring_reaches_all_orientations():
    image, labels = coordinates((30, 30))
    settings = Augmentation(rotate=0, scale=0, warp=0)
    signs = set()
    for seed in range(40):
        cut, _ = random_crop(
            image, labels, crop=(8, 8), settings=settings, rng=np.random.default_rng(seed)
        )
        signs.add((np.sign(cut[0, -1, 0] - cut[0, 0, 0]), np.sign(cut[1, 0, -1] - cut[1, 0, 0])))
    assert len(signs) == 4


def test_stacks_are_rotated_in_the_plane_only():
    image, labels = coordinates((12, 40, 40))
    settings = Augmentation(mirror=False, scale=0, warp=0)
    cut, _ = random_crop(
        image, labels, crop=(6, 20, 20), settings=settings, rng=np.random.default_rng(3)
    )
    assert np.allclose(cut[0], cut[0][:, :1, :1])
    assert not np.allclose(cut[1], cut[1][:, :, :1])


def true_lengths(shape, crop, spacing, settings, seed=0):
    """Positions of a crop's pixels in units of the finest axis, and which are inside the image."""
    image, labels = coordinates(shape)
    rng = np.random.default_rng(seed)
    cut, cut_labels = random_crop(
        image, labels, crop=crop, settings=settings, rng=rng, spacing=spacing
    )
    return cut * np.reshape(spacing, (-1, *(1,) * len(shape))), cut_labels > 0


@pytest.mark.parametrize(
    ("shape", "crop", "spacing"),
    [((90, 45), (24, 12), (1, 2)), ((60, 30, 90), (3, 8, 24), (4, 3, 1))],
)
@pytest.mark.parametrize("scale", [0, 0.5])
def test_turned_and_scaled_crops_keep_angles_and_proportions_in_true_lengths(
    shape, crop, spacing, scale
):
    settings = Augmentation(warp=0, scale=scale)
    for seed in range(4):
        where, inside = true_lengths(shape, crop, spacing, settings, seed)
        middle = tuple(slice(c // 2, c // 2 + 2) for c in crop)
        assert inside[middle].all()
        where = where[(slice(None), *middle)]
        steps = [np.diff(where, axis=axis + 1)[:, *(0,) * len(shape)] for axis in range(len(shape))]
        along = np.stack(steps) / np.reshape(spacing, (-1, 1))
        magnified = np.linalg.norm(along[0])
        assert (abs(magnified - 1) > 0.01) == (scale > 0)
        np.testing.assert_allclose(along @ along.T, magnified**2 * np.eye(len(shape)), atol=1e-3)


def test_a_warp_is_as_long_along_thick_slices_as_within_them_and_as_smooth():
    shape, spacing = (40, 160, 160), (4, 1, 1)
    moving = Augmentation(rotate=0, mirror=False, scale=0, warp=2.0)
    still, moved = (
        true_lengths(shape, shape, spacing, settings)
        for settings in (replace(moving, warp=0), moving)
    )
    shifts = (moved[0] - still[0])[:, moved[1]]
    deviations = shifts.std(1)
    np.testing.assert_allclose(deviations, deviations.mean(), rtol=0.3)
    roughness = [
        np.abs(np.diff(moved[0] - still[0], axis=a + 1)).mean() / spacing[a] for a in range(3)
    ]
    np.testing.assert_allclose(roughness, np.mean(roughness), rtol=0.3)


def test_equal_spacings_change_nothing():
    image, labels = coordinates((60, 70))
    plain, given = (
        random_crop(
            image,
            labels,
            crop=(32, 40),
            settings=Augmentation(),
            rng=np.random.default_rng(4),
            **spacing,
        )
        for spacing in ({}, {"spacing": (1.0, 1.0)})
    )
    assert all(np.array_equal(a, b) for a, b in zip(plain, given, strict=True))


@pytest.mark.parametrize(
    ("nodes", "shape"), [((2,), (1,)), ((2, 9), (7, 256)), ((3, 4, 4), (12, 33, 30))]
)
def test_axis_after_axis_a_grid_is_stretched_as_by_zoom(nodes, shape):
    grid = np.random.default_rng(0).normal(size=nodes)
    zoom = [n / k for n, k in zip(shape, nodes, strict=True)]
    expected = ndimage.zoom(grid, zoom, order=3, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(_zoom(grid, shape), expected, atol=1e-12)


def test_a_single_slice_is_warped_within_itself():
    _, labels = coordinates((1, 60, 60))
    image = np.ones((1, 1, 60, 60), np.float32)
    settings = Augmentation(rotate=0, mirror=False, scale=0, warp=1.0)
    _, cut = random_crop(
        image, labels, crop=(1, 20, 20), settings=settings, rng=np.random.default_rng(1)
    )
    assert (cut > 0).all()
    assert len(np.unique(np.diff(cut[0], axis=1))) > 1


@pytest.mark.parametrize(("amount", "expected"), [(0, 9), (0.5, 5), (1, 1), (-0.5, 10)])
def test_touching_contrast_written_out(amount, expected):
    image = np.ones((1, 9, 9), np.float32)
    image[0, 4, 4] = 9
    image[0, 0, 0] = 10  # the upper end of the range, where a = -0.5 (13) is clipped
    target = np.ones((9, 9), np.int8)
    target[4, 4] = 2
    result = modulate_touching(image, target, amount=amount)
    assert result[0, 4, 4] == pytest.approx(expected)
    assert np.array_equal(result[:, target != 2], image[:, target != 2])


def test_touching_contrast_uses_the_median_of_a_7_by_7_window_in_any_dimension():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 8, 9, 10)).astype(np.float32)
    target = np.zeros((8, 9, 10), np.int8)
    target[4, 4, 5] = target[0, 0, 0] = 2
    result = modulate_touching(image, target, amount=1.0)
    assert result[1, 4, 4, 5] == pytest.approx(np.median(image[1, 1:8, 1:8, 2:9]))
    corner = np.pad(image[0], 3, mode="symmetric")[:7, :7, :7]
    assert result[0, 0, 0, 0] == pytest.approx(np.median(corner))


def test_touching_contrast_looks_less_far_along_thick_slices():
    image = np.random.default_rng(0).normal(size=(1, 8, 9, 10)).astype(np.float32)
    target = np.zeros((8, 9, 10), np.int8)
    target[4, 4, 5] = 2
    result = modulate_touching(image, target, amount=1.0, spacing=(3.0, 1.0, 1.0))
    assert result[0, 4, 4, 5] == pytest.approx(np.median(image[0, 3:6, 1:8, 2:9]))


def test_gamma_keeps_the_range_and_the_order():
    image = np.linspace(-0.1, 1.4, 64, dtype=np.float32).reshape(1, 8, 8)
    settings = Augmentation(gamma=0.5, brightness=0, noise=0, touching_contrast=0)
    varied = vary_intensity(
        image, np.zeros((8, 8), np.int8), settings=settings, rng=np.random.default_rng(1)
    )
    assert varied.min() == pytest.approx(-0.1, abs=1e-6)
    assert varied.max() == pytest.approx(1.4, abs=1e-6)
    assert (np.diff(varied.ravel()) > 0).all()
    assert not np.allclose(varied, image)


def test_nothing_varies_when_all_is_off_and_a_flat_crop_stays_finite():
    image = np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32)
    target = np.full((8, 8), 2, np.int8)
    np.testing.assert_allclose(
        vary_intensity(image, target, settings=STILL, rng=np.random.default_rng(0)),
        image,
        atol=1e-6,
    )
    flat = np.zeros((1, 8, 8), np.float32)
    assert np.isfinite(
        vary_intensity(flat, target, settings=Augmentation(), rng=np.random.default_rng(0))
    ).all()


@pytest.mark.parametrize(
    "field", [{"rotate": 200}, {"warp": -1}, {"touching_contrast": 2}, {"blur": 1}]
)
def test_bad_settings_are_named(field):
    with pytest.raises(ValidationError, match=next(iter(field))):
        Augmentation(**field)

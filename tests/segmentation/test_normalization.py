from importlib import import_module

import numpy as np
import pytest
from scipy import ndimage

from seamwise.io.models import NormalizationRule
from seamwise.segmentation.normalization import (
    Normalization,
    measure,
    merge_samples,
    normalization,
    normalization_of,
)
from seamwise.tiling import Blocks

MODULE = import_module("seamwise.segmentation.normalization")
RULE = NormalizationRule()


def test_percentiles_become_0_and_1_per_channel():
    ramp = np.linspace(0, 1000, 400 * 400).reshape(400, 400)
    image = np.stack([ramp, 5 - 3 * ramp])
    normalised = normalization(image, RULE)(image)
    for channel in normalised:
        np.testing.assert_allclose(np.percentile(channel, [1, 99.8]), [0, 1], atol=1e-5)
    assert normalised.dtype == np.float32


def test_a_part_is_normalised_as_in_the_whole():
    image = np.random.default_rng(0).integers(0, 4000, (1, 60, 70)).astype(np.uint16)
    rule = normalization(image, RULE)
    assert np.array_equal(rule(image[:, 20:40, 5:]), rule(image)[:, 20:40, 5:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
def test_brightness_and_type_do_not_matter(dtype):
    image = np.random.default_rng(1).integers(0, 100, (1, 50, 50))
    expected = normalization(image, RULE)(image)
    scaled = (2 * image + 7).astype(dtype)
    np.testing.assert_allclose(normalization(scaled, RULE)(scaled), expected, atol=1e-5)


def test_normalising_twice_changes_nothing():
    image = np.random.default_rng(2).gamma(2, 50, (1, 64, 64))
    once = normalization(image, RULE)(image)
    np.testing.assert_allclose(normalization(once, RULE)(once), once, atol=1e-5)


def test_one_cell_in_a_large_dark_image_does_not_raise_the_noise():
    rng = np.random.default_rng(3)
    image = rng.normal(100, 1, (1, 500, 500))
    image[0, 200:212, 300:312] = 1000
    normalised = normalization(image, RULE)(image)
    assert normalised[0, 206, 306] == pytest.approx(2, abs=0.05)
    assert normalised[0, :100].std() < 0.01


def test_a_hot_pixel_does_not_dim_the_image():
    image = np.random.default_rng(4).uniform(0, 1, (1, 100, 100))
    hot = image.copy()
    hot[0, 50, 50] = 10
    np.testing.assert_allclose(
        normalization(hot, RULE)(image), normalization(image, RULE)(image), atol=0.02
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 900), (1, 3, 5, 7)])
def test_tiny_images_and_stacks(shape):
    image = np.arange(np.prod(shape), dtype=float).reshape(shape)
    assert np.isfinite(normalization(image, RULE)(image)).all()


@pytest.mark.parametrize("offset", [2**31, 1e9])
def test_wide_types_keep_their_contrast_on_a_large_offset(offset):
    ramp = np.linspace(0, 1000, 64 * 64).reshape(1, 64, 64).round()
    image = (ramp + offset).astype(np.uint32 if offset == 2**31 else np.float64)
    np.testing.assert_allclose(
        normalization(image, RULE)(image), normalization(ramp, RULE)(ramp), atol=1e-6
    )


def test_no_contrast_becomes_0():
    image = np.full((1, 8, 8), 37, np.uint8)
    assert (normalization(image, RULE)(image) == 0).all()


@pytest.mark.parametrize("size", [(4, 4), (8, 12), (16, 100), (40, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(50, 43), (37, 100), (3, 60)])
def test_parts_together_give_what_the_whole_gives_to_the_last_bit(monkeypatch, shape, dtype, size):
    monkeypatch.setattr(MODULE, "_SAMPLES", 400)  # every second or third pixel
    rule = NormalizationRule(low=1, high=90)
    rng = np.random.default_rng(5)
    image = np.stack([rng.gamma(1, 8, shape), rng.gamma(2, 20, shape)]).clip(0, 255).astype(dtype)
    image[0, :4, 8:12] = 255  # the peak counts, not the percentile
    blocks = Blocks(shape, size)
    samples = [
        measure(image[(slice(None), *box)], [s.start for s in box], shape)
        for box in map(blocks.box, np.random.default_rng(6).permutation(len(blocks)))
    ]
    whole, parts = normalization(image, rule), normalization_of(samples, rule)
    assert np.array_equal(parts.offset, whole.offset)
    assert np.array_equal(parts.scale, whole.scale)
    half = len(samples) // 2
    if half:
        again = normalization_of(
            [merge_samples(samples[:half]), merge_samples(samples[half:])], rule
        )
        assert np.array_equal(again.scale, whole.scale)


def test_parts_of_a_stack_too():
    image = np.random.default_rng(7).integers(0, 4000, (1, 9, 30, 41)).astype(np.uint16)
    blocks = Blocks((9, 30, 41), (4, 12, 20))
    boxes = [blocks.box(n) for n in range(len(blocks))]
    parts = [
        measure(image[(slice(None), *box)], [s.start for s in box], (9, 30, 41)) for box in boxes
    ]
    assert np.array_equal(normalization_of(parts, RULE).scale, normalization(image, RULE).scale)


def test_the_peak_is_a_block_of_4_by_4_and_a_part_without_one_has_none():
    image = np.zeros((1, 8, 10))
    image[0, 4:8, 4:8] = 16
    image[0, 0, 8:] = 1000  # in no whole block
    assert measure(image, (0, 0), (8, 10)).peak == [16]
    assert measure(image[:, :, 8:], (0, 8), (8, 10)).peak == [-np.inf]
    assert (
        measure(image[:, 4:, :8], (4, 0), (8, 10)).values[0].tolist()
        == [0, 0, 0, 0, 16, 16, 16, 16] * 4
    )


CONTRAST = NormalizationRule(kind="contrast")
DEVIATION = NormalizationRule(kind="deviation")


def discs(size=200, contrast=50.0, noise=2.0):
    """A field of discs on noisy ground, and where they are."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:size, :size]
    cells = ((y % 40 - 20) ** 2 + (x % 40 - 20) ** 2) <= 64
    return (100 + contrast * cells + rng.normal(0, noise, cells.shape))[np.newaxis], cells


def test_contrast_by_hand():
    # p5, p10 and p25 are 10: of the pixels above, 20 votes by √10 and 50 by √40; 90 is the highest
    # and does not vote
    image = np.array([10.0] * 16 + [20.0, 20.0, 20.0, 50.0, 90.0]).reshape(1, 3, 7)
    rule = normalization(image, CONTRAST)
    assert (rule.offset.tolist(), rule.scale.tolist()) == ([10], [1 / 10])
    expected = np.arcsinh([0, 2, 8]) / 2
    np.testing.assert_allclose(rule(np.array([[[10.0, 20.0, 50.0]]]))[0, 0], expected, atol=1e-6)


def test_background_becomes_0_and_cells_the_root_of_their_usual_contrast():
    image, cells = discs()
    normalised = normalization(image, CONTRAST)(image)[0]
    assert np.median(normalised[~cells]) == pytest.approx(0.05, abs=0.02)
    assert np.median(normalised[cells]) == pytest.approx(0.72, abs=0.02)


def test_deviation_by_hand():
    # p25, p50 and p75 are 10: 20 and 0 vote by √10, 50 by √40; 90 has the highest deviation
    # and does not vote
    image = np.array([10.0] * 16 + [20.0, 20.0, 0.0, 50.0, 90.0]).reshape(1, 3, 7)
    rule = normalization(image, DEVIATION)
    assert (rule.offset.tolist(), rule.scale.tolist()) == ([10], [1 / 10])
    expected = np.arcsinh([-2, 0, 8]) / 2
    np.testing.assert_allclose(rule(np.array([[[0.0, 10.0, 50.0]]]))[0, 0], expected, atol=1e-6)


def test_deviation_of_a_negative_is_the_negative():
    image, _ = discs()
    expected = -normalization(image, DEVIATION)(image)
    # far bright pixels are dimmed, far dark ones are not: there are none here
    np.testing.assert_allclose(normalization(-image, DEVIATION)(-image), expected, atol=1e-3)


def test_cells_of_both_signs_deviate_by_their_usual_contrast():
    image, cells = discs()
    mixed = image.copy()
    left = cells & (np.arange(cells.shape[1]) < cells.shape[1] / 2)
    mixed[0][left] = 200 - mixed[0][left]
    normalised = normalization(mixed, DEVIATION)(mixed)[0]
    assert np.median(normalised[~cells]) == pytest.approx(0, abs=0.02)
    assert np.median(normalised[left]) == pytest.approx(-0.72, abs=0.03)
    assert np.median(normalised[cells & ~left]) == pytest.approx(0.72, abs=0.03)


@pytest.mark.parametrize("kind", [CONTRAST, DEVIATION], ids=lambda rule: rule.kind)
@pytest.mark.parametrize(
    "change", [lambda x: x - 1000, lambda x: 16 * x, lambda x: (x / 1e3).astype(np.float32)]
)
def test_offset_unit_and_type_do_not_matter(change, kind):
    image, _ = discs()
    expected = normalization(image, kind)(image)
    changed = change(image)
    np.testing.assert_allclose(normalization(changed, kind)(changed), expected, atol=1e-4)


def one_bright_cell(image):
    image[0, 40:80, 40:80] = 100 + 50 * (image[0, 40:80, 40:80] - 100)


def speck(image):
    image[0, 100:105, 2:7] += 2500


def hot_pixels(image):
    image.ravel()[np.random.default_rng(6).choice(image.size, 100, replace=False)] = 65535


def scale_bar(image):
    image[0, 190:194, 130:190] = 1000


def border(image):
    image[0, :4] = 65535


def overflow(image):
    image[0, 0, 0] = 1e300


def underflow(image):
    image[0, 0, 0] = -1e300


@pytest.mark.parametrize(
    "artefact", [one_bright_cell, speck, hot_pixels, scale_bar, border, overflow, underflow]
)
@pytest.mark.parametrize("kind", [CONTRAST, DEVIATION], ids=lambda rule: rule.kind)
def test_an_artefact_does_not_change_what_lies_elsewhere(artefact, kind):
    image, _ = discs()
    spoilt = image.copy()
    artefact(spoilt)
    same = spoilt == image
    expected, result = normalization(image, kind)(image), normalization(spoilt, kind)(spoilt)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[same], expected[same], atol=0.1)


@pytest.mark.parametrize("shape", [(9,), (7, 8), (1, 8), (5, 6, 7)])
def test_a_lonely_pixel_gets_what_its_brightest_neighbour_has(shape):
    rule = Normalization(np.zeros(1), np.ones(1), bends=True)
    image = np.random.default_rng(0).uniform(0, 3, (1, *shape))
    spot = (0, *(n // 2 for n in shape))
    image[spot] = 50
    around = tuple(slice(max(x - 1, 0), x + 2) for x in spot[1:])
    others = np.sort(image[0][around].ravel())[:-1]
    expected = image.copy()
    expected[spot] = others.max()
    np.testing.assert_allclose(rule(image), np.arcsinh(2 * expected) / 2, rtol=1e-6)
    image[spot] = 3.9  # not far too bright
    np.testing.assert_allclose(rule(image), np.arcsinh(2 * image) / 2, rtol=1e-6)


def test_a_bright_cell_stays_bright():
    rule = Normalization(np.zeros(1), np.ones(1), bends=True)
    image = np.zeros((1, 8, 8))
    image[0, 2:4, 2:5] = 50
    np.testing.assert_allclose(rule(image), np.arcsinh(2 * image) / 2, rtol=1e-6)
    assert rule(np.full((1, 1), 50.0)) > 2


def test_a_single_cell_in_a_large_field_is_as_bright_as_many():
    field = np.random.default_rng(7).normal(100, 1, (1, 1000, 1000))
    field[0, 500:520, 500:520] += 50
    assert np.median(normalization(field, CONTRAST)(field)[0, 500:520, 500:520]) == pytest.approx(
        0.72, abs=0.05
    )


RULES = [RULE, CONTRAST, DEVIATION]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
@pytest.mark.parametrize("sigma", [0, 1, 4])
@pytest.mark.parametrize("shape", [(256, 256), (40, 90, 90)])
def test_an_image_of_noise_alone_becomes_0(sigma, rule, shape):
    white = np.random.default_rng(8).normal(0, 1, shape)
    noise = (5000 + 300 * ndimage.gaussian_filter(white, sigma)).astype(np.uint16)[np.newaxis]
    assert normalization(noise, rule).is_blank
    assert not normalization(noise, rule)(noise).any()
    cut = Blocks(shape, (64, 80) if len(shape) == 2 else (16, 64, 64))
    boxes = [cut.box(number) for number in range(len(cut))]
    parts = [measure(noise[(slice(None), *box)], [s.start for s in box], shape) for box in boxes]
    assert normalization_of(parts, rule).is_blank


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
@pytest.mark.parametrize("contrast", [2, 4, 50])
def test_cells_in_noise_are_more_than_noise(contrast, rule):
    image, _ = discs(size=256, contrast=contrast, noise=2.0)
    assert not normalization(image, rule).is_blank


def test_dense_cells_with_dark_walls_are_more_than_noise():
    """Their intensities may be symmetric, but their outlines make steep differences."""
    y, x = np.mgrid[:240, :240]
    walls = np.minimum(y % 24, x % 24) < 3
    image = ndimage.gaussian_filter(np.where(walls, 200.0, 100.0), 1.5)
    image += np.random.default_rng(1).normal(0, 20, image.shape)
    assert not normalization(image[np.newaxis], RULE).is_blank


@pytest.mark.parametrize("kind", ["identity", "range", "standard"])
def test_rules_of_other_programs_leave_noise_as_it_is(kind):
    noise = np.random.default_rng(8).normal(100, 30, (1, 128, 128))
    assert not normalization(noise, NormalizationRule(kind=kind)).is_blank


def test_few_blocks_tell_nothing():
    noise = np.random.default_rng(8).normal(100, 30, (1, 32, 32))
    assert not normalization(noise, RULE).is_blank


@pytest.mark.parametrize("rule", RULES)
def test_constant_images_become_0(rule):
    image = np.full((1, 20, 20), 7.0)
    assert not normalization(image, rule)(image).any()


@pytest.mark.parametrize("kind", [CONTRAST, DEVIATION], ids=lambda rule: rule.kind)
def test_parts_together_give_the_contrast_of_the_whole(kind):
    image = discs()[0].round().astype(np.uint16)
    blocks = Blocks(image.shape[1:], (64, 80))
    samples = [
        measure(
            image[(slice(None), *blocks.box(n))], [s.start for s in blocks.box(n)], image.shape[1:]
        )
        for n in range(len(blocks))
    ]
    whole, parts = normalization(image, kind), normalization_of(samples, kind)
    assert (parts.offset, parts.scale) == (whole.offset, whole.scale)


@pytest.mark.parametrize("kind", ["percentiles", "contrast", "deviation"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_contrast_beyond_float64_is_none_and_no_warning(kind, share):
    rng = np.random.default_rng(0)
    image = np.where(rng.random((1, 32, 32)) < share, 1.7e308, -1.7e308)
    assert not normalization(image, NormalizationRule(kind=kind)).scale.any()


@pytest.mark.filterwarnings("error")
def test_moments_beyond_float64_are_no_warning():
    noise = np.random.default_rng(8).normal(0, 1e120, (1, 128, 128))
    assert normalization(noise, RULE).is_blank  # float32 holds no such contrast

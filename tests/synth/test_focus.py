import numpy as np
import pytest
from scipy import ndimage
from skimage.data import astronaut, camera

from seamwise.pictures import as_unit
from seamwise.synth import focus
from seamwise.synth.focus import (
    _cells,
    _ellipses,
    _level_sets,
    blur,
    draw_mask,
    focus_pair,
    random_shapes,
)

LEFT = np.arange(8)[np.newaxis].repeat(6, 0) < 4


def picture(shape=(6, 8), seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def test_a_is_blurred_where_the_mask_is_1_and_b_elsewhere():
    image = picture((6, 8, 3))
    pair = focus_pair(image, LEFT, sigma=1.5)
    blurred = ndimage.gaussian_filter(image, (1.5, 1.5, 0), mode="reflect")
    np.testing.assert_array_equal(pair.a[:, 4:], image[:, 4:])
    np.testing.assert_array_equal(pair.b[:, :4], image[:, :4])
    np.testing.assert_allclose(pair.a[:, :4], blurred[:, :4], atol=2e-3)
    np.testing.assert_allclose(pair.b[:, 4:], blurred[:, 4:], atol=2e-3)
    np.testing.assert_array_equal(pair.truth, image)
    np.testing.assert_array_equal(pair.mask, LEFT)


def test_the_complementary_mask_exchanges_the_sources():
    image = picture()
    pair, other = focus_pair(image, LEFT, sigma=2.0), focus_pair(image, ~LEFT, sigma=2.0)
    np.testing.assert_array_equal(pair.a, other.b)
    np.testing.assert_array_equal(pair.b, other.a)


def test_the_kernel_reaches_three_sigma_and_sums_to_one():
    point = np.zeros((61, 61), np.float32)
    point[30, 30] = 1
    for kernel in ("gaussian", "disc"):
        spread = blur(point, 5.0, kernel)
        assert spread.sum() == pytest.approx(1, abs=1e-5)
        offsets = np.arange(61) - 30
        variance = (spread.sum(0) * offsets**2).sum()
        assert variance == pytest.approx(25, rel=0.02)
    assert blur(point, 5.0)[30, 45] > 0
    assert abs(blur(point, 5.0, "disc")[30, 42]) < 1e-9


def test_a_matte_lets_the_object_spread_over_what_is_behind_it():
    image = np.zeros((21, 21), np.float32)
    mask = np.zeros((21, 21), bool)
    mask[8:13, 8:13] = True
    image[mask] = 1  # a white object on black
    hard, matte = (focus_pair(image, mask, sigma=2.0, edges=edges) for edges in ("hard", "matte"))
    assert hard.a[10, 14] == 0
    assert matte.a[10, 14] > 0.1  # outside of its outline, when it is out of focus
    assert matte.b[10, 14] == pytest.approx(
        0, abs=1e-6
    )  # the background out of focus takes no white from it
    assert hard.b[10, 14] > 0.1
    np.testing.assert_array_equal(matte.b[mask], image[mask])


@pytest.mark.parametrize("edges", ["hard", "matte"])
def test_a_constant_picture_stays_constant(edges):
    pair = focus_pair(np.full((6, 8), 0.5), LEFT, sigma=1.0, edges=edges)
    np.testing.assert_allclose([pair.a, pair.b], 0.5, atol=1e-5)


def test_sigma_is_drawn_from_its_range_and_repeats_with_the_seed():
    pairs = [
        focus_pair(camera()[:64, :64], np.eye(64) > 0, sigma=(1, 5), rng=rng) for rng in (0, 0, 1)
    ]
    np.testing.assert_array_equal(pairs[0].a, pairs[1].a)
    assert not np.array_equal(pairs[0].a, pairs[2].a)


def test_noise_and_brightness_change_the_sources_not_the_truth():
    image = as_unit(astronaut()[:64, :64])
    mask = random_shapes((64, 64), rng=0) > 0
    plain = focus_pair(image, mask, sigma=2.0, rng=0)
    noisy = focus_pair(image, mask, sigma=2.0, noise=0.1, rng=0)
    bright = focus_pair(image, mask, sigma=2.0, brightness=0.2, rng=3)
    assert 0.001 < np.std(noisy.a - plain.a) < 0.1
    np.testing.assert_array_equal(bright.a, plain.a)
    ratio = bright.b[plain.b > 0.1] / plain.b[plain.b > 0.1]
    assert 1 / 1.21 < np.median(ratio) < 1.21
    assert np.median(ratio) != 1
    for pair in (noisy, bright):
        np.testing.assert_array_equal(pair.truth, image)
        assert min(pair.a.min(), pair.b.min()) >= 0
        assert max(pair.a.max(), pair.b.max()) <= 1


def noise_of(seed):
    grey = np.full((40, 50), 0.5)
    pair = focus_pair(grey, np.eye(40, 50) > 0, sigma=1.0, noise=0.1, rng=seed)
    return pair.a - 0.5, pair.b - 0.5


def test_noise_is_as_strong_in_both_sources_but_not_the_same():
    for seed in range(5):
        a, b = noise_of(seed)
        assert np.std(a) == pytest.approx(np.std(b), rel=0.1)
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.1


def test_the_amount_of_noise_is_uniform_up_to_the_largest():
    amounts = [np.std(noise_of(seed)[0]) for seed in range(60)]
    assert max(amounts) < 0.105
    assert np.mean(amounts) == pytest.approx(0.05, abs=0.015)


def test_the_second_source_is_as_often_darker_as_brighter_and_never_above_1():
    white = np.full((6, 8), 0.9)
    peaks = [
        focus_pair(white, LEFT, sigma=1.0, brightness=0.5, rng=seed).b.max() for seed in range(60)
    ]
    assert min(peaks) < 0.65  # 0.9 / 1.5 = 0.6
    assert max(peaks) == 1
    assert 15 < sum(peak < 0.9 for peak in peaks) < 45


def test_a_disc_is_mirrored_at_the_borders():
    image = picture((9, 12)).astype(np.float64)
    point = np.zeros((9, 9), np.float32)
    point[4, 4] = 1
    disc = blur(point, 1.5, "disc").astype(np.float64)
    np.testing.assert_allclose(
        blur(image.astype(np.float32), 1.5, "disc"), ndimage.convolve(image, disc), atol=1e-5
    )


@pytest.mark.parametrize("edges", ["hard", "matte"])
def test_a_disc_ends_at_its_radius(edges):
    image, mask = np.zeros((31, 31), np.float32), np.zeros((31, 31), bool)
    mask[:, :10], image[:, 5:7] = True, 1  # a bright line 3 pixels within the object
    far = np.s_[:, 0] if edges == "hard" else np.s_[:, 12:]
    for kernel, reaches in (("disc", False), ("gaussian", True)):
        pair = focus_pair(image, mask, sigma=2.0, edges=edges, kernel=kernel)
        assert (pair.a[far].max() > 1e-4) == reaches


def test_a_matte_never_leaves_the_range():
    for seed in range(20):
        pair = focus_pair(
            np.ones((40, 50)), random_shapes((40, 50), rng=seed) > 0, edges="matte", rng=seed
        )
        assert max(pair.a.max(), pair.b.max()) <= 1


class Drawn:
    """A generator whose numbers are given."""

    def __init__(self, integer, *uniform):
        self.integer, self.numbers = integer, list(uniform)

    def integers(self, *_):
        return self.integer

    def uniform(self, *_):
        return self.numbers.pop(0)


def test_an_ellipse_lies_along_its_angle():
    segments = _ellipses((41, 61), Drawn(1, 20, 30, np.pi / 6, np.array([15, 3]) / 41))
    steps = np.arange(-17, 18)
    along, across = (
        segments[np.round(20 + steps * dy).astype(int), np.round(30 + steps * dx).astype(int)]
        for dy, dx in (
            (np.cos(np.pi / 6), np.sin(np.pi / 6)),
            (-np.sin(np.pi / 6), np.cos(np.pi / 6)),
        )
    )
    assert along.sum() in (29, 30, 31)
    assert across.sum() in (5, 6, 7)
    assert segments.sum() == pytest.approx(np.pi * 15 * 3, rel=0.05)


def test_cells_are_what_is_nearest_to_points_in_the_whole_picture():
    segments = _cells((4, 40), Drawn(2, np.array([[0.5, 0.2], [0.5, 0.7]])))  # columns 8 and 28
    np.testing.assert_array_equal(segments, np.tile(np.arange(40) > 18, (4, 1)))


def test_level_sets_are_three_of_one_size():
    _, counts = np.unique(_level_sets((60, 70), np.random.default_rng(0)), return_counts=True)
    np.testing.assert_allclose(counts, 1400, atol=2)


def test_shapes_of_every_kind_are_drawn(monkeypatch):
    drawn = []
    for name in ("_ellipses", "_cells", "_level_sets"):
        monkeypatch.setattr(
            focus,
            name,
            lambda shape, rng, name=name: drawn.append(name) or np.eye(*shape, dtype=int),
        )
    for seed in range(60):
        random_shapes((4, 5), rng=seed)
    assert min(drawn.count(name) for name in ("_ellipses", "_cells", "_level_sets")) > 8


def test_each_segment_is_drawn_with_probability_one_half():
    segments = np.arange(12).reshape(3, 4)
    assert np.mean([draw_mask(segments, seed) for seed in range(300)]) == pytest.approx(
        0.5, abs=0.03
    )


def test_masks_are_neither_empty_nor_full_and_follow_the_segments():
    segments = np.array([[0, 0, 1, 2]])
    drawn = {tuple(draw_mask(segments, rng)[0].tolist()) for rng in range(100)}
    assert len(drawn) == 6  # 2³ − 2
    assert all(mask[0] == mask[1] and 0 < sum(mask) < 4 for mask in drawn)


def test_shapes_always_have_two_parts_even_on_tiny_pictures():
    kinds = {len(np.unique(random_shapes((40, 50), rng=seed))) for seed in range(30)}
    assert min(kinds) >= 2
    assert len(kinds) > 2
    assert len(np.unique(random_shapes((1, 2), rng=0))) == 2


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.0])
def test_a_small_disc_has_little_more_variance_than_the_gaussian(sigma):
    point = np.zeros((21, 21), np.float32)
    point[10, 10] = 1
    variance = (blur(point, sigma, "disc").sum(0) * (np.arange(21) - 10) ** 2).sum()
    assert sigma**2 < variance < sigma**2 + 0.17


def test_one_channel_is_a_channel():
    image = picture((6, 8, 1))
    for options in ({}, {"kernel": "disc"}, {"edges": "matte"}):
        pair = focus_pair(image, LEFT, sigma=1.0, **options)
        assert pair.a.shape == (6, 8, 1)
        np.testing.assert_allclose(
            pair.a[..., 0], focus_pair(image[..., 0], LEFT, sigma=1.0, **options).a, atol=1e-6
        )


@pytest.mark.parametrize(("change", "message"), [
    ({"mask": np.zeros((6, 8))}, r"mask is 0.0 everywhere: draw it again"),
    ({"mask": np.ones((6, 8))}, r"mask is 1.0 everywhere"),
    ({"mask": 2 * LEFT.astype(int)}, r"mask must hold 0 and 1 only, not 0..2"),
    ({"mask": LEFT[:, :5]}, r"mask must have the picture's size \(6, 8\), not \(6, 5\)"),
    ({"sigma": 0.0}, "sigma must be positive"),
    ({"sigma": (3, 1)}, "sigma must be positive, or a range"),
    ({"sigma": [3, 1]}, "sigma must be positive, or a range"),
    ({"edges": "Matte"}, "edges must be hard or matte and kernel gaussian or disc, not 'Matte'"),
    ({"kernel": "gauss"}, "not 'hard' and 'gauss'"),
    ({"noise": np.nan}, "noise and brightness must be 0 or more, not nan"),
    ({"noise": -1.0}, "noise and brightness must be 0 or more"),
    ({"image": picture() * 255}, r"image must lie in 0\.\.1"),
    ({"image": picture() * np.nan}, r"image must hold numbers in 0\.\.1, not NaN or infinity"),
    ({"image": picture((8,))}, r"image must be \(Y, X\) or \(Y, X, C\)"),
])  # fmt: skip
def test_bad_input_is_named(change, message):
    arguments = {"image": picture(), "mask": LEFT, "sigma": 1.0} | change
    with pytest.raises(ValueError, match=message):
        focus_pair(arguments.pop("image"), arguments.pop("mask"), **arguments)


def test_other_types_and_single_segments_are_refused():
    with pytest.raises(TypeError, match="uint8, uint16 or float, not int64"):
        focus_pair(np.zeros((6, 8), np.int64), LEFT)
    with pytest.raises(ValueError, match="at least two numbers"):
        draw_mask(np.zeros((3, 3), int))
    with pytest.raises(ValueError, match="two lengths"):
        random_shapes((5,))


@pytest.mark.parametrize("kernel", ["gaussian", "disc"])
@pytest.mark.parametrize("edges", ["hard", "matte"])
def test_rounding_does_not_leave_the_range(edges, kernel):
    """Blurred white is white."""
    white, left = np.ones((40, 50), np.float32), np.arange(50)[np.newaxis].repeat(40, 0) < 25
    for sigma in np.linspace(1, 5, 41):
        pair = focus_pair(white, left, sigma=float(sigma), edges=edges, kernel=kernel)
        assert max(pair.a.max(), pair.b.max()) <= 1

import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter, uniform_filter

from seamwise.fusion.classical import laplacian_pyramid

KERNEL = np.array([1, 4, 6, 4, 1]) / 16


def smoothed(image):
    return convolve1d(
        convolve1d(image, KERNEL, axis=0, mode="mirror"), KERNEL, axis=1, mode="mirror"
    )


def doubled(image, shape):
    spread = np.zeros(shape)
    spread[::2, ::2] = image
    return 4 * smoothed(spread)


def activity_slow(frames, window):
    """The tops, the details of level 0 and their activity, with mirrored borders."""
    tops = [smoothed(frame)[::2, ::2] for frame in frames]
    details = np.stack(
        [frame - doubled(top, frame.shape) for frame, top in zip(frames, tops, strict=True)]
    )
    return (
        tops,
        details,
        np.stack([uniform_filter(np.abs(detail), window, mode="reflect") for detail in details]),
    )


def one_level_slow(frames, window):
    tops, details, activity = activity_slow(frames, window)
    chosen = np.take_along_axis(details, activity.argmax(0)[np.newaxis], 0)[0]
    return chosen + doubled(np.mean(tops, 0), frames[0].shape)


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("count", [2, 4])
def test_one_level_equals_the_equations(window, count):
    frames = 0.3 + 0.4 * np.random.default_rng(0).random((count, 13, 21))
    fused = laplacian_pyramid(list(frames.astype(np.float32)), levels=1, window=window)
    # OpenCV doubles the last row and column in its own way
    inside = np.s_[: -1 - window // 2, : -1 - window // 2]
    np.testing.assert_allclose(
        fused.image[inside], one_level_slow(frames, window).clip(0, 1)[inside], atol=2e-6
    )


@pytest.mark.parametrize("window", [1, 3])
def test_depth_is_the_largest_activity_after_a_gaussian_of_the_windows_width(window):
    frames = 0.3 + 0.4 * np.random.default_rng(0).random((3, 33, 41))
    depth = laplacian_pyramid(list(frames.astype(np.float32)), levels=2, window=window).depth
    *_, activity = activity_slow(frames, window)
    sharpness = np.stack(
        [gaussian_filter(of_frame, window, mode="reflect", truncate=4) for of_frame in activity]
    )
    # OpenCV doubles the last row and column in its own way, and the Gaussian ends at 4σ
    inside = np.s_[: -1 - window // 2 - 4 * window, : -1 - window // 2 - 4 * window]
    assert np.unique(depth[inside]).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(depth[inside], sharpness.argmax(0)[inside])


def test_a_dot_is_taken_whole_from_the_only_frame_that_has_it():
    flat = np.full((9, 9), 0.5, np.float32)
    dot = flat.copy()
    dot[4, 4] = 0.75
    fused = laplacian_pyramid([flat, dot], levels=1)
    # the top holds half of the dot: of its peak, 0.25·36/256 at the centre of the smoothed picture,
    # a part is missing
    missing = dot - fused.image
    assert missing[4, 4] == pytest.approx(
        0.25 * 0.5 * (6 / 16 * 6 / 8 + 2 * (1 / 16) * (1 / 8)) ** 2, rel=1e-5
    )
    assert fused.depth[4, 4] == 1


def test_the_larger_coefficient_of_equals_wins():
    # mirrored in brightness, the frames have details of equal size: at every pixel the larger one
    # is taken
    image = 0.4 + 0.2 * np.random.default_rng(0).integers(0, 2, (9, 11)).astype(np.float32)
    top = smoothed(image.astype(np.float64))[::2, ::2]
    detail = np.abs(image - doubled(top, image.shape))
    fused = laplacian_pyramid([image, 1 - image], levels=1, window=1)
    np.testing.assert_allclose(np.abs(fused.image - 0.5)[:-1, :-1], detail[:-1, :-1], atol=1e-6)
    larger = np.isclose(fused.image, 0.5 + detail, atol=1e-6)[:-1, :-1]
    assert larger.mean() > 0.6  # rounding decides some of the ties


@pytest.mark.parametrize("levels", [1, 2, 5, 9])
def test_any_number_of_levels_gives_an_equal_pair_back(levels):
    image = np.random.default_rng(0).random((21, 34, 3), np.float32)
    np.testing.assert_allclose(
        laplacian_pyramid([image, image], levels=levels).image, image, atol=1e-6
    )


def test_by_default_the_top_has_8_pixels_or_more():
    image = np.random.default_rng(0).random((2, 70, 90), np.float32)  # 70 → 35 → 18 → 9
    default = laplacian_pyramid(list(image)).image
    np.testing.assert_array_equal(default, laplacian_pyramid(list(image), levels=3).image)
    assert not np.array_equal(default, laplacian_pyramid(list(image), levels=4).image)


def test_the_image_stays_in_range():
    # details of full contrast on the mean of all brightnesses
    white, black = np.ones((16, 16), np.float32), np.zeros((16, 16), np.float32)
    dotted = black.copy()
    dotted[4::8, 4::8] = 1
    for frames, pixel in (([white, dotted], 1), ([black, 1 - dotted], 0)):
        fused = laplacian_pyramid(frames, levels=1)
        assert (fused.image[4::8, 4::8] == pixel).all()
        assert fused.image.min() >= 0
        assert fused.image.max() <= 1


def test_depth_is_whose_detail_is_strongest_around_a_pixel():
    stripes = np.tile(np.float32([0.45, 0.55]), (40, 20))
    dot = np.full_like(stripes, 0.5)
    dot[20, 20] = 1
    # the window of the dot alone has the larger mean, the Gaussian beyond it does not
    fused = laplacian_pyramid([stripes, dot], levels=1, window=3)
    assert not fused.depth.any()
    assert fused.image[20, 20] > 0.9


@pytest.mark.parametrize(("levels", "window"), [(0, 5), (3, 4), (3, 0)])
def test_options_out_of_range_are_named(levels, window):
    with pytest.raises(
        ValueError, match=f"levels must be 1 or more and window odd, not {levels} and {window}"
    ):
        laplacian_pyramid([np.zeros((8, 8), np.float32)] * 2, levels=levels, window=window)

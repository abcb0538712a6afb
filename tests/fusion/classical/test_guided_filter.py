from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import convolve
from skimage.data import camera
from skimage.io import imread

from seamwise.fusion.classical import gff
from seamwise.fusion.classical.guided_filter import box_mean, guided_filter
from seamwise.synth.focus import focus_pair

LYTRO = Path(__file__).parents[4] / "shared" / "data" / "fusion"


def window(image, y, x, radius):
    return image[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]


def box_mean_slow(image, radius):
    means = np.zeros_like(image)
    for y, x in np.ndindex(image.shape[:2]):
        means[y, x] = window(image, y, x, radius).mean((0, 1))
    return means


def guided_filter_slow(image, guide, radius, eps):
    slope, offset, result = (np.zeros_like(image) for _ in range(3))
    for y, x in np.ndindex(image.shape):
        p, i = window(image, y, x, radius), window(guide, y, x, radius)
        slope[y, x] = ((i - i.mean()) * (p - p.mean())).mean() / (i.var() + eps)
        offset[y, x] = p.mean() - slope[y, x] * i.mean()
    for y, x in np.ndindex(image.shape):
        result[y, x] = (
            window(slope, y, x, radius).mean() * guide[y, x] + window(offset, y, x, radius).mean()
        )
    return result


@pytest.mark.parametrize("radius", [0, 1, 2, 20])
@pytest.mark.parametrize("shape", [(7, 11), (1, 6), (5, 9, 3)])
def test_box_mean_equals_a_plain_loop(shape, radius):
    image = np.random.default_rng(0).random(shape)
    np.testing.assert_allclose(box_mean(image, radius), box_mean_slow(image, radius), atol=1e-12)


@pytest.mark.parametrize("radius", [0, 1, 3, 20])
@pytest.mark.parametrize("eps", [0.3, 1e-3])
def test_guided_filter_equals_a_plain_loop(radius, eps):
    image, guide = np.random.default_rng(0).random((2, 9, 13))
    expected = guided_filter_slow(image, guide, radius, eps)
    np.testing.assert_allclose(
        guided_filter(image, guide, radius=radius, eps=eps), expected, atol=1e-10
    )
    single = guided_filter(
        image.astype(np.float32), guide.astype(np.float32), radius=radius, eps=eps
    )
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-4)


def test_one_window_written_out():
    # one window: mean(I) = 1/2, var(I) = 1/4, cov = 1/8, so a = 1/8 / (1/4 + 1/4) = 1/4 and b = 1/4
    # − 1/8
    filtered = guided_filter(np.array([[0.0, 0.5]]), np.array([[0.0, 1.0]]), radius=1, eps=0.25)
    np.testing.assert_allclose(filtered, [[0.125, 0.375]])


def test_a_line_over_the_guide_stays_and_a_flat_guide_gives_the_mean_of_means():
    guide = np.random.default_rng(0).random((12, 15))
    np.testing.assert_allclose(
        guided_filter(3 * guide - 1, guide, radius=4, eps=1e-12), 3 * guide - 1, atol=1e-8
    )
    flat = guided_filter(guide, np.full_like(guide, 0.9), radius=2, eps=1e-6)
    np.testing.assert_allclose(flat, box_mean(box_mean(guide, 2), 2), atol=1e-8)


@pytest.mark.parametrize("level", np.linspace(0.5, 1, 6))
def test_a_bright_flat_guide_is_safe_in_single_precision(level):
    # its variance, 7.5e-9, is lost in the rounding of its square
    noise, image = np.random.default_rng(0).random((2, 60, 80))
    guide = level + 3e-4 * noise
    filtered = guided_filter(image.astype(np.float32), guide.astype(np.float32), radius=7, eps=1e-7)
    np.testing.assert_allclose(filtered, guided_filter(image, guide, radius=7, eps=1e-7), atol=2e-3)


@pytest.mark.parametrize(
    ("image", "guide", "match"),
    [
        ((3, 4), (4, 3), "not \\(3, 4\\) and \\(4, 3\\)"),
        ((3, 4, 3), (3, 4, 3), "must be \\(Y, X\\) of one shape"),
    ],
)
def test_shapes_that_do_not_fit_are_named(image, guide, match):
    with pytest.raises(ValueError, match=match):
        guided_filter(np.zeros(image), np.zeros(guide), radius=1, eps=1.0)


@pytest.mark.parametrize(("radius", "eps"), [(-1, 0.1), (1, 0.0), (1, float("nan"))])
def test_options_out_of_range_are_named(radius, eps):
    with pytest.raises(
        ValueError, match=f"radius must be 0 or more and eps positive, not {radius} and {eps}"
    ):
        guided_filter(np.zeros((3, 4)), np.zeros((3, 4)), radius=radius, eps=eps)


def test_frames_with_the_same_saliency_share_a_pixel():
    stripes = np.tile(np.float32([0, 0.5]), (9, 8))
    fused = gff([stripes, stripes + np.float32(0.25)])  # the same contrast at another brightness
    np.testing.assert_allclose(fused.image, stripes + 0.125, atol=1e-3)


def test_the_sharper_frame_alone_where_it_is_sharper_everywhere():
    sharp = np.random.default_rng(0).random((40, 50), np.float32)
    fused = gff([np.full_like(sharp, 0.5), sharp])
    np.testing.assert_allclose(fused.image, sharp, atol=1e-4)
    assert fused.depth.all()


def test_bases_are_mixed_over_base_radius_and_details_over_detail_radius():
    frames = [np.full((40, 40), value, np.float32) for value in (0.2, 0.8)]
    frames[0][:, :20:2] += 0.1
    frames[1][:, 20::2] += 0.1
    narrow = gff(frames, mean_radius=2, base_radius=2).image
    wide = gff(frames, mean_radius=2, base_radius=30).image
    assert narrow[20, 6:9].mean() < 0.3 < wide[20, 6:9].mean() < 0.8


def gff_slow(frames):
    """With the published radii and ε, on grey pictures."""
    frames = [frame.astype(np.float64) for frame in frames]
    bell = np.exp(-(np.arange(-5, 6) ** 2) / 50)
    laplacian = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    edges = [np.abs(convolve(frame, laplacian, mode="reflect")) for frame in frames]
    saliency = [
        convolve(edge, np.outer(bell, bell) / bell.sum() ** 2, mode="reflect") for edge in edges
    ]
    bases = [box_mean_slow(frame, 15) for frame in frames]
    total = np.zeros_like(frames[0])
    for parts, radius, eps in ((bases, 45, 0.3), (np.subtract(frames, bases), 7, 1e-6)):
        claims = [(one == np.max(saliency, 0)).astype(np.float64) for one in saliency]
        weights = [
            guided_filter_slow(*pair, radius, eps).clip(0, 1)
            for pair in zip(claims, frames, strict=True)
        ]
        total += np.sum(np.multiply(weights, parts), 0) / np.sum(weights, 0)
    return total.clip(0, 1)


def test_gff_equals_its_equations_on_a_photograph():
    image = camera()[100:160, 200:250]
    pair = focus_pair(image, np.tile(np.arange(50) < 25, (60, 1)), sigma=2.5)
    frames = [pair.a, pair.b * np.float32(0.6)]  # bases that differ
    np.testing.assert_allclose(gff(frames).image, gff_slow(frames), atol=1e-5)


@pytest.mark.parametrize("options", [{"mean_radius": -1}, {"base_radius": -1}, {"detail_eps": 0.0}])
def test_fusion_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"radius must be 0 or more"):
        gff([np.zeros((8, 8), np.float32)] * 2, **options)


@pytest.mark.skipif(
    not LYTRO.is_dir(), reason="needs ../shared/data, the development data beside the checkout"
)
@pytest.mark.parametrize("name", ["01", "05"])
def test_equals_the_reference_on_real_pairs(name):
    frames = [
        imread(LYTRO / "lytro" / "pairs" / f"lytro-{name}-{side}.jpg") / np.float32(255)
        for side in "AB"
    ]
    ours = gff(frames).image @ np.float32([0.299, 0.587, 0.114]) * 255
    theirs = imread(LYTRO / "golden" / f"{name}_gff.png")
    assert np.abs(ours.round() - theirs).mean() < 0.15

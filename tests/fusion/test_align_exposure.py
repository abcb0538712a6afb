"""How bright frames are: gains, and the pixels that tell nothing."""

import math

import cv2
import numpy as np
import pytest

from seamwise.fusion import (
    estimate_alignment,
)
from seamwise.fusion.exposure import Thumbnail, gains
from support.moved_frames import scene


def test_exposure_is_optional_and_within_bounds():
    frame = scene()[:200, :200]
    dark = frame / 4
    assert np.array_equal(estimate_alignment([frame, dark], reference=0).gains, [[1] * 3, [2] * 3])
    assert np.array_equal(
        estimate_alignment([dark, frame], reference=0).gains, [[1] * 3, [0.5] * 3]
    )
    assert np.array_equal(estimate_alignment([frame, dark], exposure=False).gains, np.ones((2, 3)))


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_clipped_pixels_say_nothing_about_exposure(channels):
    rng = np.random.default_rng(0)
    frame = 0.4 + 0.1 * cv2.GaussianBlur(rng.random((240, 320), np.float32), (0, 0), 1)
    # two thirds hold highlights so fine that, blurred, they are far from white
    frame[:, 100:] = np.where(rng.random((240, 220)) < 0.4, 0.8, frame[:, 100:])
    frame = np.tile(frame.reshape(240, 320, *(1 for _ in channels)), channels)
    bright = np.clip(np.float32(1.5) * frame, 0, 1)
    brighter, darker = (
        estimate_alignment(pair, reference=0).gains[1]
        for pair in ([bright, frame], [frame, bright])
    )
    np.testing.assert_allclose(brighter, 1.5, rtol=1e-3)
    np.testing.assert_allclose(darker, 1 / 1.5, rtol=1e-3)
    assert brighter.shape == (3 if channels else 1,)


def test_nearly_black_pixels_say_nothing_about_exposure():
    frame = scene()[:240, :320].mean(2) * 0.6 + 0.1
    dim = 0.8 * frame
    frame[:, 100:], dim[:, 100:] = (
        0.024,
        0.012,
    )  # two black levels; that of one is not even below 0.02
    brighter, darker = (
        estimate_alignment(pair, reference=0).gains[1] for pair in ([frame, dim], [dim, frame])
    )
    np.testing.assert_allclose(brighter, 1 / 0.8, rtol=1e-3)
    np.testing.assert_allclose(darker, 0.8, rtol=1e-3)


@pytest.mark.parametrize("share", [1 / 16, 1 / 256], ids=["12 bits in 16", "8 bits in 16"])
def test_black_is_relative_in_dim_frames(share):
    """What 12 bits store in 16 is matched as if it used them all."""
    frame = scene()[:240, :320] * np.float32(0.9)
    pair = [np.round(65535 * share * x) / np.float32(65535) for x in (frame, frame * 0.8)]
    gain = estimate_alignment([x.astype(np.float32) for x in pair], reference=0).gains[1]
    np.testing.assert_allclose(gain, 1 / 0.8, rtol=5e-3)


def test_a_frame_without_well_exposed_pixels_keeps_its_brightness():
    frame = scene()[:240, :320] * np.float32(0.015)
    frame[:20, :30] = 0.9  # a lamp: the rest is black against it
    assert np.array_equal(
        estimate_alignment([frame, frame * np.float32(0.8)]).gains, np.ones((2, 3))
    )


def test_the_gain_is_that_of_most_pixels():
    frame = scene()[:240, :320].mean(2) * 0.5 + 0.1
    other = 0.8 * frame
    other[:, 220:] = 1.5 * frame[:, 220:]  # a lamp moved
    np.testing.assert_allclose(
        estimate_alignment([frame, other], reference=0).gains[1], 1 / 0.8, rtol=1e-2
    )


def test_what_the_frame_does_not_cover_says_nothing_about_exposure():
    flat = np.zeros((60, 80), np.float32)
    copy = Thumbnail(np.full((60, 80, 1), 0.4, np.float32), flat, flat)
    left = np.array([[1, 0, -50], [0, 1, 0], [0, 0, 1.0]])
    bright = np.where(np.arange(80)[:, np.newaxis] < 30, 0.5, 0.7) * np.ones((60, 1, 1))
    reference = Thumbnail(bright.astype(np.float32), flat, flat)
    assert gains(copy, reference, left, (60, 80)) == pytest.approx(1.25)


def thumbnails(factor, *, noise=0.0, contrast=(0.1, 0.1)):
    """Two grey thumbnails, the second so much brighter."""
    rng = np.random.default_rng(0)
    dim = rng.uniform(0.2, 0.4, (64, 64, 1)).astype(np.float32)
    bright = dim * np.float32(factor) * np.exp(noise * rng.standard_normal((64, 64, 1)))
    maps = [np.full((64, 64), value, np.float32) for value in contrast]
    return Thumbnail(dim, maps[0], dim[..., 0] ** 2), Thumbnail(
        bright.astype(np.float32), maps[1], bright[..., 0] ** 2
    )


@pytest.mark.parametrize(
    ("factor", "noise", "expected"),
    [(1.005, 0, 1), (1.05, 0, 1.05), (1.05, 0.02, 1.05), (1.02, 3, 1)],
    ids=["under 1 %", "exact", "significant", "in noise"],
)  # fmt: skip
def test_a_gain_is_1_unless_it_is_significant(factor, noise, expected):
    found = gains(*thumbnails(factor, noise=noise), np.eye(3), (64, 64))
    assert found == pytest.approx(expected, rel=2e-3)


def test_where_one_frame_is_blurred_brightness_says_nothing():
    blurred = thumbnails(1.2, contrast=(0.1, 0.04))
    assert gains(*blurred, np.eye(3), (64, 64)) == 1
    # but a plain wall is as bright out of focus
    assert gains(*thumbnails(1.2, contrast=(0.003, 0.001)), np.eye(3), (64, 64)) > 1.19


@pytest.mark.parametrize(("tiles", "expected"), [(9, 1), (64, 1.05)])
def test_of_few_tiles_a_gain_has_to_stand_out_more(tiles, expected):
    """The gains of the tiles have a spread of 0.0185, so that 5 % are 2.6 spreads."""
    gains_of_tiles = 0.05 + 0.0125 * np.resize([-1, 0, 1, -1, 1], tiles)
    rows = columns = math.isqrt(tiles)
    ratio = np.kron(np.exp(gains_of_tiles).reshape(rows, columns), np.ones((8, 8)))
    bright, dim = np.ones((64, 64, 1), np.float32) / 2, np.zeros((64, 64, 1), np.float32)
    dim[: 8 * rows, : 8 * columns, 0] = 0.5 / ratio  # what is black tells nothing
    flat = np.zeros((64, 64), np.float32)
    frames = Thumbnail(dim, flat, flat), Thumbnail(bright, flat, flat)
    assert gains(*frames, np.eye(3), (64, 64)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("veil", "expected"), [(0.0, 1.03), (0.015, 1)], ids=["gain", "veil"])
def test_a_veil_is_no_gain(veil, expected):
    """A near thing out of focus adds light: 1.5 % of the range are 6 % of dark pixels."""
    dark = np.linspace(0.25, 0.75, 64 * 64, dtype=np.float32).reshape(64, 64, 1)
    bright = dark + np.float32(veil) if veil else dark * np.float32(expected)
    flat = np.zeros((64, 64), np.float32)
    frames = Thumbnail(bright, flat, flat), Thumbnail(dark, flat, flat)
    assert gains(*frames, np.eye(3), (64, 64)) == pytest.approx(1 / expected, rel=1e-3)

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data

from seamwise.fusion.classical.matting import (
    _closed_form,
    _core,
    _matte,
    _shrink_trimap,
    _solve,
    _trimap,
    focus_measure,
    matting,
)


@pytest.fixture
def pair():
    """A coin of the foreground in focus in the first frame, what is around it in the second."""
    truth = skimage.data.astronaut()[80:190, 160:300] / np.float32(255)
    y, x = np.mgrid[:110, :140]
    inside = ((y - 55) ** 2 + (x - 70) ** 2 < 35**2)[..., np.newaxis]
    blurred = cv2.GaussianBlur(truth, (0, 0), 3)
    return np.where(inside, truth, blurred), np.where(inside, blurred, truth)


def never(image, trimap):
    raise AssertionError("there is nothing to solve")


def test_the_focus_measure_written_out():
    image = np.full((5, 9), 0.5, np.float32)
    image[2, 2], image[2, 6] = 0.75, 0.125
    expected = np.zeros((5, 9))
    expected[2, 2], expected[2, 6] = 0.25, 0.375  # a light and a dark dot count alike
    np.testing.assert_array_equal(focus_measure(image, 1), expected)


def test_a_plateau_wider_than_the_disc_has_no_focus_measure():
    image = np.zeros((9, 14), np.float32)
    image[:, 7:] = 1
    np.testing.assert_array_equal(focus_measure(image, 2), 0)


def test_the_core_is_what_is_far_from_the_outline():
    mask = np.zeros((21, 21), bool)
    mask[:, 8:] = True
    np.testing.assert_array_equal(_core(mask, 5)[10], np.arange(21) >= 13)


def test_a_wire_has_its_ridge_for_a_core_and_a_hair_has_none():
    mask = np.zeros((30, 40), bool)
    mask[8:15], mask[20:22] = True, True
    assert np.flatnonzero(_core(mask, 5)[:, 20]).tolist() == [11]


def test_a_part_without_an_outline_is_all_core():
    assert _core(np.ones((4, 6), bool), 5).all()


def test_what_covers_less_than_a_thousandth_is_no_part():
    rough = np.full((40, 50), -1, np.float32)  # 2000 pixels
    rough[10, 10] = 1
    rough[30, 30:32] = 1
    trimap = _trimap(rough, 1)
    assert trimap[10, 10] == 0.5
    np.testing.assert_array_equal(np.argwhere(trimap == 1), [[30, 30], [30, 31]])


@pytest.mark.parametrize("value", [0, 1])
def test_a_matte_with_one_side_only_is_that_side(value):
    trimap = np.full((5, 6), 0.5, np.float32)
    trimap[2, 2] = value
    np.testing.assert_array_equal(_solve(np.zeros((5, 6), np.float32), trimap, never), value)


def test_a_matte_without_a_side_is_one_half():
    trimap = np.full((5, 6), 0.5, np.float32)
    np.testing.assert_array_equal(_solve(np.zeros((5, 6), np.float32), trimap, never), 0.5)


def test_a_picture_narrower_than_a_window_is_not_matted():
    trimap = np.float32([[0, 0.5, 0.5, 1]] * 2)
    np.testing.assert_array_equal(_solve(np.zeros((2, 4), np.float32), trimap, never), trimap)


def test_a_large_matte_is_solved_small_and_follows_the_edges_of_the_full_picture():
    image = np.zeros((60, 90), np.float32)
    image[:, 41:] = 1
    trimap = np.full(image.shape, 0.5, np.float32)
    trimap[:, :38], trimap[:, 44:] = 1, 0
    sizes = []

    def solve(small, trimap):
        sizes.append(small.shape)
        return small[..., 0] < 0.5

    alpha = _matte(image, trimap, 600, solve)
    assert sizes == [(20, 30, 3)]
    assert np.abs(alpha - (image == 0)).mean() < 0.02
    assert (
        alpha[:, 40] - alpha[:, 41] > 0.6
    ).all()  # enlarged alone, the step is a ramp of three pixels
    np.testing.assert_array_equal(alpha[:, :38], 1)
    np.testing.assert_array_equal(alpha[:, 44:], 0)


def test_a_smaller_trimap_keeps_every_core_written_out():
    trimap = np.full((4, 6), 0.5, np.float32)
    trimap[1, 0], trimap[3, 3] = 1, 0
    trimap[0, 4], trimap[1, 5] = 1, 0  # both in one pixel of the copy
    np.testing.assert_array_equal(_shrink_trimap(trimap, (3, 2)), [[1, 0.5, 0.5], [0.5, 0, 0.5]])


def test_a_wire_survives_matting_at_a_24th_of_the_pixels():
    pytest.importorskip("pymatting")
    truth = cv2.resize(
        skimage.data.camera() / np.float32(255), (400, 300), interpolation=cv2.INTER_AREA
    )
    truth = (truth + np.random.default_rng(0).random(truth.shape, np.float32)) / 2
    y, x = np.mgrid[:300, :400]
    wire = abs(y - 150 - 0.3 * (x - 200)) < 5.5 * np.hypot(1, 0.3)  # 11 pixels
    blurred = cv2.GaussianBlur(truth, (0, 0), 3)
    fused = matting(
        [np.where(wire, truth, blurred), np.where(wire, blurred, truth)], max_pixels=5000
    )
    assert (fused.depth[wire] == 0).mean() > 0.8
    assert (fused.depth[~wire] == 1).mean() > 0.98


@pytest.mark.parametrize("step", [0.03, 0.01])
def test_a_faint_outline_holds_the_matte(step):
    pytest.importorskip("pymatting")
    image = np.full((12, 30), 0.5, np.float32)
    image[:, 10:] += step
    trimap = np.full(image.shape, 0.5, np.float32)
    trimap[:, :3], trimap[:, -3:] = 1, 0
    np.testing.assert_allclose(_solve(image, trimap, _closed_form()), image < 0.505, atol=0.05)


def test_noise_far_below_a_grey_level_leaves_the_matte_of_a_flat_area_smooth():
    pytest.importorskip("pymatting")
    flat = np.full((12, 30), 0.5, np.float32)
    noisy = flat + np.float32(2e-4) * np.random.default_rng(0).uniform(-1, 1, flat.shape).astype(
        np.float32
    )
    trimap = np.full(flat.shape, 0.5, np.float32)
    trimap[:, :3], trimap[:, -3:] = 1, 0
    ramp = _solve(flat, trimap, _closed_form())
    assert 0.4 < ramp[6, 15] < 0.6  # from one side to the other
    np.testing.assert_allclose(_solve(noisy, trimap, _closed_form()), ramp, atol=0.015)


def test_a_pair_may_be_swapped(pair):
    pytest.importorskip("pymatting")
    fused, swapped = matting(pair), matting(pair[::-1])
    np.testing.assert_allclose(fused.image, swapped.image, atol=1e-3)
    assert np.mean(fused.depth == 1 - swapped.depth) > 0.99


def test_a_frame_that_is_sharper_everywhere_is_taken_whole():
    pytest.importorskip("pymatting")
    sharp = np.random.default_rng(0).random((20, 30), np.float32)
    for frames, depth in (
        ([sharp, np.full_like(sharp, 0.5)], 0),
        ([np.full_like(sharp, 0.5), sharp], 1),
    ):
        fused = matting(frames)
        np.testing.assert_array_equal(fused.image, sharp)
        np.testing.assert_array_equal(fused.depth, depth)


def test_few_pixels_to_matte_change_little(pair):
    pytest.importorskip("pymatting")
    whole, coarse = matting(pair), matting(pair, max_pixels=4000)
    assert not np.array_equal(whole.image, coarse.image)
    assert np.abs(whole.image - coarse.image).mean() < 0.005


def test_what_pymatting_prints_is_not_shown(pair, monkeypatch, capsys):
    def estimate_alpha_cf(image, trimap, **options):
        print("PERFORMANCE WARNING")
        return trimap

    monkeypatch.setitem(
        sys.modules, "pymatting", SimpleNamespace(estimate_alpha_cf=estimate_alpha_cf)
    )
    matting(pair)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options", [{"radius": 0}, {"band": 0}, {"max_pixels": 0}, {"smoothing": 0.0}]
)
def test_options_out_of_range_are_named(options):
    with pytest.raises(ValueError, match=r"must be 1 or more and smoothing positive, not .*0"):
        matting([np.zeros((8, 8), np.float32)] * 2, **options)


def test_without_pymatting_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(
        ValueError, match=r"^method matting needs pymatting: pip install 'seamwise\[matting\]'$"
    ):
        matting([np.zeros((8, 8), np.float32)] * 2)

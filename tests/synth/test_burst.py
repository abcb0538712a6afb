"""Bursts with truth."""

import numpy as np
import pytest

from seamwise.synth import Layer, focus_burst
from seamwise.synth.burst import coded, uncoded

SIDE = 40


def plane(depth, *, light=None, cover=None):
    rng = np.random.default_rng(4)
    light = rng.random((SIDE, SIDE, 3), np.float32) if light is None else light
    cover = np.ones((SIDE, SIDE), np.float32) if cover is None else cover
    return Layer(light.astype(np.float32), cover, np.full((SIDE, SIDE), depth, np.float32))


def test_a_plane_in_focus_is_the_truth_and_others_are_blurred_more_and_more():
    burst = focus_burst([plane(0.5)], [0.5, 0.75, 1.0], blur=8.0)
    np.testing.assert_allclose(burst.frames[0], burst.truth, atol=1e-6)
    contrasts = [frame.std() for frame in burst.frames]
    assert contrasts[0] > 2 * contrasts[1] > 2 * contrasts[2]


def test_light_is_blurred_before_it_is_coded():
    stripes = np.zeros((SIDE, SIDE, 3), np.float32)
    stripes[:, ::2] = 1.0
    burst = focus_burst([plane(0.0, light=stripes)], [1.0], blur=10.0)
    assert abs(burst.frames[0][20, 20, 0] - coded(np.float32(0.5))) < 0.03
    assert coded(np.float32(0.5)) == pytest.approx(0.735, abs=1e-3)


def test_a_highlight_grows_to_a_bright_disc():
    light = np.zeros((SIDE, SIDE, 3), np.float32)
    light[20, 20] = 100.0
    burst = focus_burst([plane(0.0, light=light)], [0.0, 1.0], blur=5.0)
    white = [int((frame[..., 0] > 0.99).sum()) for frame in burst.frames]
    assert white[0] == 1
    assert 60 <= white[1] <= 95


def test_a_near_object_out_of_focus_spreads_over_the_background():
    far = plane(1.0, light=np.zeros((SIDE, SIDE, 3)))
    cover = np.zeros((SIDE, SIDE), np.float32)
    cover[:, :20] = 1.0
    near = plane(0.0, light=np.ones((SIDE, SIDE, 3)), cover=cover)
    burst = focus_burst([far, near], [1.0, 0.0], blur=6.0)
    row = uncoded(burst.frames[0])[20, :, 0]
    assert (np.diff(row) < 1e-5).all()
    assert 0.05 < row[22] < 0.5
    assert row[28] < 1e-3
    assert burst.frames[1][20, 19, 0] == pytest.approx(1)
    assert burst.frames[1][20, 20, 0] < 1e-3
    np.testing.assert_allclose(burst.truth, burst.frames[1], atol=1e-3)


def test_depth_may_change_within_a_layer():
    layer = plane(0.0)
    layer.depth[:, 20:] = 1.0
    near, far = focus_burst([layer], [0.0, 1.0], blur=8.0).frames
    truth = focus_burst([layer], [0.0], blur=0.0).truth
    np.testing.assert_allclose(near[:, :20], truth[:, :20], atol=1e-6)
    np.testing.assert_allclose(far[:, 20:], truth[:, 20:], atol=1e-6)
    assert near[:, 30:].std() < 0.6 * truth[:, 30:].std()


def test_coding_and_back():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(uncoded(coded(values)), values, atol=1e-6)
    np.testing.assert_allclose(coded(np.float32([-1, 2])), [0, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "planes", "blur", "words"),
    [
        (0, [0.0], 1.0, "must have a layer"),
        (1, [], 1.0, "0 planes"),
        (1, [0.0], -1.0, "a blur of -1.0"),
        (1, [0.0], float("nan"), "a blur of nan"),
    ],
)
def test_what_is_missing_is_named(layers, planes, blur, words):
    with pytest.raises(ValueError, match=words):
        focus_burst([plane(0.0)] * layers, planes, blur=blur)


def test_layers_of_different_sizes_are_refused():
    small = Layer(np.zeros((4, 5, 3)), np.zeros((4, 5)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"one size, not \[\(4, 5\), \(40, 40\)\]"):
        focus_burst([plane(0.0), small], [0.0], blur=1.0)

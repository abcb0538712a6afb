"""Scenes of several depths."""

import numpy as np
import pytest

from seamwise.synth import draw_scene, drawn_picture

SHAPE = (40, 56)


def texture(shape, rng):
    return rng.random((*shape, 3), np.float32)


@pytest.mark.parametrize("seed", range(12))
def test_layers_come_from_far_to_near_and_fit_each_other(seed):
    layers = draw_scene(SHAPE, texture, rng=seed)
    for layer in layers:
        assert layer.light.shape == (*SHAPE, 3)
        assert layer.cover.shape == layer.depth.shape == SHAPE
        assert {x.dtype for x in (layer.light, layer.cover, layer.depth)} == {np.dtype("float32")}
        assert layer.light.min() >= 0 <= layer.depth.min()
        assert layer.depth.max() <= 1
        assert layer.cover.min() >= 0
        assert layer.cover.max() <= 1
    assert layers[0].cover.min() == 1  # nothing is seen behind it


def test_kinds_of_scenes():
    scenes = [draw_scene(SHAPE, texture, rng=seed) for seed in range(40)]
    counts = [len(layers) for layers in scenes]
    assert min(counts) == 1
    assert max(counts) > 2
    assert any(layers[-1].light.max() > 1.9 for layers in scenes)  # highlights
    assert any(0 < layers[-1].cover.mean() < 0.3 for layers in scenes)  # hairs


def test_a_seed_decides_a_scene_and_a_picture():
    for first, second in zip(
        draw_scene(SHAPE, texture, rng=3), draw_scene(SHAPE, texture, rng=3), strict=True
    ):
        np.testing.assert_array_equal(first.light, second.light)
        np.testing.assert_array_equal(first.depth, second.depth)
    np.testing.assert_array_equal(drawn_picture(SHAPE, rng=1), drawn_picture(SHAPE, rng=1))


def test_a_drawn_picture_has_sharp_edges():
    picture = drawn_picture((64, 80), rng=2)
    assert picture.shape == (64, 80, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert np.abs(np.diff(picture, axis=1)).max() > 0.3


def test_shares_decide_the_kind():
    for seed in range(6):
        assert len(draw_scene(SHAPE, texture, surfaces=1.0, hairs=0.0, rng=seed)) == 1
        hairy = draw_scene(SHAPE, texture, surfaces=0.0, hairs=1.0, rng=seed)
        assert 0 < hairy[-1].cover.mean() < 0.7
    with pytest.raises(ValueError, match=r"shares of a whole, not 0\.7 and 0\.5"):
        draw_scene(SHAPE, texture, surfaces=0.7, hairs=0.5)

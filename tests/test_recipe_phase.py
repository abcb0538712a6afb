"""The recipe of `phase-2d`: its split, its labels and its samples."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from seamwise.engine.settings import RunSettings
from seamwise.labels.guides import measure_guides
from seamwise.synth import crowded_cells
from support.recipes import RECIPES, script

pytestmark = pytest.mark.skipif(not RECIPES.is_dir(), reason="needs recipes/")


@dataclass(frozen=True)
class Named:
    name: str


@pytest.fixture(scope="module")
def recipe():
    return script("phase_2d")


@pytest.fixture(scope="module")
def source(recipe):
    scene = crowded_cells((300, 340), cells=40, rng=0)
    image = scene.image.astype(np.float32)
    labels = scene.labels.astype(np.int32)
    return recipe.Source(np.median(image) - image, labels, measure_guides(labels))


def test_a_look_that_is_left_out_is_not_trained_on(recipe):
    pairs = [Named(f"usi{number:02}") for number in range(1, 46)]
    large, small = (recipe.split(pairs, look) for look in ("large", "small"))
    assert [len(part) for part in (*large, *small)] == [22, 6, 23, 6]
    assert not set(large[0]) & {*large[1], *small[0]}
    assert not set(small[0]) & set(small[1])
    training, validation = recipe.split(pairs, "selection")
    assert (len(training), len(validation)) == (41, 4)
    assert not set(training) & set(validation)
    assert not set(validation) & set(small[0])  # the first run did not see them either


def test_a_crumb_goes_to_what_is_next_to_it(recipe, monkeypatch):
    monkeypatch.setattr(recipe, "CRUMB", 3)
    labels = np.array(
        [
            [5, 5, 5, 5, 2, 0, 0],
            [5, 5, 5, 5, 0, 0, 0],
            [2, 2, 2, 0, 0, 5, 5],
            [2, 2, 2, 0, 0, 5, 9],
            [9, 9, 0, 0, 0, 0, 9],
        ]
    )
    # 2 has a crumb, 5 two whole pieces; 9 is in two pieces of two pixels, and none is larger
    result = recipe.without_crumbs(labels)
    assert result[0, 4] in (0, result[0, 0])
    result[0, 4] = 0
    expected = [
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [2, 2, 2, 0, 0, 3, 3],
        [2, 2, 2, 0, 0, 3, 4],
        [5, 5, 0, 0, 0, 0, 4],
    ]
    for number in range(1, 6):
        (value,) = np.unique(result[np.array(expected) == number])
        assert ((result == value) == (np.array(expected) == number)).all()


def test_half_the_resolution_by_hand(recipe):
    image = np.array([[1, 3, 0], [5, 7, 0], [9, 9, 9]], np.float32)
    assert recipe.reduced(image).tolist() == [[4]]


def test_a_sample_depends_on_its_number_alone_and_is_finite(recipe, source):
    settings = RunSettings(steps=12, batch_size=1)
    samples = recipe.PhaseSamples([source], settings=settings)
    for number in (1, 9):
        for first, second in zip(samples[number], samples[number], strict=True):
            assert torch.equal(first, second)
    for number in range(len(samples)):
        image, target, weight, guides = samples[number]
        assert image.shape == (1, 256, 256)
        assert torch.isfinite(image).all()
        assert image.dtype == weight.dtype == guides.dtype == torch.float32
        assert ((guides[0] > 0) <= ((target == 1) | (target == 2))).all()

"""The recipe of `phase-2d`: its split, its labels and its samples."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from seamwise.engine.settings import RunSettings
from seamwise.io.models import SegmentationInfo, load_model, model_path
from seamwise.labels.guides import measure_guides
from seamwise.segmentation import AnnotatedImage, segment
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


def test_a_source_is_as_the_network_sees_it(recipe):
    labels = np.zeros((40, 60), np.int16)
    labels[:20, :30] = 7
    light = np.where(labels == 7, 1.0, -0.5).astype(np.float32)
    bent = np.arcsinh(2 * light) / 2  # as the network takes it
    read = AnnotatedImage("a", bent[np.newaxis], labels, ("grey",))
    for zoom, shape in ((0.5, (20, 30)), (0.65, (26, 39))):
        source = recipe.source_of(read, zoom)
        assert source.image.shape == source.labels.shape == shape
        rows, columns = (n // 2 for n in shape)
        assert (source.labels[:rows, :columns] == 1).all()
        assert (source.labels == 1).sum() == rows * columns
        np.testing.assert_allclose(source.image[: rows - 2, : columns - 2], 1, atol=1e-5)
        np.testing.assert_allclose(source.image[rows + 2 :], -0.5, atol=1e-5)


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


def test_small_cells_are_drawn_more_often_in_the_last_third(recipe, source):
    labels = source.labels[:60, :60].repeat(4, 0).repeat(4, 1)
    large = recipe.Source(np.zeros(labels.shape, np.float32), labels, measure_guides(labels))
    assert recipe.median_radius(source) < recipe.SMALL / 2 < recipe.median_radius(large)
    samples = recipe.PhaseSamples([source, large, large], settings=RunSettings(steps=30))
    share = [
        np.mean([samples.choose(step, np.random.default_rng(n)) is source for n in range(300)])
        for step in (0, 19, 20, 29)
    ]
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 2 / 3, 2 / 3], atol=0.1)
    samples.is_second = True
    early = [samples.choose(0, np.random.default_rng(n)) is source for n in range(300)]
    np.testing.assert_allclose(np.mean(early), 2 / 3, atol=0.1)
    assert samples.changes(14) == recipe.STRONG
    assert samples.changes(29) == recipe.MILD  # never weak
    samples.zoom = 20.0  # so far magnified, all of them are small
    share = np.mean([samples.choose(29, np.random.default_rng(n)) is source for n in range(300)])
    assert share == pytest.approx(1 / 3, abs=0.1)
    alone = recipe.PhaseSamples([large], settings=RunSettings(steps=30))
    assert alone.choose(29, np.random.default_rng(0)) is large


def test_what_ships_is_what_the_recipe_describes(recipe):
    path = model_path("phase-2d", SegmentationInfo)
    _, info = load_model(path, SegmentationInfo)
    assert (info.normalization, info.decode, info.zoom) == (recipe.RULE, recipe.DECODE, 0.65)
    names = info.training["images"], info.training["validation_images"]
    assert not set(names[0]) & set(recipe.SELECTION)
    division = recipe.Division(*([Named(name) for name in part] for part in names))
    described = recipe.information(
        recipe.RULE, recipe.DECODE, division, settings=RunSettings(steps=1), start="", zoom=0.65
    )
    for field in ("architecture", "classes", "channels", "zoom", "normalization", "decode"):
        assert getattr(described, field) == getattr(info, field)
    assert (described.training["images"], described.training["validation_images"]) == names
    assert path.stat().st_size < 16e6


def test_what_ships_finds_drawn_cells_and_none_in_noise():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:400, :400]
    image = rng.normal(100, 4, (400, 400))
    assert segment(image, model="phase-2d").labels.max() == 0
    for y, x in ((100, 120), (280, 260)):
        distance = np.hypot((rows - y) / 2, columns - x)
        image += 70 * np.exp(-(((distance - 26) / 4) ** 2)) - 60 * (distance < 22)
    labels = segment(image, model="phase-2d").labels
    assert labels.max() >= 2
    assert 0 != labels[100, 120] != labels[280, 260] != 0

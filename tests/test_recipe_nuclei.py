"""The recipe of `nuclei-2d`: its split, its samples and its loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from seamwise.engine.settings import RunSettings
from seamwise.labels.guides import measure_guides
from seamwise.nets import UNet
from seamwise.synth import crowded_cells
from support.recipes import RECIPES, script

pytestmark = pytest.mark.skipif(not RECIPES.is_dir(), reason="needs recipes/")


@pytest.fixture(scope="module")
def recipe():
    return script("nuclei_2d")


@pytest.fixture(scope="module")
def guided():
    return script("guided")


@pytest.fixture(scope="module")
def source(recipe):
    scene = crowded_cells((300, 340), cells=40, rng=0)
    image = scene.image.astype(np.float32)
    labels = scene.labels.astype(np.int32)
    return recipe.Source(image / image.max(), labels, measure_guides(labels))


def test_no_image_is_in_two_parts_of_the_split(recipe, tmp_path):
    names = recipe.SELECTION.read_text().split()
    assert len(set(names)) == len(names) == 40
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for name in [*names, *(f"x{number:03}" for number in range(60))]:
            (tmp_path / kind / f"{name}.png").touch()
    training, selection, report = ({pair.name for pair in part} for part in recipe.split(tmp_path))
    assert len(training) + len(selection) + len(report) == 100
    assert len(training | selection | report) == 100


def test_a_deeper_network_begins_as_the_shallower_one(guided):
    torch.manual_seed(0)
    shallow = UNet(1, 7, width=4, depth=2, norm="batch").eval()
    for module in shallow.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -1, 1)
    deep = UNet(1, 7, width=4, depth=3, norm="batch").eval()
    deep.load_state_dict(guided.deepened(shallow.state_dict()))
    image = torch.rand(2, 1, 24, 32)
    with torch.no_grad():
        torch.testing.assert_close(deep(image), shallow(image), rtol=1e-4, atol=1e-5)
    # the new level learns: where its features enter, the weights have a gradient
    deep.train()(image).square().sum().backward()
    assert deep.up[0][0].weight.grad[:, :32].abs().max() > 0


def test_mean_and_variance_of_a_rectified_normal(guided):
    mean, deviation = torch.tensor([-0.5, 0.0, 2.0]), torch.tensor([1.0, 2.0, 0.5])
    torch.manual_seed(0)
    drawn = (mean + deviation * torch.randn(400_000, 3)).clamp(min=0)
    first, second = guided.rectified(mean, deviation)
    torch.testing.assert_close(first, drawn.mean(0), rtol=0.01, atol=0.005)
    torch.testing.assert_close(second, drawn.var(0), rtol=0.01, atol=0.005)


def test_brightness_is_of_a_cell_and_of_its_haze_alone(recipe):
    labels = np.zeros((60, 60), np.int32)
    labels[10:25, 10:25], labels[40:50, 40:55] = 1, 2
    factors = [recipe.brightness(labels, np.random.default_rng(seed)) for seed in range(20)]
    for factor in factors:
        assert factor.dtype == np.float32
        assert np.ptp(factor[14:21, 14:21]) < 1e-3
        np.testing.assert_allclose(factor[30:34, :30], 1, atol=0.02)
        assert 0.29 < factor.min() <= factor.max() < 1.51
    assert min(factor[17, 17] for factor in factors) < 0.6


def edge_of(labels):
    return np.concatenate([labels[[0, -1]].ravel(), labels[:, [0, -1]].ravel()])


def test_offsets_of_a_crop_lead_to_the_middle_of_the_cell(recipe, source):
    rng = np.random.default_rng(0)
    still = replace(recipe.STRONG, warp=0.0)
    whole = np.setdiff1d(source.labels, edge_of(source.labels))
    compared = 0
    for _ in range(20):
        _, labels, guides = recipe.random_crop(source, still, rng)
        for number in np.setdiff1d(whole, edge_of(labels)):
            places = np.argwhere(labels == number)
            if len(places) < 60:
                continue
            radius = np.sqrt(len(places) / np.pi)
            ends = places + radius * guides[1:, places[:, 0], places[:, 1]].T
            np.testing.assert_allclose(ends - places.mean(0), 0, atol=0.1 * radius + 0.5)
            compared += 1
    assert compared > 50


def test_a_sample_depends_on_its_number_alone(recipe, source):
    settings = RunSettings(steps=4, batch_size=2)
    samples = recipe.NucleiSamples([source], settings=settings)
    for number in (1, 6):
        for first, second in zip(samples[number], samples[number], strict=True):
            assert torch.equal(first, second)
    image, target, weight, guides = samples[3]
    assert (image.shape, target.shape) == ((1, 256, 256), (256, 256))
    assert (weight.shape, guides.shape) == ((256, 256), (3, 256, 256))
    assert torch.isfinite(image).all()
    assert ((weight > 0) == (target >= 0)).all()


def test_the_loss_falls_to_nearly_0_for_a_right_output_and_ignores_what_is_ignored(
    recipe, guided, source
):
    settings = RunSettings(steps=1, batch_size=1)
    _, target, weight, guides = (
        part[None] for part in recipe.NucleiSamples([source], settings=settings)[0]
    )
    right = torch.nn.functional.one_hot(target.long().clamp(min=0), 4).movedim(-1, 1) * 40.0
    output = torch.cat([right, guides], 1)
    assert guided.loss(output, target, weight, guides) == pytest.approx(0, abs=1e-4)
    output[:, :, (target < 0)[0]] += 7
    assert guided.loss(output, target, weight, guides) == pytest.approx(0, abs=1e-4)
    wrong = output.clone()
    wrong[:, 5] += 1
    assert guided.loss(wrong, target, weight, guides) > 0.2


@pytest.mark.parametrize("target", [-1, 0])
def test_a_crop_without_cells_has_a_loss_and_a_gradient(guided, target):
    output = torch.zeros(1, 7, 8, 8, requires_grad=True)
    loss = guided.loss(
        output,
        torch.full((1, 8, 8), target, dtype=torch.int8),
        torch.ones(1, 8, 8),
        torch.zeros(1, 3, 8, 8),
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(output.grad).all()


def test_noise_has_no_cell_and_is_finite(recipe):
    for seed in range(20):
        image, labels = recipe.empty(np.random.default_rng(seed))
        assert np.isfinite(image).all()
        assert image.dtype == np.float32
        assert not labels.any()


def test_samples_are_changed_less_and_less(recipe, source):
    settings = RunSettings(steps=8, batch_size=1)
    first = recipe.NucleiSamples([source], settings=settings)
    expected = [recipe.STRONG] * 4 + [recipe.MILD] * 2 + [recipe.WEAK] * 2
    assert [first.changes(step) for step in range(8)] == expected
    second = recipe.NucleiSamples([source], settings=settings, is_second=True)
    expected = [recipe.MILD, recipe.WEAK, recipe.WEAK, recipe.MILD]
    assert [second.changes(step) for step in range(4)] == expected


def test_a_crowd_has_more_cells_that_cover_little_of_each_other(recipe, source):
    crowd = recipe.crowded(source, np.random.default_rng(0))
    before, after = (len(np.unique(s.labels)) - 1 for s in (source, crowd))
    assert after > 1.2 * before
    assert crowd.image.shape == source.image.shape
    assert crowd.image.dtype == np.float32
    # light is only added, and what no new cell came near is as it was
    assert (crowd.image >= source.image).all()
    near = ndimage.binary_dilation(crowd.labels > before, iterations=12)
    np.testing.assert_array_equal(crowd.image[~near], source.image[~near])
    sizes_before, sizes_after = (np.bincount(s.labels.ravel())[1:] for s in (source, crowd))
    assert (sizes_after[:before] > 0.5 * sizes_before).mean() > 0.95
    # a new cell touches one that was there
    new = crowd.labels > before
    assert (ndimage.binary_dilation(new, iterations=2) & (crowd.labels > 0) & ~new).any()


def test_a_cell_lies_on_top_or_below_and_stops_where_it_covers_little(recipe):
    cell = np.ones((10, 10), bool)
    found = 0
    for seed in range(40):
        image, labels = np.zeros((80, 80), np.float32), np.zeros((80, 80), np.int32)
        labels[35:45, 35:45] = 1
        recipe.push_in(
            image, labels, cell, np.ones((10, 10), np.float32), np.random.default_rng(seed)
        )
        if labels.max() == 1:  # at no distance it covers a little and not too much
            assert not image.any()
            continue
        found += 1
        assert image.sum() == 100
        one, two = (int((labels == number).sum()) for number in (1, 2))
        assert max(one, two) == 100  # one of them is whole
        assert 88 <= min(one, two) < 100  # the other lost up to 12 %
    assert found > 20


def test_no_cell_is_pushed_over_the_border_or_into_what_is_ignored(recipe):
    cell, light = np.ones((10, 10), bool), np.ones((10, 10), np.float32)
    image, labels = np.zeros((29, 29), np.float32), np.zeros((29, 29), np.int32)
    labels[10:20, 10:20] = 1
    labels[20:] = -1
    places = set()
    for seed in range(60):
        pushed = labels.copy()
        recipe.push_in(image, pushed, cell, light, np.random.default_rng(seed))
        np.testing.assert_array_equal(pushed[20:], labels[20:])
        places.update(np.nonzero(pushed == 2)[0])
    assert min(places) < 10  # some find a place

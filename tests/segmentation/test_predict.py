import tracemalloc
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from scipy.special import entr

from seamwise.decode import argmax, threshold, watershed
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    SegmentationInfo,
    ThresholdPair,
    WatershedPair,
)
from seamwise.metrics import match
from seamwise.nets import UNet
from seamwise.segmentation import SegmentOptions, segment, segment_image
from seamwise.segmentation.predict import Model, decode_rule, probability_slabs
from seamwise.synth import crowded_cells
from support.long_tests import nightly


def model_of(net, *, ndim=2, channels=1, min_size=0):
    info = SegmentationInfo(
        architecture=Architecture(in_channels=channels, out_channels=4, ndim=ndim),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",) * channels,
        decode=DecodeRule(min_size=min_size),
    )
    return Model(lambda: net, info, "cpu", "float32")


def random_model(ndim=2, channels=1, seed=0):
    torch.manual_seed(seed)
    return model_of(
        UNet(channels, 4, ndim=ndim, width=4, depth=2).eval(), ndim=ndim, channels=channels
    )


@pytest.fixture(scope="module")
def scene():
    return crowded_cells((230, 260), cells=40, rng=3)


def test_probabilities_sum_to_one_and_have_the_image_size(scene):
    prediction = segment(scene.image, model=random_model())
    assert prediction.probabilities.shape == (4, 230, 260)
    np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-5)
    assert prediction.labels.shape == scene.image.shape


def test_slab_by_slab_gives_the_same_labels_without_keeping_probabilities(scene):
    model = random_model()
    whole = segment(scene.image, model=model, tile=192)
    streamed = segment(scene.image, model=model, tile=192, keep_probabilities=False)
    assert streamed.probabilities is None
    assert np.array_equal(whole.labels, streamed.labels)


@pytest.mark.parametrize("tile", [192, 208])
def test_tiles_change_no_probability_where_the_overlap_covers_the_receptive_field(scene, tile):
    # two poolings see 22 pixels around a pixel, tiles share 64
    model = random_model()
    whole = segment(scene.image, model=model).probabilities
    tiled = segment(scene.image, model=model, tile=tile).probabilities
    assert np.abs(whole - tiled).max() < 2e-3
    assert np.abs(whole - tiled).mean() < 1e-5


@pytest.fixture(scope="module")
def large():
    """A scene larger than a tile, and what the shipped model finds in it at once."""
    image = crowded_cells((640, 700), cells=260, rng=11).image
    return image, segment(image).labels


@pytest.mark.parametrize("tile", [256, pytest.param(320, marks=nightly), 512])
def test_the_shipped_model_finds_the_same_cells_whatever_the_tile(large, tile):
    image, whole = large
    tiled = segment(image, tile=tile).labels
    # stated tolerance: 98 % of the cells agree at IoU 0.9
    assert match(whole, tiled, iou=0.9).f1 > 0.98


def test_the_shipped_model_separates_crowded_cells():
    scene = crowded_cells((512, 512), cells=130, rng=5)
    score = match(scene.labels, segment(scene.image).labels)
    assert score.f1 > 0.85


def test_a_network_call_never_sees_more_than_a_tile():
    sizes = []
    model = random_model()
    model.net.register_forward_pre_hook(
        lambda net, inputs: sizes.append(tuple(inputs[0].shape[2:]))
    )
    image = np.random.default_rng(0).random((1, 300, 500))
    list(probability_slabs(image, model, tile=192))
    assert max(map(max, sizes)) <= 192
    assert len(sizes) == 2 * 4


def test_memory_does_not_grow_with_the_image(monkeypatch):
    # the image is measured in bounded parts too, whose bounds these images are too small to reach
    module = import_module("seamwise.segmentation.normalization")
    monkeypatch.setattr(module, "_SAMPLES", 2**12)
    monkeypatch.setattr(module, "_SLAB", 2**12)
    model = random_model()

    def peak(*shape):
        image = np.random.default_rng(0).integers(0, 255, (1, *shape)).astype(np.uint8)
        tracemalloc.start()
        for _ in probability_slabs(image, model, tile=192):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(192, 400)
    one = peak(192, 600)
    assert peak(192, 6000) < 1.5 * one
    assert peak(6000, 192) < 1.5 * one


def test_normalisation_is_of_the_image_not_of_the_tile():
    # one half dark, one half bright: normalised by the tile, both would look alike
    seen = []
    model = random_model()
    model.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0].mean().item()))
    image = np.random.default_rng(0).normal(10, 1, (64, 1024))
    image[:, 512:] += 1000
    list(probability_slabs(image[None], model, tile=192))
    assert max(seen) - min(seen) > 0.9


def test_flips_average_over_all_mirror_images():
    model = random_model()
    image = np.random.default_rng(1).normal(size=(32, 48))
    flipped = segment(image, model=model, flips=True).probabilities
    mirrored = segment(image[::-1], model=model, flips=True).probabilities
    np.testing.assert_allclose(flipped, mirrored[:, ::-1], atol=1e-5)
    assert not np.allclose(flipped, segment(image, model=model).probabilities, atol=1e-3)
    by_hand = np.mean(
        [
            segment(image[::a, ::b], model=model).probabilities[:, ::a, ::b]
            for a in (1, -1)
            for b in (1, -1)
        ],
        axis=0,
    )
    np.testing.assert_allclose(flipped, by_hand, atol=1e-5)


def test_mirror_images_disagree_by_their_divergence():
    model = random_model()
    with torch.no_grad():
        model.net.head.weight *= 20  # so that it is sure here and unsure there
    image = np.random.default_rng(1).normal(size=(32, 48))
    options = SegmentOptions(flips=True)
    prediction = segment_image(image, options, model=model, disagreement=True)
    plain = segment(image, model=model, flips=True)
    np.testing.assert_array_equal(prediction.probabilities, plain.probabilities)
    np.testing.assert_array_equal(prediction.labels, plain.labels)
    mirrors = [
        segment(image[::a, ::b], model=model).probabilities[:, ::a, ::b].astype(float)
        for a in (1, -1)
        for b in (1, -1)
    ]

    def entropy(maps):
        return entr(maps).sum(0) / np.log(len(maps))

    expected = entropy(np.mean(mirrors, axis=0)) - np.mean([entropy(m) for m in mirrors], axis=0)
    np.testing.assert_allclose(prediction.disagreement, expected, atol=2e-5)
    assert prediction.disagreement.max() > 0.01
    assert plain.disagreement is None
    assert segment_image(image, model=model, disagreement=True).disagreement is None


def test_stacks_go_through_a_3d_model():
    stack = crowded_cells((20, 60, 130), cells=8, radius=7, rng=1).image
    prediction = segment(stack, model=random_model(ndim=3), tile=96)
    assert prediction.labels.shape == stack.shape


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
def test_every_pixel_type(dtype):
    image = (np.random.default_rng(0).random((40, 40)) * 100).astype(dtype)
    image[0, :2] = 0, 1
    assert segment(image, model=random_model()).labels.shape == (40, 40)


def test_min_size_of_the_model_file_holds_unless_another_is_given(scene):
    net = random_model().net
    small, large = (segment(scene.image, model=model_of(net, min_size=n)).labels for n in (0, 30))
    sizes = np.bincount(large.ravel())[1:]
    assert len(sizes) == 0 or sizes.min() >= 30
    assert large.max() < small.max()
    again = segment(scene.image, model=model_of(net, min_size=30), min_size=0).labels
    assert np.array_equal(again, small)


TUNED = DecodeRule(
    rule="threshold",
    threshold=ThresholdPair(touching=0.25, cell=0.25),
    watershed=WatershedPair(background=0.27, cell=0.25),
)


def with_rule(model, rule):
    return replace(model, info=model.info.model_copy(update={"decode": rule}))


@pytest.mark.parametrize("keep", [True, False])
def test_the_rule_is_the_models_own_or_the_one_asked_for(scene, keep):
    model = with_rule(random_model(), TUNED)
    z = segment(scene.image, model=model).probabilities

    def labels(**options):
        return segment(scene.image, model=model, keep_probabilities=keep, **options).labels

    expected = {
        "argmax": argmax(z),
        "threshold": threshold(z, touching=0.25, cell=0.25, gap="second"),
        "watershed": watershed(z, background=0.27, cell=0.25, gap="second"),
    }
    assert len({labelling.tobytes() for labelling in expected.values()}) == 3
    for name, expected_labels in expected.items():
        assert np.array_equal(labels(decode=name), expected_labels)
    assert np.array_equal(labels(), labels(decode="threshold"))
    custom = DecodeRule(
        rule="threshold", threshold=ThresholdPair(touching=0.9, cell=0.2), min_size=3
    )
    assert np.array_equal(labels(decode=custom), labels(decode=custom, min_size=3))
    assert not np.array_equal(labels(decode=custom), labels())


def test_the_rule_holds_as_it_is_unless_another_size_is_given():
    rule = TUNED.model_copy(update={"min_size": 10, "min_core": 30})
    info = random_model().info.model_copy(update={"decode": rule})
    assert decode_rule(info) == rule
    assert decode_rule(info, "watershed") == rule.with_name("watershed")
    # who asks for smaller cells wants no larger crumbs taken away either
    assert decode_rule(info, min_size=5) == rule.model_copy(update={"min_size": 5, "min_core": 5})
    assert decode_rule(info, min_size=40) == rule.model_copy(update={"min_size": 40})
    custom = DecodeRule(min_size=7)
    assert decode_rule(info, custom) == custom


def test_a_rule_the_model_was_never_tuned_for_is_said_before_anything_is_computed(scene):
    for name in ("threshold", "watershed"):
        with pytest.raises(
            ValueError, match=rf"no thresholds for decode '{name}'.*seamwise tune"
        ) as caught:
            segment(scene.image, decode=name)
        assert "\n" not in str(caught.value)
    with pytest.raises(
        ValueError, match="decode must be one of argmax, threshold, watershed, relief, not 'otsu'"
    ):
        segment(scene.image, decode="otsu")


@pytest.mark.parametrize(
    ("image", "word"),
    [
        (np.zeros((4, 40, 40)), "expects 1 channel"),
        (np.arange(3200).reshape(2, 40, 40), r"--channel 1, or in Python image\[1\]"),
        (np.random.default_rng(0).random((40, 40, 3)), "channels last"),
        (np.zeros(40), "2 spatial axes"),
        (np.zeros((1, 1, 1, 40, 40)), "2 spatial axes"),
        (np.zeros((1, 24, 40, 40)), "is a stack of 24 slices, and the model is for planes: choose"),
        (np.zeros((2, 1, 40, 40)), "is a stack of 1 slice, and"),
        (np.full((40, 40), np.nan), "NaN"),
        (np.where(np.eye(40) > 0, np.inf, 1), "infinite"),
        (np.zeros((0, 40)), "empty"),
        (np.zeros((40, 40), complex), "real numbers"),
    ],
)
def test_bad_images_are_named(image, word):
    with pytest.raises(ValueError, match=word):
        segment(image, model=random_model())


def test_a_plane_for_a_model_for_stacks_is_named():
    with pytest.raises(ValueError, match=r"is a plane, and the model is for stacks: .* nuclei-2d"):
        segment(np.zeros((40, 50)), model="nuclei-3d")


@pytest.mark.parametrize("model", ["nuclei-2d", "phase-2d", random_model()])
def test_a_constant_image_is_background(model):
    prediction = segment(np.full((40, 50), 3), model=model)
    assert not prediction.labels.any()
    assert (prediction.probabilities[0] == 1).all()


def test_bad_options_are_named(scene):
    with pytest.raises(ValueError, match="tile must be at least"):
        segment(scene.image, model=random_model(), tile=191)
    with pytest.raises(FileNotFoundError, match="no model named 'nuclei-9d'"):
        segment(scene.image, model="nuclei-9d")
    with pytest.raises(ValueError, match="device 'gpu'"):
        segment(scene.image, device="gpu")


@pytest.mark.parametrize(("tile", "times"), [(256, 0), (192, 1)])
def test_memory_of_the_network_is_given_back_after_the_last_of_many_tiles(
    scene, tile, times, monkeypatch
):
    monkeypatch.setattr(import_module("seamwise.segmentation.predict"), "_FEW_TILES", 1)
    released, model = [], random_model()
    runtime = replace(model.runtime, release=lambda: released.append(1))
    shared = replace(model, compiled=runtime)
    slabs = probability_slabs(scene.image[np.newaxis, :, :250], shared, tile=tile)
    next(slabs)
    assert not released
    list(slabs)
    assert len(released) == times

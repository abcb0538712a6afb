"""Prediction by a network with guides: they reach the decoder, the classes stay."""

import numpy as np
import pytest
import tifffile
import torch

from seamwise.decode import relief
from seamwise.engine import Resources
from seamwise.engine.networks import build_network
from seamwise.io.images import read_labels
from seamwise.io.models import (
    Architecture,
    DecodeRule,
    ReliefPair,
    SegmentationInfo,
    load_model,
    save_model,
)
from seamwise.segmentation import (
    AnnotatedImage,
    SegmentOptions,
    load,
    segment,
    segment_volume,
    tune,
)
from seamwise.segmentation.decoding import pixelwise
from seamwise.segmentation.normalization import normalization
from seamwise.segmentation.predict import (
    Model,
    class_probabilities,
    probability_slabs,
    tile_probabilities,
)
from support.probabilities import same_up_to_numbers
from support.volumes import blobs, intensity_model

RULE = DecodeRule(rule="relief", relief=ReliefPair(peak=0.8, saddle=2), min_size=3)
SHAPE = {2: (70, 100), 3: (24, 40, 36)}


def info_of(ndim):
    return SegmentationInfo(
        architecture=Architecture(
            in_channels=1, out_channels=4, ndim=ndim, width=4, depth=1, guides=True
        ),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        decode=RULE,
    )


def model_of(ndim):
    torch.manual_seed(1)
    net = build_network(info_of(ndim).architecture).eval().requires_grad_(False)
    return Model(lambda: net, info_of(ndim), "cpu", "float32")


def intensity_model_of(path, rule=RULE):
    """`support.volumes.intensity_model` with the mean intensity as relief."""
    weights, _ = load_model(intensity_model(path), SegmentationInfo)
    rows = torch.tensor([[1.0], [0.1], [-0.1]]).reshape(3, 1, 1, 1)
    weights["head.weight"] = torch.cat([weights["head.weight"], rows])
    weights["head.bias"] = torch.cat([weights["head.bias"], torch.zeros(3)])
    info = info_of(2)
    narrow = info.architecture.model_copy(update={"width": 1, "depth": 0})
    save_model(path, weights, info.model_copy(update={"architecture": narrow, "decode": rule}))
    return path


@pytest.mark.parametrize("ndim", [2, 3])
def test_classes_come_first_and_are_those_without_guides(ndim):
    block = np.random.default_rng(0).normal(size=(1, *SHAPE[ndim])).astype(np.float32)
    maps = tile_probabilities(block, model_of(ndim), guides=True)
    assert maps.shape == (4 + 1 + ndim, *SHAPE[ndim])
    assert np.array_equal(maps[:4], tile_probabilities(block, model_of(ndim)))
    output = model_of(ndim).net(torch.from_numpy(block)[None])[0].numpy()
    np.testing.assert_allclose(maps[4:], output[4:], atol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_with_flips_a_mirrored_image_has_mirrored_guides(ndim):
    block = np.random.default_rng(0).normal(size=(1, *SHAPE[ndim])).astype(np.float32)
    model = model_of(ndim)
    maps = tile_probabilities(block, model, flips=True, guides=True)
    for axis in range(1, ndim + 1):
        mirrored = np.flip(block, axis).copy()
        result = np.flip(tile_probabilities(mirrored, model, flips=True, guides=True), axis).copy()
        result[4 + axis] *= -1
        np.testing.assert_allclose(result, maps, atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("flips", [False, True])
def test_without_offsets_the_relief_comes_last_and_decodes_to_the_same(ndim, flips):
    block = np.random.default_rng(0).normal(size=(1, *SHAPE[ndim])).astype(np.float32)
    model = model_of(ndim)
    maps = tile_probabilities(block, model, flips=flips, guides=True)
    fewer = tile_probabilities(block, model, flips=flips, guides=True, offsets=False)
    assert np.array_equal(fewer, maps[:5])
    slabs = list(probability_slabs(block, model, flips=flips, guides=True, offsets=False))
    assert [slab.shape[0] for _, slab in slabs] == [5]
    both = zip(pixelwise(maps, RULE), pixelwise(fewer, RULE, classes=4), strict=True)
    assert all(np.array_equal(one, other) for one, other in both)


@pytest.mark.parametrize("keep", [True, False])
def test_segment_decodes_the_relief_and_returns_classes_only(tmp_path, keep):
    image, model = blobs(SHAPE[2]), load(intensity_model_of(tmp_path / "m.safetensors"))
    maps = class_probabilities(image[np.newaxis], model, guides=True)
    expected = relief(maps, peak=0.8, saddle=2, gap="second", min_size=3)
    assert expected.max() > 5
    prediction = segment(image, model=model, keep_probabilities=keep)
    assert np.array_equal(prediction.labels, expected)
    if keep:
        assert np.array_equal(prediction.probabilities, maps[:4])


@pytest.mark.parametrize(("saddle", "core"), [(0.5, 0), (0.7, 0), (2, 0), (2, 0.9)])
def test_a_volume_block_by_block_agrees_with_the_image_at_once(tmp_path, saddle, core):
    rule = RULE.model_copy(update={"relief": ReliefPair(core=core, peak=0.8, saddle=saddle)})
    path, image = intensity_model_of(tmp_path / "m.safetensors", rule), blobs((120, 150))
    tifffile.imwrite(tmp_path / "a.tif", image)
    output = tmp_path / "out.ome.zarr"
    options, resources = SegmentOptions(model=path, tile=48), Resources(device="cpu")
    segment_volume(tmp_path / "a.tif", output, options, resources)
    expected = segment(image, model=path, device="cpu").labels
    assert same_up_to_numbers(read_labels(output), expected)


def test_a_rule_by_relief_needs_guides():
    with pytest.raises(ValueError, match="needs a network with guides"):
        SegmentationInfo(
            architecture=Architecture(in_channels=1, out_channels=2),
            classes=("background", "cell"),
            channels=("grey",),
            decode=RULE,
        )


def test_a_model_of_classes_alone_has_no_relief_to_decode_by():
    with pytest.raises(ValueError, match="the model has no relief to decode by"):
        DecodeRule().with_name("relief")


def test_thresholds_are_tuned_against_the_relief(tmp_path):
    model = load(intensity_model_of(tmp_path / "m.safetensors"), device="cpu")
    raw = blobs((60, 70))[np.newaxis]
    image = normalization(raw, model.info.normalization)(raw)
    labels = segment(raw, model=model).labels.astype(np.int32)
    tuning = tune([AnnotatedImage("a", image, labels)], model)
    assert (tuning.before, tuning.before_panoptic_quality) == ("relief", 1)
    assert tuning.rule.rule == "relief"
    assert tuning.rule.threshold is not None

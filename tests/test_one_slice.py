"""A plane is a stack of one slice, from labels to scores.

Where a module has the test beside its others it is not repeated here: the touching class and masks
in black and white (`labels/test_target.py`), weight maps and skeletons (`weights/test_maps.py`,
`weights/test_skeleton.py`), losses (`losses/test_all_losses.py`,
`losses/test_all_regression_losses.py`), decoders (`decode/`), contours (`metrics/test_contour.py`),
annotations (`synth/test_annotations.py`).
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seamwise.io.models import Architecture, DecodeRule, NormalizationRule, SegmentationInfo
from seamwise.labels import (
    bounding_boxes,
    connected_components,
    fragments,
    inner_contour,
    relabel,
    semantic_target,
)
from seamwise.metrics import match, overlap_table
from seamwise.nets import UNet
from seamwise.segmentation import Augmentation, TargetAndWeight, segment
from seamwise.segmentation.augment import modulate_touching, random_crop, vary_intensity
from seamwise.segmentation.normalization import normalization
from seamwise.segmentation.options import SegmentOptions
from seamwise.segmentation.predict import Model
from seamwise.segmentation.stitch import segment_slices, stitch
from support.labels import voronoi

LABELS = voronoi((40, 52), 14, np.random.default_rng(3)).astype(np.int32)
GREY = np.random.default_rng(4).normal(100, 20, LABELS.shape).astype(np.float32) + 50 * (LABELS > 0)


def test_the_gap_class():
    target = semantic_target(LABELS, gap_radius=3)
    assert (target == 3).any()
    assert np.array_equal(semantic_target(LABELS[None], gap_radius=3)[0], target)


def test_touching_of_at_least_two_neighbours():
    target = semantic_target(LABELS, classes=3, touching_radius=1, min_neighbours=2)
    assert np.array_equal(
        semantic_target(LABELS[None], classes=3, touching_radius=1, min_neighbours=2)[0], target
    )


def test_numbering_pieces_and_contours():
    assert np.array_equal(relabel(LABELS[None])[0], relabel(LABELS))
    assert [box[1:] for box in bounding_boxes(LABELS[None])] == bounding_boxes(LABELS)
    assert np.array_equal(inner_contour(LABELS[None])[0], inner_contour(LABELS))
    pieces = connected_components(np.sign(LABELS))
    assert pieces.max() > 3
    assert np.array_equal(connected_components(np.sign(LABELS)[None])[0], pieces)
    assert fragments(LABELS[None]) == fragments(LABELS)
    assert fragments(LABELS)


def test_overlaps_and_matches():
    predicted = np.roll(np.maximum(LABELS, 0), 2, axis=1)
    flat, stack = overlap_table(LABELS, predicted), overlap_table(LABELS[None], predicted[None])
    assert np.array_equal(flat.pixels.toarray(), stack.pixels.toarray())
    assert match(LABELS, predicted).tp > 0
    assert match(LABELS[None], predicted[None]) == match(LABELS, predicted)


@pytest.mark.parametrize("crop", [(24, 30), (60, 70)])
def test_a_random_crop(crop):
    """The slice's own axis draws a number, so the generators must be brought to one place."""
    settings = Augmentation(mirror=False, warp=0)
    for seed in range(3):
        rng, ahead = np.random.default_rng(seed), np.random.default_rng(seed)
        ahead.uniform()
        image, labels = random_crop(GREY[None], LABELS, crop=crop, settings=settings, rng=ahead)
        stack = random_crop(
            GREY[None, None],
            LABELS[None],
            crop=(1, *crop),
            settings=settings,
            rng=rng,
            spacing=(4.0, 1.0, 1.0),
        )
        np.testing.assert_allclose(stack[0][:, 0], image, rtol=1e-6)
        assert np.array_equal(stack[1][0], labels)


def test_intensities_of_a_crop():
    target = semantic_target(LABELS, classes=3)
    contrast = modulate_touching(GREY[None], target, amount=0.7)
    assert (contrast != GREY).any()
    assert np.array_equal(
        modulate_touching(GREY[None, None], target[None], amount=0.7)[:, 0], contrast
    )
    varied = vary_intensity(
        GREY[None], target, settings=Augmentation(), rng=np.random.default_rng(0)
    )
    stack = vary_intensity(
        GREY[None, None], target[None], settings=Augmentation(), rng=np.random.default_rng(0)
    )
    assert np.array_equal(stack[:, 0], varied)


def test_target_and_weights_together():
    transform = TargetAndWeight(map="saw")
    target, weight = transform(LABELS, spacing=(1.0, 2.0))
    stack = transform(LABELS[None], spacing=(3.0, 1.0, 2.0))
    assert np.array_equal(stack[0][0], target)
    np.testing.assert_allclose(stack[1][0], weight, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (40, 52)])
def test_normalization(shape):
    image = GREY[: shape[0], : shape[1]]
    flat, stack = (
        normalization(given, NormalizationRule()) for given in (image[None], image[None, None])
    )
    assert np.array_equal(flat.offset, stack.offset)
    assert np.array_equal(flat.scale, stack.scale)


def with_planes_in_the_middle(net, **options):
    """The 3D network with the 2D network's kernels in the middle plane, and 0 above and below."""
    deep = UNet(net.in_channels, 4, ndim=3, depth=net.depth, **options).eval()
    state = dict(net.state_dict())
    for name, wanted in deep.state_dict().items():
        if wanted.ndim == 5:
            kernel = torch.zeros_like(wanted)
            kernel[:, :, wanted.shape[2] // 2] = state[name]
            state[name] = kernel
    deep.load_state_dict(state)
    return deep


def with_statistics(net):
    """The network after a few images, so that no batch norm is the identity."""
    net.train()
    for _ in range(3):
        net(3 + 2 * torch.randn(2, net.in_channels, 32, 32))
    return net.eval()


@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
@pytest.mark.parametrize("size", [(32, 40), (21, 35)])
@torch.inference_mode()
def test_a_network(norm, size):
    torch.manual_seed(0)
    net = with_statistics(UNet(2, 4, width=4, depth=3, norm=norm))
    deep = with_planes_in_the_middle(net, width=4, norm=norm)
    image = torch.randn(2, 2, *size)
    torch.testing.assert_close(deep(image[:, :, None])[:, :, 0], net(image), rtol=1e-4, atol=1e-4)


def model_of(net):
    info = SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=4, ndim=net.ndim),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
        decode=DecodeRule(min_size=3, min_core=3),
    )
    return Model(lambda: net, info, "cpu", "float32")


@pytest.mark.parametrize("flips", [False, True])
def test_segmenting(flips):
    torch.manual_seed(8)
    net = with_statistics(UNet(1, 4, width=4, depth=2, norm="batch"))
    net.head.weight.data *= 300  # so that it is sure of itself
    flat, deep = model_of(net), model_of(with_planes_in_the_middle(net, width=4, norm="batch"))
    expected = segment(GREY, model=flat, flips=flips)
    assert expected.labels.max() > 3
    found = segment(GREY[None], model=deep, flips=flips)
    np.testing.assert_allclose(found.probabilities[:, 0], expected.probabilities, atol=1e-3)
    assert np.array_equal(found.labels[0], expected.labels)
    slices = segment_slices(GREY[None], SegmentOptions(flips=flips), model=flat)
    assert np.array_equal(slices.labels[0], expected.labels)


def test_stitching():
    cells = np.maximum(LABELS, 0)
    assert np.array_equal(stitch([cells])[0], relabel(cells))


def test_a_sample_without_any_change():
    still = replace(Augmentation(), rotate=0, mirror=False, scale=0, warp=0)
    whole = random_crop(
        GREY[None, None],
        LABELS[None],
        crop=(1, *LABELS.shape),
        settings=still,
        rng=np.random.default_rng(0),
    )
    assert np.array_equal(whole[0][0, 0], GREY)
    assert np.array_equal(whole[1][0], LABELS)

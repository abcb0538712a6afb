"""What decoders refuse: logits, batches, and classes in another place than first."""

import numpy as np
import pytest

from seamwise.decode import argmax, instances, relief, semantic_classes, threshold, watershed
from seamwise.decode.probabilities import check_probabilities
from support.probabilities import random_probabilities

every_decoder = pytest.mark.parametrize("decoder", [argmax, threshold, watershed])
RNG = np.random.default_rng(3)
PLANE = random_probabilities((24, 30), RNG)
STACK = random_probabilities((3, 12, 14), RNG, classes=4)


def guided(probabilities):
    """Maps of a network with guides, whose relief is the probability of a cell."""
    ndim = probabilities.ndim - 1
    return np.concatenate([probabilities, probabilities[1:2], np.zeros((ndim, *PLANE.shape[1:]))])


@every_decoder
def test_logits_are_named(decoder):
    logits = np.log(PLANE + 1e-3)
    with pytest.raises(ValueError, match=r"sum to 1 at each pixel, not to -.*: apply softmax over"):
        decoder(logits)
    with pytest.raises(ValueError, match=r"sum to 1 .* softmax"):
        decoder((255 * PLANE).astype(np.uint8))


def test_relief_names_logits_too():
    relief(guided(PLANE))
    with pytest.raises(ValueError, match="apply softmax"):
        relief(guided(np.log(PLANE + 1e-3)))


def test_the_most_likely_class_of_logits_is_that_of_their_softmax():
    classes = semantic_classes(np.log(PLANE))
    np.testing.assert_array_equal(instances(classes), argmax(PLANE))


@every_decoder
def test_a_batch_is_named(decoder):
    for batch in (np.stack([PLANE] * 5), PLANE[np.newaxis]):
        with pytest.raises(ValueError, match=r"C = 2, 3 or 4, not \(.*: decode the images of a ba"):
            decoder(batch)
    two = np.stack([PLANE, PLANE[:, ::-1]])  # as many images as there are classes of some network
    with pytest.raises(ValueError, match=r"not a batch \(N, C, \*S\), here \(2, 3, 24, 30\): deco"):
        decoder(two)
    for few in (np.stack([STACK, STACK]), np.stack([STACK] * 4)):
        with pytest.raises(ValueError, match="batch"):
            decoder(few)


@every_decoder
def test_a_thin_stack_is_no_batch(decoder):
    assert decoder(STACK).shape == (3, 12, 14)
    assert decoder(STACK[:, :1]).shape == (1, 12, 14)


@every_decoder
def test_classes_behind_the_pixels_are_named(decoder):
    with pytest.raises(ValueError, match=r"put the classes first, np\.moveaxis\(probabilities, -1"):
        decoder(np.moveaxis(PLANE, 0, -1))


@every_decoder
def test_rounded_probabilities_are_taken(decoder):
    decoder(np.round(PLANE * 63) / 63)  # 6 bits


@pytest.mark.parametrize(
    "decoder", [argmax, threshold, watershed, lambda plane: relief(guided(plane), peak=0)]
)
def test_pixels_without_a_class_are_background(decoder):
    outside = PLANE.copy()
    outside[:, :5] = 0
    before = outside.copy()
    assert not decoder(outside)[:3].any()
    np.testing.assert_array_equal(outside, before)


def test_a_flood_stops_where_no_program_looked():
    cell = np.array([0, 0.5, 0.9, 0.9, 0.9, 0, 0, 0])
    probabilities = np.stack([1 - cell, cell, 0 * cell])[:, np.newaxis]
    probabilities[:, :, 5:] = 0
    assert watershed(probabilities).tolist() == [[0, 0, 1, 1, 1, 0, 0, 0]]


def test_a_large_image_is_looked_at_here_and_there_and_wholly_on_request():
    large = np.zeros((2, 600, 700), np.float32)
    large[0] = 1
    large[0, 1, 1] = 7
    check_probabilities(large)
    with pytest.raises(ValueError, match="not to 1 to 7"):
        check_probabilities(large, pixels=large.size)
    with pytest.raises(ValueError, match="nan"):
        check_probabilities(np.full((2, 3, 3), np.nan))
    assert check_probabilities(np.zeros((2, 0, 3))).shape == (2, 0, 3)


def test_an_array_without_pixels_is_empty_for_every_number_of_pixels():
    assert check_probabilities(PLANE[:, :0], pixels=0).shape == (3, 0, 30)

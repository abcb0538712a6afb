"""Histograms of classes, counted by hand."""

import numpy as np
import pytest

from seamwise.analysis import class_histograms
from seamwise.labels import semantic_target
from seamwise.synth import crowded_cells


def test_counts_by_hand():
    # percentiles of 1000 zeros and ones are 0 and 1: intensities stay as they are
    image = np.repeat([0.0, 1.0, 0.5], [500, 480, 20])
    target = np.repeat([0, 1, 2], [500, 480, 20]).astype(np.int8)
    target[0] = -1
    histograms = class_histograms([(image, target)], bins=3)
    assert histograms.edges.tolist() == [-0.25, 0.25, 0.75, 1.25]
    assert histograms.pixels.tolist() == [499, 480, 20]
    assert histograms.density.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert set(histograms.overlaps().values()) == {0}


def test_the_overlap_of_equal_and_of_half_equal_classes():
    image = np.array([0, 1, 0, 1, 0, 0] * 100, float)
    target = np.array([0, 0, 1, 1, 2, 2] * 100, np.int8)
    histograms = class_histograms([(image, target)], bins=2)
    assert histograms.overlap(0, 1) == 1
    assert histograms.overlap(0, 2) == histograms.overlap(2, 0) == 0.5
    with pytest.raises(ValueError, match="class 3 does not occur"):
        histograms.overlap(0, 3)


def test_neither_exposure_nor_the_order_of_images_matters():
    scenes = [crowded_cells((64, 80), cells=9, radius=8, rng=rng) for rng in range(3)]
    pairs = [(scene.image, semantic_target(scene.labels)) for scene in scenes]
    brighter = [(image * 3.0 + 100, target) for image, target in reversed(pairs)]
    one, other = class_histograms(pairs), class_histograms(iter(brighter))
    assert one.classes == other.classes == (0, 1, 2, 3)
    assert np.allclose(one.density, other.density, atol=2e-3)  # a pixel at the edge of a bin
    assert (one.pixels == other.pixels).all()


def test_a_stack_is_an_image_and_touching_regions_look_like_cells():
    scene = crowded_cells((80, 100), cells=25, radius=9, border_dimming=0.3, rng=1)
    target = semantic_target(scene.labels, classes=3)
    flat = class_histograms([(scene.image, target)])
    stack = class_histograms([(scene.image[np.newaxis], target[np.newaxis])])
    assert (flat.density == stack.density).all()
    assert flat.overlap(1, 2) > 3 * flat.overlap(0, 2)


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([], "at least one"),
        ([(np.zeros((3, 4)), np.zeros((4, 3), np.int8))], r"pairs\[0\]"),
        ([(np.zeros((3, 4)), np.full((3, 4), 4, np.int8))], "0 to 3"),
        ([(np.zeros((3, 4)), np.full((3, 4), -1, np.int8))], "ignored"),
    ],
)
def test_bad_pairs_are_refused(pairs, word):
    with pytest.raises(ValueError, match=word):
        class_histograms(pairs)


def test_a_constant_image_has_one_bin():
    histograms = class_histograms([(np.full((3, 4), 7), np.zeros((3, 4), np.int8))])
    assert (histograms.density == 0).sum() == 63

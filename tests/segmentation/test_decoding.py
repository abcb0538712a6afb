import numpy as np
import pytest

from seamwise.decode import argmax, threshold, watershed
from seamwise.io.models import DecodeRule, ThresholdPair, WatershedPair
from seamwise.segmentation.decoding import decode_slabs, decode_whole
from support.probabilities import random_probabilities

PAIRS = {
    "threshold": ThresholdPair(touching=0.3, cell=0.4),
    "watershed": WatershedPair(background=0.3, cell=0.6, background_as="mask"),
}


def rule_of(name, **options):
    return DecodeRule(rule=name, **PAIRS, **options)


def by_hand(name, probabilities, **options):
    if name == "argmax":
        return argmax(probabilities, **options)
    if name == "threshold":
        return threshold(probabilities, touching=0.3, cell=0.4, **options)
    return watershed(probabilities, background=0.3, cell=0.6, background_as="mask", **options)


@pytest.mark.parametrize("gap", ["second", "background"])
@pytest.mark.parametrize("name", ["argmax", "threshold", "watershed"])
def test_every_rule_is_its_decoder_with_all_its_options(name, gap):
    probabilities = random_probabilities((50, 60), np.random.default_rng(0), classes=4)
    options = {"gap": gap, "min_size": 40, "min_core": 4}
    expected = by_hand(name, probabilities, **options)
    assert expected.max() > 5
    assert np.array_equal(decode_whole(probabilities, rule_of(name, **options)), expected)
    for changed in (
        {"min_size": 0},
        {"min_core": 0},
        {"gap": "second" if gap == "background" else "background"},
    ):
        assert not np.array_equal(by_hand(name, probabilities, **options | changed), expected)


@pytest.mark.parametrize("name", ["argmax", "threshold", "watershed"])
def test_slab_by_slab_gives_what_the_whole_gives(name):
    probabilities = random_probabilities((12, 50, 20), np.random.default_rng(1), classes=4)
    boxes = [(slice(None), slice(start, start + 17), slice(None)) for start in (0, 17, 34)]
    slabs = ((box, probabilities[(slice(None), *box)]) for box in boxes)
    rule = rule_of(name, min_size=3)
    assert np.array_equal(
        decode_slabs(slabs, (12, 50, 20), rule), decode_whole(probabilities, rule)
    )

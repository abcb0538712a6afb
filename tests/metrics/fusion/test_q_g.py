import math

import numpy as np
import pytest

from oracles.fusion_metrics import q_g_slow
from seamwise.metrics.fusion import q_g
from support.fusion_pictures import triple

THESIS = ((1, -10, 0.5), (1, -20, 0.75))
SURVEY = ((0.9994, -15, 0.5), (0.9879, -22, 0.8))


def sigmoid(x, gamma, k, sigma):
    return gamma / (1 + math.exp(k * (x - sigma)))


def best(constants):
    return sigmoid(1, *constants[0]) * sigmoid(1, *constants[1])


def uneven_triple(shape=(7, 9)):
    """No pixel has a slope of exactly 0."""
    rng = np.random.default_rng(1)
    return rng.uniform(5, 250, (3, *shape))


def test_equals_a_plain_loop():
    a, b, fused = uneven_triple()
    thesis, _ = q_g_slow(
        a, b, fused, THESIS, lambda x, y: abs(abs(x - y) - math.pi / 2) * 2 / math.pi
    )
    _, survey = q_g_slow(a, b, fused, SURVEY, lambda x, y: 1 - abs(x - y) * 2 / math.pi)
    assert q_g(a, b, fused) == pytest.approx(thesis, rel=1e-12)
    assert q_g(a, b, fused, variant="survey") == pytest.approx(survey, rel=1e-12)


@pytest.mark.parametrize(("variant", "constants"), [("thesis", THESIS), ("survey", SURVEY)])
def test_three_alike_pictures_have_the_highest_score(variant, constants):
    for picture in (triple()[2], np.zeros((5, 6)), np.full((5, 6), 90)):
        assert q_g(picture, picture, picture, variant=variant) == pytest.approx(best(constants))


def test_half_the_strength_everywhere():
    a = uneven_triple()[0]
    assert q_g(a, a, a / 2) == pytest.approx(sigmoid(0.5, *THESIS[0]) * sigmoid(1, *THESIS[1]))
    expected = sigmoid(0.5, *SURVEY[0]) * sigmoid(1, *SURVEY[1])
    assert q_g(a, a, a / 2, variant="survey") == pytest.approx(expected)


def test_a_perpendicular_edge_is_lost():
    ramp = np.tile(np.arange(100.0), (100, 1))
    assert q_g(ramp, ramp, ramp.T) < 0.02
    # the rest is the border, whose edges are the strongest
    assert q_g(ramp, ramp, ramp.T, variant="survey") < 0.22


def test_an_edge_that_leans_to_the_other_side_is_kept_in_the_thesis_only():
    # a pixel inside has ∇ = (±0.8, 16): α = ±1.52, and the edge turned by 0.1
    y, x = np.mgrid[:100, :100]
    left, right = 20 + 2 * y - 0.1 * x, 10 + 2 * y + 0.1 * x
    assert q_g(left, left, right) > 0.9
    assert q_g(left, left, right, variant="survey") < 0.3


def test_flat_regions_weigh_like_edges_in_the_thesis_only():
    step = np.zeros((20, 40))
    step[:, 30:] = 200
    zeros = np.zeros_like(step)
    # all edges are lost, and they are few
    assert q_g(step, step, zeros) > 0.8
    assert q_g(step, step, zeros, variant="survey") < 0.01


@pytest.mark.parametrize("variant", ["thesis", "survey"])
def test_upside_down_means_the_same(variant):
    pictures = triple()
    flipped = [np.flipud(x) for x in pictures]
    assert q_g(*flipped, variant=variant) == pytest.approx(
        q_g(*pictures, variant=variant), rel=1e-12
    )


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="variant must be one of 'thesis', 'survey', not 'liu'"):
        q_g(*triple((4, 5)), variant="liu")

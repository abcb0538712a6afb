import numpy as np
import pytest

from oracles.fusion_metrics import phase_congruency_slow
from seamwise.metrics.fusion import q_p
from seamwise.metrics.fusion.phase_congruency import filter_bank, phase_congruency
from support.fusion_pictures import triple


@pytest.mark.parametrize(("moments", "z_factor"), [("reference", 1), ("kovesi", 4)])
@pytest.mark.parametrize("shape", [(40, 52), (41, 36), (33, 47)])
def test_phase_congruency_equals_the_definition(shape, moments, z_factor):
    picture = triple(shape)[2]
    found = phase_congruency(picture, filter_bank(shape), moments=moments)
    total, maximum, minimum = phase_congruency_slow(picture, z_factor)
    np.testing.assert_allclose(found.total, total, atol=1e-11)
    np.testing.assert_allclose(found.maximum, maximum, atol=1e-11)
    np.testing.assert_allclose(found.minimum, minimum, atol=1e-11)


def test_phase_congruency_does_not_see_contrast():
    step = np.repeat([[50.0] * 20 + [150.0] * 20], 30, axis=0)
    bank = filter_bank(step.shape)
    strong, weak = (phase_congruency(picture, bank).total for picture in (step, 100 + step / 10))
    assert strong[15, 19] > 0.6
    np.testing.assert_allclose(weak, strong, atol=1e-3)


def test_a_corner_has_both_moments_and_an_edge_only_one():
    square = np.zeros((64, 64))
    square[16:48, 16:48] = 200
    found = phase_congruency(square, filter_bank(square.shape))
    assert found.minimum[16, 16] > 5 * abs(found.minimum[32, 16])
    assert found.maximum[32, 16] > found.maximum[32, 32] + 0.3


def test_kovesis_moments_do_not_depend_on_the_direction_of_an_edge():
    y, x = np.mgrid[-48:48, -48:48]
    upright, diagonal = (
        200 / (1 + np.exp(-2 * distance)) for distance in (x, (x + y) / np.sqrt(2))
    )
    bank = filter_bank(upright.shape)
    apart = {}
    for moments in ("reference", "kovesi"):
        of_upright, of_diagonal = (
            phase_congruency(e, bank, moments=moments).maximum for e in (upright, diagonal)
        )
        apart[moments] = abs(of_upright[48, 48] - of_diagonal[48, 48])
    assert apart["kovesi"] < 0.02 < 0.1 < apart["reference"]


def test_moments_change_the_score_and_are_checked():
    a, b, fused = triple()
    assert q_p(a, b, fused) == q_p(a, b, fused, moments="reference")
    assert abs(q_p(a, b, fused, moments="kovesi") - q_p(a, b, fused)) > 1e-3
    with pytest.raises(ValueError, match="moments must be one of 'reference', 'kovesi', not 'liu'"):
        q_p(a, b, fused, moments="liu")


def test_a_constant_picture_is_nowhere_in_step():
    found = phase_congruency(np.full((20, 30), 80.0), filter_bank((20, 30)))
    assert found.total.max() < 1e-6
    np.testing.assert_allclose(found.maximum, 5e-5, atol=1e-9)
    np.testing.assert_allclose(found.minimum, -5e-5, atol=1e-9)


def test_brightness_hardly_matters():
    a, b, fused = triple()
    assert q_p(a, b, fused * 0.8 + 20) == pytest.approx(q_p(a, b, fused), abs=1e-4)


def test_sources_without_a_feature_are_refused():
    flat = np.full((24, 31), 90)
    with pytest.raises(
        ValueError, match=r"a or b must have a feature: no pixel has phase congruency above 0.1"
    ):
        q_p(flat, flat, triple((24, 31))[2])


def test_a_constant_fused_picture_scores_0():
    a, b, _ = triple()
    assert q_p(a, b, np.full_like(a, 120)) == 0


def test_one_source_with_features_is_enough():
    a, _, _ = triple()
    flat = np.full_like(a, 90)
    assert q_p(a, flat, a) > 0.9
    assert q_p(flat, a, a) == q_p(a, flat, a)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (10, 40), (40, 10)])
def test_a_picture_below_the_window_is_refused(shape):
    with pytest.raises(
        ValueError, match=rf"at least 11 × 11 pixels, not \({shape[0]}, {shape[1]}\)"
    ):
        q_p(*np.full((3, *shape), 90))
    assert 0 < q_p(*triple((11, 11))) < 1


def test_threads_give_the_same_every_time():
    pictures = triple((64, 80))
    assert len({q_p(*pictures) for _ in range(5)}) == 1

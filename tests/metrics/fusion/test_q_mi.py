import numpy as np
import pytest

from seamwise.metrics.fusion import q_mi
from support.fusion_pictures import triple

# two independent bits, four pixels
A, B = np.array([[0, 0, 255, 255]]), np.array([[0, 255, 0, 255]])


def test_independent_sources_written_out():
    assert q_mi(A, B, A) == 1
    assert q_mi(A, B, B) == 1
    # fused knows both: I = 1 bit with each, H = 1 and 2 bits
    assert q_mi(A, B, 2 / 3 * A + 1 / 3 * B) == pytest.approx(2 * (1 / 3 + 1 / 3))
    assert q_mi(A, A, B) == 0


def test_identical_pictures_score_2():
    fused = triple()[2]
    assert q_mi(fused, fused, fused) == pytest.approx(2, abs=1e-12)


def test_brightness_and_contrast_do_not_matter():
    a, b, fused = triple()
    assert q_mi(a, b, 40 + fused / 2) == pytest.approx(q_mi(a, b, fused), abs=1e-12)
    assert q_mi(a, b, 255 - fused) == pytest.approx(q_mi(a, b, fused), abs=1e-12)


def test_returning_a_source_scores_at_least_1():
    a, b, _ = triple()
    assert q_mi(a, b, a) > 1


def test_a_constant_picture_shares_nothing():
    flat = np.full_like(A, 200)
    assert q_mi(A, flat, A) == 1
    assert q_mi(A, B, flat) == 0
    assert q_mi(flat, flat, flat) == 0

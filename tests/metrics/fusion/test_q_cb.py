import numpy as np
import pytest

from oracles.fusion_metrics import q_cb_slow
from seamwise.metrics.fusion import q_cb
from support.fusion_pictures import triple


@pytest.mark.parametrize("shape", [(41, 52), (36, 33)])
def test_equals_plain_windows(shape):
    pictures = triple(shape)
    assert q_cb(*pictures) == pytest.approx(q_cb_slow(*pictures), rel=1e-10)


def test_three_alike_pictures_score_1():
    fused = triple()[2]
    assert q_cb(fused, fused, fused) == pytest.approx(1, abs=1e-12)


def test_brightness_and_contrast_do_not_matter():
    a, b, fused = triple()
    assert q_cb(a, b, 40 + fused / 2) == pytest.approx(q_cb(a, b, fused), abs=1e-12)


def test_constant_pictures_have_no_contrast():
    lively = triple()[2]
    flat = np.full_like(lively, 33)
    assert q_cb(lively, flat, lively) == pytest.approx(1, abs=1e-12)
    assert q_cb(lively, flat, flat) == 0
    # nothing to keep, and nothing made up
    assert q_cb(flat, flat, flat) == 1
    assert q_cb(flat, flat, lively) == 0

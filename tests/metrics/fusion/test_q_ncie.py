import numpy as np
import pytest

from seamwise.metrics.fusion import q_ncie
from support.fusion_pictures import triple

INDEPENDENT = 1 - np.log(3) / np.log(256)


def test_three_alike_bits_written_out():
    a = np.array([[0, 255]])
    # 1 bit of 8: r = 1/8, eigenvalues 1 + 2/8 and twice 1 − 1/8
    p = np.array([10 / 8, 7 / 8, 7 / 8]) / 3
    assert q_ncie(a, a, a) == pytest.approx(1 + np.sum(p * np.log(p)) / np.log(256))


def test_fused_equal_to_one_of_two_independent_bits():
    a, b = np.array([[0, 0, 255, 255]]), np.array([[0, 255, 0, 255]])
    p = np.array([9 / 8, 7 / 8, 1]) / 3
    expected = 1 + np.sum(p * np.log(p)) / np.log(256)
    assert q_ncie(a, b, a) == pytest.approx(expected)
    assert q_ncie(a, b, b) == pytest.approx(expected)


def test_the_ends_of_the_range():
    every_level = np.arange(256).reshape(16, 16)
    assert q_ncie(every_level, every_level, every_level) == pytest.approx(1, abs=1e-12)
    flat = np.zeros((16, 16))
    assert q_ncie(flat, flat, flat) == pytest.approx(INDEPENDENT)
    assert q_ncie(every_level, flat, flat) == pytest.approx(INDEPENDENT)


def test_the_agreement_of_the_sources_counts():
    a, b, _ = triple()
    flat = np.zeros_like(a)
    assert q_ncie(a, a, flat) > q_ncie(a, b, flat) > INDEPENDENT

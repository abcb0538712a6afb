import math

import numpy as np
import pytest

from seamwise.metrics.fusion import psnr, q_s, ssim
from support.fusion_pictures import triple


def test_psnr_written_out():
    truth, fused = np.array([[10, 20], [30, 40]]), np.array([[10, 20], [30, 42]])
    assert psnr(fused, truth) == pytest.approx(10 * math.log10(255**2 / 1))
    assert psnr(truth, truth) == math.inf


def test_ssim_of_flat_pictures_written_out():
    fused, truth = np.full((11, 12), 90), np.full((11, 12), 100)
    assert ssim(fused, truth) == pytest.approx((2 * 90 * 100 + 6.5025) / (90**2 + 100**2 + 6.5025))
    assert ssim(truth, truth) == 1


def test_ssim_is_q_s_with_the_truth_as_both_sources():
    a, _, truth = triple()
    assert ssim(a, truth) == pytest.approx(q_s(truth, truth, a), abs=1e-12)


def test_colour_is_the_mean_over_the_channels():
    a, b, truth = triple()
    fused = np.dstack([a, b, truth])
    expected = (ssim(a, truth) + ssim(b, truth) + 1) / 3
    assert ssim(fused, np.dstack([truth] * 3)) == pytest.approx(expected)


@pytest.mark.parametrize("score", [ssim, psnr])
def test_bad_pictures_are_named(score):
    a, _, truth = triple()
    with pytest.raises(ValueError, match=r"one shape, not \(41, 52\) and \(52, 41\)"):
        score(a, truth.T)
    with pytest.raises(ValueError, match="truth must hold finite values"):
        score(a, np.full_like(truth, np.nan))
    with pytest.raises(ValueError, match=r"looks like 0..1: multiply by 255"):
        score(a / 255, truth)
    with pytest.raises(
        ValueError, match=r"pictures \(H, W\) or \(H, W, 3\), not of shape \(41, 52, 2\)"
    ):
        score(np.dstack([a, a]), np.dstack([truth, truth]))
    with pytest.raises(TypeError, match="fused must hold integers or floats"):
        score(a > 3, truth)


def test_ssim_needs_a_window():
    with pytest.raises(ValueError, match=r"at least 11 × 11 pixels, not \(10, 30\)"):
        ssim(np.zeros((10, 30)), np.zeros((10, 30)))

"""What every metric says to pictures it cannot compare."""

import numpy as np
import pytest

from seamwise.metrics.fusion import q_cb, q_g, q_mi, q_ncie, q_p, q_s, q_te, to_grey
from support.fusion_pictures import triple

METRICS = [q_mi, q_te, q_ncie, q_g, q_p, q_s, q_cb]
each_metric = pytest.mark.parametrize("metric", METRICS)
A, B, FUSED = triple((24, 31))


def spoilt(value):
    picture = FUSED.copy()
    picture[3, 4] = value
    return picture


@each_metric
@pytest.mark.parametrize(
    ("fused", "message"),
    [
        (
            np.dstack([FUSED] * 3),
            r"fused must be a grey picture \(H, W\), not \(24, 31, 3\): convert it with to_grey",
        ),
        (FUSED[0], r"fused must be a grey picture \(H, W\), not an array of shape \(31,\)"),
        (FUSED[:, :0], r"fused must hold at least one pixel, not the shape \(24, 0\)"),
        (FUSED.T, r"a, b and fused must have one size, not \(24, 31\), \(24, 31\) and \(31, 24\)"),
        (spoilt(np.nan), "fused must hold finite values, not NaN or infinity"),
        (spoilt(np.inf), "fused must hold finite values, not NaN or infinity"),
        (spoilt(256), "fused must hold values of 0..255, not 0..256: rescale or clip it"),
        (spoilt(-1), "fused must hold values of 0..255, not -1..255: rescale or clip it"),
        (
            FUSED / 255,
            "fused must hold values of 0..255, and 0..1 looks like 0..1: multiply by 255",
        ),
    ],
)
def test_a_picture_that_does_not_fit_is_named(metric, fused, message):
    with pytest.raises(ValueError, match=message):
        metric(A, B, fused)


@each_metric
def test_each_argument_is_checked_under_its_own_name(metric):
    for position, name in enumerate(("a", "b", "fused")):
        arguments = [A, B, FUSED]
        arguments[position] = spoilt(np.nan)
        with pytest.raises(ValueError, match=f"^{name} must hold finite"):
            metric(*arguments)


@each_metric
@pytest.mark.parametrize("dtype", [bool, complex, object])
def test_other_types_are_refused(metric, dtype):
    with pytest.raises(
        TypeError, match=f"b must hold integers or floats of 0..255, not {np.dtype(dtype)}"
    ):
        metric(A, B.astype(dtype), FUSED)


@each_metric
def test_8_bit_16_bit_float32_and_float64_mean_the_same(metric):
    expected = metric(A, B, FUSED)
    for dtype in (np.uint8, np.uint16, np.int64, np.float32):
        assert metric(*(x.astype(dtype) for x in (A, B, FUSED))) == expected


@each_metric
def test_the_arguments_are_left_alone(metric):
    copies = [x.copy() for x in (A, B, FUSED)]
    metric(*copies)
    for copy, original in zip(copies, (A, B, FUSED), strict=True):
        np.testing.assert_array_equal(copy, original)


@each_metric
def test_the_order_of_the_sources_does_not_matter(metric):
    # q_g has a slip of the reference code that shows in the seventh digit
    tolerance = 1e-6 if metric is q_g else 1e-12
    assert metric(B, A, FUSED) == pytest.approx(metric(A, B, FUSED), abs=tolerance)


@each_metric
def test_a_dark_8_bit_picture_is_not_taken_for_0_to_1(metric):
    dark = (FUSED > 128).astype(np.uint8)
    assert np.isfinite(metric(A, B, dark))
    # to_grey makes floats of it
    assert metric(A, B, to_grey(np.dstack([dark] * 3))) == metric(A, B, dark)


@each_metric
def test_a_constant_fused_picture_scores_low_and_finite(metric):
    for level in (0, 77):
        assert metric(A, B, np.full_like(FUSED, level)) < metric(A, B, FUSED)


@pytest.mark.parametrize("metric", [q_mi, q_te, q_ncie, q_g, q_s, q_cb])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_constant_sources_give_a_finite_score(metric, level):
    flat = np.full_like(FUSED, level)
    for sources in ((flat, flat), (A, flat), (flat, B)):
        assert np.isfinite(metric(*sources, FUSED))
        assert np.isfinite(metric(*sources, flat))

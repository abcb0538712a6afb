import numpy as np
import pytest

from seamwise.metrics.fusion import to_grey


def test_four_pixels_written_out():
    rgb = np.array(
        [[[0, 0, 0], [255, 255, 255], [10, 20, 30]], [[200, 100, 50], [0, 128, 255], [1, 0, 0]]]
    )
    # 0.29894 R + 0.58704 G + 0.11402 B
    np.testing.assert_array_equal(to_grey(rgb), [[0, 255, 18], [124, 104, 0]])


def test_where_the_common_weights_round_the_other_way():
    # 169.5049 here, 169.4900 with 0.299, 0.587, 0.114
    rgb = np.array([[[1, 249, 202]]])
    assert to_grey(rgb)[0, 0] == 170
    assert np.round(rgb[0, 0] @ [0.299, 0.587, 0.114]) == 169


def test_floats_are_rounded_like_the_8_bit_file():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    grey = to_grey(rgb)
    assert grey.dtype == np.float64
    np.testing.assert_array_equal(to_grey(rgb.astype(float)), grey)
    np.testing.assert_array_equal(grey, np.round(grey))
    assert 0 <= grey.min() <= grey.max() <= 255


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 4), (2, 5, 6, 3)])
def test_three_channels_are_needed(shape):
    with pytest.raises(
        ValueError, match=r"rgb must be a colour picture \(H, W, 3\), not an array of shape"
    ):
        to_grey(np.full(shape, 9))


def test_the_range_is_checked():
    with pytest.raises(
        ValueError, match=r"rgb must hold values of 0..255, and 0.5..0.5 looks like 0..1: multiply"
    ):
        to_grey(np.full((2, 2, 3), 0.5))
    with pytest.raises(ValueError, match=r"rgb must hold values of 0..255, not -3..-3"):
        to_grey(np.full((2, 2, 3), -3))

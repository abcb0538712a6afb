import numpy as np
import pytest

from seamwise.fusion.frames import CheckedFrames, luminance
from seamwise.fusion.result import depth_dtype


def test_luminance_is_that_of_rec_601_and_of_other_channels_their_mean():
    primaries = np.eye(3, dtype=np.float32)[np.newaxis]
    np.testing.assert_allclose(luminance(primaries), [[0.299, 0.587, 0.114]])
    np.testing.assert_array_equal(luminance(np.float32([[[0.25, 0.75]]])), [[0.5]])
    grey = np.float32([[0.1, 0.2]])
    assert luminance(grey) is grey


@pytest.mark.parametrize(("count", "dtype"), [(2, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_frames_are_numbered_from_0_in_the_smallest_type(count, dtype):
    assert depth_dtype(count) == dtype


def test_checked_frames_are_taken_like_those_of_a_list():
    frames = [np.full((2, 3), number / 4, np.float32) for number in range(4)]
    checked = CheckedFrames(frames)
    np.testing.assert_array_equal(checked[1:3], frames[1:3])
    np.testing.assert_array_equal(checked[-1], frames[3])
    frames[3] = np.zeros((2, 4), np.float32)
    with pytest.raises(
        ValueError, match=r"frame 3 must have the size and channels of the first, \(2, 3\)"
    ):
        checked[-1]
    with pytest.raises(IndexError):
        checked[4]

import numpy as np
import pytest

from seamwise.fusion.frames import (
    CheckedFrames,
    CountedFrames,
    ReorderedFrames,
    grey_of,
    luminance,
    rows_of,
    shape_of,
    smaller_grey,
)
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


class Unread(CheckedFrames):
    """A burst whose shape is known without a reading."""

    def frame_shape(self):
        return 5, 7, 3

    def _frame(self, i):
        raise AssertionError("read")


def test_the_shape_is_asked_for_and_no_frame_is_read():
    frames = ReorderedFrames(CountedFrames(Unread([None] * 4), print, 1), (3, 1, 0))
    assert shape_of(frames) == (5, 7, 3)
    with pytest.raises(AssertionError, match="read"):
        frames[0]


def test_a_smaller_grey_by_hand():
    grey = np.float32([[0.0, 1, 0.5], [0.5, 0.5, 1]])
    np.testing.assert_array_equal(smaller_grey(grey, 1), grey)
    # the column that is missing is like the last one
    np.testing.assert_array_equal(smaller_grey(grey, 2), [[0.5, 0.75]])
    colour = np.repeat(grey[..., np.newaxis], 3, 2)
    np.testing.assert_allclose(smaller_grey(colour, 2), [[0.5, 0.75]])


def test_the_grey_of_a_burst_is_counted_and_in_order():
    counts = []
    greys = [np.full((2, 2), number / 4, np.float32) for number in range(3)]
    frames = CountedFrames(
        ReorderedFrames(greys, (2, 0)), lambda done, total: counts.append((done, total)), 2
    )
    assert [float(grey_of(frames, i, 2)[0, 0]) for i in range(2)] == [0.5, 0.0]
    assert counts == [(1, 2), (2, 2)]


def test_rows_of_a_burst_are_those_of_its_frames_and_one_reading():
    counts = []
    pictures = list(np.random.default_rng(0).random((3, 5, 4, 3), np.float32))
    frames = CountedFrames(
        ReorderedFrames(pictures, (2, 0)), lambda done, total: counts.append(done), 2
    )
    rows = rows_of(frames, 0)
    np.testing.assert_array_equal(rows(1, 3), pictures[2][1:3])
    np.testing.assert_array_equal(rows(0, 5), pictures[2])
    assert counts == [1]


@pytest.mark.parametrize("zoom", [1, 2])
def test_the_grey_is_made_strip_by_strip(zoom):
    """Of 128 rows each; the last one has an odd number."""
    pictures = list(np.random.default_rng(0).random((2, 301, 7, 3), np.float32))
    grey = grey_of(CheckedFrames(pictures), 1, zoom)
    np.testing.assert_allclose(grey, smaller_grey(pictures[1], zoom), rtol=1e-6)

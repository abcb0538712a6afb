"""Which axis is which: the user's word, then the file's, then a guess that a note reports."""

import numpy as np
import pytest

from seamwise.io.axes import (
    Axes,
    channel_numbers,
    channels_first,
    check_time,
    pick_channels,
    settle_axes,
)


@pytest.mark.parametrize(
    ("shape", "letters", "expected"),
    [
        ((7, 9), "YX", "YX"),
        ((5, 7, 9), "ZYX", "ZYX"),
        ((5, 2, 7, 9), "ZCYX", "ZCYX"),
        ((7, 9, 3), "YXS", "YXC"),
        ((3, 7, 9), "SYX", "CYX"),
        ((1, 1, 2, 7, 9, 1), "TZCYXS", "ZCYX"),  # a Z axis that is named stays
        ((1, 1, 7, 9, 3), "TCYXS", "YXC"),
        ((1, 7, 9), "QYX", "YX"),
        ((1, 9), "YX", "YX"),
        ((4, 7, 9), "TYX", "TYX"),
    ],
)
def test_what_the_file_says_is_not_noted(shape, letters, expected):
    settled = settle_axes(shape, letters, name="x.tif")
    assert (settled.letters, settled.note) == (expected, "")
    assert len(settled.shape) == len(expected)


@pytest.mark.parametrize(
    ("shape", "letters", "guess", "suggested"),
    [
        ((3, 512, 512), "QYX", "CYX", "ZYX"),
        ((4, 512, 512), "IYX", "CYX", "ZYX"),
        ((5, 512, 512), "QYX", "ZYX", "CYX"),
        ((512, 600, 3), "QYX", "YXC", "ZYX"),
        ((512, 600, 4), "IYX", "ZYX", "CYX"),  # pages of 600 × 4: a row is a row
        ((40, 2, 64, 64), "QQYX", "ZCYX", "CZYX"),
        ((2, 40, 64, 64), "QQYX", "CZYX", "ZCYX"),
        ((2, 2, 64, 64), "QQYX", "ZCYX", "CZYX"),
        ((40, 64, 66, 3), "QQYX", "ZYXC", "CYXZ"),
        ((40, 64, 66, 3), "IYXS", "ZYXC", "CYXZ"),
        ((9, 6, 64, 66), "QZYX", "CZYX", "ZCYX"),
        ((40, 1, 7, 9), "QQYX", "ZYX", "CYX"),
    ],
)
def test_guess_is_said(shape, letters, guess, suggested):
    settled = settle_axes(shape, letters, name="x.tif")
    kept = tuple(n for n in shape if n > 1)
    assert settled.letters == guess
    assert settled.shape == kept
    assert (
        settled.note
        == f"no axes in x.tif: read {kept} as {guess}; say axes='{suggested}' if that is wrong"
    )


def test_stack_takes_unknown_axis_for_z_without_a_note():
    settled = settle_axes((3, 7, 9), "QYX", name="x.tif", stack=True)
    assert (settled.letters, settled.note) == ("ZYX", "")


@pytest.mark.parametrize(
    ("shape", "letters", "stack"),
    [
        ((9, 8, 64, 64), "QQYX", False),
        ((2, 2, 9, 8, 64), "QQQYX", False),
        ((5, 2, 9, 64, 64), "QCZYX", False),
        ((64,), "X", False),
        ((64,), "Q", False),
        ((2, 3, 64, 64), "QQYX", True),
        ((2, 3, 64, 64), "QZYX", True),
    ],
)
def test_what_cannot_be_told_is_asked_for(shape, letters, stack):
    with pytest.raises(
        ValueError, match=r"cannot tell the axes of x.tif .* name them, e\.g\. axes="
    ):
        settle_axes(shape, letters, name="x.tif", stack=stack)


@pytest.mark.parametrize(
    ("shape", "letters", "asked", "kept"),
    [
        ((3, 7, 9), "QYX", "ZYX", (3, 7, 9)),
        ((3, 7, 9), "QYX", "zyx", (3, 7, 9)),
        ((7, 9, 3), "YXS", "YXC", (7, 9, 3)),
        ((1, 1, 1, 7, 9, 1), "T?CYXS", "YX", (7, 9)),
        ((1, 1, 1, 7, 9, 1), "TZCYXS", "ZYX", (1, 7, 9)),
        ((1, 1, 1, 7, 9, 1), "TZCYXS", "CYX", (1, 7, 9)),
        ((1, 3, 1, 7, 9, 1), "TZCYXS", "ZCYX", (3, 1, 7, 9)),
        ((2, 2, 9, 8, 64), "QQQYX", "TCZYX", (2, 2, 9, 8, 64)),
    ],
)
def test_user_word_that_fits_the_file_is_not_noted(shape, letters, asked, kept):
    settled = settle_axes(shape, letters, name="x.tif", request=asked)
    assert (settled.letters, settled.shape, settled.note) == (asked.upper(), kept, "")


@pytest.mark.parametrize(
    ("shape", "letters", "asked", "note"),
    [
        ((3, 7, 9), "ZYX", "CYX", "x.tif says ZYX; read (3, 7, 9) as CYX, as asked"),
        ((1, 3, 1, 7, 9, 1), "TZCYXS", "CYX", "x.tif says ZYX; read (3, 7, 9) as CYX, as asked"),
        ((7, 9, 3), "YXS", "ZYX", "x.tif says YXC; read (7, 9, 3) as ZYX, as asked"),
    ],
)
def test_user_word_overrides_the_file_and_this_is_said(shape, letters, asked, note):
    settled = settle_axes(shape, letters, name="x.tif", request=asked)
    assert (settled.letters, settled.note) == (asked, note)


@pytest.mark.parametrize("asked", ["", "Y", "ZZYX", "QYX", "ZCX", "YXS"])
def test_user_word_must_name_axes(asked):
    with pytest.raises(ValueError, match="axes must name Y and X"):
        settle_axes((3, 7, 9), "QYX", name="x.tif", request=asked)


@pytest.mark.parametrize("asked", ["YX", "ZCYX"])
def test_user_word_must_fit_the_shape(asked):
    with pytest.raises(
        ValueError, match=f"x.tif has 3 axes .* axes='{asked}' names {len(asked)}.*'ZYX'"
    ):
        settle_axes((3, 7, 9), "QYX", name="x.tif", request=asked)


def test_channels_and_colours_at_once_are_refused():
    with pytest.raises(ValueError, match="a channel axis and a colour axis"):
        settle_axes((2, 7, 9, 3), "CYXS", name="x.tif")


@pytest.mark.parametrize(
    ("letters", "shape", "axes"),
    [
        ("YXC", (4, 5, 3), "CYX"),
        ("ZCYX", (6, 2, 4, 5), "CZYX"),
        ("TZYX", (1, 6, 4, 5), "ZYX"),
        ("CYX", (1, 4, 5), "YX"),
    ],
)
def test_channels_come_first(letters, shape, axes):
    data = np.arange(np.prod(shape)).reshape(shape)
    # stored with one more axis of length 1, which settling has dropped
    arranged, found = channels_first(data[None], Axes(letters, shape), name="x.tif")
    assert found == axes
    expected = np.einsum(f"{letters.lower()}->{axes.lower()}", data)
    np.testing.assert_array_equal(arranged, expected)


@pytest.mark.parametrize(("channel", "axes"), [(1, "YX"), ([1], "CYX"), ([2, 0], "CYX")])
def test_channels_are_picked_in_the_order_asked(channel, axes):
    data = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    picked, found = pick_channels(data, "CYX", channel, name="x.tif")
    assert found == axes
    np.testing.assert_array_equal(picked, data[channel])


@pytest.mark.parametrize("channel", [3, -1, [0, 3], [], 1.0, True])
def test_channel_numbers_must_exist(channel):
    assert channel_numbers(np.int64(2), 3, name="x.tif") == [2]
    with pytest.raises(ValueError, match=r"does not fit x\.tif, which has channels 0 to 2"):
        channel_numbers(channel, 3, name="x.tif")


@pytest.mark.parametrize(
    ("shape", "letters", "asked", "kept"),
    [
        ((1, 1, 3, 7, 9), "TCZYX", None, (2, 3, 4)),
        ((5, 1, 1, 7, 9), "TC?YX", None, (0, 3, 4)),
        ((1, 7, 9, 3), "QYXS", None, (1, 2, 3)),
        ((1, 3, 1, 7, 9, 1), "TZCYXS", "CYX", (1, 3, 4)),
    ],
)
def test_which_axes_are_kept(shape, letters, asked, kept):
    settled = settle_axes(shape, letters, name="x.tif", request=asked)
    assert settled.dimensions == kept
    assert settled.shape == tuple(shape[i] for i in kept)


class Lazy:
    """An array that notes what is read of it."""

    def __init__(self, data):
        self.data, self.shape, self.read = data, data.shape, []

    def __getitem__(self, box):
        self.read.append(self.data[box].shape)
        return self.data[box]


def test_only_the_time_point_asked_for_is_read():
    data = Lazy(np.arange(2 * 4 * 5 * 6).reshape(2, 1, 4, 5, 6))
    settled = settle_axes(data.shape, "CZTYX".replace("Z", "?"), name="x.tif")
    arranged, letters = channels_first(data, settled, name="x.tif", time=3)
    assert (letters, data.read) == ("CYX", [(2, 1, 1, 5, 6)])
    np.testing.assert_array_equal(arranged, data.data[:, 0, 3])
    with pytest.raises(ValueError, match=r"holds 4 time points .*choose it \(time=0 to 3\)"):
        channels_first(data, settled, name="x.tif")
    assert len(data.read) == 1


@pytest.mark.parametrize("time", [4, -1, 1.0, True, "1"])
def test_time_points_must_exist(time):
    check_time(3, 4, name="x.tif")
    check_time(np.int64(0), 1, name="x.tif")
    with pytest.raises(ValueError, match=r"does not fit x\.tif, which has time points 0 to 3"):
        check_time(time, 4, name="x.tif")
    with pytest.raises(ValueError, match="which has time point 0 only"):
        check_time(1, 1, name="x.tif")

"""Dim frames, as a network for pairs sees them."""

import numpy as np
import pytest
from skimage.data import astronaut

from seamwise.fusion import Brightness, find_brightness, fuse, fuse_frames, fuse_pair, load
from seamwise.fusion.frames import CountedFrames
from seamwise.synth import focus_pair


@pytest.fixture(scope="module")
def shipped():
    return load("focus-seg", device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def pair():
    image = astronaut()[60:220, 120:320]
    return focus_pair(image, np.tri(160, 200, 20, dtype=bool), sigma=3.0)


def stored(pair, low, high, dtype=np.uint16):
    """The frames and the truth with black at `low` and white at `high`."""
    pictures = (np.round(low + (high - low) * x) for x in (pair.a, pair.b, pair.truth))
    return [picture.astype(dtype) for picture in pictures]


def quality(image, truth, low, high):
    """PSNR in dB where the range is that of the scene."""
    difference = (image.astype(np.float64) - truth) / (high - low)
    return float(-10 * np.log10(np.mean(difference**2)))


def test_seen_written_out():
    dim = np.float32([[0, 0.25, 0.375, 0.5, 1]])
    brightness = Brightness(0.25, 0.5)
    seen = brightness.seen(dim)
    np.testing.assert_array_equal(seen, np.float32([[0, 0, 0.5, 1, 1]]))
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(
        brightness.restored(seen), np.float32([[0.25, 0.25, 0.375, 0.5, 0.5]])
    )
    assert Brightness().seen(dim) is dim


def test_the_range_of_all_frames_counts():
    first, second = (np.full((6, 7, 3), value, np.float32) for value in (0.25, 0.25))
    first[2:, :, 1], second[:3] = 0.375, 0.125
    assert find_brightness([first, second]) == Brightness(0.125, 0.375)


def test_hot_and_dead_pixels_do_not_count_and_a_bead_does():
    frame = np.full((12, 14), 0.125, np.float32)
    frame[4, 5:7] = frame[5, 5:7] = 1  # four pixels
    frame[9, 2] = 0
    frame[0, 0] = frame[11, 13] = 1
    assert find_brightness([frame, frame]) == Brightness()  # of one value
    frame[8, 8:11] = frame[7:10, 9] = 0.25  # a cross of five
    assert find_brightness([frame, frame]) == Brightness(0.125, 0.25)


@pytest.mark.parametrize(
    "bad",
    [np.s_[:, 0], np.s_[:, 5], np.s_[:, -1], np.s_[0], np.s_[127], np.s_[128], np.s_[0, :2],
     np.s_[-1, -3:], np.s_[127, 4:7]],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("height", [129, 300])
def test_a_bad_line_does_not_count_wherever_it_lies(bad, height):
    frame = np.full((height, 20), 0.125, np.float32)
    frame[50:80, 8:12] = 0.25
    expected = Brightness(0.125, 0.25)
    good = expected.seen(frame)
    frame[bad] = 1
    assert find_brightness([frame, frame]) == expected
    np.testing.assert_array_equal(expected.seen(frame)[:50], good[:50])


def test_narrow_frames_have_a_brightness():
    frame = np.full((2, 9), 0.125, np.float32)
    frame[:, 5:] = 0.25
    assert find_brightness([frame, frame]) == Brightness(0.125, 0.25)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0.5, Brightness(0, 0.5)),
        (0, 0.53125, Brightness()),
        (0.5, 1, Brightness(0.5, 1)),
        (0, 0, Brightness()),
    ],
)
def test_frames_that_use_more_than_half_are_seen_as_they_are(low, high, expected):
    frame = np.full((8, 9), low, np.float32)
    frame[4:] = high
    assert find_brightness([frame, frame]) == expected


def test_bright_frames_are_not_read_to_the_last():
    frame = np.repeat(np.float32([0, 1]), 200).reshape(20, 20)
    frames = CountedFrames([frame] * 5, lambda done, total: None, 99)
    assert find_brightness(frames) == Brightness()
    assert frames.n_read <= 2  # the size may cost one


def test_one_frame_is_refused():
    with pytest.raises(ValueError, match="at least two pictures"):
        find_brightness([np.zeros((4, 5), np.float32)])


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 4095, np.uint16),
        (0, 255, np.uint16),
        (100, 355, np.uint16),
        (3000, 3255, np.uint16),
        (10, 110, np.uint8),
    ],
    ids=["12 bits", "8 bits", "on an offset", "on a large offset", "dim in 8 bits"],
)
@pytest.mark.parametrize("hot", [0, 60])
def test_dim_frames_fuse_as_well_as_bright_ones(shipped, pair, low, high, dtype, hot):
    *bright, truth = stored(pair, 0, 65535)
    expected = quality(fuse(bright, model=shipped).image, truth, 0, 65535)
    *frames, truth = stored(pair, low, high, dtype)
    rng = np.random.default_rng(0)
    places = rng.integers(0, 160, hot), rng.integers(0, 200, hot)
    for picture in (*frames, truth):
        picture[places] = np.iinfo(dtype).max
    fused = fuse(frames, model=shipped).image
    assert quality(fused, truth, low, high) > expected - 0.3
    np.testing.assert_array_equal(fused[places], truth[places])  # they stay in the picture


def test_bright_frames_stay_as_they_were(shipped, pair):
    fused = fuse([pair.a, pair.b], model=shipped)
    np.testing.assert_array_equal(fused.image, fuse_pair(pair.a, pair.b, model=shipped).image)


@pytest.mark.parametrize("mode", ["sequence", "together"])
def test_the_brightness_cancels(selector, pair, mode):
    """A dim pair with its brightness is a bright pair."""
    bright = [pair.a, pair.b]
    dim = [np.float32(0.25) + frame / np.float32(64) for frame in bright]
    expected = fuse_frames(bright, model=selector, mode=mode)
    brightness = Brightness(0.25, 0.25 + 1 / 64)
    fused = fuse_frames(dim, model=selector, mode=mode, brightness=brightness)
    np.testing.assert_allclose(64 * (fused.image - 0.25), expected.image, atol=1e-4)
    assert (fused.depth == expected.depth).mean() > 0.999


def test_colours_of_a_network_are_those_of_the_frames(regressor, pair):
    """This network returns its first source."""
    dim = [frame / np.float32(8) for frame in (pair.a, pair.b)]
    fused = fuse_frames(dim, model=regressor, nearest=False, brightness=Brightness(0, 0.125))
    np.testing.assert_allclose(fused.image, dim[0], atol=1e-6)

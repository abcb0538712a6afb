"""What every classical method promises."""

import weakref
from functools import cache
from importlib.util import find_spec
from itertools import permutations

import cv2
import numpy as np
import pytest
import skimage.data

from seamwise.fusion.classical import cnn, dct, dct_cv, gff, laplacian_pyramid, matting

STREAMING = [laplacian_pyramid, gff, dct, dct_cv]

needs_pymatting = pytest.mark.skipif(find_spec("pymatting") is None, reason="needs pymatting")
METHODS = [*STREAMING, pytest.param(matting, marks=needs_pymatting)]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
every_method_and_cnn = pytest.mark.parametrize(
    "method", [*METHODS, cnn], ids=lambda method: method.__name__
)
every_streaming_method = pytest.mark.parametrize(
    "method", STREAMING, ids=lambda method: method.__name__
)
grey_and_colour = pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])


@cache
def picture(colour, shape=(120, 150)):
    """A piece of a photograph whose sides are no multiples of 16."""
    image = skimage.data.astronaut()[70 : 70 + shape[0], 150 : 150 + shape[1]] / np.float32(255)
    return image if colour else np.ascontiguousarray(image[..., 1])


def strips(image, count):
    """Frame n is sharp in the n-th of so many strips side by side."""
    blurred = cv2.GaussianBlur(image, (0, 0), 3, borderType=cv2.BORDER_REFLECT)
    strip = np.arange(image.shape[1]) * count // image.shape[1]
    inside = (strip == np.arange(count)[:, np.newaxis]).reshape(
        count, 1, -1, *[1] * (image.ndim - 2)
    )
    return [np.where(mask, image, blurred) for mask in inside], strip


def error(image, truth):
    return float(np.square(image - truth).mean())


@every_method
@grey_and_colour
@pytest.mark.parametrize("count", [2, 3])
def test_strips_in_focus_are_joined_and_depth_says_whose(method, colour, count):
    truth = picture(colour)
    frames, strip = strips(truth, count)
    fused = method(frames)
    assert fused.image.shape == truth.shape
    assert fused.image.dtype == np.float32
    assert fused.depth.shape == truth.shape[:2]
    assert fused.depth.dtype == np.uint8
    assert error(fused.image, truth) < 0.2 * min(error(frame, truth) for frame in frames)
    assert np.mean(fused.depth == strip) > 0.8


@every_streaming_method
@grey_and_colour
def test_a_pair_may_be_swapped(method, colour):
    frames, _ = strips(picture(colour), 2)
    fused, swapped = method(frames), method(frames[::-1])
    np.testing.assert_array_equal(fused.image, swapped.image)
    assert np.mean(fused.depth == 1 - swapped.depth) > 0.999  # but for equal frames


@every_streaming_method
def test_a_burst_may_be_in_any_order(method):
    noise = 0.002 * np.random.default_rng(0).random(
        (3, *picture(True).shape), np.float32
    )  # none are equal
    frames = [
        np.clip(frame + more, 0, 1)
        for frame, more in zip(strips(picture(True), 3)[0], noise, strict=True)
    ]
    fused = method(frames)
    for order in permutations(range(3)):
        other = method([frames[number] for number in order])
        np.testing.assert_allclose(other.image, fused.image, atol=2e-6)
        assert (
            np.mean(np.array(order)[other.depth] == fused.depth) > 0.95
        )  # blocks may have equally many votes


@every_method
@grey_and_colour
@pytest.mark.parametrize("count", [2, 3])
def test_equal_frames_give_the_frame_and_the_first_depth(method, colour, count):
    truth = picture(colour, (43, 51))
    fused = method([truth.copy() for _ in range(count)])
    np.testing.assert_allclose(fused.image, truth, atol=1e-6)
    assert not fused.depth.any()


@every_method
@pytest.mark.parametrize(
    "shape", [(5, 7), (1, 1), (1, 9), (2, 3), (9, 8), (17, 8), (4, 4, 3), (5, 1, 3), (23, 11, 3)]
)
def test_tiny_pictures(method, shape):
    frames = list(np.random.default_rng(0).random((3, *shape), np.float32))
    fused = method(frames)
    assert fused.image.shape == shape
    assert fused.depth.shape == shape[:2]
    assert fused.image.min() >= 0
    assert fused.image.max() <= 1
    assert fused.depth.max() <= 2


@every_method
def test_flat_pictures_have_no_sharpest_and_are_averaged(method):
    flat = [np.full((20, 30), value, np.float32) for value in (0.25, 0.75)]
    np.testing.assert_allclose(method(flat).image, 0.5, atol=1e-6)


class Lazy:
    """Frames as if read from files; counts the pictures alive when another one is read."""

    def __init__(self, frames):
        self.frames, self.reads, self.alive, self.most = frames, 0, weakref.WeakValueDictionary(), 0

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, number):
        self.most = max(self.most, len(self.alive))
        self.reads += 1
        frame = self.frames[number].copy()
        self.alive[self.reads] = frame
        return frame


@every_method_and_cnn
@grey_and_colour
def test_frames_are_read_one_at_a_time_and_let_go(method, colour):
    frames, _ = strips(picture(colour, (43, 51)), 4)
    lazy = Lazy(frames)
    np.testing.assert_array_equal(method(lazy).image, method(frames).image)
    assert lazy.most == (1 if method in (matting, cnn) else 0)  # these start from the first frame
    passes = 2 if method in (gff, dct, dct_cv) else 1
    assert lazy.reads == passes * len(frames)


@every_method
def test_frames_are_not_changed(method):
    frames, _ = strips(picture(False, (43, 51)), 2)
    before = [frame.copy() for frame in frames]
    method(frames)
    np.testing.assert_array_equal(frames, before)


@every_method_and_cnn
@pytest.mark.parametrize(
    ("number", "bad", "error", "words"),
    [
        (
            1,
            np.full((20, 30), 128, np.uint8),
            TypeError,
            r"frame 1 must be float32 in 0\.\.1, not uint8",
        ),
        (0, np.full((20, 30), 0.5), TypeError, r"frame 0 must be float32 in 0\.\.1, not float64"),
        (
            0,
            np.zeros((20, 30, 1), np.float32),
            ValueError,
            r"frame 0 must be \(Y, X\) or \(Y, X, 3\), not .* \(20, 30, 1",
        ),
        (
            1,
            np.zeros((20, 30, 4), np.float32),
            ValueError,
            r"frame 1 must be \(Y, X\) or \(Y, X, 3\), not .* \(20, 30, 4",
        ),
        (
            0,
            np.zeros((30,), np.float32),
            ValueError,
            r"frame 0 must be .* with at least one pixel, not of shape \(30,",
        ),
        (
            0,
            np.zeros((0, 30), np.float32),
            ValueError,
            r"frame 0 must be .* at least one pixel, not of shape \(0, 30",
        ),
        (
            2,
            np.zeros((20, 29), np.float32),
            ValueError,
            r"frame 2 must have the size .* \(20, 30\), not \(20, 29\)",
        ),
        (
            2,
            np.zeros((20, 30, 3), np.float32),
            ValueError,
            r"frame 2 must have .* \(20, 30\), not \(20, 30, 3\)",
        ),
        (
            1,
            np.float32([[np.nan]] + [[0]] * 19).repeat(30, 1),
            ValueError,
            r"frame 1 must hold numbers in 0\.\.1, not NaN or infinity",
        ),
        (
            1,
            np.full((20, 30), 1.5, np.float32),
            ValueError,
            r"frame 1 must lie in 0\.\.1, not 1\.5\.\.1\.5",
        ),
        (2, np.full((20, 30), -1, np.float32), ValueError, r"frame 2 must lie in 0\.\.1, not -1"),
    ],
)
def test_a_frame_that_is_none_is_named(method, number, bad, error, words):
    frames = [np.zeros((20, 30), np.float32)] * 3
    frames[number] = bad
    with pytest.raises(error, match=words):
        method(frames)


@every_method_and_cnn
def test_one_frame_is_refused(method):
    with pytest.raises(ValueError, match="frames must be at least two pictures, not 1"):
        method([np.zeros((4, 4), np.float32)])

"""Frames that cannot be aligned are named; frames out of focus do not stop the others."""

import math

import cv2
import numpy as np
import pytest
from skimage import data

from seamwise.fusion import (
    Alignment,
    AlignmentError,
    estimate_alignment,
    register,
)
from support.moved_frames import inner_shape, movement, noisy, photograph, scene, shifted


def kinds_of_failure():
    frame = cv2.resize(scene(), (256, 256), interpolation=cv2.INTER_AREA)
    unrelated = cv2.resize(scene("coffee"), (256, 256), interpolation=cv2.INTER_AREA)
    larger = cv2.resize(frame, (384, 384))[64:320, 64:320]
    far = np.roll(frame, 95, axis=1)
    return {
        "unrelated": (frame, unrelated, r"correlation is -?0.[012]\d, below 0.3"),
        "mirrored": (frame, frame[:, ::-1], r"correlation is -?0.[012]\d, below 0.3"),
        "too large": (frame, larger, r"the scale would be 0.6\d..0.6\d, outside 0.8..1.25"),
        "too far": (frame, far, r"the shift would be -95, 0 pixels, over a quarter"),
    }


@pytest.mark.parametrize("kind", ["unrelated", "mirrored", "too large", "too far"])
def test_a_frame_that_cannot_be_registered_is_named(kind):
    good, bad, words = kinds_of_failure()[kind]
    mend = r"; remove it, or do not align \(--no-align, align=False\)$"
    with pytest.raises(
        AlignmentError, match=f"^b.jpg cannot be registered to .*{words}.*{mend}"
    ) as e:
        estimate_alignment([good, good, bad], reference=0, names=["a.jpg", "a2.jpg", "b.jpg"])
    assert e.value.frame == 2
    assert "\n" not in str(e.value)
    with pytest.raises(AlignmentError, match=r"^frame 0 cannot be registered"):
        estimate_alignment([bad, good, good], reference=2)


# w at the right corners: 0 and 1 − 1.1; the rest of the matrix would be plausible
@pytest.mark.parametrize("tilt", [1 / 199, 1.1 / 199])
def test_a_frame_that_would_be_folded_is_named(monkeypatch, tilt):
    fold = np.array([[1, 0, 0], [0, 1, 0], [-tilt, 0, 1]])
    monkeypatch.setattr(register, "register", lambda *_: (fold, 1.0, None))
    with pytest.raises(
        AlignmentError,
        match=r"^b cannot be registered to a: the picture would be folded or mirrored",
    ):
        estimate_alignment([scene()[:200, :200]] * 2, reference=0, names="ab")


def refused(shape):
    frame = np.broadcast_to(np.float32(0.5), shape)  # takes no memory
    with pytest.raises(ValueError) as e:  # noqa: PT011 the message is returned
        estimate_alignment([frame] * 2)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3), (5, 5, 0), (5, 6, 5), (5,), (5, 6, 3, 1)])
def test_frames_that_are_no_pictures_are_refused(shape):
    assert refused(shape) == (
        "frames must be (Y, X) or (Y, X, C) with at least one pixel and 1 to 4 channels, "
        f"not of shape {shape}: give one grey or three colour channels"
    )


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((40_000, 6), "6 × 40000 pixels, 1 channel"),
        ((6, 32_767, 3), "32767 × 6 pixels, 3 channels"),
    ],
)
def test_frames_longer_than_can_be_warped_are_refused(shape, words):
    assert refused(shape) == (
        f"frames must have sides of at most 32766 pixels to be aligned, not {words}: "
        "scale them down, or do not align (--no-align, align=False)"
    )


@pytest.mark.parametrize("shape", [(8, 32_766), (8, 32_766, 4)])
def test_frames_as_long_as_can_be_warped_are_warped(shape):
    matrices = np.stack([np.eye(3)] * 2)
    matrices[1, :2, 2] = 1.5
    alignment = Alignment(matrices, np.ones((2, math.prod(shape[2:]))), shape[:2], 0, ("a", "b"))
    half = np.full(shape, 0.5, np.float32)
    np.testing.assert_allclose(alignment.apply(half, 1), half[1:, 1:], rtol=1e-6)


def test_frames_of_two_sizes_are_refused():
    frame = scene()
    with pytest.raises(
        ValueError,
        match="one size: b is 500 × 512 pixels, 3 channels, a 512 × 512 pixels, 3 channels;",
    ):
        estimate_alignment([frame, frame[:, :500]], names="ab")
    with pytest.raises(
        ValueError,
        match="frame 1 is 512 × 512 pixels, 1 channel, frame 0 512 × 512 pixels, 3 channels",
    ):
        estimate_alignment([frame, frame[..., 0]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"motion": "rigid"}, "motion must be auto or none or shift .* or homography, not 'rigid'"),
        ({"reference": 2}, r"reference must be one of the frames 0\.\.1, not 2"),
        ({"reference": -1}, "reference .* not -1"),
        ({"names": ["a"]}, "names must be one per frame, 2, not 1"),
    ],
)
def test_options_out_of_range_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        estimate_alignment([np.zeros((9, 9), np.float32)] * 2, **options)


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match="at least two pictures, not 1"):
        estimate_alignment([scene()])
    with pytest.raises(
        TypeError,
        match=r"single or double floats in 0..1, not uint8: convert them, integers divided",
    ):
        estimate_alignment([data.astronaut()] * 2)
    with pytest.raises(TypeError, match=r"single or double floats in 0..1, not float16"):
        estimate_alignment([scene().astype(np.float16)] * 2)
    with pytest.raises(TypeError, match=r"single or double floats in 0..1, not float16"):
        shifted((0, 0), (1, 0)).apply(np.zeros((6, 8), np.float16), 1)
    with pytest.raises(AlignmentError, match=r"frame 1 .* not finite"):
        estimate_alignment([scene(), scene() * np.float32(np.nan)], reference=0)


@pytest.mark.parametrize("blank", [np.zeros_like, lambda frame: np.full_like(frame, 0.4)])
def test_a_blank_frame_lies_where_its_neighbour_lies(blank):
    picture = scene()
    move = movement(inner_shape(picture), shift=(6, 2))
    frames = [photograph(picture, np.eye(3)), photograph(picture, move)]
    found = estimate_alignment([*frames, blank(frames[0])], reference=0)
    assert found.unmatched == (2,)
    assert np.array_equal(found.matrices[2], found.matrices[1])
    assert np.array_equal(found.gains[2], [1, 1, 1])
    # as the frame in the middle, it is not the reference
    free = estimate_alignment([frames[0], blank(frames[0]), frames[1]])
    assert free.unmatched == (1,)
    assert free.reference == 2
    assert estimate_alignment([np.zeros((1, 1), np.float32)] * 2).unmatched == (1,)


def test_frames_far_out_of_focus_do_not_stop_the_others():
    rng = np.random.default_rng(5)
    picture = scene()[:300, :320]
    out = [noisy(cv2.GaussianBlur(picture, (0, 0), sigma), 1, rng) for sigma in (10, 20, 40)]
    found = estimate_alignment([noisy(picture, 1, rng), noisy(picture, 1, rng), *out], reference=0)
    assert np.array_equal(found.matrices, [np.eye(3)] * 5)


def test_pictures_without_contrast_fail_without_a_warning():
    white = np.ones((256, 256, 3), np.float32)
    with pytest.raises(AlignmentError):
        estimate_alignment([white, white])

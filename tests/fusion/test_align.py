import functools
import itertools
import json
import math
import weakref
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from skimage import data

from seamwise.fusion import (
    AlignedFrames,
    Alignment,
    AlignmentError,
    estimate_alignment,
    register,
    registration,
    starts,
)
from seamwise.fusion.alignment_notes import alignment_notes
from seamwise.fusion.exposure import Thumbnail, gains
from seamwise.fusion.frames import shape_of, smaller_grey
from seamwise.fusion.homography import is_still, resampling
from seamwise.fusion.pyramid import focus_pyramid
from seamwise.synth.focus import blur, draw_mask, focus_pair, random_shapes
from support.long_tests import nightly

MARGIN = 40


def scene(name="astronaut"):
    return getattr(data, name)().astype(np.float32) / 255


def movement(shape, *, shift=(0.0, 0.0), scale=1.0, turn=0.0, perspective=(0.0, 0.0)):
    """From pixels of a frame to those of the inner part of the scene; turn in radians."""
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    about_centre = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [*perspective, 1]])
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    return np.linalg.inv(to_centre) @ about_centre @ to_centre


def inner_shape(picture):
    return picture.shape[0] - 2 * MARGIN, picture.shape[1] - 2 * MARGIN


def photograph(picture, matrix):
    """The inner part of a picture as a camera moved by the matrix sees it."""
    height, width = inner_shape(picture)
    into = np.array([[1, 0, MARGIN], [0, 1, MARGIN], [0, 0, 1]]) @ matrix
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return np.clip(cv2.warpPerspective(picture, into, (width, height), flags=flags), 0, 1)


def moved(matrix, points):
    x, y, w = matrix @ np.c_[points, np.ones(len(points))].T
    return np.stack([x / w, y / w], 1)


def corner_error(matrix, expected, shape):
    corners = np.array(list(itertools.product((0, shape[1] - 1), (0, shape[0] - 1))))
    return np.linalg.norm(moved(matrix, corners) - moved(expected, corners), axis=1).max()


def noisy(picture, gain, rng):
    noise = 0.01 * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture * np.float32(gain) + noise, 0, 1).astype(np.float32)


def shifted(*shifts, shape=(6, 8)):
    """An alignment of frames moved by whole pixels (x, y)."""
    matrices = np.stack([np.eye(3)] * len(shifts))
    matrices[:, :2, 2] = shifts
    names = tuple(f"{i}.png" for i in range(len(shifts)))
    return Alignment(matrices, np.ones((len(shifts), 1)), shape, 0, names)


MOVES = {
    "shift": {"shift": (6.3, -4.6)},
    "breathing 1 %": {"scale": 1.01},
    "breathing 2 %": {"scale": 1 / 1.02, "shift": (0.4, 0.7)},
    "turn": {"turn": 0.02, "scale": 0.99, "shift": (-3.2, 5.5)},
}
TILTED = {"turn": -0.01, "shift": (4.4, 2.1), "perspective": (2e-5, -3e-5)}


# reached: 0.03 pixels for the shift, where all positions are rounded alike to 1/32, 0.02 otherwise
@pytest.mark.parametrize("motion", ["affine", "homography"])
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_finds_a_known_movement(move, motion):
    picture = scene()
    expected = movement(inner_shape(picture), **move)
    frames = [photograph(picture, np.eye(3)), photograph(picture, expected)]
    found = estimate_alignment(frames, motion=motion, reference=0)
    assert corner_error(found.matrices[1], expected, found.shape) < 0.05
    if motion == "affine":
        assert np.array_equal(found.matrices[1, 2], [0, 0, 1])


def test_finds_a_tilt_with_a_homography_only():
    picture = scene("coffee")
    expected = movement(inner_shape(picture), **TILTED)
    frames = [photograph(picture, np.eye(3)), photograph(picture, expected)]
    errors = [
        corner_error(
            estimate_alignment(frames, motion=motion, reference=0).matrices[1],
            expected,
            inner_shape(picture),
        )
        for motion in ("homography", "affine")
    ]
    assert errors[0] < 0.1 < 1 < errors[1]


@pytest.mark.parametrize(("sigma", "tolerance"), [(1.0, 0.1), (2.0, 0.3)])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_finds_a_movement_between_planes_of_focus(name, sigma, tolerance):
    rng = np.random.default_rng(1)
    picture = scene(name)
    mask = draw_mask(random_shapes(picture.shape[:2], rng=rng), rng)
    pair = focus_pair(picture, mask, sigma=sigma, edges="matte", kernel="disc", rng=rng)
    expected = movement(inner_shape(picture), shift=(5.2, -3.7), scale=1.015, turn=0.01)
    frames = [
        noisy(photograph(pair.a, np.eye(3)), 1, rng),
        noisy(photograph(pair.b, expected), 0.9, rng),
    ]
    found = estimate_alignment(frames, reference=0)
    assert corner_error(found.matrices[1], expected, found.shape) < tolerance


def test_a_movement_too_large_for_the_slope_of_the_picture_is_found_by_features():
    picture = scene()
    expected = movement(inner_shape(picture), turn=1.2, scale=0.85)
    whole = cv2.resize(picture, (900, 900), interpolation=cv2.INTER_CUBIC)
    cut = whole[194:706, 194:706]
    around = np.array([[1, 0, 194 + MARGIN], [0, 1, 194 + MARGIN], [0, 0, 1]])
    size = inner_shape(picture)[::-1]
    turned = cv2.warpPerspective(
        whole, around @ expected, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    )
    found = estimate_alignment([photograph(cut, np.eye(3)), turned.clip(0, 1)], reference=0)
    assert corner_error(found.matrices[1], expected, found.shape) < 0.2


@functools.cache
def burst():
    """Five noisy frames that breathe by 0.5 % each, shake, and differ in blur and brightness."""
    rng = np.random.default_rng(3)
    picture = scene()
    matrices, gains = [], rng.uniform(0.9, 1.1, (5, 3))
    gains[2] = 1
    frames = []
    for i in range(5):
        move = {
            "scale": 1 + 0.005 * (i - 2),
            "shift": rng.uniform(-4, 4, 2),
            "turn": rng.uniform(-0.005, 0.005),
        }
        matrices.append(movement(inner_shape(picture), **move) if i != 2 else np.eye(3))
        # the focus goes from left to right; the brightest pixels stay below 1 so that no gain clips
        # them
        sharp = np.clip(1 - np.abs(np.linspace(-1, 5, picture.shape[1]) - i) / 2, 0, 1)[
            :, np.newaxis
        ]
        focused = 0.85 * (sharp * picture + (1 - sharp) * blur(picture, 2.0))
        frames.append(noisy(photograph(focused.astype(np.float32), matrices[i]), gains[i], rng))
    return frames, np.stack(matrices), gains


def test_a_chain_of_five_frames():
    frames, matrices, gains = burst()
    found = estimate_alignment(frames)
    assert found.reference == 2
    assert np.array_equal(found.matrices[2], np.eye(3))
    errors = [corner_error(found.matrices[i], matrices[i], found.shape) for i in range(5)]
    assert max(errors) < 0.3, errors
    np.testing.assert_allclose(found.gains, 1 / gains, rtol=0.01)
    # laid over each other they differ no more than where they truly lie: by blur and noise
    truth = Alignment(matrices, 1 / gains, found.shape, 2, found.names)
    for i in (0, 4):
        left, least = (
            np.abs(x.apply(frames[i], i, crop=False) - frames[2])[20:-20, 20:-20]
            for x in (found, truth)
        )
        assert left.mean() < 1.02 * least.mean()


def test_the_order_of_the_burst_does_not_matter():
    frames, _, _ = burst()
    forward, backward = (
        estimate_alignment(frames[:3], reference=1),
        estimate_alignment(frames[2::-1], reference=1),
    )
    # the second frame is registered to two frames, the last one to all before
    for one, other in zip(forward.matrices, backward.matrices[::-1], strict=True):
        assert corner_error(one, other, forward.shape) < 0.1
    np.testing.assert_allclose(forward.gains, backward.gains[::-1], rtol=5e-3)


def test_identical_frames_stay_as_they_are():
    frame = scene("coffee")[:300, :301]
    found = estimate_alignment([frame] * 3)
    assert np.array_equal(found.matrices, [np.eye(3)] * 3)
    assert np.array_equal(found.gains, np.ones((3, 3)))
    assert found.common == (0, 300, 0, 301)
    assert np.array_equal(AlignedFrames([frame] * 3, found)[0], frame)


def test_grey_frames_and_frames_with_one_channel():
    picture = scene().mean(2)
    expected = movement(inner_shape(picture), **MOVES["turn"])
    frames = [photograph(picture, np.eye(3)), photograph(picture, expected)]
    grey = estimate_alignment(frames, reference=0)
    one = estimate_alignment([frame[..., np.newaxis] for frame in frames], reference=0)
    assert corner_error(grey.matrices[1], expected, grey.shape) < 0.1
    assert grey.gains.shape == (2, 1)
    assert np.array_equal(grey.matrices, one.matrices)
    assert np.array_equal(
        grey.apply(frames[1], 1)[..., np.newaxis], one.apply(frames[1][..., np.newaxis], 1)
    )


@pytest.mark.parametrize(("size", "perspective"), [((150, 201), False), ((240, 240), True)])
def test_perspective_is_sought_if_blocks_are_many(size, perspective):
    picture = cv2.resize(
        scene("coffee"), (size[1] + 2 * MARGIN, size[0] + 2 * MARGIN), interpolation=cv2.INTER_AREA
    )
    tilted = photograph(picture, movement(size, perspective=(1e-4, -5e-5), shift=(2.2, 1.3)))
    frames = [photograph(picture, np.eye(3)), tilted]
    found = estimate_alignment(frames, motion="homography", reference=0).matrices[1]
    assert bool(found[2, :2].any()) is perspective


@pytest.mark.parametrize("motion", ["affine", "homography"])
@pytest.mark.parametrize(
    ("x", "y", "believed"), [(1, 1, True), (0.5, 0.5, True), (0.2, 0.2, False), (-1, 1, False)],
    ids=["shifted", "smaller", "collapsed", "mirrored"],
)  # fmt: skip
def test_features_that_agree_by_chance_are_no_start(monkeypatch, x, y, believed, motion):
    source = np.random.default_rng(0).uniform(0, 100, (40, 2))
    monkeypatch.setattr(starts, "_matches", lambda *_: (source, source * (x, y) + (3, 5)))
    copy = focus_pyramid(scene()[:100, :100].mean(2))
    found = starts._from_features(copy, copy, motion)
    if believed:
        np.testing.assert_allclose(found, [[x, 0, 3], [0, y, 5], [0, 0, 1]], atol=1e-4)
    else:
        assert found is None


def test_a_frame_that_moved_less_than_a_quarter_of_a_pixel_is_not_resampled():
    picture = scene()
    still = photograph(picture, movement(inner_shape(picture), shift=(0.15, -0.1)))
    found = estimate_alignment([photograph(picture, np.eye(3)), still], reference=0, exposure=False)
    assert np.array_equal(found.matrices[1], np.eye(3))
    assert np.array_equal(found.apply(still, 1), still)


# at the centre nothing moves, in the corners 0.37 pixels
@pytest.mark.parametrize(
    "move", [{"shift": (0.25, -0.2)}, {"scale": 1.0012}], ids=["shift", "breathing"]
)
def test_a_frame_with_a_corner_that_moved_more_is_resampled(move):
    picture = scene()
    expected = movement(inner_shape(picture), **move)
    frames = [photograph(picture, np.eye(3)), photograph(picture, expected)]
    found = estimate_alignment(frames, motion="affine", reference=0)
    assert corner_error(found.matrices[1], expected, found.shape) < 0.05


def test_a_quarter_of_a_pixel_is_the_first_motion_that_counts():
    below, at = (np.array([[1, 0, 0], [0, 1, y], [0, 0, 1.0]]) for y in (-0.249, -0.25))
    assert is_still(below, (6, 8))
    assert not is_still(at, (6, 8))
    # only the corner (7, 5) moves, along x and y, because its w is not 1
    assert not is_still(np.array([[1, 0, 0], [0, 1, 0], [0.004, 0.004, 1]]), (6, 8))


def test_a_slow_drift_adds_up():
    picture = scene()
    moves = [movement(inner_shape(picture), shift=(0.2 * i, -0.1 * i)) for i in range(5)]
    found = estimate_alignment(
        [photograph(picture, move) for move in moves], motion="affine", reference=0
    )
    assert np.array_equal(found.matrices[:2], [np.eye(3)] * 2)
    errors = [corner_error(found.matrices[i], moves[i], found.shape) for i in (2, 3, 4)]
    assert max(errors) < 0.1, errors


def test_large_frames_are_measured_on_a_copy():
    picture = cv2.resize(scene("coffee"), (1900, 1300), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    expected = movement(inner_shape(picture), shift=(11.4, -7.3), scale=1.005)
    frames = [photograph(picture, np.eye(3)), photograph(picture, expected)]
    found = estimate_alignment(frames, motion="affine", reference=0)
    assert corner_error(found.matrices[1], expected, found.shape) < 0.2


def test_a_resized_copy_keeps_its_outer_borders():
    to_half = resampling((6, 8), (3, 4))
    assert np.array_equal(
        moved(to_half, [(-0.5, -0.5), (7.5, 5.5), (0.5, 0.5)]), [(-0.5, -0.5), (3.5, 2.5), (0, 0)]
    )


def test_a_small_overlap_counts_for_nothing():
    picture = np.tile(np.random.default_rng(0).random((64, 16), np.float32), (1, 4))
    shifts = [np.array([[1, 0, 16 * k], [0, 1, 0], [0, 0, 1.0]]) for k in range(4)]
    correlations = [registration.correlation(picture, picture, shift) for shift in shifts]
    np.testing.assert_allclose(
        correlations, [1, 1, 0, 0]
    )  # the last two overlap on less, but for the margins, than 1/4


def test_a_start_that_correlates_less_is_not_taken(monkeypatch):
    far = np.array([[1, 0, 60], [0, 1, -50], [0, 0, 1.0]])
    monkeypatch.setattr(registration, "GOOD_CORRELATION", 2)
    monkeypatch.setattr(registration, "starts", lambda *_: iter([far, np.eye(3), far]))
    assert np.array_equal(estimate_alignment([scene()[:200, :200]] * 2).matrices, [np.eye(3)] * 2)


def test_exposure_is_optional_and_within_bounds():
    frame = scene()[:200, :200]
    dark = frame / 4
    assert np.array_equal(estimate_alignment([frame, dark], reference=0).gains, [[1] * 3, [2] * 3])
    assert np.array_equal(
        estimate_alignment([dark, frame], reference=0).gains, [[1] * 3, [0.5] * 3]
    )
    assert np.array_equal(estimate_alignment([frame, dark], exposure=False).gains, np.ones((2, 3)))


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_clipped_pixels_say_nothing_about_exposure(channels):
    rng = np.random.default_rng(0)
    frame = 0.4 + 0.1 * cv2.GaussianBlur(rng.random((240, 320), np.float32), (0, 0), 1)
    # two thirds hold highlights so fine that, blurred, they are far from white
    frame[:, 100:] = np.where(rng.random((240, 220)) < 0.4, 0.8, frame[:, 100:])
    frame = np.tile(frame.reshape(240, 320, *(1 for _ in channels)), channels)
    bright = np.clip(np.float32(1.5) * frame, 0, 1)
    brighter, darker = (
        estimate_alignment(pair, reference=0).gains[1]
        for pair in ([bright, frame], [frame, bright])
    )
    np.testing.assert_allclose(brighter, 1.5, rtol=1e-3)
    np.testing.assert_allclose(darker, 1 / 1.5, rtol=1e-3)
    assert brighter.shape == (3 if channels else 1,)


def test_nearly_black_pixels_say_nothing_about_exposure():
    frame = scene()[:240, :320].mean(2) * 0.6 + 0.1
    dim = 0.8 * frame
    frame[:, 100:], dim[:, 100:] = (
        0.024,
        0.012,
    )  # two black levels; that of one is not even below 0.02
    brighter, darker = (
        estimate_alignment(pair, reference=0).gains[1] for pair in ([frame, dim], [dim, frame])
    )
    np.testing.assert_allclose(brighter, 1 / 0.8, rtol=1e-3)
    np.testing.assert_allclose(darker, 0.8, rtol=1e-3)


@pytest.mark.parametrize("share", [1 / 16, 1 / 256], ids=["12 bits in 16", "8 bits in 16"])
def test_black_is_relative_in_dim_frames(share):
    """What 12 bits store in 16 is matched as if it used them all."""
    frame = scene()[:240, :320] * np.float32(0.9)
    pair = [np.round(65535 * share * x) / np.float32(65535) for x in (frame, frame * 0.8)]
    gain = estimate_alignment([x.astype(np.float32) for x in pair], reference=0).gains[1]
    np.testing.assert_allclose(gain, 1 / 0.8, rtol=5e-3)


def test_a_frame_without_well_exposed_pixels_keeps_its_brightness():
    frame = scene()[:240, :320] * np.float32(0.015)
    frame[:20, :30] = 0.9  # a lamp: the rest is black against it
    assert np.array_equal(
        estimate_alignment([frame, frame * np.float32(0.8)]).gains, np.ones((2, 3))
    )


def test_the_gain_is_that_of_most_pixels():
    frame = scene()[:240, :320].mean(2) * 0.5 + 0.1
    other = 0.8 * frame
    other[:, 220:] = 1.5 * frame[:, 220:]  # a lamp moved
    np.testing.assert_allclose(
        estimate_alignment([frame, other], reference=0).gains[1], 1 / 0.8, rtol=1e-2
    )


def test_what_the_frame_does_not_cover_says_nothing_about_exposure():
    flat = np.zeros((60, 80), np.float32)
    copy = Thumbnail(np.full((60, 80, 1), 0.4, np.float32), flat, flat)
    left = np.array([[1, 0, -50], [0, 1, 0], [0, 0, 1.0]])
    bright = np.where(np.arange(80)[:, np.newaxis] < 30, 0.5, 0.7) * np.ones((60, 1, 1))
    reference = Thumbnail(bright.astype(np.float32), flat, flat)
    assert gains(copy, reference, left, (60, 80)) == pytest.approx(1.25)


def thumbnails(factor, *, noise=0.0, contrast=(0.1, 0.1)):
    """Two grey thumbnails, the second so much brighter."""
    rng = np.random.default_rng(0)
    dim = rng.uniform(0.2, 0.4, (64, 64, 1)).astype(np.float32)
    bright = dim * np.float32(factor) * np.exp(noise * rng.standard_normal((64, 64, 1)))
    maps = [np.full((64, 64), value, np.float32) for value in contrast]
    return Thumbnail(dim, maps[0], dim[..., 0] ** 2), Thumbnail(
        bright.astype(np.float32), maps[1], bright[..., 0] ** 2
    )


@pytest.mark.parametrize(
    ("factor", "noise", "expected"),
    [(1.005, 0, 1), (1.05, 0, 1.05), (1.05, 0.02, 1.05), (1.02, 3, 1)],
    ids=["under 1 %", "exact", "significant", "in noise"],
)  # fmt: skip
def test_a_gain_is_1_unless_it_is_significant(factor, noise, expected):
    found = gains(*thumbnails(factor, noise=noise), np.eye(3), (64, 64))
    assert found == pytest.approx(expected, rel=2e-3)


def test_where_one_frame_is_blurred_brightness_says_nothing():
    blurred = thumbnails(1.2, contrast=(0.1, 0.04))
    assert gains(*blurred, np.eye(3), (64, 64)) == 1
    # but a plain wall is as bright out of focus
    assert gains(*thumbnails(1.2, contrast=(0.003, 0.001)), np.eye(3), (64, 64)) > 1.19


class Files(Sequence):
    """A burst that is read frame by frame, and counts how many of its frames are alive."""

    def __init__(self, frames):
        self.frames, self.read, self.most = frames, [], 0

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, i):
        frame = self.frames[i].copy()
        self.read.append(weakref.ref(frame))
        self.most = max(self.most, sum(reference() is not None for reference in self.read))
        return frame


def test_the_burst_is_never_held():
    frames, _, _ = burst()
    files = Files(frames)
    aligned = AlignedFrames(files, estimate_alignment(files))
    for picture in aligned:
        assert picture.shape == aligned[0].shape
    assert files.most <= 2


# failures


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


# nothing in focus


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


# nothing to be done


@pytest.mark.parametrize("matte", [0.0, 1.0], ids=["hard", "matte"])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "cat"])
def test_frames_that_did_not_move_stay_untouched(name, matte):
    rng = np.random.default_rng(2)
    picture = scene(name)[:300]
    mask = draw_mask(random_shapes(picture.shape[:2], rng=rng), rng)
    edges = "matte" if matte else "hard"
    pair = focus_pair(picture, mask, sigma=3.0, edges=edges, kernel="disc", rng=rng)
    frames = [noisy(pair.a, 1, rng), noisy(pair.b, 1, rng)]
    found = estimate_alignment(frames)
    assert found.summary() == "nothing moved"
    assert found.common == (0, picture.shape[0], 0, picture.shape[1])
    for i in range(2):
        assert found.is_untouched(i)
        assert np.array_equal(found.apply(frames[i], i), frames[i])


def test_the_simplest_motion_is_taken():
    picture = scene("coffee")
    still = photograph(picture, np.eye(3))
    for move in ({"shift": (5.2, -3.7)}, MOVES["turn"], TILTED):
        expected = movement(inner_shape(picture), **move)
        found = estimate_alignment([still, photograph(picture, expected)], reference=0).matrices[1]
        assert corner_error(found, expected, inner_shape(picture)) < 0.1
        assert np.array_equal(found[:2, :2], np.eye(2)) is ("turn" not in move)
        assert bool(found[2, :2].any()) is (move is TILTED)


def test_a_motion_by_its_word_is_all_that_is_sought():
    picture = scene("coffee")
    expected = movement(inner_shape(picture), **MOVES["turn"])
    frames = [photograph(picture, np.eye(3)), photograph(picture, expected)]
    none, shift, similarity = (
        estimate_alignment(frames, motion=motion, reference=0).matrices[1]
        for motion in ("none", "shift", "similarity")
    )
    assert np.array_equal(none, np.eye(3))
    assert np.array_equal(shift[:2, :2], np.eye(2))
    assert np.array_equal(similarity[0, :2], (similarity[1, 1], -similarity[1, 0]))


def planes(count, *, breathing=0.0, size=(200, 260)):
    """A wall that recedes to the right: frames in focus at one place each, and their movements."""
    rng = np.random.default_rng(4)
    picture = scene()[: size[0] + 2 * MARGIN, : size[1] + 2 * MARGIN]
    levels = [blur(picture, sigma) if sigma else picture for sigma in np.arange(7.0)]
    stack = np.stack(levels)
    x = np.linspace(0, 1, picture.shape[1])
    for i in range(count):
        sigma = np.abs(x - i / (count - 1)) * 9
        place = np.clip(sigma, 0, 5.999)
        low = place.astype(int)
        part = (place - low)[:, np.newaxis, np.newaxis].astype(np.float32)
        columns = np.arange(len(x))
        seen = (1 - part) * stack[low, :, columns] + part * stack[low + 1, :, columns]
        move = movement(size, scale=1 + breathing * (i - count // 2))
        yield noisy(photograph(np.ascontiguousarray(seen.swapaxes(0, 1)), move), 1, rng), move


# measured are 80 blocks, blurred by up to 6 pixels; at the ends a corner moved by 0.8 or 3.3 pixels
@pytest.mark.parametrize(("count", "most"), [(25, 0.4), pytest.param(100, 0.6, marks=nightly)])
def test_a_long_breathing_burst_does_not_drift(count, most):
    frames, moves = zip(*planes(count, breathing=0.0004), strict=True)
    found = estimate_alignment(frames)
    errors = [corner_error(found.matrices[i], moves[i], found.shape) for i in range(count)]
    assert max(errors) < most, np.round(errors, 2)
    assert np.median(errors) < 0.2
    ends = [*errors[: count // 10], *errors[-count // 10 :]]
    assert np.median(ends) < 0.25  # no drift


def test_frames_out_of_order_do_not_break_the_chain():
    frames, moves = zip(*planes(9, breathing=0.004, size=(300, 380)), strict=True)
    order = np.random.default_rng(0).permutation(9)
    found = estimate_alignment([frames[i] for i in order], reference=int(np.argmax(order == 4)))
    errors = [corner_error(found.matrices[k], moves[i], found.shape) for k, i in enumerate(order)]
    assert max(errors) < 0.5, np.round(errors, 2)


def test_what_was_found_in_one_line():
    matrices = np.stack([np.eye(3), movement((300, 400), scale=1.004, turn=0.002)])
    found = Alignment(matrices, np.array([[1.0], [0.95]]), (300, 400), 0, ("a", "b"))
    assert found.summary() == (
        "moved by up to 1.1 px, scale 1.004, turned by 0.1°, brightness matched by 0.95 to 1.00"
    )


def test_how_well_each_frame_fits_is_kept_and_weak_matches_are_named(tmp_path):
    rng = np.random.default_rng(3)
    picture, other = scene()[:300, :320], scene("coffee")[:300, :320]
    vague = noisy(0.18 * picture + 0.82 * other, 1, rng)
    frames = [noisy(picture, 1, rng), noisy(picture, 1, rng), vague]
    options = {"reference": 0, "exposure": False, "names": ("a.png", "b.png", "c.png")}
    found = estimate_alignment(frames, **options)
    assert found.correlations[0] is None
    assert found.correlations[1] > 0.9
    assert 0.3 < found.correlations[2] < 0.5
    (note,) = alignment_notes(found)
    assert note == (
        f"weak match of c.png with the others: correlation {found.correlations[2]:.2f}, 0.50 is "
        "good; look for double edges"
    )
    turned = found.reordered([2, 0, 1])
    assert turned.correlations == (found.correlations[2], None, found.correlations[1])
    assert turned.hints == (0.0, 0.0, 0.0)
    found.save(tmp_path / "a.json")
    assert Alignment.load(tmp_path / "a.json").correlations == found.correlations


def test_a_frame_that_stays_on_a_hint_is_named(monkeypatch):
    place = np.eye(3)
    place[0, 2] = 0.75
    result = registration.Registration(np.eye(3), 0.9, place)
    monkeypatch.setattr(register, "register", lambda *arguments: result)
    picture = scene()[:120, :160]
    found = estimate_alignment([picture] * 5, names=tuple("abcde"))
    assert found.hints == (0.75, 0.75, 0.0, 0.75, 0.75)
    assert np.array_equal(found.matrices, [np.eye(3)] * 5)
    assert alignment_notes(found) == [
        "a, b, d and 1 more may have moved by up to 0.8 px, too uncertain to be corrected; "
        "a chosen motion moves what it finds (--motion similarity, motion='similarity')"
    ]
    place[0, 2] = 0.4
    assert alignment_notes(estimate_alignment([picture] * 5)) == []


def test_alignments_of_earlier_versions_do_not_tell_how_well_frames_fit(tmp_path):
    path = tmp_path / "a.json"
    shifted((0, 0), (1, 0)).save(path)
    content = json.loads(path.read_text())
    del content["correlations"], content["hints"]
    path.write_text(json.dumps(content))
    loaded = Alignment.load(path)
    assert (loaded.correlations, loaded.hints) == ((), ())
    assert alignment_notes(loaded) == []
    path.write_text(json.dumps(content | {"hints": [0.5]}))
    with pytest.raises(ValueError, match="hints must be one per frame, 2, not 1: estimate the"):
        Alignment.load(path)


# applying


def test_the_common_box_of_whole_shifts_written_out():
    # 6 × 8 pixels; frame 1 begins at x = 2, y = 1 of the reference, frame 2 ends one column and two
    # rows before it does
    assert shifted((0, 0), (2, 1), (-1, -2)).common == (1, 4, 2, 7)
    assert shifted((0, 0), (0, 0)).common == (0, 6, 0, 8)


def test_a_shift_of_half_a_pixel_costs_none_and_more_a_whole_one():
    assert shifted((0, 0), (0.5, 0)).common == (0, 6, 0, 8)
    assert shifted((0, 0), (-0.5, -0.5)).common == (0, 6, 0, 8)
    assert shifted((0, 0), (0.51, 0)).common == (0, 6, 1, 8)
    assert shifted((0, 0), (-0.51, -0.51)).common == (0, 5, 0, 7)
    assert shifted((0, 0), (1.5, 0)).common == (0, 6, 1, 8)


def test_rounding_costs_no_pixel():
    half = 0.5 + 1e-9
    assert shifted((0, 0), (half, -half)).common == (0, 6, 0, 8)


def is_covered(matrices, shape):
    """Whether each pixel of the reference lies within every frame, one by one."""
    covered = np.ones(shape, bool)
    for y, x in np.ndindex(*shape):
        for matrix in matrices:
            a, b, w = np.linalg.inv(matrix) @ (x, y, 1)
            covered[y, x] &= -0.5 - 1e-6 <= a / w <= shape[1] - 0.5 + 1e-6
            covered[y, x] &= -0.5 - 1e-6 <= b / w <= shape[0] - 0.5 + 1e-6
    return covered


@pytest.mark.parametrize("seed", range(12))
def test_the_common_box_is_the_largest_of_all_boxes(seed):
    rng = np.random.default_rng(seed)
    shape = (9, 12)
    moves = [
        {
            "shift": rng.uniform(-2, 2, 2),
            "turn": rng.uniform(-0.3, 0.3),
            "scale": rng.uniform(0.8, 1.25),
        },
        {"shift": rng.uniform(-2, 2, 2), "perspective": rng.uniform(-0.01, 0.01, 2)},
    ]
    matrices = np.stack([np.eye(3)] + [movement(shape, **move) for move in moves])
    y0, y1, x0, x1 = Alignment(matrices, np.ones((3, 1)), shape, 0, ("a", "b", "c")).common
    covered = is_covered(matrices, shape)
    rows, columns = (list(itertools.combinations(range(length + 1), 2)) for length in shape)
    areas = [(b - a) * (d - c) for a, b in rows for c, d in columns if covered[a:b, c:d].all()]
    assert covered[y0:y1, x0:x1].all()
    assert (y1 - y0) * (x1 - x0) == max(areas)


def test_a_whole_shift_moves_pixels_unchanged():
    frame = np.random.default_rng(0).random((6, 8), np.float32)
    alignment = shifted((0, 0), (2, 1))
    assert np.array_equal(alignment.apply(frame, 1), frame[:5, :6])
    assert np.array_equal(alignment.apply(frame, 0), frame[1:, 2:])
    whole = alignment.apply(frame, 1, crop=False)
    # the first row and the first two columns are not covered: mirrored about the frame's first
    # pixels
    assert np.array_equal(whole, np.pad(frame[:5, :6], ((1, 0), (2, 0)), mode="reflect"))


@pytest.mark.parametrize("zoom", [1, 2])
@pytest.mark.parametrize("crop", [True, False])
def test_the_luminance_alone_is_nearly_that_of_the_whole(zoom, crop):
    picture = cv2.GaussianBlur(scene()[:211, :301], (0, 0), 2)
    place = movement(picture.shape, shift=(1.4, -2.7), scale=1.01, turn=0.01)
    gain = np.array([[1.0, 1, 1], [0.9, 1.1, 1.2]])
    alignment = Alignment(np.stack([np.eye(3), place]), gain, picture.shape[:2], 0, ("a", "b"))
    for i in range(2):
        whole = smaller_grey(alignment.apply(picture, i, crop=crop), zoom)
        alone = alignment.apply_grey(picture, i, zoom, crop=crop)
        assert alone.shape == whole.shape
        inner = np.s_[2:-2, 2:-2]
        assert np.abs(alone - whole)[inner].max() < (0.01 if i else 1e-6)
    frames = AlignedFrames([picture, picture], alignment, crop=crop)
    assert shape_of(frames) == frames[1].shape
    np.testing.assert_array_equal(frames.grey(1, zoom), alone)


@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        movement((211, 301), shift=(1.4, -2.7), scale=1.01, turn=0.02),
        movement((211, 301), shift=(-3.3, 40.2), scale=0.99, turn=-0.01),
        np.array([[1, 0.01, 2.3], [-0.02, 1.01, -20.4], [1e-5, 2e-5, 1]]),
    ],
)
def test_rows_are_those_of_the_whole_and_need_few(place, crop):
    picture = scene()[:211, :301]
    alignment = Alignment(
        np.stack([np.eye(3), place]), np.ones((2, 3)), picture.shape[:2], 0, ("a", "b")
    )
    asked = []

    def rows(start, stop):
        asked.append(stop - start)
        return picture[start:stop]

    for i in range(2):
        matrix, (y0, y1, x0, x1) = alignment.matrices[i], alignment._box(crop)
        shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]])
        whole = cv2.warpPerspective(
            picture,
            shift @ matrix,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LANCZOS4,
            borderMode=cv2.BORDER_REFLECT_101,
        ).clip(0, 1)
        part = alignment._apply_rows(rows, i, crop=crop)
        for start, stop in ((0, 20), (60, 61), (100, 130), (y1 - y0 - 9, y1 - y0)):
            np.testing.assert_array_equal(part(start, stop), whole[start:stop])
    assert max(asked[2:4] + asked[6:]) < 70


def test_a_frame_turned_by_90_degrees_is_made_once():
    picture = scene()[:211, :301]
    turn = np.array([[0, -1, 250.0], [1, 0, -45], [0, 0, 1]])
    alignment = Alignment(np.stack([np.eye(3), turn]), np.ones((2, 3)), (211, 301), 0, ("a", "b"))
    asked = []

    def rows(start, stop):
        asked.append((start, stop))
        return picture[start:stop]

    moved = alignment._apply_rows(rows, 1)
    strips = [moved(start, start + 20) for start in range(0, 200, 20)]
    assert asked == [(0, 211)]
    assert np.array_equal(np.concatenate(strips), alignment.apply(picture, 1)[:200])


@pytest.mark.parametrize("height", [5, 7])
def test_a_frame_of_a_list_of_another_height_is_named(height):
    frames = [np.zeros((6, 8), np.float32), np.zeros((height, 8), np.float32)]
    aligned = AlignedFrames(frames, shifted((0, 0), (1, 0)))
    for read in (aligned.rows, aligned.grey, aligned.__getitem__):
        with pytest.raises(ValueError, match=rf"1\.png is 8 × {height} pixels"):
            read(1)


def test_gains_are_applied_and_clipped():
    gains = np.array([[1.0, 1, 1], [0.5, 1, 2]])
    alignment = Alignment(np.stack([np.eye(3)] * 2), gains, (4, 5), 0, ("a", "b"))
    result = alignment.apply(np.full((4, 5, 3), 0.6, np.float32), 1)
    assert result.dtype == np.float32
    assert np.array_equal(result, np.broadcast_to(np.float32([0.3, 0.6, 1]), (4, 5, 3)))


def test_interpolation_does_not_leave_the_range():
    edge = np.zeros((20, 20), np.float32)
    edge[:, 10:] = 1
    result = shifted((0, 0), (0.5, 0), shape=(20, 20)).apply(edge, 1)
    assert result.min() == 0
    assert result.max() == 1


def test_aligned_is_a_sequence():
    frames = list(np.random.default_rng(0).random((3, 6, 8), np.float32))
    alignment = shifted((0, 0), (1, 0), (2, 1))
    aligned, whole = AlignedFrames(frames, alignment), AlignedFrames(frames, alignment, crop=False)
    assert len(aligned) == 3
    assert np.array_equal(aligned[-1], alignment.apply(frames[2], 2))
    assert [picture.shape for picture in aligned] == [(5, 6)] * 3
    assert [picture.shape for picture in whole[1:]] == [(6, 8)] * 2
    with pytest.raises(IndexError):
        aligned[3]


def test_an_alignment_of_another_burst_is_refused():
    alignment = shifted((0, 0), (1, 0))
    frame = np.zeros((6, 8), np.float32)
    alignment.check_fits([frame] * 2)
    alignment.check_fits([frame] * 2, names=["0.png", "1.png"])
    with pytest.raises(ValueError, match="has 2 frames, the burst has 3: estimate it again"):
        AlignedFrames([frame] * 3, alignment)
    with pytest.raises(
        ValueError,
        match=r"0.png is 6 × 8 pixels, 1 channel, the alignment is of frames of 8 × 6 pixels",
    ):
        AlignedFrames([frame.T] * 2, alignment)
    with pytest.raises(ValueError, match=r"1.png is 8 × 6 pixels, 3 channels"):
        alignment.apply(np.zeros((6, 8, 3), np.float32), 1)
    with pytest.raises(ValueError, match=r"of 1.png, where the burst has 2.png"):
        alignment.check_fits([frame] * 2, names=["0.png", "2.png"])
    with pytest.raises(ValueError, match="names must be one per frame, 2, not 1"):
        alignment.check_fits([frame] * 2, names=["0.png"])


# files


def test_save_and_load_keep_every_bit(tmp_path):
    rng = np.random.default_rng(0)
    matrices = np.stack([np.eye(3)] * 3)
    matrices[1:, :2] += rng.uniform(-0.01, 0.01, (2, 2, 3))
    alignment = Alignment(
        matrices, rng.uniform(0.9, 1.1, (3, 3)), (60, 90), 0, ("ä.png", "b.png", "c.png")
    )
    alignment.save(tmp_path / "a.json")
    loaded = Alignment.load(tmp_path / "a.json")
    for name in ("matrices", "gains"):
        assert getattr(loaded, name).tobytes() == getattr(alignment, name).tobytes()
    for name in ("shape", "reference", "names", "common"):
        assert getattr(loaded, name) == getattr(alignment, name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"kind": "seamwise run"},
            "is not an alignment: its kind must be 'seamwise alignment 1', not 'seamwise run'",
        ),
        ({"kind": None}, "is not an alignment"),
        ({"gains": None}, "damaged alignment: 'gains' is missing"),
        ({"shape": [6]}, "damaged alignment"),
        ({"shape": [6, 8.5]}, "damaged alignment"),
        ({"reference": 2}, r"frames 0\.\.1, not 2: estimate the alignment again"),
        (
            {"names": ["a"]},
            r"\(1, 3, 3\) and \(1, C\) for 1 names, not \(2, 3, 3\) and \(2, 1\): estimate",
        ),
        ({"names": 3}, "damaged alignment"),
        (
            {"matrices": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, -1, 0], [0, 0, 1]]]},
            "positive determinant",
        ),
        (
            {
                "matrices": [
                    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
                    [[1, 0, float("nan")], [0, 1, 0], [0, 0, 1]],
                ]
            },
            "finite",
        ),
        (
            {"matrices": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 99], [0, 1, 0], [0, 0, 1]]]},
            "leave no pixel",
        ),
        (
            {"matrices": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0], [0, -0.2, 1]]]},
            "w > 0 at the corners",
        ),
        (
            {"matrices": [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0], [-0.2, 0, 1]]]},
            "w > 0 at the corners",
        ),
        ({"matrices": [[1, 0], [1]]}, "damaged alignment"),
        ({"shape": [6, 32767]}, "at most 32766 pixels to be aligned, not 32767 × 6"),
        ({"shape": [0, 8]}, r"at least one pixel and 1 to 4 channels, not of shape \(0, 8, 1\)"),
        ({"gains": [[1] * 5] * 2}, r"1 to 4 channels, not of shape \(6, 8, 5\)"),
        ({"gains": [[1], [0]]}, "gains must be positive and finite"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, change, words):
    path = tmp_path / "a.json"
    shifted((0, 0), (1, 0)).save(path)
    content = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    with pytest.raises(ValueError, match=rf"a\.json .*{words}"):
        Alignment.load(path)


def test_pictures_without_contrast_fail_without_a_warning():
    white = np.ones((256, 256, 3), np.float32)
    with pytest.raises(AlignmentError):
        estimate_alignment([white, white])

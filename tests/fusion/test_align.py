"""The movement of one frame: what is found, and which motion explains it."""

import cv2
import numpy as np
import pytest

from seamwise.fusion import (
    AlignedFrames,
    estimate_alignment,
    registration,
    starts,
)
from seamwise.fusion.homography import is_still, resampling
from seamwise.fusion.pyramid import focus_pyramid
from seamwise.synth.focus import draw_mask, focus_pair, random_shapes
from support.moved_frames import (
    MARGIN,
    corner_error,
    inner_shape,
    moved,
    movement,
    noisy,
    photograph,
    scene,
)

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
    frame = photograph(picture, movement(inner_shape(picture), shift=(0.15, -0.1)))
    found = estimate_alignment([photograph(picture, np.eye(3)), frame], reference=0, exposure=False)
    assert np.array_equal(found.matrices[1], np.eye(3))
    assert np.array_equal(found.apply(frame, 1), frame)


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
    assert found.summary() == "no frame was moved"
    assert found.common == (0, picture.shape[0], 0, picture.shape[1])
    for i in range(2):
        assert found.is_untouched(i)
        assert np.array_equal(found.apply(frames[i], i), frames[i])


def test_the_simplest_motion_is_taken():
    picture = scene("coffee")
    frame = photograph(picture, np.eye(3))
    for move in ({"shift": (5.2, -3.7)}, MOVES["turn"], TILTED):
        expected = movement(inner_shape(picture), **move)
        found = estimate_alignment([frame, photograph(picture, expected)], reference=0).matrices[1]
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

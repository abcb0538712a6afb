"""An alignment as a value: its common box, aligned frames, its file."""

import itertools
import json

import cv2
import numpy as np
import pytest

from seamwise.fusion import (
    AlignedFrames,
    Alignment,
)
from seamwise.fusion.alignment_notes import alignment_notes
from seamwise.fusion.frames import shape_of, smaller_grey
from support.moved_frames import movement, scene, shifted


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

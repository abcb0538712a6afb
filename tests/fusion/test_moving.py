"""A thing that moves between frames is taken whole from one of them."""

import tracemalloc
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import coffee

from seamwise.fusion import Alignment, FuseOptions, fuse_burst, memory_estimate
from seamwise.fusion.moving import Moving, WholeFrames, find_moving

SHAPE = 96, 128
PLACES = (20, 37, 54, 71, 88, 105)
RNG = np.random.default_rng(3)
GROUND = cv2.GaussianBlur(RNG.random((*SHAPE, 3), np.float32), (0, 0), 1.2) * 0.8


def disc(x):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, 48), 9, 1, -1)
    return mask > 0


def walk(places=PLACES):
    """A dark disc with a grain that the ground does not have, at another place in each frame."""
    frames = []
    for x in places:
        frame = GROUND.copy()
        frame[disc(x)] = 0.05
        frame[disc(x) & (np.indices(SHAPE).sum(0) % 4 < 2)] = 0.2
        frames.append(np.round(255 * frame).astype(np.uint8))
    return frames


def as_float(frames):
    return [np.float32(frame / np.float32(255)) for frame in frames]


def is_there(image, x):
    return image[disc(x)].mean() < 60


def defocused(frame, sigma):
    light = cv2.GaussianBlur(frame**2.2, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.float32(light.clip(0, 1) ** (1 / 2.2))


@pytest.mark.parametrize("model", ["gff", "focus-burst"])
def test_a_disc_that_walks_is_there_once(model):
    frames = walk()
    plain, whole = (
        fuse_burst(frames, FuseOptions(model=model, moving=moving)) for moving in (False, True)
    )
    assert sum(is_there(plain.image, x) for x in PLACES) != 1
    places = [x for x in PLACES if is_there(whole.image, x)]
    assert len(places) == 1
    place = disc(places[0])
    frame = PLACES.index(places[0])
    assert np.abs(whole.image[place].astype(int) - frames[frame][place]).max() <= 1
    assert (whole.depth[place] == frame).all()
    others = [disc(x) for x in PLACES if x != places[0]]
    for other in others:
        assert np.abs(whole.image[other] - 255 * GROUND[other]).mean() < 12
    assert any(note.startswith("something moves: frame") for note in whole.notes)


def test_of_three_frames_too():
    frames = walk(PLACES[::2])
    image = fuse_burst(frames, FuseOptions(model="gff", moving=True)).image
    assert sum(is_there(image, x) for x in PLACES[::2]) == 1


@pytest.mark.parametrize("count", [2, 3, 9])
def test_focus_is_not_a_movement(count):
    frames = [defocused(GROUND, sigma) for sigma in np.linspace(0.3, 4, count)]
    frames[0][:, 64:] = frames[-1][:, 64:]
    assert find_moving(frames) is None
    burst = [np.round(255 * frame).astype(np.uint8) for frame in frames]
    plain, whole = (
        fuse_burst(burst, FuseOptions(model="gff", moving=moving)) for moving in (False, True)
    )
    assert np.array_equal(plain.image, whole.image)
    assert np.array_equal(plain.depth, whole.depth)
    assert plain.notes == whole.notes


def test_a_highlight_that_grows_to_a_disc_is_not_a_movement():
    light = (GROUND / 2) ** 2.2
    light[47:49, 63:65] = 40  # brighter than white
    frames = [
        np.float32(cv2.GaussianBlur(light, (0, 0), sigma).clip(0, 1) ** (1 / 2.2))
        for sigma in (0.1, 2, 4)
    ]
    assert find_moving(frames) is None


def test_a_frame_that_does_not_show_it_is_not_taken():
    frames = [GROUND.copy() for _ in range(7)]
    for frame, x in zip(frames, (20, 54, 88), strict=False):  # with less detail than the ground
        soft = cv2.GaussianBlur(disc(x).astype(np.float32), (0, 0), 4)[..., np.newaxis]
        frame *= 1 - soft
    moving = find_moving(frames)
    assert moving is not None
    assert moving.frame < 3
    assert moving.place.any()


def test_grey_frames():
    frames = [frame.mean(2).astype(np.float32) for frame in as_float(walk())]
    moving = find_moving(frames)
    assert moving is not None
    assert WholeFrames(frames, moving)[0].shape == SHAPE


def test_if_most_of_the_picture_moves_nothing_is_done_and_this_is_said():
    frames = as_float(walk())
    burst = [np.roll(frame, 40 * i, 0) for i, frame in enumerate(frames)]
    moving = find_moving(burst)
    assert moving is not None
    assert moving.is_too_large
    plain, whole = (
        fuse_burst(burst, FuseOptions(model="gff", moving=moving)) for moving in (False, True)
    )
    assert np.array_equal(plain.image, whole.image)
    note = "more than two fifths of the picture move: --moving changes nothing"
    assert set(whole.notes) - set(plain.notes) == {note}


def test_whole_frames_show_the_thing_of_one_and_the_average_of_others():
    frames = [np.full((40, 60), value, np.float32) for value in (0.2, 0.4, 0.6)]
    place, elsewhere = np.zeros((40, 60), bool), np.zeros((3, 40, 60), bool)
    place[10:20, 10:20] = True
    elsewhere[2, 10:20, 40:50] = True
    moving = Moving(1, place, elsewhere, np.full((40, 60), 0.3, np.float32), 0.04)
    whole = WholeFrames(frames, moving)
    assert whole[1] is frames[1]
    assert whole[0][15, 15] == whole[2][15, 15] == np.float32(0.4)
    assert whole[2][15, 45] == pytest.approx(0.3)
    assert whole[0][15, 45] == np.float32(0.2)
    assert (frames[2] == np.float32(0.6)).all()  # frames stay as they are
    assert (whole.settled(np.zeros((40, 60), np.uint8))[15, [15, 45]] == (1, 0)).all()


def drifting(count=6):
    """A still scene, seen by a camera that drifts; and its alignment."""
    scene = coffee()
    frames = [scene[4 * i : 4 * i + 360, 6 * i : 6 * i + 560] for i in range(count)]
    matrices = np.stack([np.eye(3)] * count)
    matrices[:, 0, 2], matrices[:, 1, 2] = 6 * np.arange(count), 4 * np.arange(count)
    names = tuple(f"frame {i}" for i in range(count))
    return frames, Alignment(matrices, np.ones((count, 3)), (360, 560), 0, names)


@pytest.mark.parametrize("crop", [True, False])
def test_mirrored_borders_do_not_move(crop):
    frames, alignment = drifting()
    plain, whole = (
        fuse_burst(
            frames, FuseOptions(model="laplacian", crop=crop, moving=moving), alignment=alignment
        )
        for moving in (False, True)
    )
    assert np.array_equal(plain.image, whole.image)
    assert plain.notes == whole.notes


def test_what_moves_is_found_where_all_frames_show_something():
    frames, alignment = drifting()
    for i, frame in enumerate(frames):
        frames[i] = frame.copy()
        cv2.circle(frames[i], (60 + 30 * i, 100 - 4 * i), 12, (0, 0, 255), -1)
    options = FuseOptions(model="laplacian", crop=False, moving=True)
    fusion = fuse_burst(frames, options, alignment=alignment)
    assert any(note.startswith("something moves") for note in fusion.notes)
    places = [(100, 60 + 36 * i) for i in range(6)]
    assert sum((fusion.image[place] == (0, 0, 255)).all() for place in places) == 1


def test_what_not_all_frames_show_is_not_found():
    seen = np.ones(SHAPE, bool)
    seen[:, :8] = False
    frames = [GROUND.copy() for _ in range(6)]
    frames[2][:, :8] = 0
    assert find_moving(frames) is not None
    assert find_moving(frames, seen) is None
    assert find_moving(frames, np.zeros(SHAPE, bool)) is None


def test_transparent_margins_do_not_move(tmp_path):
    scene, paths = coffee(), []
    for i in range(6):
        alpha = np.full(scene.shape[:2], 255, np.uint8)
        alpha[: 6 * i] = alpha[:, : 8 * i] = 0
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.dstack([scene, alpha])).save(paths[-1])
    plain, whole = (
        fuse_burst(paths, FuseOptions(model="laplacian", moving=moving)) for moving in (False, True)
    )
    assert np.array_equal(plain.image, whole.image)
    assert plain.notes == whole.notes


def test_the_surface_is_that_of_the_picture():
    frames = walk()
    fusion = fuse_burst(frames, FuseOptions(model="gff", moving=True), surface=True)
    (own,) = [x for x in PLACES if is_there(fusion.image, x)]
    assert np.isnan(fusion.surface.position[disc(own)]).mean() > 0.8  # all frames show the same
    plain = fuse_burst(frames, FuseOptions(model="gff"), surface=True).surface.position
    for i, x in enumerate(PLACES):
        if x != own:
            assert (np.abs(plain[disc(x)] - i) < 0.6).mean() > 0.5
            assert (np.abs(fusion.surface.position[disc(x)] - i) < 0.6).mean() < 0.1


def test_a_burst_of_which_some_frames_are_used_is_numbered_like_the_whole():
    place, elsewhere = np.ones((2, 2), bool), np.zeros((2, 2, 2), bool)
    elsewhere[0] = True
    moving = Moving(1, place, elsewhere, np.zeros((2, 2), np.float32), 1.0).of_burst((3, 0), 4)
    assert moving.frame == 0
    assert moving.elsewhere.any((1, 2)).tolist() == [False, False, False, True]


def test_the_copies_of_all_frames_count_as_memory():
    estimate = partial(memory_estimate, (3000, 4000, 3), count=300)
    options = FuseOptions(model="gff"), FuseOptions(model="gff", moving=True)
    assert estimate(options[0]) == estimate(options[0], count=2)
    assert estimate(options[1]) - estimate(options[1], count=0) == 300 * 3_600_000


def test_copies_of_no_more_than_that_are_held():
    class Walk(list):
        def __getitem__(self, i):
            frame = np.full((310, 320, 3), 0.4, np.float32)
            frame[100:140, 20 + 25 * i : 45 + 25 * i] = 0.02
            return frame

    peaks = []
    for count in (4, 10):
        tracemalloc.start()
        assert find_moving(Walk(range(count))) is not None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 6 * 3_700_000


def test_records_of_earlier_versions_fit():
    plain, whole = (FuseOptions(moving=moving).provenance("ab") for moving in (False, True))
    record = plain.record()
    del record["moving"]
    assert plain.difference(record) == ""
    assert whole.difference(record) == "made with moving = False, not True"
    assert plain.difference(whole.record()) == "made with moving = True, not False"

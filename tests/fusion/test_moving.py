"""A thing that moves between frames is taken whole from one of them."""

import cv2
import numpy as np
import pytest

from seamwise.fusion import FuseOptions, fuse_burst
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


def test_if_most_of_the_picture_moves_nothing_is_done():
    frames = as_float(walk())
    assert find_moving([np.roll(frame, 40 * i, 0) for i, frame in enumerate(frames)]) is None


def test_whole_frames_show_the_thing_of_one_and_the_average_of_others():
    frames = [np.full((40, 60), value, np.float32) for value in (0.2, 0.4, 0.6)]
    place, elsewhere = np.zeros((40, 60), bool), np.zeros((3, 40, 60), bool)
    place[10:20, 10:20] = True
    elsewhere[2, 10:20, 40:50] = True
    moving = Moving(1, place, elsewhere, np.full((40, 60), 0.3, np.float32))
    whole = WholeFrames(frames, moving)
    assert whole[1] is frames[1]
    assert whole[0][15, 15] == whole[2][15, 15] == np.float32(0.4)
    assert whole[2][15, 45] == pytest.approx(0.3)
    assert whole[0][15, 45] == np.float32(0.2)
    assert (frames[2] == np.float32(0.6)).all()  # frames stay as they are
    assert (whole.settled(np.zeros((40, 60), np.uint8))[15, [15, 45]] == (1, 0)).all()


def test_records_of_earlier_versions_fit():
    plain, whole = (FuseOptions(moving=moving).provenance("ab") for moving in (False, True))
    record = plain.record()
    del record["moving"]
    assert plain.difference(record) == ""
    assert whole.difference(record) == "made with moving = False, not True"
    assert plain.difference(whole.record()) == "made with moving = True, not False"

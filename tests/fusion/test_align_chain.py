"""Bursts of several frames: each is registered to those before, and notes tell how well."""

import functools
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from seamwise.fusion import (
    AlignedFrames,
    Alignment,
    estimate_alignment,
    register,
    registration,
)
from seamwise.fusion.alignment_notes import alignment_notes
from seamwise.synth.focus import blur
from support.long_tests import nightly
from support.moved_frames import (
    MARGIN,
    corner_error,
    inner_shape,
    movement,
    noisy,
    photograph,
    scene,
)


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


def test_a_slow_drift_adds_up():
    picture = scene()
    moves = [movement(inner_shape(picture), shift=(0.2 * i, -0.1 * i)) for i in range(5)]
    found = estimate_alignment(
        [photograph(picture, move) for move in moves], motion="affine", reference=0
    )
    assert np.array_equal(found.matrices[:2], [np.eye(3)] * 2)
    errors = [corner_error(found.matrices[i], moves[i], found.shape) for i in (2, 3, 4)]
    assert max(errors) < 0.1, errors


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

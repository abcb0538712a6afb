"""Whether frames store light or its root, and what that changes for their alignment."""

import weakref

import cv2
import numpy as np
import pytest

from seamwise.fusion import AlignmentError, estimate_alignment, register
from seamwise.fusion.exposure import focus_changes, thumbnail

SHAPE = 120, 160


def bars(width):
    """Fine bars next to a grey wall, blurred as light."""
    x = np.arange(SHAPE[1])
    light = np.where(x < 60, np.where(x % 3, 0.05, 0.8), 0.3) * np.ones(SHAPE)
    light = light.astype(np.float32)
    return cv2.GaussianBlur(light, (0, 0), width) if width else light


def small(stored):
    clipped, contrast = np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.float32)
    return thumbnail(stored[..., np.newaxis], clipped, stored**2, contrast, is_linear=False)


@pytest.mark.parametrize("is_root", [True, False], ids=["root", "light"])
@pytest.mark.parametrize("gain", [1, 0.8])
def test_focus_keeps_the_sum_of_light(gain, is_root):
    frames = [np.float32(gain) * bars(1), bars(0)]
    copies = [small(np.sqrt(frame) if is_root else frame) for frame in frames]
    of_stored, of_light = focus_changes(*copies, np.eye(3), SHAPE)
    kept, changed = (of_light, of_stored) if is_root else (of_stored, of_light)
    assert kept < 0.2 * changed


def test_what_is_not_exposed_tells_nothing_about_light():
    black = small(np.zeros(SHAPE, np.float32))
    assert focus_changes(black, small(bars(0)), np.eye(3), SHAPE) == (0, 0)


def things():
    """Bright and dark things of many sizes, as light."""
    rng = np.random.default_rng(3)
    picture = np.full((200, 260), 0.1, np.float32)
    for _ in range(250):
        centre, radius = rng.integers(0, 260, 2).tolist(), int(rng.integers(3, 12))
        cv2.circle(picture, centre, radius, float(rng.uniform(0.01, 0.9)), -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


@pytest.mark.parametrize("is_root", [True, False], ids=["root", "light"])
def test_blur_moves_frames_in_neither_kind_of_storage(is_root):
    moves = [(0.0, 0.0), (1.6, -0.7), (-1.3, 1.1)]
    rng, frames = np.random.default_rng(0), []
    for (x, y), sigma in zip(moves, (0, 2, 4), strict=True):
        light = cv2.GaussianBlur(things(), (0, 0), sigma) if sigma else things()
        into = np.array([[1, 0, 30 + x], [0, 1, 20 + y]], np.float32)
        flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(light, into, (200, 160), flags=flags).clip(0, 1)
        stored = np.sqrt(seen) if is_root else seen
        noise = 0.004 * rng.standard_normal(seen.shape)
        frames.append((stored + noise).clip(0, 1).astype(np.float32))
    found = estimate_alignment(frames, motion="shift", reference=0).matrices
    assert np.abs(found[:, :2, 2] - moves).max() < 0.1, found[:, :2, 2]


class Passes:
    """Notes the passes of an alignment; some fail, with their number as the fault."""

    def __init__(self, monkeypatch, *, failing=(), stores_light=True):
        self.linear, self.alive, self.chains = [], [], []
        align = register._Chain.align

        def aligned(chain, *options, **named):
            self.alive.append(sum(one() is not None for one in self.chains))
            self.chains.append(weakref.ref(chain))
            self.linear.append(chain.is_linear)
            align(chain, *options, **named)
            if len(self.linear) in failing:
                raise AlignmentError(f"pass {len(self.linear)}", 1)

        monkeypatch.setattr(register._Chain, "align", aligned)
        monkeypatch.setattr(register._Chain, "stores_light", lambda chain: stores_light)


@pytest.mark.parametrize("failing", [(), (1,), (2,)])
def test_of_two_passes_the_last_that_succeeds_is_taken(monkeypatch, failing):
    passes = Passes(monkeypatch, failing=failing)
    estimate_alignment([things()] * 2)
    assert passes.linear == [False, True]
    assert passes.alive == [0, 0]  # the first chain is not held


def test_if_both_passes_fail_the_first_fault_is_told(monkeypatch):
    passes = Passes(monkeypatch, failing=(1, 2))
    with pytest.raises(AlignmentError, match="pass 1"):
        estimate_alignment([things()] * 2)
    assert passes.linear == [False, True]
    assert passes.alive == [0, 0]


def test_frames_are_read_again_only_if_that_may_help(monkeypatch):
    passes = Passes(monkeypatch, stores_light=False)
    estimate_alignment([things()] * 2)
    with pytest.raises(AlignmentError, match=r"^frame 1 .* to frame 0: .* not finite"):
        estimate_alignment([things(), things() * np.float32(np.nan)])
    assert passes.linear == [False, False]

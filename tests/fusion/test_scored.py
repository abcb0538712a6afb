"""A burst fused by the scores of its frames."""

import gc
import math
import threading
import weakref
from importlib.util import find_spec
from time import sleep

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter1d

from seamwise.engine import prepare_network
from seamwise.fusion import fuse, fuse_frames, fuse_pair, load
from seamwise.fusion.burst_train import burst_picture
from seamwise.fusion.frames import CheckedFrames, CountedFrames, FrameSequence
from seamwise.fusion.scored import _add_frame, _Grid, fuse_scored
from seamwise.io.models import Architecture, FusionInfo
from seamwise.nets import BurstNet
from seamwise.synth import Layer, focus_burst


@pytest.fixture(scope="module")
def scorer():
    """Random weights: what is true of them is true of any."""
    torch.manual_seed(2)
    architecture = Architecture(name="burst", in_channels=1, out_channels=4, width=4)
    info = FusionInfo(architecture=architecture, output="scores")
    return prepare_network(BurstNet(width=4), info, torch.device("cpu"))


@pytest.fixture(scope="module")
def shipped():
    return load("focus-burst", device="cpu", runtime="torch")


OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(module) is None, reason="not installed"))
    for name, module in (("openvino", "openvino"), ("onnx", "onnxruntime"))
]


def noise(count, shape=(50, 70, 3), seed=0):
    """A tenth of the rows is plain, so that the others are not taken for noise."""
    frames = np.random.default_rng(seed).random((count, *shape), np.float32)
    frames[:, : max(shape[0] // 10, 4)] = 0.5
    return list(frames)


def surface(count, *, side=96, seed=0):
    """Frames of a sloping surface, in 8 bits, and the truth."""
    rng = np.random.default_rng(seed)
    light = rng.random((side, side, 3), np.float32)
    x = np.linspace(0, 1, side, dtype=np.float32)
    layer = Layer(light, np.ones((side, side), np.float32), np.tile(x, (side, 1)))
    burst = focus_burst([layer], np.linspace(0, 1, count), blur=8.0)
    return [np.round(255 * frame).astype(np.uint8) for frame in burst.frames], burst.truth


def error(image, truth):
    return float(np.abs(image / np.float32(255) - truth).mean())


def test_two_halves_by_hand(shipped):
    """Stripes that are sharp on the left in one frame, on the right in the other."""
    stripes = np.tile(np.repeat(np.float32([0.2, 0.8]), 2), (48, 16))
    left, right = stripes.copy(), stripes.copy()
    left[:, 32:] = right[:, :32] = 0.5
    fused = fuse_frames([left, right], model=shipped)
    inner = np.r_[4:28, 36:60]
    assert fused.image.shape == (48, 64)
    assert fused.depth.dtype == np.uint8
    assert np.abs(fused.image - stripes)[:, inner].max() < 0.1
    assert (fused.depth[:, 4:28] == 0).mean() > 0.95 < (fused.depth[:, 36:60] == 1).mean()


def test_more_frames_make_it_better_not_worse(shipped):
    errors = [
        error(fuse(frames, model=shipped).image, truth)
        for frames, truth in map(surface, (3, 6, 12, 24))
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[3] < 1.05 * errors[2]


def test_the_order_changes_the_numbers_of_the_frames_only(scorer):
    frames, order = noise(4), [2, 0, 3, 1]
    plain = fuse_scored(frames, model=scorer)
    shuffled = fuse_scored([frames[i] for i in order], model=scorer)
    np.testing.assert_allclose(shuffled.image, plain.image, atol=1e-5)
    assert (np.take(order, shuffled.depth) == plain.depth).mean() > 0.999


def test_a_frame_that_is_there_twice_changes_little(shipped):
    frames, truth = surface(6)
    again = fuse([*frames, frames[2]], model=shipped).image
    assert error(again, truth) < 1.1 * error(fuse(frames, model=shipped).image, truth)


def test_frames_all_there_twice_change_nothing(scorer):
    frames = noise(3)
    twice = fuse_scored(frames + frames, model=scorer).image
    np.testing.assert_allclose(twice, fuse_scored(frames, model=scorer).image, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_constant_frames_stay_constant(shipped, value):
    fused = fuse_frames([np.full((33, 47), value, np.float32)] * 3, model=shipped)
    np.testing.assert_allclose(fused.image, value, atol=1e-6)


@pytest.mark.parametrize("large", [1000, math.inf])
def test_noise_is_averaged_where_nothing_is_in_focus(shipped, monkeypatch, large):
    """Twelve frames of a plain wall: the noise falls to nearly 1/√12, which is 0.289."""
    monkeypatch.setattr("seamwise.fusion.scored._LARGE", large)
    rng = np.random.default_rng(5)
    frames = [
        np.clip(0.5 + 0.02 * rng.standard_normal((96, 96, 3)), 0, 1).astype(np.float32)
        for _ in range(12)
    ]
    inner = (slice(16, -16), slice(16, -16))
    noise_left = fuse_frames(frames, model=shipped).image[inner].std()
    assert noise_left < 0.3 * 0.02


def test_the_result_does_not_depend_on_the_tiles(scorer):
    frames = noise(2, (250, 214, 3))
    whole = fuse_scored(frames, model=scorer)
    tiled = fuse_scored(frames, model=scorer, tile=200)
    np.testing.assert_allclose(tiled.image, whole.image, atol=2e-5)


# a strip must not see the whole picture, and sees twice as far where frames are halved
@pytest.mark.parametrize(
    ("zoom", "shape"),
    [(1, (253, 213, 3)), (1, (243, 246)), (2, (413, 331, 3)), (2, (399, 402))],
)
def test_the_result_does_not_depend_on_the_strips(scorer, monkeypatch, shape, zoom):
    frames = noise(2, shape)
    of_module = "seamwise.fusion.scored."
    monkeypatch.setattr(of_module + "_LARGE", 1000 if zoom == 2 else math.inf)
    whole = fuse_scored(frames, model=scorer)
    counts = []
    for width in (1000, 100):  # as wide as the picture, or not
        monkeypatch.setattr(of_module + "SCORED_TILE", width // zoom)
        monkeypatch.setattr(of_module + "_STRIP_PIXELS", 200 * 200 // zoom**2)
        grid = _Grid.of(shape, None)
        counts.append([-(-n // side) for n, side in zip(grid.size, grid.core, strict=True)])
        parts = fuse_scored(frames, model=scorer)
        np.testing.assert_allclose(parts.image, whole.image, atol=2e-5)
    (rows, columns), (_, many_columns) = counts
    assert rows > 1 == columns
    assert many_columns > 1


def test_frame_by_frame_it_is_what_the_training_sees(scorer):
    frames = noise(3, (64, 96, 3))
    burst = torch.from_numpy(np.stack(frames).transpose(0, 3, 1, 2))[None]
    expected = burst_picture(scorer.net, burst, torch.ones(1, 3))[0].permute(1, 2, 0)
    fused = fuse_scored(frames, model=scorer).image
    np.testing.assert_allclose(fused, expected.clamp(0, 1).numpy(), atol=2e-5)


def test_grey_is_colour_with_three_equal_channels(scorer):
    grey = noise(3, (40, 56))
    colour = [np.repeat(frame[..., np.newaxis], 3, 2) for frame in grey]
    one, three = (fuse_scored(frames, model=scorer).image for frames in (grey, colour))
    assert one.shape == (40, 56)
    np.testing.assert_allclose(three, np.repeat(one[..., np.newaxis], 3, 2), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 3), (17, 5), (31, 33, 3)])
def test_any_size(scorer, shape):
    fused = fuse_scored(noise(2, shape), model=scorer)
    assert fused.image.shape == shape
    assert fused.depth.shape == shape[:2]


@pytest.mark.parametrize("shape", [(70, 61, 3), (64, 64)])
def test_large_frames_are_scored_at_half_their_size(shipped, monkeypatch, shape):
    frames = noise(3, shape)
    plain = fuse_frames(frames, model=shipped)
    monkeypatch.setattr("seamwise.fusion.scored._LARGE", 1000)
    fused = fuse_frames(frames, model=shipped)
    assert fused.image.shape == shape
    assert (fused.image != plain.image).any()
    same = fuse_frames(frames[:1] * 3, model=shipped)
    np.testing.assert_allclose(same.image, frames[0], atol=1e-5)


def test_large_frames_are_joined_as_well(shipped, monkeypatch):
    frames, truth = surface(6, side=160)
    plain = error(fuse(frames, model=shipped).image, truth)
    monkeypatch.setattr("seamwise.fusion.scored._LARGE", 1000)
    # details of a pixel, which the network does not see then, count as well: without them 1.36
    assert error(fuse(frames, model=shipped).image, truth) < 1.1 * plain


def test_one_frame_is_held_at_a_time(scorer):
    """So the memory does not grow with their number."""
    gc.freeze()  # only what is made from now on is collected, which is fast
    alive = []

    class Watched(list):
        def __getitem__(self, number):
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 1
            frame = super().__getitem__(number).copy()
            alive.append(weakref.ref(frame))
            return frame

    fuse_scored(Watched(noise(5)), model=scorer)
    assert 10 <= len(alive) <= 11  # twice each, and once for the size


def test_of_a_sequence_the_next_frame_is_held_too(scorer, monkeypatch):
    gc.freeze()
    alive, counts = weakref.WeakSet(), []

    class Frame(np.ndarray):
        __hash__ = object.__hash__

    class Made(FrameSequence):
        frames = range(5)

        def frame_shape(self):
            return 50, 70, 3

        def _frame(self, i):
            frame = noise(1, seed=i)[0].view(Frame)
            alive.add(frame)
            return frame

    def add_frame(*arguments):
        sleep(0.1)  # what is read meanwhile has time
        gc.collect()
        counts.append(len(alive))
        _add_frame(*arguments)

    monkeypatch.setattr("seamwise.fusion.scored._add_frame", add_frame)
    fuse_scored(Made(), model=scorer)
    assert len(counts) == 5
    assert max(counts) <= 2


def test_reports_come_in_the_thread_that_fuses(scorer):
    threads = []
    frames = CountedFrames(
        CheckedFrames(noise(3)), lambda done, total: threads.append(threading.get_ident()), 6
    )
    fuse_scored(frames, model=scorer)
    assert threads == 6 * [threading.get_ident()]


def test_the_colour_of_the_nearest_frame(scorer):
    frames = noise(3)
    fused = fuse_frames(frames, model=scorer, nearest=True)
    taken = np.take_along_axis(np.stack(frames), fused.depth[np.newaxis, ..., np.newaxis], 0)[0]
    np.testing.assert_array_equal(fused.image, taken)


def test_it_has_no_mode_and_takes_no_pair(scorer):
    frames = noise(2)
    with pytest.raises(ValueError, match="mode 'sequence' is for networks that take pairs"):
        fuse_frames(frames, model=scorer, mode="sequence")
    with pytest.raises(ValueError, match="must take pairs"):
        fuse_pair(*frames, model=scorer)


@pytest.mark.parametrize("name", ["unet", "burst"])
def test_a_description_that_contradicts_itself_is_refused(name):
    architecture = Architecture(name=name, in_channels=6, out_channels=2)
    with pytest.raises(ValueError, match="output 'scores' is that of a network 'burst'"):
        FusionInfo(architecture=architecture, output="scores" if name == "unet" else "selection")


def test_frames_that_do_not_fit_are_refused(scorer):
    frames = noise(3)
    with pytest.raises(ValueError, match="at least two pictures"):
        fuse_scored(frames[:1], model=scorer)
    with pytest.raises(ValueError, match="same size"):
        fuse_scored([*frames, frames[0][1:]], model=scorer)


def test_the_range_of_a_frame_of_a_list_is_that_of_the_whole(scorer):
    frames = noise(2, (300, 20))
    frames[1][[0, 299]] = [[-0.5], [1.5]]
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1, not -0\.5\.\.1\.5"):
        fuse_scored(frames, model=scorer)


@pytest.mark.parametrize("heights", [(49, 50), (50, 49)])
def test_a_row_too_many_is_seen_where_frames_are_halved(scorer, monkeypatch, heights):
    monkeypatch.setattr("seamwise.fusion.scored._LARGE", 1000)
    frames = [noise(1, (height, 70, 3))[0] for height in heights]
    shapes = " and ".join(rf"\({height}, 70, 3\)" for height in heights)
    with pytest.raises(ValueError, match=f"same size and channels, not {shapes}"):
        fuse_frames(frames, model=scorer)


@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize(
    ("shape", "large", "tile"),
    [
        ((96, 112, 3), math.inf, None),
        ((61, 77), math.inf, None),
        ((230, 211, 3), math.inf, 200),
        ((101, 83, 3), 1000, None),
        ((64, 90), 1000, None),
    ],
)
def test_every_runtime_makes_the_same_picture(shipped, monkeypatch, runtime, shape, large, tile):
    monkeypatch.setattr("seamwise.fusion.scored._LARGE", large)
    light = np.random.default_rng(1).random(shape, np.float32)
    frames = [
        light.copy() if axis is None else uniform_filter1d(light, 5, axis) for axis in (0, 1, None)
    ]
    frames[2][: shape[0] // 2] = 0.5
    model = load("focus-burst", device="cpu", runtime=runtime)
    assert (model.runtime.name, model.precision) == (f"{runtime} float32", "float32")
    expected, fused = (fuse_frames(frames, model=each, tile=tile) for each in (shipped, model))
    error = np.square(expected.image - fused.image, dtype=np.float64).mean()
    assert -10 * np.log10(error + 1e-20) > 60
    levels = [np.round(255 * fusion.image) for fusion in (expected, fused)]
    assert (np.abs(levels[0] - levels[1]) <= 1).mean() >= 0.999
    assert (expected.depth == fused.depth).mean() >= 0.999


@pytest.mark.parametrize("runtime", OTHERS)
def test_constant_frames_stay_constant_in_every_runtime(runtime):
    model = load("focus-burst", device="cpu", runtime=runtime)
    fused = fuse_frames([np.full((33, 47), 0.37, np.float32)] * 3, model=model)
    np.testing.assert_allclose(fused.image, 0.37, atol=1e-6)


def test_torch_computes_in_its_own_words(scorer):
    ready = prepare_network(scorer.net, scorer.info, torch.device("cpu"), runtime="torch")
    assert (ready.runtime.name, ready.precision) == ("torch", "float32")


def test_a_network_for_pairs_is_refused():
    with pytest.raises(ValueError, match="model must score the frames of a burst"):
        fuse_scored(noise(3), model=load("focus-seg", device="cpu"))


def test_a_burst_that_did_not_move_keeps_its_bytes_with_alignment(shipped):
    rng = np.random.default_rng(3)
    frames = [
        np.clip(frame + rng.normal(0, 1, frame.shape), 0, 255).astype(np.uint8)
        for frame in surface(12, side=128)[0]
    ]
    plain, aligned = (fuse(frames, model=shipped, align=align) for align in (False, True))
    assert aligned.alignment is not None
    np.testing.assert_array_equal(plain.image, aligned.image)
    np.testing.assert_array_equal(plain.depth, aligned.depth)

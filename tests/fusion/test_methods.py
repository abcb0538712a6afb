import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
from imageio.v3 import imwrite
from skimage.data import astronaut

import seamwise
from seamwise.engine import StageProgress
from seamwise.engine.resources import Resources
from seamwise.fusion import (
    AlignmentError,
    FuseOptions,
    fuse,
    fuse_burst,
    register,
    shipped_weights,
)
from seamwise.fusion.burst import Burst
from seamwise.fusion.frames import CountedFrames
from seamwise.fusion.methods import CLASSICAL
from seamwise.fusion.predict import passes
from seamwise.fusion.register import estimate_alignment
from seamwise.io.photo import read_photo, write_photo
from seamwise.pictures import in_dtype
from seamwise.synth import focus_pair
from support.long_tests import nightly

SCENE = astronaut()[100:260, 120:320]


def frames(dtype=np.uint8, image=SCENE):
    left = np.zeros(image.shape[:2], bool)
    left[:, : image.shape[1] // 2] = True
    pair = focus_pair(image, left, sigma=3.0)
    return [in_dtype(x, np.dtype(dtype)) for x in (pair.a, pair.b)], in_dtype(
        pair.truth, np.dtype(dtype)
    )


def error(image, truth):
    return float(np.abs(image.astype(float) - truth).mean())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_picture_has_the_type_of_the_frames(selector, dtype):
    sources, truth = frames(dtype)
    fusion = fuse(sources, model=selector)
    assert fusion.image.dtype == dtype
    assert fusion.image.shape == truth.shape
    assert fusion.depth.shape == truth.shape[:2]
    assert error(fusion.image, truth) < error(sources[0], truth) / 3


def test_16_bits_are_16_bits_and_not_8():
    ramp = np.arange(160 * 200, dtype=np.uint16).reshape(160, 200) * 2
    sources, _ = frames(np.uint16, image=ramp)
    assert len(np.unique(fuse(sources, model="laplacian").image)) > 5000


@pytest.mark.parametrize("method", sorted(CLASSICAL))
def test_every_classical_method_joins_the_halves(method):
    sources, truth = frames()
    fusion = fuse(sources, model=method)
    assert fusion.image.dtype == np.uint8
    assert error(fusion.image, truth) < error(sources[0], truth) / 2


@pytest.mark.parametrize("method", sorted(CLASSICAL))
def test_the_number_of_reads_is_what_is_announced(method):
    sources, _ = frames()
    pictures = [source[:64, :64] / np.float32(255) for source in sources]
    watched = CountedFrames(pictures, lambda done, total: None, total=99)
    CLASSICAL[method].fuse(watched)
    # the size may cost one more
    assert 0 <= watched.n_read - 2 * CLASSICAL[method].passes <= 1


@pytest.mark.parametrize(
    ("mode", "nearest"), [("sequence", False), ("together", False), ("together", True)]
)
def test_networks_read_as_often_as_announced(selector, mode, nearest):
    sources, _ = frames()
    seen = []
    fuse(sources, model=selector, mode=mode, nearest=nearest, report=seen.append)
    seen = [step for step in seen if step.stage == "fuse"]
    total = passes(selector, mode, nearest=nearest) * 2
    assert {step.total for step in seen} == {total}
    assert seen[-1] == StageProgress("fuse", total, total)
    assert total <= len(seen) <= total + 2


def test_shifted_frames_are_laid_over_each_other_first(selector):
    image = astronaut()[60:300, 60:380]
    sources, truth = frames(image=image)
    shifted = [sources[0][:-6, 4:], sources[1][6:, :-4]]
    plain = fuse(shifted, model=selector)
    fusion = fuse(shifted, model=selector, align=True)
    assert plain.alignment is None
    y0, y1, x0, x1 = fusion.alignment.common
    assert fusion.image.shape == (y1 - y0, x1 - x0, 3)
    assert abs(fusion.alignment.matrices[0][:2, 2] - (4, -6)).max() < 0.5
    # frame 1 stays as it is: what it shows at its top left corner is 6 rows down in the scene
    expected = truth[6:, :-4][y0:y1, x0:x1]
    assert error(fusion.image, expected) < error(plain.image[y0:y1, x0:x1], expected) / 2
    again = fuse([frame.copy() for frame in shifted], model=selector, align=fusion.alignment)
    np.testing.assert_array_equal(again.image, fusion.image)
    whole = fuse(shifted, model=selector, align=fusion.alignment, crop=False)
    assert whole.image.shape == shifted[0].shape


def test_motion_exposure_and_names_go_to_the_alignment(monkeypatch, tmp_path):
    given = []

    def watched(frames, **options):
        given.append(options)
        return estimate_alignment(frames, **options)

    monkeypatch.setattr("seamwise.fusion.methods.estimate_alignment", watched)
    for name, source in zip("ab", frames()[0], strict=True):
        write_photo(tmp_path / f"{name}.png", source)
    for options, expected in (
        ({}, {"motion": "auto", "exposure": True}),
        ({"motion": "homography", "exposure": False}, {"motion": "homography", "exposure": False}),
    ):
        options = FuseOptions(model="laplacian", align=True, **options)
        fuse_burst(sorted(tmp_path.iterdir()), options)
        assert given.pop() == expected | {"names": ["a.png", "b.png"]}


def test_a_frame_too_dark_to_be_matched_is_said():
    sources, _ = frames()
    dark, dim = sources[0] // 4, (sources[0] * 0.6).astype(np.uint8)
    fusion = fuse([dark, sources[1], dim], model="laplacian", align=True)
    assert fusion.notes == (
        "frame 0: its brightness differs from that of frame 1 by one stop or more and is matched "
        "by one stop only; where this shows in the picture, expose the frames alike",
    )
    unmatched = FuseOptions(model="laplacian", align=True, exposure=False)
    assert not fuse_burst([dark, sources[1]], unmatched).notes
    again = fuse([dark, sources[1], dim], model="laplacian", align=fusion.alignment)
    assert again.notes == fusion.notes  # a known alignment matches no better


@pytest.mark.parametrize("motion", ["auto", "none"])
def test_frames_that_did_not_move_fuse_alike_with_and_without_alignment(selector, motion):
    rng = np.random.default_rng(0)
    noisy = [np.clip(x + rng.normal(0, 2, x.shape), 0, 255).astype(np.uint8) for x in frames()[0]]
    plain = fuse(noisy, model=selector)
    aligned = fuse_burst(noisy, FuseOptions(align=True, motion=motion), model=selector)
    assert np.array_equal(plain.image, aligned.image)
    assert np.array_equal(plain.depth, aligned.depth)


def static_burst(count):
    """Frames of a wall that recedes to the right, each in focus at one place, with noise."""
    rng = np.random.default_rng(count)
    scene = astronaut()[100:250, 120:320].astype(np.float32)
    levels = np.stack([cv2.GaussianBlur(scene, (0, 0), 0.1 + sigma) for sigma in range(7)])
    columns = np.arange(scene.shape[1])
    for number in range(count):
        blur = 5 * abs(columns / columns[-1] - number / (count - 1))
        low = blur.astype(int)
        part = (blur - low)[:, np.newaxis, np.newaxis]
        seen = (1 - part) * levels[low, :, columns] + part * levels[low + 1, :, columns]
        seen = seen.swapaxes(0, 1)
        yield np.clip(seen + rng.normal(0, 1, seen.shape), 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("count", [12, 25, pytest.param(50, marks=nightly)])
def test_static_bursts_have_the_same_bytes_with_and_without_alignment(count):
    burst = list(static_burst(count))
    plain, aligned = (fuse(burst, align=align) for align in (False, True))
    assert aligned.alignment.summary() == "no frame was moved"
    assert aligned.alignment.unmatched == ()
    assert np.array_equal(plain.image, aligned.image)
    assert np.array_equal(plain.depth, aligned.depth)


def test_brightness_is_matched_without_alignment_too():
    sources, truth = frames()
    sources[1] = np.round(0.9 * sources[1]).astype(np.uint8)
    options = FuseOptions(model="laplacian")
    fusion = fuse_burst(sources, options)
    assert fusion.image.shape == truth.shape
    np.testing.assert_allclose(fusion.alignment.gains[0], 0.9, rtol=0.01)
    assert np.array_equal(fusion.alignment.matrices, [np.eye(3)] * 2)
    plain = fuse_burst(sources, replace(options, exposure=False))
    assert plain.alignment is None
    assert error(fusion.image, 0.9 * truth) < error(plain.image, 0.9 * truth)


@pytest.mark.parametrize("align", [False, True])
def test_files_in_any_order_give_the_same_picture(tmp_path, align):
    rng = np.random.default_rng(1)
    third = np.clip(frames()[0][0] + rng.normal(0, 3, SCENE.shape), 0, 255).astype(np.uint8)
    for name, source in zip("abc", (*frames()[0], third), strict=True):
        write_photo(tmp_path / f"{name}.png", source)
    sorted_paths = sorted(tmp_path.iterdir())
    shuffle = (2, 0, 1)
    shuffled = [sorted_paths[i] for i in shuffle]
    one, other = (fuse(paths, model="gff", align=align) for paths in (sorted_paths, shuffled))
    assert np.array_equal(one.image, other.image)
    # the depth names the frames as they are given
    assert np.array_equal(one.depth, np.array(shuffle)[other.depth])
    if align:
        assert one.alignment.names == ("a.png", "b.png", "c.png")
        assert other.alignment.names == ("c.png", "a.png", "b.png")
        assert other.alignment.reference == shuffle.index(one.alignment.reference)


def test_a_list_of_its_own_order_wins_where_order_matters(selector, tmp_path):
    for name, source in zip("abc", (*frames()[0], frames()[1]), strict=True):
        write_photo(tmp_path / f"{name}.png", source)
    a, b, c = sorted(tmp_path.iterdir())
    own = fuse([b, a, c], model=selector, mode="sequence")
    arrays = [read_photo(path).pixels for path in (b, a, c)]
    expected = fuse(arrays, model=selector, mode="sequence")
    assert np.array_equal(own.image, expected.image)
    assert np.array_equal(own.depth, expected.depth)


def test_frames_that_use_8_of_16_bits_fuse_as_well_with_a_network():
    sources, truth = frames()
    bright, dark = (
        [source.astype(np.uint16) * factor for source in sources] for factor in (257, 1)
    )
    one, other = (fuse(pair, model="focus-seg").image for pair in (bright, dark))
    assert error(other, truth) < 1.2 * error(one / 257, truth) + 0.3  # it is rounded more


def test_both_stages_are_reported_to_their_end():
    seen = []
    fuse(frames()[0], model="laplacian", align=True, report=seen.append)
    finished = [step for step in seen if step.done == step.total]
    assert finished[0] == StageProgress("align", 2, 2)
    assert seen[-1] == StageProgress("fuse", 2, 2)
    assert {step.total for step in seen} == {2}


def test_a_second_round_of_alignment_counts_from_the_first_frame_again(monkeypatch):
    monkeypatch.setattr(register._Chain, "stores_light", lambda chain: True)
    seen = []
    fuse(frames()[0], model="laplacian", align=True, report=seen.append)
    aligned = [step for step in seen if step.stage.startswith("align")]
    assert [(step.stage, step.done) for step in aligned] == [
        ("align", 1), ("align", 2), ("align again", 1), ("align again", 2),
    ]  # fmt: skip


def test_a_frame_that_cannot_be_aligned_is_named(selector):
    sources, _ = frames()
    noise = np.random.default_rng(0).integers(0, 256, sources[0].shape, dtype=np.uint8)
    with pytest.raises(AlignmentError, match="frame 0"):
        fuse([noise, sources[1]], model=selector, align=True)


class Counted(np.ndarray):
    """An array that can be referred to weakly."""


@pytest.mark.parametrize(("method", "options"), [
    (None, {"mode": "sequence"}),
    (None, {"mode": "together"}),
    ("gff", {}),
    ("laplacian", {}),
    ("dct-cv", {}),
])  # fmt: skip
def test_frames_are_let_go(selector, monkeypatch, method, options):
    """However long the burst, few of its frames are there at a time."""
    alive, most = weakref.WeakSet(), 0
    read = Burst.__getitem__

    def counting(burst, index):
        nonlocal most
        frame = Counted.__new__(Counted, burst.shape, np.float32)
        frame[...] = read(burst, index)
        alive.add(frame)
        most = max(most, len(alive))
        return frame

    Counted.__hash__ = object.__hash__
    monkeypatch.setattr(Burst, "__getitem__", counting)
    sources, _ = frames()
    fuse([source[:48, :64] for source in sources] * 6, model=method or selector, **options)
    assert most <= 4


def test_identical_frames_are_said_and_give_themselves(selector):
    frame = SCENE
    fusion = fuse([frame, frame], model=selector, align=True)
    np.testing.assert_array_equal(fusion.image, frame)
    assert fusion.notes == ("frame 1 is identical to frame 0",)


def test_the_tile_goes_to_the_network(selector):
    runs = []
    hook = selector.net.register_forward_hook(
        lambda net, given, result: runs.append(max(given[0].shape))
    )
    fuse_burst(frames()[0], FuseOptions(tile=192), model=selector)
    hook.remove()
    assert len(runs) > 1
    assert max(runs) <= 192


@pytest.mark.parametrize(
    "option", [{"mode": "together"}, {"nearest": True}, {"nearest": False}, {"tile": 512}]
)
def test_options_of_networks_do_not_go_with_classical_methods(option):
    (name,) = option
    words = f"^{name} is an option of networks: remove it, or choose a network instead of gff$"
    with pytest.raises(ValueError, match=words):
        fuse_burst(frames()[0], FuseOptions(model="gff", **option))


def test_several_options_of_networks_are_listed():
    words = r"^mode, tile are options of networks: remove them, or choose a network instead of gff$"
    with pytest.raises(ValueError, match=words):
        fuse_burst(frames()[0], FuseOptions(model="gff", mode="together", tile=512))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"mode": "both"}, "mode must be sequence or together, not 'both'"),
        (
            {"motion": "rigid"},
            "motion must be auto or none or shift or similarity or affine or homography, "
            "not 'rigid'",
        ),
        ({"runtime": "magic"}, "runtime must be auto or torch or openvino or onnx, not 'magic'"),
    ],
)
def test_an_option_has_one_of_its_words(option, words):
    with pytest.raises(ValueError, match=f"^{words}$"):
        FuseOptions(**option)


def test_fuse_is_fuse_burst_with_options(selector):
    sources, _ = frames()
    for model, network in (("gff", None), (selector, selector)):
        fusion = fuse(sources, model=model, align=True, crop=False)
        options = FuseOptions(model="gff", align=True, crop=False)
        same = fuse_burst(sources, options, Resources(device="cpu"), model=network)
        np.testing.assert_array_equal(fusion.image, same.image)
        np.testing.assert_array_equal(fusion.depth, same.depth)


def test_weights_of_classical_methods_are_listed():
    assert [path.name for path in shipped_weights().values()] == ["cnn.safetensors"]
    assert all(path.is_file() and name in CLASSICAL for name, path in shipped_weights().items())


def test_the_device_goes_to_the_method_that_can_use_one():
    sources, _ = frames()
    with pytest.raises(ValueError, match="device 'gpu' is not available"):
        fuse(sources, model="cnn", device="gpu")
    fuse(sources, model="laplacian", device="gpu")


@pytest.mark.parametrize(
    ("count", "mode", "name"),
    [(2, None, "focus-pair"), (3, None, "focus-burst"), (3, "sequence", "focus-seg")],
)
def test_the_network_fits_the_number_of_frames_if_none_is_named(
    monkeypatch, selector, count, mode, name
):
    asked = []
    monkeypatch.setattr(
        "seamwise.fusion.methods.named_network", lambda name, **_: asked.append(name) or selector
    )
    fuse([*frames()[0], frames()[1]][:count], mode=mode)
    assert asked[0] == name  # another one may be asked after it


def test_unknown_methods_are_named():
    sources, _ = frames()
    with pytest.raises(FileNotFoundError, match="no model named 'best'"):
        fuse(sources, model="best")


def test_fuse_of_the_package_is_this_one():
    sources, _ = frames()
    options = {"model": "dct", "align": True, "crop": False}
    fusion, same = (one(sources, **options) for one in (seamwise.fuse, fuse))
    np.testing.assert_array_equal(fusion.image, same.image)
    assert fusion.alignment is not None


def with_useless(sources, truth):
    """Between two frames, one in which nothing is in focus."""
    return [sources[0], cv2.GaussianBlur(truth, (0, 0), 2.0), sources[1]]


def test_a_third_frame_without_detail_changes_nothing():
    sources, truth = frames()
    two, three = fuse(sources), fuse(with_useless(sources, truth))
    assert np.abs(two.image.astype(int) - three.image).max() <= 1  # the order of a sum
    assert set(np.unique(three.depth)) == {0, 2}
    assert np.array_equal(three.depth == 2, two.depth == 1)
    assert three.detail is None


def test_two_frames_that_are_left_of_a_burst_are_a_pair():
    sources, truth = frames()
    burst = with_useless(sources, truth)
    same = estimate_alignment(Burst(burst), motion="none")
    alone = fuse(burst, align=replace(same, unmatched=(1,)))
    assert np.array_equal(alone.image, fuse(sources).image)
    assert any("add detail: focus-pair fused them as a pair" in note for note in alone.notes)


def test_a_model_that_is_chosen_fuses_a_third_frame_too(selector):
    sources, truth = frames()
    burst = with_useless(sources, truth)
    chosen = fuse(burst, model="focus-burst")
    assert not np.array_equal(chosen.image, fuse(burst).image)
    # a network that is given stands for the one for many frames, unless that for two comes with it
    network = seamwise.fusion.load("focus-burst")
    assert np.array_equal(fuse(burst, model=network).image, chosen.image)
    result = fuse_burst(burst, model=network, other_model=lambda: selector)
    assert np.array_equal(result.image, fuse_burst([burst[0], burst[2]], model=selector).image)


def test_a_third_frame_that_adds_detail_is_used():
    sources, truth = frames()
    third = sources[0].copy()
    third[40:80, 20:60], sources[0][40:80, 20:60] = truth[40:80, 20:60], 90  # only there in focus
    assert (fuse([*sources, third]).depth == 2).any()


def with_highlights():
    """Three frames of spots of a pixel, far brighter than white: they grow to discs out of focus.

    Two frames show either half in focus, the third nothing.
    """
    spots = np.zeros((*SCENE.shape[:2], 1), np.float32)
    spots[20:150:20, 20:90:15] = 25
    light = (SCENE[:, ::-1] / np.float32(255)) ** np.float32(2.2) * 0.3 + spots
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)) / np.float32(29)
    far = cv2.filter2D(light, -1, disc)
    left = np.arange(light.shape[1])[:, np.newaxis] < 100
    burst = [
        np.where(left, light, far),
        np.where(left, far, light),
        cv2.filter2D(far, -1, disc),
    ]
    return [np.round(255 * np.clip(x, 0, 1) ** (1 / 2.2)).astype(np.uint8) for x in burst]


def bright(picture):
    """Values above 0.78 of the brightest."""
    return (picture > 0.78 * picture.max()).sum()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("share", [1.0, 0.75, 0.5])
def test_discs_of_highlights_do_not_come_from_a_pair(count, share):
    """Whatever part of the range a burst uses, such as 12 bits in 16."""
    burst = [np.uint16(share * 257 * frame) for frame in with_highlights()[:count]]
    fusion = fuse(burst)
    words = "highlights grow to discs: focus-burst fused"
    assert any(words in note for note in fusion.notes)
    in_focus = bright(burst[0][:, :90])
    assert bright(fusion.image) <= 1.5 * in_focus < bright(burst[1]) / 3
    assert bright(fuse(burst[:2], model="focus-pair").image) > 2 * in_focus


def test_a_transparent_pixel_does_not_keep_discs(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, frame in zip(paths, with_highlights(), strict=False):
        opaque = np.full(frame.shape[:2], 255, np.uint8)
        opaque[0, 0] = 0
        imwrite(path, np.dstack([frame, opaque]))
    fusion = fuse(paths)
    assert any("highlights grow to discs: focus-burst fused" in note for note in fusion.notes)
    assert bright(fusion.image) <= 1.5 * bright(with_highlights()[0][:, :90])


def test_a_second_fusion_is_a_stage_of_its_own():
    steps = []
    fuse(with_highlights()[:2], report=steps.append)
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages[-2:] == ["fuse", "fuse again"]
    for stage in stages:
        done = [step.done for step in steps if step.stage == stage]
        assert done == list(range(1, len(done) + 1)), stage


def test_a_hot_pixel_is_no_disc():
    sources, _ = frames()
    dim = [source // 2 for source in sources]
    dim[1][10, 10] = 255
    assert np.array_equal(fuse(dim).image, fuse(dim, model="focus-pair").image)


def test_a_pair_above_8_megapixels_or_with_a_mode_is_not_fused_twice(monkeypatch):
    pair = with_highlights()[:2]
    assert np.array_equal(fuse(pair, mode="sequence").image, fuse(pair, model="focus-seg").image)
    monkeypatch.setattr("seamwise.fusion.useful.LARGEST_PAIR", 1000)
    assert np.array_equal(fuse(pair).image, fuse(pair, model="focus-pair").image)


def test_a_pair_without_discs_stays_a_pair():
    sources, _ = frames()
    fusion = fuse(sources)
    assert np.array_equal(fusion.image, fuse(sources, model="focus-pair").image)
    assert not fusion.notes

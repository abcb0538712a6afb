import itertools
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import expit
from skimage.data import astronaut

from seamwise.fusion import fuse_frames, fuse_pair
from seamwise.fusion.bands import joined_pair, of_bands
from seamwise.fusion.decisions import copied_share
from seamwise.fusion.predict import load
from seamwise.io.models import FusionInfo, SegmentationInfo, load_model, save_model
from seamwise.nets import UNet
from seamwise.synth import focus_pair


def scene(shape=(96, 120)):
    return astronaut()[: shape[0], 100 : 100 + shape[1]]


def halves(sigma=3.0, image=None):
    image = scene() if image is None else image
    left = np.zeros(image.shape[:2], bool)
    left[:, : image.shape[1] // 2] = True
    return focus_pair(image, left, sigma=sigma)


def burst_of(count, seed=0):
    """A picture in vertical strips, frame i sharp in strip i."""
    image = scene()
    frames = []
    for number in range(count):
        sharp = np.zeros(image.shape[:2], bool)
        sharp[:, image.shape[1] * number // count : image.shape[1] * (number + 1) // count] = True
        frames.append(focus_pair(image, ~sharp, sigma=3.0).a)
    return frames, image / np.float32(255)


def together_slow(frames, model, rounds=2):
    """Σ_i w_i·x_i, w the softmax over the frames of z_0 − z_1 against the mean, then the result."""
    reference = np.mean(frames, 0, dtype=np.float32)
    for _ in range(rounds):
        batch = torch.from_numpy(
            np.stack([np.concatenate([frame, reference], 2) for frame in frames])
        )
        logits = model.net(batch.permute(0, 3, 1, 2)).detach()
        scores = (logits[:, 0] - logits[:, 1]).numpy() / model.info.temperature
        if model.info.smoothing:
            scores = [
                gaussian_filter(score, model.info.smoothing, mode="reflect", radius=4)
                for score in scores
            ]
        weight = torch.from_numpy(np.stack(scores)).softmax(0).numpy()
        reference = (weight[..., np.newaxis] * frames).sum(0)
    return reference, weight.argmax(0)


def regressing(model, colour):
    """A network whose every pixel is `colour`."""
    net = deepcopy(model.net)
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.copy_(torch.tensor(colour))
    return replace(model, make_net=lambda: net)


def error(image, truth):
    return float(np.abs(image - truth).mean())


def test_the_thesis_networks_have_the_parameters_of_its_table():
    for outputs, count in ((3, 31_380_803), (2, 31_380_738)):
        net = UNet(6, outputs)
        assert sum(parameter.numel() for parameter in net.parameters()) == count


def test_two_halves_are_joined_and_the_depth_says_from_where(selector):
    pair = halves()
    fused = fuse_pair(pair.a, pair.b, model=selector)
    assert error(fused.image, pair.truth) < error(pair.a, pair.truth) / 3
    assert fused.depth.dtype == np.uint8
    assert fused.depth[:, :55].mean() > 0.7  # a is blurred on the left, so b is taken
    assert fused.depth[:, 65:].mean() < 0.3


def test_a_soft_selection_written_out(selector):
    """Logits smoothed, with scipy's filter, and divided by a temperature that falls off a seam."""
    pair = halves(image=scene((96, 400)))
    soft = replace(
        selector, info=selector.info.model_copy(update={"temperature": 3.0, "smoothing": 1.5})
    )
    batch = torch.from_numpy(np.concatenate([pair.a, pair.b], 2)).permute(2, 0, 1)[None]
    logits = selector.net(batch)[0].detach().numpy()
    smooth = [gaussian_filter(logit, 1.5, mode="reflect", radius=6) for logit in logits]
    side = gaussian_filter(np.sign(smooth[0] - smooth[1]), 3, mode="reflect", radius=12)
    temperature = 3.0 + (0.1 - 3.0) * side**2
    weight = expit((smooth[0] - smooth[1]) / temperature)[..., np.newaxis]
    fused = fuse_pair(pair.a, pair.b, model=soft)
    np.testing.assert_allclose(fused.image, weight * pair.a + (1 - weight) * pair.b, atol=1e-5)
    np.testing.assert_array_equal(fused.depth, weight[..., 0] < 0.5)
    assert error(fused.image, fuse_pair(pair.a, pair.b, model=selector).image) > 3e-4
    tiled = fuse_pair(pair.a, pair.b, model=soft, tile=192)
    np.testing.assert_allclose(tiled.image, fused.image, atol=1e-5)


def test_bands_are_joined_near_seams_and_sources_are_copied_elsewhere(band_selector):
    pair = halves(image=scene((75, 90)))  # no multiple of what a band stands for
    batch = [
        np.moveaxis(np.pad(x, [(0, 1), (0, 2), (0, 0)], mode="edge"), 2, 0)
        for x in (pair.a, pair.b)
    ]
    a, b = (torch.from_numpy(x)[None] for x in batch)
    logits = band_selector.net(torch.cat([a, b], 1)).detach()
    joined = joined_pair(a, b, of_bands(logits))[0].clip(0, 1).numpy()
    score = (logits[0, 0] - logits[0, 4]).numpy()
    weight, share = expit(score), copied_share(score)
    copy = weight * batch[0] + (1 - weight) * batch[1]
    expected = (share * copy + (1 - share) * joined)[:, :75, :90]
    fused = fuse_pair(pair.a, pair.b, model=band_selector)
    inner = slice(12, -12)  # at its ends, a network pads for itself
    np.testing.assert_allclose(
        np.moveaxis(fused.image, 2, 0)[:, inner, inner], expected[:, inner, inner], atol=1e-5
    )
    assert np.array_equal(fused.depth[inner, inner], (score < 0)[:75, :90][inner, inner])
    assert error(fused.image, pair.truth) < error(pair.a, pair.truth) / 3


def test_bands_fuse_a_burst_frame_by_frame_alone(band_selector):
    pair = halves()
    burst = [pair.a, pair.b, pair.a]
    fused = fuse_frames(burst, model=band_selector, mode="sequence")
    assert error(fused.image, pair.truth) < error(pair.a, pair.truth) / 3
    with pytest.raises(ValueError, match=r"mode 'together' .* choose focus-seg"):
        fuse_frames(burst, model=band_selector, mode="together")


def test_tiles_of_bands_do_not_show(band_selector):
    pair = halves(image=scene((96, 400)))
    whole, tiled = (fuse_pair(pair.a, pair.b, model=band_selector, tile=n) for n in (1024, 192))
    np.testing.assert_allclose(tiled.image, whole.image, atol=2e-3)


def test_the_fused_picture_is_the_weighted_mean_of_the_sources(selector):
    pair = halves()
    batch = torch.from_numpy(np.concatenate([pair.a, pair.b], 2)).permute(2, 0, 1)[None]
    z = selector.net(batch)[0].softmax(0)[0].numpy()[..., None]
    fused = fuse_pair(pair.a, pair.b, model=selector).image
    np.testing.assert_allclose(fused, z * pair.a + (1 - z) * pair.b, atol=1e-5)


def test_regressed_colours_go_out_as_they_are_or_as_the_nearest_source(regressor):
    pair = halves()
    raw = fuse_pair(pair.a, pair.b, model=regressor, nearest=False)
    np.testing.assert_allclose(
        raw.image, pair.a, atol=1e-6
    )  # this network returns its first source
    nearest = fuse_pair(pair.a, pair.b, model=regressor)
    np.testing.assert_array_equal(nearest.image, pair.a)


@pytest.mark.parametrize("nearest", [None, True, False])
def test_near_measures_the_euclidean_distance_of_all_colours(regressor, nearest):
    net = regressing(regressor, (0.5, 0.5, 0.5))
    red = np.full(
        (6, 7, 3), (0.5, 0.5, 0.875), np.float32
    )  # 0.375² away; nearer in the first colour and in the sum
    grey = np.full((6, 7, 3), 0.6875, np.float32)  # 3 · 0.1875² away
    for a, b, depth in ((red, grey, 1), (grey, red, 0)):
        fused = fuse_pair(a, b, model=net, nearest=nearest)
        np.testing.assert_array_equal(fused.image, 0.5 if nearest is False else grey)
        np.testing.assert_array_equal(fused.depth, depth)


def test_regressed_colours_are_clipped_and_averaged_for_grey_pictures(regressor):
    net, grey = regressing(regressor, (-0.5, 0.25, 1.5)), np.full((6, 7), 0.5, np.float32)
    colour = np.repeat(grey[..., np.newaxis], 3, 2)
    fused = fuse_pair(colour, colour, model=net, nearest=False)
    np.testing.assert_array_equal(fused.image, np.broadcast_to(np.float32([0, 0.25, 1]), (6, 7, 3)))
    np.testing.assert_allclose(fuse_pair(grey, grey, model=net, nearest=False).image, 1.25 / 3)


def test_near_takes_the_nearest_colour_and_the_mean_of_equally_near_ones(selector):
    a, b = (np.full((12, 13, 3), value, np.float32) for value in (0.25, 0.5))
    fused = fuse_pair(
        a, b, model=selector, nearest=True
    )  # flat sources: z = 1/2, both equally near
    np.testing.assert_array_equal(fused.image[3:-3, 3:-3], 0.375)
    assert not fused.depth[3:-3, 3:-3].any()  # the first of equals
    fused = fuse_frames([a, b], model=selector, mode="together", nearest=True)
    np.testing.assert_array_equal(fused.image[3:-3, 3:-3], 0.375)
    assert not fused.depth[3:-3, 3:-3].any()
    np.testing.assert_array_equal(fused.image, fuse_pair(b, a, model=selector, nearest=True).image)
    pair = halves()
    fused = fuse_pair(pair.a, pair.b, model=selector, nearest=True).image
    flat = fused.reshape(-1, 3)
    is_a, is_b = ((flat == x.reshape(-1, 3)).all(1) for x in (pair.a, pair.b))
    equal = np.isclose(flat, (pair.a + pair.b).reshape(-1, 3) / 2).all(1)
    assert (is_a | is_b | equal).all()


def test_grey_pictures_go_through_a_network_of_three_colours(selector, regressor):
    image = scene()[..., 1]
    pair = halves(image=image)
    fused = fuse_pair(pair.a, pair.b, model=selector)
    assert fused.image.shape == image.shape
    assert error(fused.image, pair.truth) < error(pair.a, pair.truth) / 3
    assert fuse_pair(pair.a, pair.b, model=regressor, nearest=False).image.shape == image.shape


def test_tiles_change_nothing_for_a_network_that_sees_little(selector):
    pair = halves(image=np.tile(scene(), (3, 3, 1))[:260, :330])
    whole, cut = (fuse_pair(pair.a, pair.b, model=selector, tile=tile) for tile in (None, 192))
    np.testing.assert_allclose(whole.image, cut.image, atol=1e-5)
    assert (whole.depth == cut.depth).mean() > 0.999


def test_a_sequence_is_the_functional_power(selector):
    frames, truth = burst_of(3)
    by_hand = fuse_pair(
        fuse_pair(frames[0], frames[1], model=selector).image, frames[2], model=selector
    )
    fused = fuse_frames(frames, model=selector)
    np.testing.assert_array_equal(fused.image, by_hand.image)
    assert error(fused.image, truth) < min(error(frame, truth) for frame in frames) / 2
    strips = [np.median(fused.depth[:, 40 * number + 5 : 40 * number + 35]) for number in range(3)]
    assert strips == [0, 1, 2]


@pytest.mark.parametrize("softness", [(1.0, 0.0), (0.4, 1.0)])
def test_together_written_out(selector, softness):
    torch.manual_seed(0)
    net = UNet(6, 2, width=4, depth=0).eval().requires_grad_(False)
    net.head.weight *= (
        30  # by hand, a frame's score would not depend on the reference but for a constant
    )
    info = selector.info.model_copy(update={"temperature": softness[0], "smoothing": softness[1]})
    model = replace(selector, make_net=lambda: net, info=info)
    frames, _ = burst_of(3)
    fused = fuse_frames(frames, model=model, mode="together")
    image, depth = together_slow(frames, model)
    np.testing.assert_allclose(fused.image, image, atol=1e-4)
    assert (fused.depth == depth).mean() > 0.997  # scores that nearly tie
    assert np.abs(together_slow(frames, model, rounds=1)[0] - image).max() > 1e-3


def test_together_does_not_depend_on_the_order(selector):
    frames, truth = burst_of(3)
    results = []
    for order in itertools.permutations(range(3)):
        fused = fuse_frames([frames[i] for i in order], model=selector, mode="together")
        results.append((fused.image, np.array(order)[fused.depth]))
    for image, depth in results[1:]:
        np.testing.assert_allclose(image, results[0][0], atol=1e-4)
        assert (depth == results[0][1]).mean() > 0.95  # flat pixels are anyone's
    assert error(results[0][0], truth) < min(error(frame, truth) for frame in frames) / 2


def test_together_with_near_takes_colours_of_the_frames(selector):
    frames, _ = burst_of(3)
    fused = fuse_frames(frames, model=selector, mode="together", nearest=True)
    same = [(fused.image == frame).all(2) for frame in frames]
    assert np.any(same, 0).mean() > 0.95
    chosen = np.take_along_axis(np.stack(same), fused.depth[None].astype(int), 0)[0]
    assert chosen[np.any(same, 0)].mean() > 0.99


def test_identical_frames_stay_what_they_are_and_the_first_is_named(selector, regressor):
    frame = scene() / np.float32(255)
    for model, mode in ((selector, "sequence"), (selector, "together"), (regressor, "sequence")):
        fused = fuse_frames([frame] * 3, model=model, mode=mode)
        np.testing.assert_allclose(fused.image, frame, atol=1e-6)
        assert not fused.depth.any()


@pytest.mark.parametrize(("width", "runs"), [(1024, 1), (1025, 2)])
def test_by_default_1024_pixels_a_side_go_through_the_network_at_once(selector, width, runs):
    seen = []
    hook = selector.net.register_forward_hook(
        lambda net, given, result: seen.append(given[0].shape)
    )
    fuse_pair(*np.zeros((2, 8, width), np.float32), model=selector)
    hook.remove()
    assert len(seen) == runs


def test_bad_calls_are_named(selector, regressor):
    pair = halves()
    with pytest.raises(
        ValueError, match=r"same size and channels, not \(96, 120, 3\) and \(95, 120, 3\)"
    ):
        fuse_pair(pair.a, pair.b[1:], model=selector)
    with pytest.raises(ValueError, match="tile must be at least 192 pixels, not 100"):
        fuse_pair(pair.a, pair.b, model=selector, tile=100)
    with pytest.raises(ValueError, match="needs a network that only selects sources"):
        fuse_frames([pair.a, pair.b], model=regressor, mode="together")
    with pytest.raises(ValueError, match="mode must be sequence or together, not 'both'"):
        fuse_frames([pair.a, pair.b], model=selector, mode="both")
    with pytest.raises(ValueError, match="at least two pictures, not 1"):
        fuse_frames([pair.a], model=selector)
    with pytest.raises(
        TypeError, match=r"float32 in 0\.\.1, not uint8: seamwise\.fuse takes other types"
    ):
        fuse_pair(*(np.zeros((8, 9), np.uint8),) * 2, model=selector)
    missing = np.float32(np.nan) * pair.a
    for bad, message in ((missing, "NaN .* replace them"), (2 * pair.a, r"must lie in 0\.\.1")):
        with pytest.raises(ValueError, match=message):
            fuse_pair(pair.a, bad, model=selector)
        for mode in ("sequence", "together"):
            with pytest.raises(ValueError, match=message):
                fuse_frames([pair.a, pair.b, bad], model=selector, mode=mode)
    for mode in ("sequence", "together"):
        with pytest.raises(ValueError, match="same size and channels"):
            fuse_frames([pair.a, pair.b, pair.b[1:]], model=selector, mode=mode)
    with pytest.raises(ValueError, match="grey or have 3 colours for this model, not 2 channels"):
        fuse_pair(pair.a[..., :2], pair.b[..., :2], model=selector)


def test_models_of_another_task_are_refused(selector, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, UNet(6, 2, width=4, depth=0).state_dict(), selector.info)
    assert load(path, device="cpu").info.output == "selection"
    with pytest.raises(
        ValueError, match=r"m\.safetensors is for fusion: use it with `seamwise fuse`"
    ):
        load_model(path, SegmentationInfo)
    with pytest.raises(ValueError, match="is for segmentation: use it with `seamwise segment`"):
        load("nuclei-2d")


def test_weights_stored_in_half_precision_take_half_the_bytes_and_load(selector, tmp_path):
    weights = UNet(6, 2, width=8, depth=2).state_dict()
    info = selector.info.model_copy(
        update={
            "architecture": selector.info.architecture.model_copy(update={"width": 8, "depth": 2})
        }
    )
    sizes = {}
    for dtype in (torch.float32, torch.float16):
        save_model(tmp_path / "m.safetensors", weights, info, stored_as=dtype)
        sizes[dtype] = (tmp_path / "m.safetensors").stat().st_size
        read, _ = load_model(tmp_path / "m.safetensors", FusionInfo)
        assert read["head.weight"].dtype == dtype
        torch.testing.assert_close(
            read["head.weight"].float(), weights["head.weight"], atol=1e-3, rtol=1e-3
        )
    assert sizes[torch.float16] < 0.6 * sizes[torch.float32]

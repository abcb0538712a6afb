"""Scores of the frames of a burst."""

import pytest
import torch

from seamwise.nets import BurstNet
from seamwise.nets.burst import Features, activity, summarise
from seamwise.nets.burst_graph import MULTIPLE, REACH, clearness


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return BurstNet(width=4).requires_grad_(False)


def burst(count=3, *, seed=0, side=48):
    """A plain border on the right, so that the rest is not taken for noise."""
    shape = 2, count, 1, side, side + 16
    frames = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    frames[..., -16:] = 0.5
    return frames


def assert_equal(some, others, tolerance=1e-4):
    for scores, other in zip(some, others, strict=True):
        torch.testing.assert_close(scores, other, atol=tolerance, rtol=0)


def test_a_score_for_each_band_at_half_a_quarter_and_an_eighth(net):
    shapes = [tuple(scores.shape) for scores in net(burst())]
    assert shapes == [(2, 3, 1, 24, 32)] * 2 + [(2, 3, 1, 12, 16), (2, 3, 1, 6, 8)]


def test_another_order_gives_the_same_scores_in_that_order(net):
    frames, order = burst(), torch.tensor([2, 0, 1])
    assert_equal(net(frames[:, order]), [scores[:, order] for scores in net(frames)])
    assert max(scores.std(1).max() for scores in net(frames)) > 0.01  # they do differ


def test_a_burst_of_which_each_frame_is_there_twice_gets_the_same_scores(net):
    frames = burst()
    twice = net(torch.cat([frames, frames], 1))
    assert_equal([scores[:, :3] for scores in twice], net(frames))


def test_bursts_of_a_batch_do_not_see_each_other(net):
    frames = burst()
    assert_equal(net(frames[1:]), [scores[1:] for scores in net(frames)])


@pytest.mark.parametrize(("factor", "offset"), [(1 / 256, 0.0), (0.5, 0.3)])
def test_brightness_and_bit_depth_do_not_matter(net, factor, offset):
    frames = burst()
    assert_equal(net(frames * factor + offset), net(frames), 2e-2)


def test_frames_without_contrast_share_evenly(net):
    for scores in net(torch.full((1, 3, 1, 32, 32), 0.4)):
        torch.testing.assert_close(scores.softmax(1), torch.full_like(scores, 1 / 3))


def test_mean_and_maximum_by_hand(net):
    frames = [net.features(frame) for frame in burst().unbind(1)]
    summary = summarise(frames)
    first, second, third = (frame.responses for frame in frames)
    torch.testing.assert_close(summary.mean, (first + second + third) / 3)
    torch.testing.assert_close(summary.highest, torch.maximum(first, torch.maximum(second, third)))
    half = burst()[:, :, :, ::2, ::2], burst()[:, :, :, 1::2, ::2]
    half = (*half, burst()[:, :, :, ::2, 1::2], burst()[:, :, :, 1::2, 1::2])
    grey = sum(half) / 4
    torch.testing.assert_close(summary.mean_grey, grey.mean(1))
    expected = grey.flatten(1).std(1, unbiased=False)
    torch.testing.assert_close(summary.spread.flatten(), expected)
    torch.testing.assert_close(summary.level.flatten(), grey.flatten(1).mean(1))


def test_responses_are_of_contrast_not_of_brightness(net):
    flat = net.features(torch.full((1, 1, 32, 32), 0.7))
    assert flat.responses.abs().max() < 1e-6
    frame = burst()[:, 0]
    double = net.features(2 * frame).responses
    torch.testing.assert_close(double, 2 * net.features(frame).responses)
    assert double.min() >= 0


def test_a_score_depends_on_pixels_within_its_reach_only(net):
    wide = torch.rand(1, 1, 32, 2 * REACH + 128, generator=torch.Generator().manual_seed(3))
    wide[..., -64:] = 0.5  # so that the rest is not taken for noise
    changed = wide.clone()
    changed[..., :MULTIPLE] = 0
    before, after = (net.features(frame) for frame in (wide, changed))
    summary = summarise([before])
    scores = net.scores(before, summary), net.scores(after, summary)
    assert (scores[0][0] - scores[1][0]).abs().max() > 1e-3
    for band, scale in enumerate((2, 2, 4, 8)):
        far = (..., slice((MULTIPLE + REACH) // scale, None))
        torch.testing.assert_close(scores[0][band][far], scores[1][band][far])


@pytest.mark.parametrize("width", [0, 3])
def test_an_odd_width_is_refused(width):
    with pytest.raises(ValueError, match=f"width must be even and at least 2, not {width}"):
        BurstNet(width=width)


def test_predicting_row_by_row_gives_what_training_gives(net):
    frames = burst(side=144)  # more than two blocks of rows at half the size
    with torch.enable_grad():
        expected = net(frames)
    with torch.no_grad():
        assert_equal(net(frames), expected, 1e-5)


def wall(count, sigma, *, seed=0):
    """A plain wall with noise; the right half has a texture in the first frame."""
    generator = torch.Generator().manual_seed(seed)
    frames = 0.5 + sigma * torch.randn(1, count, 1, 64, 128, generator=generator)
    frames[:, 0, :, ::2, 64:] += 0.2
    return frames


def test_where_there_is_only_noise_all_frames_count_alike(net):
    for scores in net(wall(6, 0.02))[:2]:
        calm, clear = scores[..., 2:-2, :24].std(1).mean(), scores[..., 40:].std(1).mean()
        assert calm < 0.2 * clear


def test_frames_without_noise_are_scored_everywhere(net):
    frames = wall(6, 0.0)
    frames[..., :64] += 1e-4 * torch.rand(frames[..., :64].shape)
    frames[..., 32:64] = 0.5  # a twentieth and more of the picture has no noise
    summary = summarise([net.features(x) for x in frames.unbind(1)])
    assert clearness(summary.clearest, summary.noise)[..., 2:14].min() == 1


def test_activity_is_the_mean_of_fine_responses():
    responses = torch.zeros(1, 12, 7, 7)
    responses[:, 8:] = 5  # the coarse ones do not count
    responses[0, 3, 3, 3] = 8 * 25
    expected = torch.zeros(7, 7)
    expected[1:6, 1:6] = 1
    frame = Features(responses, torch.zeros(1, 1, 7, 7))
    torch.testing.assert_close(activity(frame)[0, 0], expected)

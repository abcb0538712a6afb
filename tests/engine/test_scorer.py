"""Frames scored by torch, and by what another runtime compiles; numpy computes it here."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch

from seamwise.engine.scorer import ArrayScorer, TorchScorer
from seamwise.nets import BurstNet
from seamwise.nets.burst import summarise
from seamwise.nets.burst_graph import FeatureGraph, ScoreGraph, Summary
from seamwise.nets.graph import ArrayOperations

SIDE = 96  # more than one strip of rows at half the size


@pytest.fixture(scope="module")
def frames():
    """A plain border on the right, so that the rest is not taken for noise."""
    frames = np.random.default_rng(0).random((3, 1, 1, SIDE, SIDE + 16), np.float32)
    frames[..., -16:] = 0.5
    return frames


@pytest.fixture(scope="module")
def scorers():
    torch.manual_seed(1)
    net = BurstNet(width=4).requires_grad_(False)
    arrays = net.arrays()

    def outputs(graph, *inputs):
        return graph.build(ArrayOperations(), inputs)

    of_arrays = ArrayScorer(
        arrays, partial(outputs, FeatureGraph(arrays)), partial(outputs, ScoreGraph(arrays))
    )
    return TorchScorer(net, torch.device("cpu")), of_arrays


def scoring_of(scorer, scorers, frames):
    of_torch, _ = scorers
    summary = summarise([of_torch.net.features(torch.from_numpy(frame)) for frame in frames])
    return scorer.scoring(Summary(*(x.numpy() for x in vars(summary).values())))


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize("box", [np.s_[0:48, 0:56], np.s_[16:48, 8:40]])
def test_scores_are_those_of_torch(scorers, frames, box, scale):
    frames = scale * frames
    part = np.ascontiguousarray(
        frames[1][:, :, 2 * box[0].start : 2 * box[0].stop, 2 * box[1].start : 2 * box[1].stop]
    )
    scores = []
    for scorer in scorers:
        scoring = scoring_of(scorer, scorers, frames)
        bands = scoring.scores(scorer.place(part), box)
        scores.append([np.asarray(band) for band in bands])
    for expected, ours in zip(*scores, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert max(np.ptp(band) for band in scores[0]) > 0.01


def test_features_and_numbers_are_those_of_torch(scorers, frames):
    expected, ours = (scorer.features(frames[0]) for scorer in scorers)
    for one, other in zip(expected, ours, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    for scorer in scorers:
        assert scorer.root(2.0) == pytest.approx(2**0.5, rel=2e-7)


def test_frames_without_contrast_have_finite_scores(scorers):
    plain = np.full((2, 1, 1, 32, 32), 0.4, np.float32)
    for scorer in scorers:
        scoring = scoring_of(scorer, scorers, plain)
        bands = scoring.scores(scorer.place(plain[0]), np.s_[0:16, 0:16])
        assert all(np.isfinite(np.asarray(band)).all() for band in bands)


@dataclass(frozen=True)
class Spy(TorchScorer):
    """Notes the shapes of the maps that go to the device."""

    shapes: list = field(default_factory=list)

    def place(self, maps):
        self.shapes.append(maps.shape)
        return super().place(maps)


def test_clearness_needs_two_maps_on_the_device(scorers, frames):
    of_torch, of_arrays = scorers
    spy, box = Spy(of_torch.net, of_torch.device), np.s_[16:48, 8:40]
    scoring = scoring_of(spy, scorers, frames)
    spy.shapes.clear()
    actual = scoring.clearness(box)
    assert spy.shapes == [(1, 1, 32, 32), (1, 1, 1, 1)]
    expected = scoring_of(of_arrays, scorers, frames).clearness(box)
    assert expected.mean() > 0
    np.testing.assert_array_equal(actual, expected)

"""The arrays of a network for bursts are what torch computes with."""

import numpy as np
import pytest
import torch

from seamwise.nets import BurstNet
from seamwise.nets.burst import activity
from seamwise.nets.burst_graph import FeatureGraph, ScoreGraph, burst_shapes, noise_activity
from seamwise.nets.graph import ArrayOperations


def net_of(width):
    torch.manual_seed(1)
    return BurstNet(width=width).requires_grad_(False)


def frame(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.parametrize("width", [2, 16])
def test_the_shapes_are_those_of_the_weights(width):
    weights = net_of(width).state_dict()
    assert burst_shapes(width) == {name: tuple(weight.shape) for name, weight in weights.items()}


def test_numpy_computes_the_features_of_torch():
    net, grey = net_of(4), frame(2, 1, 32, 48)
    ours = FeatureGraph(net.arrays()).build(ArrayOperations(), [grey])
    features = net.features(torch.from_numpy(grey))
    expected = features.responses, features.grey, activity(features)
    for output, tensor in zip(ours, expected, strict=True):
        np.testing.assert_allclose(output, tensor.numpy(), atol=1e-5)


def test_scores_have_a_map_for_each_band():
    graph = ScoreGraph(net_of(4).arrays())
    inputs = [frame(1, channels, 16, 24) for channels in graph.channels]
    shapes = [output.shape for output in graph.build(ArrayOperations(), inputs)]
    assert shapes == [(1, 2, 16, 24), (1, 1, 8, 12), (1, 1, 4, 6)]


def test_the_two_parts_have_names_of_their_own():
    arrays = net_of(4).arrays()
    assert FeatureGraph(arrays).description != ScoreGraph(arrays).description
    assert ScoreGraph(arrays).description != ScoreGraph(net_of(6).arrays()).description


def test_noise_written_out():
    mean = np.arange(40, dtype=np.float32).reshape(1, 1, 5, 8) + 10
    least = np.full((1, 1, 5, 8), 4, np.float32)
    assert noise_activity(mean, least).tolist() == [[[[8.0]]]]  # twice the least
    assert noise_activity(mean, least + 4).tolist() == [[[[11.0]]]]  # the second of forty

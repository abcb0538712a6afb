import numpy as np
import pytest
import torch

from seamwise.engine import softmax
from seamwise.engine.softmax import take_softmax


def test_probabilities_written_out():
    logits = np.log(np.array([[[1, 2]], [[3, 6]], [[4, 8]]], np.float32))[np.newaxis]
    take_softmax(logits)
    np.testing.assert_allclose(logits[0, :, 0, 0], [1 / 8, 3 / 8, 4 / 8], rtol=1e-6)
    np.testing.assert_allclose(logits[0, :, 0, 1], [1 / 8, 3 / 8, 4 / 8], rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 4, 37, 21), (1, 3, 7, 12, 9), (1, 2, 1, 1), (1, 4, 0, 5)])
@pytest.mark.parametrize("threads", [1, 3])
def test_it_is_that_of_torch_and_equal_whatever_the_blocks(shape, threads, monkeypatch):
    logits = np.random.default_rng(0).normal(0, 30, shape).astype(np.float32)
    expected = torch.from_numpy(logits).softmax(1).numpy()
    whole = logits.copy()
    take_softmax(whole, threads=threads)
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    monkeypatch.setattr(softmax, "_BLOCK", 50)
    parts = logits.copy()
    take_softmax(parts, threads=threads)
    assert np.array_equal(parts, whole)


def test_only_the_channels_that_are_classes_change():
    maps = np.random.default_rng(0).normal(0, 3, (1, 6, 9, 8)).astype(np.float32)
    others = maps[:, 4:].copy()
    take_softmax(maps[:, :4])
    assert np.array_equal(maps[:, 4:], others)
    np.testing.assert_allclose(maps[:, :4].sum(1), 1, atol=1e-6)


def test_threads_of_a_pool_share_the_blocks(monkeypatch):
    monkeypatch.setattr(softmax, "_BLOCK", 8)
    pools = []
    pool = softmax.ThreadPoolExecutor
    monkeypatch.setattr(
        softmax, "ThreadPoolExecutor", lambda threads: (pools.append(threads), pool(threads))[1]
    )
    take_softmax(np.zeros((1, 2, 8, 8), np.float32), threads=2)
    assert pools == [2]
    take_softmax(np.zeros((1, 2, 8, 8), np.float32))
    assert pools == [2]

import multiprocessing
import os

import numpy as np
import pytest
from scipy import ndimage

from seamwise.labels.distance import distance, nearest_value, squared_distance
from seamwise.labels.parallel import threads


@pytest.mark.parametrize("shape", [(60,), (31, 40), (1, 25, 30), (12, 9, 14)])
@pytest.mark.parametrize("spacing", [1.0, 0.5, None])
@pytest.mark.parametrize("density", [0.002, 0.1])
def test_equals_the_full_distance_transform_up_to_the_limit(shape, spacing, density):
    rng = np.random.default_rng(len(shape))
    mask = rng.random(shape) < density
    mask.flat[rng.integers(mask.size)] = True
    steps = (2.0, 0.7, 1.3)[: len(shape)] if spacing is None else (spacing,) * len(shape)
    whole = ndimage.distance_transform_edt(~mask, sampling=steps)
    for limit in (0.4, 6.0, 7.7):
        np.testing.assert_allclose(
            distance(mask, limit=limit, spacing=steps),
            np.minimum(whole, limit),
            rtol=1e-6,
            atol=1e-7,
        )


def test_nothing_to_be_near_to_is_at_the_limit():
    assert (distance(np.zeros((5, 6), bool), limit=3.5, spacing=(1, 1)) == 3.5).all()
    assert distance(np.zeros((0, 6), bool), limit=3.5, spacing=(1, 1)).shape == (0, 6)


def test_whole_numbers_are_exact_and_small():
    mask = np.zeros((3, 300), bool)
    mask[1, 0] = True
    squares = squared_distance(mask, limit=181, spacing=(1, 1))
    assert squares.dtype == np.uint16
    assert squares[0, 100] == 100**2 + 1
    assert squared_distance(mask, limit=182, spacing=(1, 1)).dtype == np.float32
    assert squared_distance(mask, limit=182, spacing=(1, 1))[0, 150] == 150**2 + 1


def test_large_images_are_cut_into_parts_that_do_not_show():
    mask = np.random.default_rng(0).random((700, 900)) < 1e-3
    whole = np.minimum(ndimage.distance_transform_edt(~mask), 20)
    np.testing.assert_allclose(distance(mask, limit=20, spacing=(1, 1)), whole, rtol=1e-6)
    np.testing.assert_allclose(
        distance(mask[None], limit=20, spacing=(1, 1, 1))[0], whole, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((17,), (1,)), ((14, 19), (1, 1)), ((11, 9), (0.5, 2)), ((6, 5, 7), (3, 1, 1))],
)
def test_value_at_the_nearest_pixel_the_largest_of_equals(shape, spacing):
    rng = np.random.default_rng(1)
    mask = rng.random(shape) < 0.08
    mask.flat[0] = True
    values = rng.integers(1, 9, shape).astype(np.float32) / 3
    expected, whole = np.zeros(shape), np.zeros(shape)
    sources = np.argwhere(mask)
    for p in np.ndindex(shape):
        d = np.sqrt((((sources - p) * spacing) ** 2).sum(1))
        whole[p] = d.min()
        expected[p] = max(values[tuple(q)] for q in sources[d == d.min()])
    limit = 4.0
    parts = list(nearest_value(mask, values, limit=limit, spacing=spacing))
    assert np.concatenate([np.arange(shape[0])[slab] for slab, _, _ in parts]).tolist() == list(
        range(shape[0])
    )
    found, nearest = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    near = whole < limit
    assert near.any()
    assert (found[~near] >= limit).all()
    np.testing.assert_allclose(found[near], whole[near], rtol=1e-6)
    np.testing.assert_array_equal(nearest[near], expected[near].astype(np.float32))


def test_threads_follow_the_environment_and_workers_have_one(monkeypatch):
    for asked, expected in (
        ("3", 3),
        ("0", os.cpu_count()),
        ("", os.cpu_count()),
        ("x", os.cpu_count()),
    ):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        assert threads() == expected
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    assert threads() == 1


def test_one_thread_and_many_give_the_same(monkeypatch):
    mask = np.random.default_rng(0).random((700, 900)) < 1e-3
    results = []
    for count in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        results.append(distance(mask, limit=20, spacing=(1, 1)))
    np.testing.assert_array_equal(*results)

from itertools import product

import numpy as np
import pytest

from seamwise.labels.runs import facing_runs, join_pairs, row_runs


def test_runs_end_with_their_row_and_cover_every_pixel():
    labels = np.random.default_rng(0).integers(-1, 2, (3, 4, 5))
    runs = row_runs(labels)
    assert (runs.starts // 5 == (runs.starts + runs.lengths - 1) // 5).all()
    np.testing.assert_array_equal(np.repeat(runs.labels, runs.lengths), labels.ravel())


def test_an_image_of_one_column_has_a_run_for_each_pixel():
    assert row_runs(np.ones((3, 1), int)).lengths.tolist() == [1, 1, 1]


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0)])
def test_an_image_without_pixels_has_no_runs(shape):
    assert len(row_runs(np.ones(shape, int))) == 0


def test_pixels_of_runs_are_numbered_in_scan_order():
    labels = np.random.default_rng(1).integers(0, 3, (4, 7))
    runs = row_runs(labels)
    assert runs.pixels().tolist() == list(range(28))
    wanted = runs.select(runs.labels == 2)
    assert wanted.pixels().tolist() == np.flatnonzero(labels == 2).tolist()
    assert runs.select(runs.labels == 5).pixels().tolist() == []


def rows_apart(one, other):
    """Whether two pixels of different rows are neighbours: by faces, and by corners at least."""
    steps = [abs(int(p) - int(q)) for p, q in zip(one, other, strict=True)]
    is_other_row = any(steps[:-1])
    return is_other_row and sum(steps) == 1, is_other_row and max(steps) == 1


@pytest.mark.parametrize("shape", [(9,), (6, 7), (7, 1), (1, 8), (3, 4, 5), (2, 1, 6)])
@pytest.mark.parametrize("diagonal", [False, True])
def test_runs_that_face_each_other_have_neighbouring_pixels(shape, diagonal):
    labels = np.random.default_rng(2).integers(0, 3, shape)
    runs = row_runs(labels)
    runs = runs.select(runs.labels > 0)
    run_of = np.repeat(np.arange(len(runs)), runs.lengths).tolist()
    pixels = np.column_stack(np.unravel_index(runs.pixels(), shape))
    places = list(zip(run_of, pixels, strict=True))
    expected = {
        (run, other)
        for (run, place), (other, there) in product(places, repeat=2)
        if run < other and rows_apart(place, there)[diagonal]
    }
    pairs = np.column_stack(facing_runs(runs, shape, diagonal=diagonal)).tolist()
    assert len(pairs) == len(expected)
    assert set(map(tuple, pairs)) == expected


def test_groups_are_numbered_by_their_lowest_member():
    assert join_pairs(6, np.array([4, 5]), np.array([2, 1])).tolist() == [0, 1, 2, 3, 2, 1]
    assert join_pairs(0, np.zeros(0, int), np.zeros(0, int)).tolist() == []

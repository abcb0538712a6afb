"""Labels as polygons and back."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from seamwise.exchange import Outline, fill, trace
from seamwise.exchange.outlines import check_size
from support.files import one_line


def square(low, high, name="a", **where):
    return Outline(
        name, ((np.array([[low, low], [high, low], [high, high], [low, high]]),),), **where
    )


def area(ring):
    """Signed, positive if the ring goes clockwise in an image."""
    x, y = ring.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


@pytest.mark.parametrize("seed", range(40))
def test_filling_what_was_traced_gives_the_same_pixels(seed):
    rng = np.random.default_rng(seed)
    share, cells = (0.55, 3) if seed % 2 else (0.8, 2)  # the latter has holes
    labels = (rng.random((13, 11)) < share) * rng.integers(1, cells, (13, 11)) * 70_000
    outlines = list(trace(labels))
    np.testing.assert_array_equal(fill(outlines, (1, 13, 11)).labels[0], labels)
    for outline in outlines:
        cell = labels == int(outline.name)
        assert len(outline.parts) == ndimage.label(cell)[1]
        assert sum(area(ring) for ring in outline.rings) == cell.sum()
        for outer, *holes in outline.parts:
            assert area(outer) > 0
            assert all(area(hole) < 0 for hole in holes)


def test_an_island_at_the_corner_of_a_hole_is_a_part_of_its_own():
    cell = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 1], [1, 0, 1, 0, 1], [1, 0, 0, 0, 1], [1] * 5])
    (outline,) = trace(cell)
    assert sorted(len(part) for part in outline.parts) == [1, 2]


def test_only_corners_are_kept():
    (outline,) = trace(np.ones((30, 20), int))
    assert outline.parts[0][0].tolist() == [[20, 0], [20, 30], [0, 30], [0, 0]]


def test_cells_that_overlap_go_to_the_later_one():
    filling = fill([square(0, 3), square(2, 4), square(2, 3)], (1, 4, 4))
    assert np.unique(filling.labels, return_counts=True)[1].tolist() == [4, 8, 3, 1]
    assert (filling.overlap, filling.lost) == (2, 0)
    assert fill([square(0, 1), square(0, 2)], (1, 4, 4)).lost == 1


def test_what_lies_outside_is_cut_and_a_slice_that_does_not_exist_is_an_error():
    assert (fill([square(-5, 1), square(9, 12)], (1, 4, 4)).labels > 0).sum() == 1
    with pytest.raises(ValueError, match="lies in slice 3 of 2") as caught:
        fill([square(0, 1, z=2)], (2, 4, 4))
    assert one_line(caught)


def test_names_are_numbers_only_if_all_are():
    assert np.unique(fill([square(0, 1, "7"), square(2, 3, "5")], (1, 3, 3)).labels).tolist() == [
        0,
        5,
        7,
    ]
    assert fill([square(0, 1, "7"), square(2, 3, "b")], (1, 3, 3)).labels.max() == 2
    assert fill([square(0, 1, "99999999999")], (1, 3, 3)).labels.max() == 1


def test_a_large_outline_is_drawn_in_slabs(monkeypatch):
    rng = np.random.default_rng(3)
    ring = rng.uniform(-3, 30, (17, 2))
    whole = fill([Outline("a", ((ring,),))], (1, 25, 28)).labels
    assert 0 < np.count_nonzero(whole) < whole.size
    monkeypatch.setattr("seamwise.exchange.outlines._AT_ONCE", 60)  # two rows
    np.testing.assert_array_equal(fill([Outline("a", ((ring,),))], (1, 25, 28)).labels, whole)


@pytest.mark.parametrize("seed", range(10))
def test_inside_is_where_the_ring_goes_around_an_odd_number_of_times(seed):
    rng = np.random.default_rng(seed)
    ring = rng.uniform(-5, 25, (rng.integers(3, 12), 2))
    labels = fill([Outline("a", ((ring,),))], (1, 18, 20)).labels[0]
    y, x = np.mgrid[:18, :20] + 0.5
    to_the_left = np.zeros(labels.shape, int)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        meets = (y0 <= y) != (y1 <= y)
        to_the_left += meets & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
    np.testing.assert_array_equal(labels > 0, to_the_left % 2 == 1)


def test_a_ring_that_crosses_each_row_often_needs_little_memory():
    x = np.where(np.arange(500) % 2, 2.2, 0.1) + np.linspace(0, 4, 500)
    ring = np.stack([x, np.where(np.arange(500) % 2, 1990.0, 3.0)], 1)
    tracemalloc.start()
    labels = fill([Outline("a", ((ring,),))], (1, 2000, 8)).labels
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert labels.any()
    assert peak < 40e6  # a row has 500 crossings: 60 MB for all of them at once


def test_a_ring_without_points_covers_nothing():
    empty = Outline("a", ((np.empty((0, 2)),),))
    assert fill([empty, square(0, 2, "b")], (1, 3, 3)).labels[0].tolist() == [
        [2, 2, 0],
        [2, 2, 0],
        [0, 0, 0],
    ]


def test_a_ring_that_covers_millions_of_pixels_needs_little_more_than_their_labels():
    ring = np.array([[0, 0], [20_000, 0], [20_000, 2000], [1, 1999]], float)
    tracemalloc.start()
    labels = fill([Outline("a", ((ring,),))], (1, 2000, 20_000)).labels
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert labels.sum() > 19_000_000
    assert peak < 6 * labels.size


@pytest.mark.parametrize(
    ("times", "shape", "fits"),
    [
        (1, (1, 16_000, 16_000), True),
        (1, (1, 17_000, 16_000), False),
        (4, (1, 4000, 4000), True),
        (4, (1, 4200, 4000), False),
        (1024, (1, 9, 9), True),
        (1025, (1, 9, 9), False),
    ],
)
def test_without_an_image_there_is_a_limit_of_size(times, shape, fits):
    if fits:
        check_size(times, shape)
    else:
        with pytest.raises(ValueError, match="give the image that was outlined"):
            check_size(times, shape)

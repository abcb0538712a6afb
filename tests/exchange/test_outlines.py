"""Labels as polygons and back."""

import numpy as np
import pytest
from scipy import ndimage

from seamwise.exchange import Outline, fill, trace
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

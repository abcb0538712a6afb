from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from seamwise.decode import nearest
from seamwise.decode.nearest import REACH, nearest_cell, nearest_of, rim


def padded(labels, dtype=np.uint32):
    """Labels as `nearest_cell` takes them, and where each pixel is in them."""
    wide = np.pad(np.asarray(labels, dtype), REACH)
    inside = np.zeros(wide.shape, bool)
    inside[(slice(REACH, -REACH),) * wide.ndim] = True
    return wide, np.flatnonzero(inside)


def nearest_slow(labels, pixel, home, region_of):
    """Cell and distance, by a look at every pixel."""
    squared = {}
    for other in np.ndindex(labels.shape):
        cell = labels[other]
        if cell and region_of[cell] == home:
            distance = sum((p - q) ** 2 for p, q in zip(pixel, other, strict=True))
            squared[cell] = min(distance, squared.get(cell, distance))
    if not squared:
        return 0, np.inf
    closest = min(squared.values())
    winners = [cell for cell, distance in squared.items() if distance == closest]
    return winners[0] if len(winners) == 1 else 0, np.sqrt(closest)


def random_cells(shape, rng):
    """Sparse cells, the other pixels of their regions, and each cell's region."""
    covered = ndimage.gaussian_filter(rng.normal(size=shape), 1) > -0.1
    regions, _ = ndimage.label(covered)
    labels, count = ndimage.label(covered & (rng.random(shape) < 0.06))
    region_of = np.zeros(count + 1, int)
    region_of[labels[labels > 0]] = regions[labels > 0]
    return labels, regions, region_of


def test_a_row_written_out():
    labels, at = padded([1, 0, 0, 0, 2, *[0] * (REACH + 4)])
    pixels = at[[1, 2, 3, 5, 4 + REACH, 5 + REACH, 8 + REACH]]
    owner, found = nearest_cell(labels, pixels, np.ones(7, int), np.array([0, 1, 1]))
    assert owner.tolist() == [
        1,
        0,
        2,
        2,
        2,
        0,
        0,
    ]  # a tie at the second; the last two are more than REACH away
    assert found.tolist() == [True, True, True, True, True, False, False]


def test_equally_near_pixels_of_one_cell_are_no_tie():
    labels, at = padded([[1, 0, 1], [1, 1, 1]])
    owner, found = nearest_cell(labels, at[[1]], np.array([1]), np.array([0, 1]))
    assert (owner.tolist(), found.tolist()) == ([1], [True])


def test_cells_of_other_regions_are_not_seen():
    # the pixel at the top left is of the region of cell 2; cell 1 lies at its corner, cell 2 three
    # steps away
    labels, at = padded([[0, 0, 0, 2], [9, 1, 0, 0]])
    region_of = np.zeros(10, int)
    region_of[[1, 2, 9]] = 5, 7, 7
    labels[labels == 9] = 0
    assert nearest_cell(labels, at[[0]], np.array([7]), region_of)[0].tolist() == [2]
    assert nearest_cell(labels, at[[0]], np.array([5]), region_of)[0].tolist() == [1]
    assert nearest_cell(labels, at[[0]], np.array([6]), region_of)[1].tolist() == [False]


def test_the_corner_of_a_stack_is_nearer_than_two_steps():
    stack = np.zeros((3, 3, 3), int)
    stack[2, 2, 2], stack[0, 2, 0] = 3, 4
    labels, at = padded(stack)
    at = at.reshape(stack.shape)
    wanted = np.array([at[1, 1, 1], at[0, 0, 0], at[0, 1, 1], at[1, 2, 1]])
    owner, _ = nearest_cell(labels, wanted, np.ones(4, int), np.array([0, 0, 0, 1, 1]))
    assert owner.tolist() == [0, 4, 4, 0]  # √3 to both; 2 against √12; √2 against √6; √2 to both


@pytest.mark.parametrize("shape", [(60,), (14, 19), (7, 8, 9), (1, 23), (4, 4, 4, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_both_together_equal_a_look_at_every_pixel(shape, seed):
    labels, regions, region_of = random_cells(shape, np.random.default_rng(seed))
    wanted = np.argwhere((labels == 0) & (regions > 0))
    home = regions[tuple(wanted.T)]
    expected = [
        nearest_slow(labels, pixel, region, region_of)
        for pixel, region in zip(wanted, home, strict=True)
    ]
    owners, distances = (np.array(values) for values in zip(*expected, strict=True))

    wide, at = padded(labels)
    owner, found = nearest_cell(wide, at.reshape(shape)[tuple(wanted.T)], home, region_of)
    assert np.array_equal(found, distances <= REACH)
    assert np.array_equal(owner, np.where(found, owners, 0))

    places, cells = rim(labels, origin=(0,) * len(shape), region_of=region_of)
    owner, distance = nearest_of(places, cells, np.column_stack([wanted, home]))
    assert np.array_equal(owner, owners)
    np.testing.assert_allclose(distance, distances)


def test_parts_of_the_pixels_give_what_all_at_once_give(monkeypatch):
    labels, regions, region_of = random_cells((30, 40), np.random.default_rng(5))
    wanted = np.argwhere((labels == 0) & (regions > 0))
    home = regions[tuple(wanted.T)]
    wide, at = padded(labels)
    near = wide, at.reshape(labels.shape)[tuple(wanted.T)], home, region_of
    far = *rim(labels, origin=(0, 0), region_of=region_of), np.column_stack([wanted, home])
    whole = *nearest_cell(*near), *nearest_of(*far)
    monkeypatch.setattr(nearest, "_PIXELS_AT_ONCE", 7)
    for expected, result in zip(whole, (*nearest_cell(*near), *nearest_of(*far)), strict=True):
        assert np.array_equal(expected, result)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.uint64])
def test_the_largest_number_of_the_type_is_a_cell_like_any_other(dtype):
    wide, at = padded([0] * 5, dtype)
    last = np.iinfo(dtype).max if dtype == np.uint16 else 70_000
    wide[at[0]], wide[at[4]] = last, 1
    region_of = np.ones(last + 1, np.uint8)
    owner, _ = nearest_cell(wide, at[1:4], np.ones(3, int), region_of)
    assert owner.tolist() == [last, 0, 1]
    assert owner.dtype == dtype


def test_the_order_of_the_memory_does_not_matter():
    labels, at = padded([[0, 0, 2, 0], [0, 0, 0, 3], [1, 0, 0, 0]])
    arguments = at[[0, 1, 5, 9, 10]], np.ones(5, int), np.array([0, 1, 1, 1])
    expected = [0, 2, 0, 1, 3]
    assert nearest_cell(labels, *arguments)[0].tolist() == expected
    assert nearest_cell(np.asfortranarray(labels), *arguments)[0].tolist() == expected


def test_nothing_asked_for_is_nothing_found():
    labels, at = padded([0, 1])
    owner, found = nearest_cell(labels, at[:0], np.zeros(0, int), np.array([0, 1]))
    assert owner.shape == found.shape == (0,)
    owner, distance = nearest_of(np.zeros((0, 2), int), np.zeros(0, np.uint32), np.array([[3, 1]]))
    assert (owner.tolist(), distance.tolist()) == ([0], [np.inf])


def test_the_rim_leaves_out_the_inside_and_the_side_of_the_array():
    labels = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 2, 2], [1, 1, 2, 2]])
    places, cells = rim(labels, origin=(10, 20), region_of=np.array([0, 4, 5]))
    assert places.tolist() == [[10, 22, 4], [11, 22, 4], [12, 23, 5]]
    assert cells.tolist() == [1, 1, 2]


@pytest.mark.parametrize("far", [0, 10**5])
def test_nearest_of_at_any_distance_and_any_place(far):
    places = np.array([[far, far, 1], [far, far + 90, 1], [far + 1, far + 45, 2]])
    wanted = np.array(
        [[far, far + 44, 1], [far, far + 45, 1], [far, far + 46, 1], [far + 1, far, 2]]
    )
    owner, distance = nearest_of(places, np.array([3, 8, 5], np.uint32), wanted)
    assert owner.tolist() == [3, 0, 8, 5]
    assert distance.tolist() == [44, 45, 44, 45]


def test_many_equally_near_pixels_of_one_cell_hide_no_tie():
    ring = [p for p in product(range(-25, 26), repeat=2) if p[0] ** 2 + p[1] ** 2 == 625]
    places = np.column_stack([np.array(ring) + 30, np.ones(len(ring), int)])
    cells = np.full(len(ring), 6, np.uint32)
    centre = np.array([[30, 30, 1]])
    assert len(ring) == 20
    assert nearest_of(places, cells, centre)[0].tolist() == [6]
    for other in range(len(ring)):
        cells[:] = 6
        cells[other] = 7
        assert nearest_of(places, cells, centre)[0].tolist() == [0]


def test_a_pixel_of_a_region_without_a_cell_does_not_ask_the_others():
    # a hundred thousand pixels of region 1 are all the same distance from one of region 10⁶: no
    # reason to compare them
    places = np.column_stack([np.argwhere(np.ones((300, 300))), np.ones(90_000, int)])
    wanted = np.column_stack([np.argwhere(np.ones((40, 40))), np.full(1600, 10**6)])
    wanted[0, -1] = 1
    owner, distance = nearest_of(places, np.full(90_000, 2, np.uint32), wanted)
    assert (owner[0], distance[0]) == (2, 0)
    assert not owner[1:].any()
    assert np.isinf(distance[1:]).all()

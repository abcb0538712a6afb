import numpy as np
import pytest
from scipy import ndimage

from seamwise.decode.components import cuts, join, label_part, sides
from seamwise.tiling import Blocks


def joined(mask, size, *, diagonal=False):
    """The components of an image, from those of its blocks."""
    mask = np.asarray(mask, bool)
    blocks = Blocks(mask.shape, size)
    parts = [
        label_part(mask[blocks.box(number)], diagonal=diagonal) for number in range(len(blocks))
    ]
    result = join(blocks, lambda number: parts[number][1], diagonal=diagonal)
    labels = np.zeros(mask.shape, result.number.dtype)
    for number, (numbers, _) in enumerate(parts):
        labels[blocks.box(number)] = result.table(number)[numbers]
    assert result.count == labels.max(initial=0)
    return labels


def in_order_of_blocks(labels, size):
    """The same components, numbered as they are met block after block, pixel after pixel."""
    blocks = Blocks(labels.shape, size)
    met = np.concatenate([labels[blocks.box(number)].ravel() for number in range(len(blocks))])
    found, first = np.unique(met[met > 0], return_index=True)
    number = np.zeros(labels.max(initial=0) + 1, int)
    number[found[np.argsort(first)]] = np.arange(1, len(found) + 1)
    return number[labels]


def whole(mask, *, diagonal=False):
    return ndimage.label(
        mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim if diagonal else 1)
    )[0]


def test_a_row_in_blocks_of_three():
    assert joined([1, 0, 1, 1, 1, 1, 1, 0, 1], (3,)).tolist() == [1, 0, 2, 2, 2, 2, 2, 0, 3]
    assert joined([0, 0, 1, 0, 1, 1], (3,)).tolist() == [0, 0, 1, 0, 2, 2]


def test_two_arms_are_one_as_they_meet_in_another_block():
    mask = [[1, 0, 1], [1, 0, 1], [1, 1, 1]]
    assert joined(mask, (2, 3)).tolist() == mask
    assert joined(mask, (1, 1)).tolist() == mask


def test_the_corner_where_four_blocks_meet():
    mask = np.zeros((4, 4), int)
    mask[1, 1] = mask[2, 2] = 1
    assert joined(mask, (2, 2), diagonal=True).tolist() == mask.tolist()
    assert joined(mask, (2, 2))[2, 2] == 2
    assert joined(np.fliplr(mask), (2, 2), diagonal=True).tolist() == np.fliplr(mask).tolist()
    assert joined(np.fliplr(mask), (2, 2))[2, 1] == 2


def test_pixels_across_a_side_are_neighbours_by_their_corners_only_if_asked():
    mask = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert joined(mask, (1, 4), diagonal=True).tolist() == mask
    assert joined(mask, (1, 4)).max() == 4
    assert joined(mask, (4, 1), diagonal=True).tolist() == mask


def test_the_corner_where_eight_blocks_meet():
    for flips in ((), (0,), (1,), (2,), (0, 1, 2)):
        mask = np.zeros((4, 4, 4), int)
        mask[1, 1, 1] = mask[2, 2, 2] = 1
        mask = np.flip(mask, flips)
        assert joined(mask, (2, 2, 2), diagonal=True).max() == 1
        assert joined(mask, (2, 2, 2)).max() == 2


def test_numbers_follow_the_blocks():
    # in the scan order of the pixels the right one would be the second of the first row, and 3 the
    # last
    mask = [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert joined(mask, (3, 2)).tolist() == [[0, 0, 2, 0], [1, 0, 0, 0], [0, 0, 0, 3]]


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((70,), (1,)),
        ((70,), (9,)),
        ((23, 31), (1, 1)),
        ((23, 31), (5, 8)),
        ((23, 31), (40, 7)),
        ((1, 40), (1, 6)),
        ((11, 12, 13), (4, 5, 3)),
        ((11, 12, 13), (1, 12, 2)),
        ((11, 12, 13), (99, 99, 99)),
        ((5, 6, 4, 5), (2, 3, 3, 2)),
    ],
)
def test_equals_labelling_the_whole(shape, size, diagonal):
    for seed, density in enumerate((0.1, 0.3, 0.45, 0.6, 0.85)):
        mask = np.random.default_rng(seed).random(shape) < density
        expected = in_order_of_blocks(whole(mask, diagonal=diagonal), size)
        assert np.array_equal(joined(mask, size, diagonal=diagonal), expected)


def test_a_spiral_through_all_blocks_is_one():
    spiral = np.zeros((17, 17), bool)
    for layer in range(0, 8, 2):
        spiral[layer, max(layer - 1, 0) : 17 - layer] = True
        spiral[layer : 17 - layer, 16 - layer] = spiral[16 - layer, layer : 17 - layer] = True
        spiral[layer + 2 : 17 - layer, layer] = True
    assert whole(spiral).max() == joined(spiral, (3, 3)).max() == 1
    assert joined(~spiral, (3, 3)).max() == whole(~spiral).max()


def test_no_component_and_one_everywhere():
    assert not joined(np.zeros((5, 6)), (2, 2)).any()
    assert (joined(np.ones((5, 6)), (2, 2), diagonal=True) == 1).all()


def test_sides_are_first_and_last_planes():
    planes = sides(np.array([[1, 2, 3], [4, 5, 6]]))
    assert [plane.tolist() for plane in planes] == [[1, 2, 3], [4, 5, 6], [1, 4], [3, 6]]
    assert [plane.tolist() for plane in sides(np.array([7, 8, 9]))] == [7, 9]


def test_sides_are_copies():
    array = np.zeros((2, 3))
    planes = sides(array)
    array[:] = 1
    assert not any(plane.any() for plane in planes)


def test_cuts_are_the_planes_on_both_sides():
    image = np.arange(35).reshape(5, 7)
    blocks = Blocks(image.shape, (2, 3))
    planes = list(cuts(blocks, lambda number, index: sides(image[blocks.box(number)])[index]))
    rows, columns = [(1, 2), (3, 4)], [(2, 3), (5, 6)]
    expected = [(image[a], image[b]) for a, b in rows] + [
        (image[:, a], image[:, b]) for a, b in columns
    ]
    assert len(planes) == len(expected)
    for (near, far), (left, right) in zip(planes, expected, strict=True):
        assert np.array_equal(near, left)
        assert np.array_equal(far, right)


def test_only_the_parts_are_asked_for_and_in_any_type():
    mask = np.random.default_rng(0).random((9, 9)) < 0.5
    blocks = Blocks(mask.shape, (4, 4))
    asked = []

    def part(number):
        asked.append(number)
        return label_part(mask[blocks.box(number)])[1]

    result = join(blocks, part)
    assert set(asked) == set(range(9))
    assert result.first[-1] == len(result.number)
    assert result.number.dtype == np.uint32

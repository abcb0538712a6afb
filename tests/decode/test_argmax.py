import numpy as np
import pytest
from scipy import ndimage

from oracles.decode import instances_slow
from seamwise.decode import argmax, instances, semantic_classes


def one_hot(classes, count=4):
    return np.moveaxis(np.eye(count, dtype=np.float32)[np.asarray(classes)], -1, 0)


def random_classes(shape, rng, smooth=1.2):
    noise = np.stack([ndimage.gaussian_filter(rng.normal(size=shape), smooth) for _ in range(3)])
    return (noise * np.reshape([1, 1.3, 1], (3,) + (1,) * len(shape))).argmax(0).astype(np.uint8)


def test_even_strip_is_split_between_the_cells_and_does_not_merge_them():
    assert argmax(one_hot([[0, 1, 1, 2, 2, 1, 1, 0]])).tolist() == [[0, 1, 1, 1, 2, 2, 2, 0]]


def test_odd_strip_leaves_its_middle_to_the_background():
    assert argmax(one_hot([[1, 1, 2, 2, 2, 1]])).tolist() == [[1, 1, 1, 0, 2, 2]]


def test_touching_pixels_inside_one_cell_are_no_tie():
    assert argmax(one_hot([[1, 1, 2, 1, 1], [1, 1, 1, 1, 1]])).tolist() == [[1] * 5] * 2


def test_nearest_is_by_cell_also_with_many_pixels_of_one_cell_at_the_same_distance():
    # the centre is at distance 2 from four pixels of cell 1 (a ring), and at no smaller one from
    # cell 2
    classes = np.full((5, 5), 2)
    classes[0, :] = classes[-1, :] = classes[:, 0] = classes[:, -1] = 1
    assert (argmax(one_hot(classes)) == 1).all()
    classes[4, 2] = 0  # still three pixels of the same cell
    assert argmax(one_hot(classes))[2, 2] == 1


def test_a_touching_region_without_a_cell_becomes_background():
    assert argmax(one_hot([[1, 1, 0, 0, 2, 2]])).tolist() == [[1, 1, 0, 0, 0, 0]]
    assert not argmax(one_hot([[2, 2, 2]])).any()


def test_gap_pixels_take_the_second_best_class_or_become_background():
    probabilities = np.array([[0.2, 0.1], [0.3, 0.1], [0.1, 0.2], [0.4, 0.6]])[:, None]
    assert semantic_classes(probabilities).tolist() == [[1, 2]]
    assert semantic_classes(probabilities, gap="background").tolist() == [[0, 0]]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_classes_are_numpys_argmax_over_the_first_three(count):
    probabilities = np.random.default_rng(count).integers(0, 4, (count, 9, 10)).astype(float)
    assert np.array_equal(semantic_classes(probabilities), probabilities[:3].argmax(0))


def test_a_hole_is_filled_but_not_at_the_border_nor_between_cells():
    cell_with_hole = np.ones((5, 6), int)
    cell_with_hole[2, 2:4] = 0
    assert (argmax(one_hot(cell_with_hole)) == 1).all()
    bay = np.ones((4, 4), int)
    bay[0, 1] = 0
    assert argmax(one_hot(bay))[0, 1] == 0
    between = np.array(
        [[1, 1, 1], [2, 0, 2], [1, 1, 1]]
    )  # two cells, joined by touching pixels, one hole
    assert argmax(one_hot(between))[1].tolist() == [0, 0, 0]


def test_cells_in_a_hole_of_another_stay():
    classes = np.ones((7, 7), int)
    classes[1:6, 1:6] = 0
    classes[3, 3] = 1
    labels = argmax(one_hot(classes))
    assert labels.max() == 2
    assert labels[2, 2] == 0


def test_min_size_counts_the_touching_pixels_given_to_a_cell():
    classes = np.array([[1, 2, 0, 1, 0, 1, 1, 1]])
    assert argmax(one_hot(classes), min_size=2).tolist() == [[1, 1, 0, 0, 0, 2, 2, 2]]
    assert argmax(one_hot(classes), min_size=3).tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]
    assert not argmax(one_hot(classes), min_size=9).any()


def test_a_touching_pixel_looks_only_at_cells_of_its_own_region():
    classes = np.array([[1, 1, 2, 2, 2, 2, 2], [0] * 7, [0, 0, 0, 0, 1, 1, 1]])
    assert argmax(one_hot(classes)).tolist() == [[1] * 7, [0] * 7, [0, 0, 0, 0, 2, 2, 2]]


def test_a_core_below_min_core_goes_to_its_neighbour_or_nowhere():
    classes = np.array([[1, 1, 1, 2, 1, 0, 1, 0]])
    assert argmax(one_hot(classes)).tolist() == [[1, 1, 1, 0, 2, 0, 3, 0]]
    assert argmax(one_hot(classes), min_core=2).tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert not argmax(one_hot(classes), min_core=4).any()


@pytest.mark.parametrize("shape", [(41,), (17, 23), (7, 8, 9)])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_double_loop_oracle(shape, seed):
    classes = random_classes(shape, np.random.default_rng(seed))
    assert np.array_equal(instances(classes, min_size=3), instances_slow(classes, min_size=3))


def test_a_plane_is_a_stack_of_one_slice():
    classes = random_classes((30, 40), np.random.default_rng(9))
    # a hole in a plane is open to both sides in a stack of one slice; fill none by keeping classes
    # dense
    classes[classes == 0] = 2
    assert np.array_equal(instances(classes[None])[0], instances(classes))


def test_flips_give_the_same_cells():
    classes = random_classes((40, 50), np.random.default_rng(5))
    labels, flipped = instances(classes), instances(classes[::-1, ::-1])[::-1, ::-1]
    assert len(np.unique(np.stack([labels, flipped]).reshape(2, -1), axis=1).T) == labels.max() + 1


def test_labels_are_sequential_in_the_smallest_type():
    grid = np.zeros((40, 40), int)
    grid[::2, ::2] = 1
    labels = argmax(one_hot(grid))
    assert labels.dtype == np.uint16
    assert np.array_equal(np.unique(labels), np.arange(401))
    assert argmax(one_hot(np.zeros((3, 3), int))).dtype == np.uint8


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: argmax(np.zeros((5, 4, 4))), "C = 2, 3 or 4"),
        (lambda: argmax(np.zeros(4)), "C = 2, 3 or 4"),
        (lambda: argmax(np.zeros((4, 4, 4)), min_size=-1), "min_size"),
        (lambda: argmax(np.zeros((4, 4, 4)), gap="cell"), "gap"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_a_hole_is_filled_in_a_plane_and_in_a_stack_of_one_slice():
    ring = np.ones((5, 5), np.uint8)
    ring[2, 2] = 0
    ring = np.pad(ring, 1)
    assert instances(ring)[3, 3] == 1
    assert instances(ring[None])[0, 3, 3] == 1
    assert instances(ring[:, None])[3, 0, 3] == 1

import numpy as np
import pytest

from oracles.decode import threshold_slow
from seamwise.decode import argmax, semantic_classes, threshold, threshold_classes
from support.probabilities import random_probabilities, same_up_to_numbers, three_classes


def test_touching_is_asked_first_then_cell_and_both_thresholds_are_reached_by_equality():
    probabilities = three_classes([0.5, 0.75, 0.5, 0.4375, 0.75], [0.125, 0.125, 0.25, 0.5, 0.0])
    classes = threshold_classes(probabilities, touching=0.25, cell=0.5)
    assert classes.tolist() == [1, 1, 2, 2, 1]
    assert threshold_classes(probabilities, touching=0.5, cell=0.75).tolist() == [0, 1, 0, 2, 1]


def test_a_seam_that_wins_no_pixel_of_the_arg_max_parts_two_cells():
    probabilities = three_classes([0.1, 0.9, 0.7, 0.7, 0.9, 0.1], [0.0, 0.0, 0.2, 0.2, 0.0, 0.0])
    assert argmax(probabilities).tolist() == [0, 1, 1, 1, 1, 0]
    assert threshold(probabilities, touching=0.1, cell=0.5).tolist() == [0, 1, 1, 2, 2, 0]


def test_an_even_strip_is_split_and_the_middle_of_an_odd_one_is_background():
    even = three_classes([0.9, 0.9, 0.5, 0.5, 0.9], [0.0, 0.0, 0.5, 0.5, 0.0])
    assert threshold(even, touching=0.1, cell=0.5, min_size=2).tolist() == [1, 1, 1, 2, 2]
    odd = three_classes([0.9, 0.5, 0.5, 0.5, 0.9], [0.0, 0.5, 0.5, 0.5, 0.0])
    assert threshold(odd, touching=0.1, cell=0.5).tolist() == [1, 1, 0, 2, 2]


def test_min_size_and_min_core_are_those_of_instances():
    probabilities = three_classes([0.9, 0.9, 0.5, 0.9, 0.0, 0.9], [0.0, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert threshold(probabilities, touching=0.2, cell=0.5).tolist() == [1, 1, 0, 2, 0, 3]
    assert threshold(probabilities, touching=0.2, cell=0.5, min_size=2).tolist() == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    assert threshold(probabilities, touching=0.2, cell=0.5, min_core=2).tolist() == [
        1,
        1,
        1,
        1,
        0,
        0,
    ]


def test_two_classes_have_no_touching_pixels():
    cell = np.array([0.9, 0.4, 0.6, 0.2])
    two = np.stack([1 - cell, cell])
    assert threshold(two, touching=0.0, cell=0.5).tolist() == [1, 0, 2, 0]
    assert np.array_equal(threshold(two, cell=0.5), argmax(two))


def test_a_gap_pixel_is_background_or_what_it_would_be_if_it_were_no_gap():
    probabilities = np.array(
        [[0.1, 0.1, 0.0, 0.0], [0.3, 0.5, 0.2, 0.0], [0.1, 0.1, 0.3, 0.0], [0.5, 0.3, 0.5, 1.0]]
    )
    assert threshold_classes(probabilities, touching=0.3, cell=0.4).tolist() == [0, 1, 2, 0]
    assert threshold_classes(probabilities, touching=0.3, cell=0.4, gap="second").tolist() == [
        1,
        1,
        2,
        0,
    ]
    assert threshold_classes(probabilities, touching=0.2, cell=0.4, gap="second").tolist() == [
        2,
        1,
        2,
        0,
    ]
    three = probabilities[:3]
    assert np.array_equal(threshold_classes(three, gap="second"), threshold_classes(three))


def test_at_one_half_the_second_class_of_a_gap_is_that_of_the_arg_max():
    probabilities = random_probabilities((30, 40), np.random.default_rng(5), classes=4)
    won = probabilities[:3].max(0) >= 0.5 * probabilities[:3].sum(
        0
    )  # elsewhere no class reaches a half
    classes = threshold_classes(probabilities, touching=0.5, cell=0.5, gap="second")
    assert np.array_equal(classes[won], semantic_classes(probabilities)[won])
    assert (probabilities.argmax(0) == 3)[won].any()


def test_the_defaults_are_the_medians_of_table_5():
    probabilities = random_probabilities((20, 30), np.random.default_rng(0))
    touching, cell = np.median(
        [[0.10, 0.50], [0.10, 0.50], [0.10, 0.50], [0.20, 0.60], [0.10, 0.60]], axis=0
    )
    assert np.array_equal(
        threshold(probabilities), threshold(probabilities, touching=touching, cell=cell)
    )


@pytest.mark.parametrize(
    ("shape", "classes"), [((41,), 3), ((17, 23), 2), ((16, 22), 3), ((17, 21), 4), ((6, 8, 9), 4)]
)
@pytest.mark.parametrize("gap", ["background", "second"])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_double_loop_oracle(shape, classes, gap, seed):
    probabilities = random_probabilities(shape, np.random.default_rng(seed), classes)
    options = {"touching": 0.3, "cell": 0.25, "gap": gap, "min_size": 3}
    assert np.array_equal(
        threshold(probabilities, **options), threshold_slow(probabilities, **options)
    )


def test_a_larger_cell_threshold_shrinks_the_cores_and_a_larger_touching_threshold_the_seams():
    probabilities = random_probabilities((40, 50), np.random.default_rng(1))
    loose = threshold_classes(probabilities, touching=0.4, cell=0.3)
    strict = threshold_classes(probabilities, touching=0.4, cell=0.6)
    assert ((strict == 1) <= (loose == 1)).all()
    assert (strict == 1).sum() < (loose == 1).sum()
    assert np.array_equal(strict == 2, loose == 2)
    fewer = threshold_classes(probabilities, touching=0.7, cell=0.3) == 2
    assert (fewer <= (loose == 2)).all()
    assert fewer.sum() < (loose == 2).sum()


def test_flips_give_the_same_cells():
    probabilities = random_probabilities((40, 50), np.random.default_rng(2))
    labels = threshold(probabilities, touching=0.3, cell=0.3)
    flipped = threshold(probabilities[:, ::-1, ::-1], touching=0.3, cell=0.3)[::-1, ::-1]
    assert labels.max() > 10
    assert same_up_to_numbers(labels, flipped)


def test_a_plane_is_a_stack_of_one_slice():
    probabilities = random_probabilities((30, 40), np.random.default_rng(3))
    # a hole in a plane is open to both sides in a stack of one slice: touching everywhere, so that
    # there is none
    stack = threshold(probabilities[:, None], touching=0, cell=0.3)
    assert np.array_equal(stack[0], threshold(probabilities, touching=0, cell=0.3))
    probabilities[:, probabilities[1] < 0.3] = [[0], [0], [1]]
    labels = threshold(probabilities, touching=0.4, cell=0.3)
    assert np.array_equal(threshold(probabilities[:, None], touching=0.4, cell=0.3)[0], labels)
    assert labels.max() > 10


def test_half_precision_compares_in_half_precision():
    half = three_classes([0.3, 0.6], [0.1, 0.0]).astype(np.float16)
    assert threshold_classes(half, touching=0.1, cell=0.6).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda z: threshold(z[:1]), "C = 2, 3 or 4"),
        (lambda z: threshold(z[0, 0, 0]), "C = 2, 3 or 4"),
        (
            lambda z: threshold(z, touching=-0.1),
            "touching must be a probability from 0 to 1, not -0.1",
        ),
        (lambda z: threshold(z, cell=50), "cell must be a probability from 0 to 1, not 50"),
        (lambda z: threshold(z, cell=float("nan")), "cell must be"),
        (lambda z: threshold(z, min_size=-1), "min_size"),
        (lambda z: threshold(z, min_core=-1), "min_core"),
        (lambda z: threshold(z, gap="cell"), "gap must be"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call(np.zeros((3, 4, 5)))

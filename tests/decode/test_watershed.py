import numpy as np
import pytest
from scipy import ndimage

from oracles.decode import watershed_slow
from seamwise.decode import flood, watershed, watershed_elevation
from support.probabilities import random_probabilities, same_up_to_numbers, three_classes


def test_a_ridge_parts_two_valleys():
    # the lower of the two floods that meet at the ridge takes its top
    probabilities = three_classes(
        [0.0, 0.9, 0.6, 0.4, 0.5, 0.9, 0.0], [0.0, 0.0, 0.1, 0.5, 0.3, 0.0, 0.0]
    )
    labels = watershed(probabilities, background=0.9, cell=0.8)
    assert labels.tolist() == [0, 1, 1, 1, 2, 2, 0]


def test_a_flat_strip_of_two_is_halved():
    probabilities = three_classes([0.9, 0.9, 0.5, 0.5, 0.9, 0.9], [0.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    assert watershed(probabilities, background=0.9, cell=0.8).tolist() == [1, 1, 1, 2, 2, 2]


def test_the_relief_written_out():
    probabilities = three_classes([0.5, 0.25], [0.25, 0.75])
    assert watershed_elevation(probabilities)[1].tolist() == [-0.25, 0.5]
    assert watershed_elevation(probabilities[:2])[1].tolist() == [-0.5, -0.25]
    assert watershed_elevation(probabilities.astype(np.float16))[1].dtype == np.float32


def test_sure_pixels_reach_their_threshold_by_equality():
    probabilities = three_classes([0.25, 0.75, 0.5, 0.125], [0.0, 0.0, 0.25, 0.25])
    assert watershed_elevation(probabilities, background=0.75, cell=0.75)[0].tolist() == [
        0,
        1,
        2,
        2,
    ]
    assert watershed_elevation(probabilities, background=0.625, cell=0.5)[0].tolist() == [
        0,
        1,
        1,
        0,
    ]


def test_a_pixel_sure_of_both_is_the_likelier_and_background_if_they_are_equal():
    probabilities = three_classes([0.5, 0.75, 0.25], [0.0, 0.0, 0.0])
    assert watershed_elevation(probabilities, background=0.25, cell=0.25)[0].tolist() == [0, 1, 0]


def test_background_floods_as_a_marker_and_stays_as_a_mask():
    # sure background, undecided, a ridge, sure cell
    probabilities = three_classes([0.05, 0.35, 0.2, 0.9], [0.0, 0.25, 0.6, 0.0])
    options = {"background": 0.5, "cell": 0.8}
    assert watershed(probabilities, **options).tolist() == [0, 0, 1, 1]
    assert watershed(probabilities, **options, background_as="mask").tolist() == [0, 1, 1, 1]


def test_undecided_pixels_that_no_cell_reaches_are_background():
    probabilities = three_classes([0.4, 0.4, 0.0, 0.4, 0.9], [0.0] * 5)
    for background_as in ("marker", "mask"):
        labels = watershed(probabilities, background=0.8, cell=0.8, background_as=background_as)
        assert labels.tolist() == [0, 0, 0, 1, 1]
        assert not watershed(
            probabilities, background=0.8, cell=0.95, background_as=background_as
        ).any()


def test_without_sure_background_the_cells_take_everything():
    probabilities = three_classes([0.2, 0.2, 0.9, 0.2, 0.9], [0.0] * 5)
    assert watershed(probabilities, background=1, cell=0.8).min() == 1


def test_gap_counts_as_background_or_is_left_out():
    z = np.array([[0.2, 0.0, 0.0], [0.1, 0.0, 0.75], [0.1, 0.0, 0.0], [0.6, 1.0, 0.25]])
    seeds, elevation = watershed_elevation(z, background=0.6, cell=0.8)
    assert seeds.tolist() == [0, 0, 2]
    np.testing.assert_allclose(elevation, [0, 0, -0.75], atol=1e-7)
    seeds, elevation = watershed_elevation(z, background=0.6, cell=0.8, gap="second")
    assert seeds.tolist() == [2, 0, 1]
    np.testing.assert_allclose(elevation, [0, 0, -1], atol=1e-7)
    assert watershed(z, background=0.6, cell=0.7).tolist() == [0, 0, 1]
    assert np.array_equal(watershed_elevation(z[:3], gap="second"), watershed_elevation(z[:3]))


def test_a_marker_below_min_core_goes_to_its_neighbour_or_nowhere():
    probabilities = three_classes([0.9, 0.9, 0.4, 0.9, 0.0, 0.9], [0.0, 0.0, 0.4, 0.0, 0.0, 0.0])
    options = {"background": 0.8, "cell": 0.8}
    assert watershed(probabilities, **options).tolist() == [1, 1, 1, 2, 0, 3]
    assert watershed(probabilities, **options, min_core=2).tolist() == [1, 1, 1, 1, 0, 0]
    assert watershed(probabilities, **options, min_core=2, background_as="mask").tolist() == [
        1,
        1,
        1,
        1,
        0,
        0,
    ]


def test_small_cells_are_dropped_and_holes_filled():
    cell = np.full((5, 6), 0.9)
    cell[2, 2:4] = 0
    labels = watershed(three_classes(cell, cell * 0), background=0.9, cell=0.8)
    assert (labels == 1).all()
    line = three_classes([0.9, 0.0, 0.9, 0.9], [0.0] * 4)
    assert watershed(line, background=0.9, cell=0.8, min_size=2).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("shape", "classes"), [((41,), 3), ((17, 23), 2), ((16, 22), 3), ((17, 21), 4), ((6, 8, 9), 4)]
)
@pytest.mark.parametrize("background_as", ["marker", "mask"])
@pytest.mark.parametrize("gap", ["second", "background"])
@pytest.mark.parametrize("thresholds", [(0.5, 0.7), (0.3, 0.3)])
def test_equals_the_plain_flood(shape, classes, background_as, gap, thresholds):
    probabilities = random_probabilities(shape, np.random.default_rng(7), classes)
    options = {"background_as": background_as, "gap": gap, "min_size": 3}
    options |= {"background": thresholds[0], "cell": thresholds[1]}
    assert np.array_equal(
        watershed(probabilities, **options), watershed_slow(probabilities, **options)
    )


def test_flips_give_the_same_cells():
    probabilities = random_probabilities((40, 50), np.random.default_rng(2))
    labels = watershed(probabilities, background=0.6, cell=0.7)
    flipped = watershed(probabilities[:, ::-1, ::-1], background=0.6, cell=0.7)[::-1, ::-1]
    assert labels.max() > 10
    assert same_up_to_numbers(labels, flipped)


def test_a_plane_is_a_stack_of_one_slice():
    # without sure background, as a hole in a plane is open to both sides in a stack of one slice
    probabilities = random_probabilities((30, 40), np.random.default_rng(3))
    labels = watershed(probabilities, background=1, cell=0.7)
    assert np.array_equal(watershed(probabilities[:, None], background=1, cell=0.7)[0], labels)
    assert labels.max() > 10


def test_every_cell_is_in_one_piece_and_numbered_in_the_smallest_type():
    probabilities = random_probabilities((60, 70), np.random.default_rng(4))
    labels = watershed(probabilities, background=0.6, cell=0.7)
    assert labels.dtype == np.uint8
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert all(ndimage.label(labels == cell)[1] == 1 for cell in range(1, labels.max() + 1))


def test_the_relief_and_the_seeds_are_not_changed():
    marked, height = np.array([0, 2, 1, 2], np.uint8), np.array([0.0, 1.0, -1.0, 0.0])
    before = marked.copy(), height.copy()
    flood(marked, height, min_core=9)
    flood(marked, height)
    assert np.array_equal(before[0], marked)
    assert np.array_equal(before[1], height)


def test_the_defaults_are_the_medians_of_table_5():
    probabilities = random_probabilities((20, 30), np.random.default_rng(0))
    background, cell = np.median(
        [[0.5, 0.5], [0.3, 0.9], [0.6, 0.7], [0.4, 0.9], [0.6, 0.8]], axis=0
    )
    assert np.array_equal(
        watershed(probabilities), watershed(probabilities, background=background, cell=cell)
    )


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda z: watershed(z[:1]), "C = 2, 3 or 4"),
        (
            lambda z: watershed(z, background=1.2),
            "background must be a probability from 0 to 1, not 1.2",
        ),
        (lambda z: watershed(z, cell=-1), "cell must be a probability"),
        (lambda z: watershed(z, min_size=-1), "min_size"),
        (lambda z: watershed(z, min_core=-1), "min_core"),
        (
            lambda z: watershed(z, background_as="both"),
            "background_as must be 'marker' or 'mask', not 'both'",
        ),
        (lambda z: watershed(z, gap="cell"), "gap must be"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call(np.zeros((3, 4, 5)))

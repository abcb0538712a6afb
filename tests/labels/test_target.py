import numpy as np
import pytest
from scipy import ndimage

from oracles.labels import binary_target_slow, semantic_target_slow
from seamwise.labels import binary_target, connected_components, semantic_target
from seamwise.labels.spacing import window_reach
from support.labels import voronoi


def test_every_class_of_a_hand_written_line():
    labels = np.array([1, 1, 1, 2, 2, 0, 0, 3, 0, 0, 0, 0, 0, -1])
    four = semantic_target(labels, touching_radius=1, gap_radius=2)
    assert four.tolist() == [1, 1, 2, 2, 1, 3, 3, 1, 0, 0, 0, 0, 0, -1]
    assert semantic_target(labels, classes=3, touching_radius=1).tolist() == [
        1,
        1,
        2,
        2,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        -1,
    ]
    assert semantic_target(labels, classes=2).tolist() == [
        1,
        1,
        1,
        1,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        -1,
    ]
    assert four.dtype == np.int8


def test_cells_one_background_pixel_apart_touch_only_at_radius_2():
    labels = np.array([[1, 1, 0, 2, 2]] * 5)
    assert not (semantic_target(labels, classes=3, touching_radius=1) == 2).any()
    assert semantic_target(labels, classes=3, touching_radius=2)[0].tolist() == [1, 2, 0, 2, 1]


def test_corner_neighbours_touch():
    labels = np.array([[1, 0], [0, 2]])
    assert semantic_target(labels, classes=3, touching_radius=1).tolist() == [[2, 0], [0, 2]]


def test_strict_reading_needs_two_neighbours():
    labels = np.array([[1, 0], [0, 2]])
    assert semantic_target(labels, classes=3, touching_radius=1, min_neighbours=2).tolist() == [
        [1, 0],
        [0, 1],
    ]


def test_gap_lies_between_cells_and_not_towards_the_image_border():
    labels = np.zeros((9, 12), int)
    labels[2:7, 0:3] = 1
    labels[2:7, 6:9] = 2
    gap = semantic_target(labels, gap_radius=2) == 3
    assert gap[4, 3:6].all()
    assert not gap[:, 9:].any()
    assert not gap[0].any()
    assert not (semantic_target(labels, gap_radius=1) == 3).any()


def test_gap_ball_is_round_in_physical_units():
    labels = np.zeros((7, 9, 9), int)
    labels[2, 2:7, 2:7] = 1
    labels[4, 2:7, 2:7] = 2
    assert (semantic_target(labels, gap_radius=1.5)[3, 4, 4]) == 3
    assert (semantic_target(labels, gap_radius=1.5, spacing=(4, 1, 1))[3, 4, 4]) == 0
    assert (semantic_target(labels, gap_radius=6, spacing=(4, 1, 1))[3, 4, 4]) == 3


@pytest.mark.parametrize("shape", [(23,), (19, 26), (7, 9, 11)])
@pytest.mark.parametrize(
    "options",
    [
        {"touching_radius": 1, "gap_radius": 3},
        {"touching_radius": 2, "gap_radius": 1.5},
        {"touching_radius": 1, "gap_radius": 2, "min_neighbours": 3},
        {"touching_radius": 1, "gap_radius": 0.25, "spacing": 0.1},
        {"touching_radius": 3, "gap_radius": 0.25, "spacing": 0.1, "min_neighbours": 2},
    ],
)
def test_equals_the_double_loop_oracle(shape, options):
    options = dict(options)
    if "spacing" in options:
        options["spacing"] = [options["spacing"] * (i + 1) for i in range(len(shape))]
    labels = voronoi(shape, 5, np.random.default_rng(len(shape)))
    expected = semantic_target_slow(labels, **options)
    assert np.array_equal(semantic_target(labels, **options), expected)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.3, 0.1, 0.1), (2.0, 0.7, 1.3)])
@pytest.mark.parametrize("radius", [0.3, 3.0, 7.0, 200.0])
def test_the_gap_is_that_of_whole_distance_transforms(spacing, radius):
    rng = np.random.default_rng(0)
    labels = (ndimage.gaussian_filter(rng.random((20, 40, 30)), 3) > 0.503).astype(np.uint8)
    pad = [(int(np.ceil(radius / s)) + 1,) * 2 for s in spacing]
    if radius == 200:  # a plane: the frame is wide
        labels, spacing, pad = labels[0], (1.0, 1.0), [(201, 201)] * 2
    frame = np.pad(labels > 0, pad)
    reach = radius * (1 + 1e-9)
    wide = ndimage.distance_transform_edt(~frame, sampling=spacing) <= reach
    closing = ndimage.distance_transform_edt(wide, sampling=spacing) > reach
    inner = closing[tuple(slice(before, -after) for before, after in pad)]
    found = semantic_target(labels, gap_radius=radius, spacing=spacing)
    assert np.array_equal(found == 3, inner & (labels == 0))
    assert radius < 1 or (found == 3).any()


def test_touching_is_as_wide_in_thick_slices_as_in_the_plane():
    labels = np.repeat([1, 2], 4)
    options = {"classes": 3, "touching_radius": 2}
    in_plane = semantic_target(labels[np.newaxis], **options, spacing=(2.0, 1.0))
    along = semantic_target(labels[:, np.newaxis], **options, spacing=(2.0, 1.0))
    assert in_plane.tolist() == [[1, 1, 2, 2, 2, 2, 1, 1]]
    assert along.T.tolist() == [[1, 1, 1, 2, 2, 1, 1, 1]]


@pytest.mark.parametrize(
    ("radius", "spacing", "expected"),
    [(2, (1.0, 1.0), (2, 2)), (2, (2.0, 1.0), (1, 2)), (2, (0.9, 0.3, 0.3), (1, 2, 2)),
     (1, (5.0, 0.2), (1, 1)),
     (3, (2.0, 1.0), (2, 3)), (5, (2.0, 1.0), (3, 5))],
)  # fmt: skip
def test_a_window_reaches_as_far_along_each_axis(radius, spacing, expected):
    assert window_reach(radius, spacing) == expected


def test_flipping_transposing_and_renumbering_change_nothing_else():
    labels = voronoi((24, 31), 9, np.random.default_rng(1))
    target = semantic_target(labels, gap_radius=3)
    assert np.array_equal(semantic_target(labels[::-1], gap_radius=3), target[::-1])
    assert np.array_equal(semantic_target(labels.T, gap_radius=3), target.T)
    renumbered = np.where(labels > 0, 1000 - labels, labels)
    assert np.array_equal(semantic_target(renumbered, gap_radius=3), target)


def test_a_plane_is_a_stack_of_one_slice_for_touching():
    labels = voronoi((24, 31), 9, np.random.default_rng(2))
    flat = semantic_target(labels, classes=3)
    assert np.array_equal(semantic_target(labels[None], classes=3)[0], flat)


def test_ignored_pixels_are_no_neighbours():
    labels = np.array([[1, 1, -1, -5, 1, 1]])
    assert semantic_target(labels, touching_radius=2, gap_radius=3).tolist() == [
        [1, 1, -1, -1, 1, 1]
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_every_integer_type_gives_the_same_target(dtype):
    labels = np.array([[1, 1, 2, 2, 0, 120]])
    assert np.array_equal(semantic_target(labels.astype(dtype)), semantic_target(labels))


def test_images_without_cells():
    assert not semantic_target(np.zeros((5, 6), int)).any()
    assert (semantic_target(np.full((5, 6), -1)) == -1).all()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"classes": 5}, "classes"),
        ({"touching_radius": 0}, "touching_radius"),
        ({"gap_radius": -1}, "gap_radius"),
        ({"min_neighbours": 0}, "min_neighbours"),
    ],
)
def test_bad_options_are_named(options, word):
    with pytest.raises(ValueError, match=word):
        semantic_target(np.zeros((4, 4), int), **options)


@pytest.mark.parametrize("labels", [np.zeros((3, 3)), np.zeros((3, 3), bool)])
def test_labels_that_are_no_integers_are_refused(labels):
    with pytest.raises(TypeError, match="integers"):
        semantic_target(labels)


# Figure 10: two cells and the line of background between them
TWO_SQUARES = np.array([
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 1, 1, 1, 0, 1, 1, 1, 1, 0],
    [0, 1, 1, 1, 0, 1, 1, 1, 1, 0],
    [0, 1, 1, 1, 0, 1, 1, 1, 1, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
], np.uint8)  # fmt: skip
TWO_SQUARES_TARGET = np.array([
    [0, 0, 0, 2, 2, 2, 0, 0, 0, 0],
    [0, 1, 1, 2, 2, 2, 1, 1, 1, 0],
    [0, 1, 1, 2, 2, 2, 1, 1, 1, 0],
    [0, 1, 1, 2, 2, 2, 1, 1, 1, 0],
    [0, 0, 0, 2, 2, 2, 0, 0, 0, 0],
])  # fmt: skip


@pytest.mark.parametrize(
    "mask", [TWO_SQUARES, TWO_SQUARES * 255, TWO_SQUARES == 1, TWO_SQUARES.astype(np.int64)]
)
def test_algorithm_1_on_the_squares_of_figure_10(mask):
    target = binary_target(mask)
    assert np.array_equal(target, TWO_SQUARES_TARGET)
    assert target.dtype == np.int8
    assert np.array_equal(binary_target(mask, classes=2), TWO_SQUARES)


def test_a_division_is_at_most_two_pixels_wide():
    assert binary_target(np.array([1, 1, 0, 1, 1])).tolist() == [1, 2, 2, 2, 1]
    assert binary_target(np.array([1, 1, 0, 0, 1, 1])).tolist() == [1, 2, 2, 2, 2, 1]
    assert binary_target(np.array([1, 1, 0, 0, 0, 1, 1])).tolist() == [1, 1, 0, 0, 0, 1, 1]


def test_cells_at_the_image_border_stay_cells_and_their_line_reaches_it():
    mask = np.array([[1, 1, 1, 0, 1, 1]] * 4)
    assert binary_target(mask).tolist() == [[1, 1, 2, 2, 2, 1]] * 4
    assert (binary_target(np.ones((4, 5), bool)) == 1).all()
    # background between a cell and the border is no division: nothing is known beyond
    assert binary_target(np.array([0, 1, 1, 0])).tolist() == [0, 1, 1, 0]


def test_the_fourth_class_of_a_mask_is_the_gap_that_is_no_division():
    mask = np.array([1, 1, 0, 1, 1, 0, 0, 0, 1])
    assert binary_target(mask, classes=4, gap_radius=2).tolist() == [1, 2, 2, 2, 1, 3, 3, 3, 1]
    assert binary_target(mask, classes=4, gap_radius=1).tolist() == [1, 2, 2, 2, 1, 0, 0, 0, 1]
    assert binary_target(mask, classes=4, gap_radius=2, spacing=[3]).tolist() == [
        1,
        2,
        2,
        2,
        1,
        0,
        0,
        0,
        1,
    ]


def test_ignored_pixels_of_a_mask_are_neither_cell_nor_division():
    assert binary_target(np.array([1, 1, -1, 1, 1, 0, 1, -3])).tolist() == [
        1,
        1,
        -1,
        1,
        2,
        2,
        2,
        -1,
    ]


def test_a_broken_line_is_known_by_the_numbers_on_its_sides():
    whole = np.array([1, 1, 1, 0, 2, 2, 2])
    assert binary_target(whole).tolist() == [1, 1, 2, 2, 2, 1, 1]
    assert binary_target(whole[[0, 1, 2, 4, 5, 6]]).tolist() == [1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize("shape", [(23,), (19, 26), (7, 9, 11)])
def test_binary_target_equals_the_oracle(shape):
    labels = voronoi(shape, 5, np.random.default_rng(len(shape)))
    mask = np.where(
        semantic_target(labels, classes=3, touching_radius=1) == 2, 0, labels.clip(-1, 1)
    )
    expected = binary_target_slow(mask, gap_radius=2.5)
    assert {-1, 0, 1, 2} <= set(expected.ravel().tolist())
    assert np.array_equal(binary_target(mask, classes=4, gap_radius=2.5), expected)
    assert np.array_equal(binary_target(mask), np.where(expected == 3, 0, expected))


def test_binary_target_follows_flips_and_a_plane_is_a_stack_of_one_slice():
    mask = voronoi((24, 31), 9, np.random.default_rng(1)).clip(-1, 1)
    target = binary_target(mask)
    assert np.array_equal(binary_target(mask[::-1]), target[::-1])
    assert np.array_equal(binary_target(mask.T), target.T)
    assert np.array_equal(binary_target(mask[None])[0], target)


def test_a_mask_and_its_components_have_the_same_target():
    mask = np.pad(TWO_SQUARES, 3)
    assert np.array_equal(
        binary_target(connected_components(mask), classes=4), binary_target(mask, classes=4)
    )


def test_masks_of_real_numbers_and_bad_options_are_refused():
    with pytest.raises(TypeError, match="mask must be boolean or integers"):
        binary_target(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="classes"):
        binary_target(TWO_SQUARES, classes=5)

import numpy as np
import pytest
from scipy import ndimage

from oracles.labels import semantic_target_slow
from seamwise.labels import areas, look_up, relabel, semantic_target, smallest_dtype


def voronoi(shape, cells, rng, background=0.3):
    """Touching cells with holes and ignored pixels, no straight borders."""
    seeds = rng.uniform(0, 1, (cells, len(shape))) * shape
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    labels = np.argmin(((grid[..., None, :] - seeds) ** 2).sum(-1), -1) + 1
    labels[
        ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
        > np.quantile(ndimage.gaussian_filter(rng.normal(size=shape), 1.5), 1 - background)
    ] = 0
    labels[rng.random(shape) < 0.02] = -1
    return labels


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
    assert semantic_target(labels, classes=2).tolist() == [1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, -1]
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
    ],
)
def test_equals_the_double_loop_oracle(shape, options):
    options = dict(options)
    if "spacing" in options:
        options["spacing"] = [options["spacing"] * (i + 1) for i in range(len(shape))]
    labels = voronoi(shape, 5, np.random.default_rng(len(shape)))
    expected = semantic_target_slow(labels, **options)
    assert np.array_equal(semantic_target(labels, **options), expected)


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
    assert semantic_target(labels, touching_radius=2, gap_radius=3).tolist() == [[1, 1, -1, -1, 1, 1]]


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


def test_relabel_numbers_in_order_of_the_old_numbers():
    assert relabel(np.array([[0, 9, 3], [9, 70000, 3]])).tolist() == [[0, 2, 1], [2, 3, 1]]


@pytest.mark.parametrize("huge", [2**20, 2**40, 2**62])
def test_relabel_takes_numbers_too_large_for_a_table(huge):
    result = relabel(np.array([huge, 0, 5, -3, huge]))
    assert result.tolist() == [2, 0, 1, -1, 2]
    assert result.dtype == np.int8


def test_relabel_of_a_full_image_has_no_background():
    assert relabel(np.array([2**40, 7])).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("cells", "ignored", "dtype"),
    [
        (0, 0, "uint8"),
        (255, 0, "uint8"),
        (256, 0, "uint16"),
        (65535, 0, "uint16"),
        (65536, 0, "uint32"),
        (127, 1, "int8"),
        (128, 1, "int16"),
        (32768, 1, "int32"),
    ],
)
def test_relabel_never_wraps(cells, ignored, dtype):
    labels = np.concatenate([np.arange(cells + 1), np.full(ignored, -1)])
    result = relabel(labels)
    assert result.dtype == dtype
    assert np.array_equal(result, labels)


def test_relabel_does_not_change_its_input():
    labels = np.array([0, 5, -2])
    relabel(labels)
    assert labels.tolist() == [0, 5, -2]


def test_smallest_dtype_at_the_limits():
    assert [smallest_dtype(0, 2**n - 1) for n in (8, 16, 32, 64)] == ["uint8", "uint16", "uint32", "uint64"]
    assert [smallest_dtype(-1, 2**n) for n in (7, 15, 31)] == ["int16", "int32", "int64"]
    with pytest.raises(ValueError, match="no integer type"):
        smallest_dtype(-1, 2**63)


def test_areas_and_look_up_do_not_depend_on_the_slabs(monkeypatch):
    labels = voronoi((31, 24), 9, np.random.default_rng(3)).clip(min=0)
    table = np.arange(labels.max() + 1) * 3
    expected = np.bincount(labels.ravel()), table[labels]
    for size in (1, 100, 2**22):
        monkeypatch.setattr("seamwise.labels._SLAB", size)
        assert np.array_equal(areas(labels), expected[0])
        assert np.array_equal(look_up(table, labels), expected[1])

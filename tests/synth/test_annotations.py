import numpy as np
import pytest

from seamwise.synth import degrade_annotation

TOUCHING = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 2, 2, 2],
        [0, 1, 1, 1, 2, 2, 2],
        [0, 1, 1, 1, 2, 2, 2],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)


def test_nothing_asked_changes_nothing_and_returns_a_copy():
    weak = degrade_annotation(TOUCHING, rng=0)
    np.testing.assert_array_equal(weak, TOUCHING)
    assert not np.shares_memory(weak, TOUCHING)


def test_erosion_opens_a_gap_between_cells_and_spares_the_image_border():
    expected = [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 2, 2],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(degrade_annotation(TOUCHING, rng=0, erode=1), expected)


def test_erosion_keeps_the_deepest_pixels_of_a_thin_cell():
    labels = np.array([[0, 0, 0, 0, 0], [3, 3, 3, 0, 5], [0, 0, 0, 0, 0]])
    expected = [[0, 0, 0, 0, 0], [3, 3, 3, 0, 5], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(degrade_annotation(labels, rng=0, erode=4), expected)
    np.testing.assert_array_equal(
        degrade_annotation(np.array([0, 7, 7, 7, 0]), rng=0, erode=9), [0, 0, 7, 0, 0]
    )


def test_erosion_of_a_cell_that_fills_the_image_changes_nothing():
    np.testing.assert_array_equal(
        degrade_annotation(np.full((3, 4), 2), rng=0, erode=2), np.full((3, 4), 2)
    )


def test_dilation_is_round_and_never_overwrites_a_cell_or_an_ignored_pixel():
    labels = np.array(
        [
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, -1, 0, 0],
            [0, 0, 1, 2, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ]
    )
    expected = [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, -1, 0, 0],
        [0, 1, 1, 2, 2, 0],
        [0, 0, 1, 2, 0, 0],
    ]
    np.testing.assert_array_equal(degrade_annotation(labels, rng=0, dilate=1), expected)


def test_dilation_gives_a_pixel_to_the_nearer_cell_and_ties_to_the_lower_number():
    labels = np.array([0, 9, 0, 0, 0, 4, 0, 0, 2])
    np.testing.assert_array_equal(
        degrade_annotation(labels, rng=0, dilate=3), [9, 9, 9, 4, 4, 4, 4, 2, 2]
    )


def test_erosion_before_dilation_smooths_a_cell():
    labels = np.array(
        [[0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]]
    )
    expected = [[0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(degrade_annotation(labels, rng=0, erode=1, dilate=1), expected)


@pytest.mark.parametrize(("drop", "left"), [(0.0, 10), (0.25, 8), (0.3, 7), (1.0, 0)])
def test_drop_removes_the_rounded_share_of_the_cells_and_keeps_the_numbers(drop, left):
    labels = np.arange(0, 110, 10).repeat(3)
    weak = degrade_annotation(labels, rng=1, drop=drop)
    kept = np.unique(weak[weak > 0])
    assert kept.size == left
    np.testing.assert_array_equal(weak, np.where(np.isin(labels, kept), labels, 0))


def test_dropped_cells_can_be_ignored():
    labels = np.array([0, 1, 1, 0, 2], np.uint8)
    weak = degrade_annotation(labels, rng=0, drop=1, dropped="ignore")
    np.testing.assert_array_equal(weak, [0, -1, -1, 0, -1])
    np.testing.assert_array_equal(degrade_annotation(labels, rng=0, drop=1), [0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("given", "signed"),
    [
        ("uint8", "int16"),
        ("uint16", "int32"),
        ("uint32", "int64"),
        ("uint64", "int64"),
        ("int16", "int16"),
    ],
)
def test_dtype_is_kept_and_made_signed_for_ignored_pixels(given, signed):
    labels = np.array([0, 1, 1, 0, 0, 120], given)
    assert degrade_annotation(labels, rng=0, drop=0.5, erode=1, dilate=1, shift=1).dtype == given
    assert (
        degrade_annotation(
            labels, rng=0, drop=0.5, dropped="ignore", erode=1, dilate=1, shift=1
        ).dtype
        == signed
    )


def test_the_dropped_cells_do_not_depend_on_the_other_steps():
    labels = np.arange(1, 41).repeat(2)
    alone = degrade_annotation(labels, rng=3, drop=0.5)
    with_others = degrade_annotation(labels, rng=3, drop=0.5, erode=1, dilate=1)
    assert set(alone.tolist()) - {0} == set(with_others.tolist()) - {0}


def test_shift_moves_each_cell_as_a_whole_by_at_most_the_asked_pixels():
    labels = np.zeros((40, 40), int)
    labels[8:11, 8:12] = 1
    labels[25:30, 26:28] = 2
    offsets = set()
    for seed in range(120):
        weak = degrade_annotation(labels, rng=seed, shift=2)
        for cell in (1, 2):
            before, after = np.argwhere(labels == cell), np.argwhere(weak == cell)
            offset = after[0] - before[0]
            np.testing.assert_array_equal(after, before + offset)
            offsets.add(tuple(offset.tolist()))
    assert offsets == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_shift_overlaps_go_to_the_lower_number_and_never_cover_an_ignored_pixel():
    labels = np.array([0, 0, 8, 8, 8, 5, 5, 5, -1, 0])
    seen = set()
    for seed in range(40):
        weak = degrade_annotation(labels, rng=seed, shift=1)
        assert weak[8] == -1
        assert (weak < 0).sum() == 1
        lower = np.flatnonzero(weak == 5).tolist()
        assert lower in ([4, 5, 6], [5, 6, 7], [6, 7])
        seen.add(tuple(weak.tolist()))
    assert (0, 0, 0, 8, 5, 5, 5, 0, -1, 0) in seen
    assert (0, 0, 0, 8, 8, 8, 5, 5, -1, 0) in seen


def test_shift_cuts_at_the_image_border_and_keeps_a_cell_that_would_leave():
    pairs, singles = set(), set()
    for seed in range(40):
        pairs.add(tuple(degrade_annotation(np.array([1, 1, 0, 0]), rng=seed, shift=1).tolist()))
        singles.add(tuple(degrade_annotation(np.array([1, 0, 0]), rng=seed, shift=1).tolist()))
    assert pairs == {(1, 0, 0, 0), (1, 1, 0, 0), (0, 1, 1, 0)}
    assert singles == {(1, 0, 0), (0, 1, 0)}


def test_a_volume_of_one_slice_equals_the_image():
    for options in ({"erode": 1}, {"dilate": 1}, {"drop": 0.5}):
        flat = degrade_annotation(TOUCHING, rng=2, **options)
        np.testing.assert_array_equal(degrade_annotation(TOUCHING[None], rng=2, **options)[0], flat)


def test_a_volume_is_dilated_in_all_directions():
    labels = np.zeros((3, 3, 3), int)
    labels[1, 1, 1] = 6
    weak = degrade_annotation(labels, rng=0, dilate=1)
    assert (weak == 6).sum() == 7
    np.testing.assert_array_equal(weak[:, 1, 1], [6, 6, 6])


def test_same_seed_same_labels():
    options = {"drop": 0.3, "erode": 1, "dilate": 2, "shift": 2}
    labels = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((4, 5), int))
    first = degrade_annotation(labels, rng=7, **options)
    np.testing.assert_array_equal(
        first, degrade_annotation(labels, rng=np.random.default_rng(7), **options)
    )
    assert (first != degrade_annotation(labels, rng=8, **options)).any()


@pytest.mark.parametrize("shape", [(0, 3), (4, 3)])
def test_images_without_cells_stay_as_they_are(shape):
    weak = degrade_annotation(np.zeros(shape, int), rng=0, drop=0.5, erode=1, dilate=1, shift=1)
    np.testing.assert_array_equal(weak, np.zeros(shape, int))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": 1.5}, "drop must be a share from 0 to 1, not 1.5"),
        ({"drop": -0.1}, "drop must be"),
        ({"drop": float("nan")}, "drop must be"),
        ({"dropped": "gone"}, "dropped must be"),
        ({"erode": -1}, "erode must be 0 pixels or more, not -1"),
        ({"dilate": -2}, "dilate must be"),
        ({"shift": -3}, "shift must be"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        degrade_annotation(TOUCHING, rng=0, **options)


def test_labels_and_pixels_must_be_integers():
    with pytest.raises(TypeError, match="labels must be integers"):
        degrade_annotation(TOUCHING.astype(float), rng=0)
    with pytest.raises(TypeError):
        degrade_annotation(TOUCHING, rng=0, erode=1.5)

import numpy as np
import pytest
from scipy import ndimage

from oracles.relief import relief_slow
from seamwise.decode import argmax, instances, relief, semantic_classes
from seamwise.decode.instances import assign_touching, find_foreground
from seamwise.decode.meetings import join_meetings, meet
from seamwise.decode.relief import (
    foreground_classes,
    peaks,
    saddle_sums,
    sums_of_touching,
    with_cores,
    without_valley,
)
from seamwise.labels import semantic_target
from seamwise.labels.guides import measure_guides
from seamwise.tiling import Blocks
from support.probabilities import random_probabilities, same_up_to_numbers


def maps_of(classes, heights):
    """Certain classes and a relief, along a row."""
    classes, heights = np.array(classes), np.array(heights, float)
    return np.stack([*(classes == number for number in range(3)), heights, 0 * heights])


def crowd(shape, *, step=12, radius=7):
    """Balls on a grid that are wider than its step: each touches its neighbours in a flat face."""
    number, distance = np.ones(shape, int), np.zeros(shape)
    for grid in np.meshgrid(*map(np.arange, shape), indexing="ij"):
        if np.ptp(grid) > 0:
            number = number * 64 + grid // step
            distance += (grid % step - (step - 1) / 2) ** 2
    cells = np.where(distance <= radius**2, number, 0)
    return np.unique(cells, return_inverse=True)[1].reshape(shape)


def random_maps(shape, seed):
    rng = np.random.default_rng(seed)
    probabilities = random_probabilities(shape, rng, 4)
    relief_map = probabilities[1] * rng.uniform(0.3, 1.2, shape)
    return np.concatenate([probabilities, relief_map[np.newaxis], np.zeros((len(shape), *shape))])


def test_a_component_with_a_low_peak_goes_to_its_neighbour_or_vanishes():
    maps = maps_of([1, 1, 2, 1, 0, 1], [0.5, 0.9, 0.2, 0.2, 0, 0.2])
    assert relief(maps, peak=0.3).tolist() == [1, 1, 1, 1, 0, 0]
    assert relief(maps, peak=0.2).tolist() == [1, 1, 0, 2, 0, 3]
    assert relief(maps, peak=0).tolist() == argmax(maps[:3]).tolist() == [1, 1, 0, 2, 0, 3]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_maps_of_whole_numbers_are_those_of_floats(dtype):
    maps = maps_of([0, 1, 1, 2, 1, 0, 1], [0, 1, 1, 0, 1, 0, 0])
    assert relief(maps).max() == 2
    np.testing.assert_array_equal(relief(maps.astype(dtype)), relief(maps))


def test_a_core_splits_cells_whose_seam_only_the_relief_shows():
    maps = maps_of([1, 1, 1, 1, 1, 1, 0], [0.6, 0.9, 0.3, 0.2, 0.8, 0.5, -0.1])
    assert relief(maps).tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert relief(maps, core=0.4).tolist() == [1, 1, 1, 2, 2, 2, 0]
    assert relief(maps, core=0.4, saddle=0.3).tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_a_core_of_0_changes_nothing_where_the_relief_is_negative():
    maps = maps_of([1, 1, 1], [0.5, -0.1, 0.5])
    assert relief(maps, core=0).tolist() == [1, 1, 1]
    assert with_cores(np.array([1, 1, 2], np.uint8), maps[3], 0).tolist() == [1, 1, 2]
    assert with_cores(np.array([1, 1, 0], np.uint8), maps[3], 0.1).tolist() == [1, 2, 0]


def test_cells_without_a_valley_are_one():
    maps = maps_of([1, 1, 2, 2, 1, 1], [0.5, 0.8, 0.5, 0.7, 1, 0.5])
    # mean of the two sides 0.6, the lower peak 0.8: the ratio is 0.75
    assert relief(maps, saddle=0.74).tolist() == [1] * 6
    assert relief(maps, saddle=0.76).tolist() == [1, 1, 1, 2, 2, 2]


def test_joining_goes_from_cell_to_cell():
    maps = maps_of([1, 1, 2, 2, 1, 2, 2, 1, 1], [1] * 9)
    assert relief(maps).tolist() == [1] * 9


@pytest.mark.parametrize("shape", [(90, 110), (1, 90, 110), (24, 40, 44)])
def test_a_right_network_keeps_every_cell(shape):
    labels = crowd(shape)
    target = semantic_target(labels, classes=3, touching_radius=1)
    guides = np.zeros((labels.ndim, *shape))
    maps = np.concatenate([np.stack([target == k for k in range(3)]), guides[:1], guides])
    maps[3] = measure_guides(labels).relief
    assert same_up_to_numbers(relief(maps), argmax(maps[:3]))
    assert relief(maps).max() == labels.max()


@pytest.mark.parametrize("shape", [(40,), (30, 34), (1, 30, 34), (9, 12, 11)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"foreground": 0.7, "peak": 0.6, "saddle": 0.5, "min_core": 3, "min_size": 4},
        {"core": 0.35, "saddle": 1.2},
    ],
)
def test_it_is_what_plain_loops_give(shape, options):
    for seed in range(3):
        maps = random_maps(shape, seed)
        assert same_up_to_numbers(relief(maps, **options), relief_slow(maps, **options))


def test_offsets_do_not_matter():
    maps = random_maps((30, 34), 0)
    other = maps.copy()
    other[-2:] = 7
    assert np.array_equal(relief(maps), relief(other))


@pytest.mark.parametrize("gap", ["second", "background"])
def test_without_judgement_it_is_what_the_classes_give(gap):
    maps = random_maps((30, 34), 1)
    result = relief(maps, foreground=0.6, peak=0, saddle=9, gap=gap, min_size=3, min_core=2)
    classes = foreground_classes(maps[:4], foreground=0.6, gap=gap)
    assert same_up_to_numbers(result, instances(classes, min_size=3, min_core=2))


def test_classes_by_hand():
    z = np.array([[0.4, 0.3, 0.2, 0.1], [0.5, 0.2, 0.2, 0.1], [0.2, 0.3, 0.4, 0.1]]).T
    assert foreground_classes(z).tolist() == [1, 0, 2]
    assert foreground_classes(z, gap="second").tolist() == [1, 0, 2]
    assert foreground_classes(z, foreground=0.55).tolist() == [0, 0, 2]
    assert foreground_classes(z, foreground=0.55, gap="second").tolist() == [1, 0, 2]
    assert foreground_classes(z, foreground=0.4).tolist() == [1, 1, 2]
    assert foreground_classes(z[:2], foreground=0.4).tolist() == [1, 0, 1]


def test_no_cell():
    maps = maps_of([0, 0, 2], [0, 0, 1])
    assert relief(maps).tolist() == [0, 0, 0]


@pytest.mark.parametrize("channels", [4, 8])
def test_another_number_of_maps_is_refused(channels):
    expected = f"2 to 4 classes, a relief and 2 offsets, not {channels} channels"
    with pytest.raises(ValueError, match=expected):
        relief(np.zeros((channels, 5, 6)))


def test_options_out_of_range_are_refused():
    maps = maps_of([1], [1])
    with pytest.raises(ValueError, match=r"peak must be a probability from 0 to 1, not 1\.5"):
        relief(maps, peak=1.5)
    with pytest.raises(ValueError, match="foreground must be a probability"):
        relief(maps, foreground=-0.1)
    with pytest.raises(ValueError, match="core must be a probability from 0 to 1, not 2"):
        relief(maps, core=2)
    with pytest.raises(ValueError, match="saddle must be 0 or more, not -1"):
        relief(maps, saddle=-1)
    with pytest.raises(ValueError, match="min_size and min_core must be 0 or more"):
        relief(maps, min_size=-1)


@pytest.mark.parametrize("shape", [(40,), (50, 61), (1, 50, 61), (20, 21, 22)])
@pytest.mark.parametrize("size", [5, 16])
def test_block_by_block_the_same_cells_are_one(shape, size):
    maps = random_maps(shape, 3)
    classes, height = semantic_classes(maps[:4], gap="background"), maps[4]
    labels = instances(classes).astype(np.uint32)
    blocks = Blocks(shape, (size,) * len(shape))
    meetings = [meet(labels[blocks.box(n)], height[blocks.box(n)]) for n in range(len(blocks))]
    count = int(labels.max())
    for saddle in (0.5, 0.8, 1.1):
        same = join_meetings(blocks, meetings.__getitem__, cells=count, saddle=saddle)
        whole = without_valley(saddle_sums(labels, height), peaks(height, labels), saddle=saddle)
        assert np.array_equal(same, whole)
        assert np.array_equal(same[same], same)
    assert len(np.unique(whole)) > 1


def test_sums_between_cells_by_hand():
    labels, height = np.array([[1, 1, 2], [3, 3, 2]]), np.array([[1.0, 2, 4], [3, 5, 6]])
    sums = saddle_sums(labels, height)
    assert list(zip(sums.first, sums.second, sums.faces, strict=True)) == [
        (1, 2, 1),
        (1, 3, 2),
        (2, 3, 1),
    ]
    assert sums.total.tolist() == [3, 5.5, 5.5]


@pytest.mark.parametrize("shape", [(40,), (24, 31), (7, 11, 13), (1, 12, 12)])
def test_saddles_are_found_from_the_touching_pixels_alone(shape):
    rng = np.random.default_rng(5)
    classes, height = rng.integers(0, 3, shape).astype(np.uint8), rng.random(shape, np.float32)
    foreground = find_foreground(classes)
    owners = assign_touching(foreground, foreground.areas() >= 2)
    expected = saddle_sums(owners.labels, height)
    sums = sums_of_touching(owners, height)
    assert len(expected.first) or len(shape) == 1
    for name in ("first", "second", "total", "faces"):
        np.testing.assert_array_equal(getattr(sums, name), getattr(expected, name))


def test_peaks_of_runs_are_those_of_pixels():
    rng = np.random.default_rng(6)
    classes, height = rng.integers(0, 3, (20, 30)).astype(np.uint8), rng.normal(size=(20, 30))
    labels, count = ndimage.label(classes == 1)
    foreground = find_foreground(classes)
    assert foreground.count == count
    np.testing.assert_array_equal(foreground.areas()[1:], np.bincount(labels.ravel())[1:])
    np.testing.assert_array_equal(foreground.peaks(height)[1:], peaks(height, labels)[1:])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_relief_that_is_not_finite_is_refused(value):
    maps = maps_of([0, 1, 1], [0, 1, 1])
    maps[3, 2] = value
    with pytest.raises(ValueError, match="relief has NaN or infinite values"):
        relief(maps)

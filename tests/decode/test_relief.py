import numpy as np
import pytest

from seamwise.decode import flood, relief, relief_landscape
from seamwise.labels import relabel
from seamwise.labels.guides import measure_guides


def crowd(shape, *, step=12, radius=7):
    """Balls on a grid that are wider than its step: each touches its neighbours in a flat face."""
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    number, distance = np.ones(shape, int), np.zeros(shape)
    for grid in grids:
        wide = grid.shape[0] > 1 or grid is not grids[0]
        cell = grid // step if wide else 0 * grid
        number = number * 64 + cell
        distance += (grid % step - (step - 1) / 2) ** 2 if wide else 0
    return relabel(np.where(distance <= radius**2, number, 0)).astype(np.int32)


def maps_of(labels, *, classes=2):
    """Maps of a network that is right: certain classes, and the guides of the labels."""
    probabilities = np.zeros((classes, *labels.shape), np.float32)
    probabilities[0], probabilities[1] = labels == 0, labels > 0
    offsets = np.zeros((labels.ndim, *labels.shape), np.float32)
    return np.concatenate([probabilities, measure_guides(labels).relief[np.newaxis], offsets])


@pytest.mark.parametrize("shape", [(90, 110), (1, 90, 110), (24, 40, 44)])
def test_a_right_relief_gives_the_cells_back_without_any_seam(shape):
    labels = crowd(shape)
    result = relief(maps_of(labels))
    pairs = np.unique(np.stack([labels.ravel(), result.ravel()]), axis=1, return_counts=True)
    most = {
        a: b
        for (a, b), _ in sorted(zip(pairs[0].T, pairs[1], strict=True), key=lambda item: item[1])
    }
    assert len(set(most.values())) == len(most) == result.max() + 1
    assert np.mean([most[a] == b for a, b in zip(labels.flat, result.flat, strict=True)]) > 0.99


def test_thresholds_by_hand():
    r = np.array([0.2, 0.6, 0.4, 0.6, 0.2, 0.9, 0.9])
    background = np.array([0.1, 0.1, 0.1, 0.1, 0.6, 0.6, 0.4])
    maps = np.stack([background, 1 - background, r, 0 * r])
    seeds, elevation = relief_landscape(maps, background=0.5, core=0.5)
    assert seeds.tolist() == [2, 1, 2, 1, 0, 0, 1]
    np.testing.assert_allclose(elevation, -r, rtol=1e-6)
    assert relief(maps, core=0.5).tolist() == [1, 1, 1, 2, 0, 0, 3]
    assert relief(maps, core=0.4).tolist() == [1, 1, 1, 1, 0, 0, 2]
    assert relief(maps, core=0.5, background=0.7).tolist() == [1, 1, 1, 2, 3, 3, 3]
    assert relief(maps, core=0.95).tolist() == [0] * 7
    assert relief(maps, min_size=3).tolist() == [1, 1, 1, 0, 0, 0, 0]


def test_the_gap_is_background():
    maps = np.zeros((7, 1, 2))
    maps[:4, 0, 0], maps[:4, 0, 1] = [0.3, 0.4, 0, 0.3], [0.2, 0.5, 0.1, 0.2]
    maps[4] = 1
    assert relief_landscape(maps)[0].tolist() == [[0, 1]]


def test_offsets_do_not_matter():
    maps = maps_of(crowd((60, 70)), classes=4)
    other = maps.copy()
    other[-2:] = 7
    assert np.array_equal(relief(maps), relief(other))


def test_it_is_the_flood_of_its_landscape():
    maps = maps_of(crowd((60, 70)), classes=3)
    maps += np.random.default_rng(0).normal(0, 0.2, maps.shape)
    seeds, elevation = relief_landscape(maps, background=0.4, core=0.6)
    expected = flood(seeds, elevation, min_size=5, min_core=3, background_as="mask")
    assert np.array_equal(relief(maps, background=0.4, core=0.6, min_size=5, min_core=3), expected)


@pytest.mark.parametrize("channels", [4, 8])
def test_another_number_of_maps_is_refused(channels):
    with pytest.raises(
        ValueError, match=f"2 to 4 classes, a relief and 2 offsets, not {channels} channels"
    ):
        relief(np.zeros((channels, 5, 6)))


@pytest.mark.parametrize("name", ["background", "core"])
def test_thresholds_are_probabilities(name):
    with pytest.raises(ValueError, match=f"{name} must be a probability from 0 to 1, not 1.5"):
        relief(np.zeros((5, 4, 4)), **{name: 1.5})

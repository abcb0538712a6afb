import itertools

import numpy as np
import pytest

from seamwise.tiling import Tile, blend, tiles


@pytest.mark.parametrize("shape", [(100,), (37, 200), (1, 64), (20, 70, 33)])
@pytest.mark.parametrize(("size", "overlap", "multiple"), [(64, 16, 16), (48, 20, 4), (32, 0, 16), (17, 5, 1)])
def test_weights_sum_to_one_and_tiles_keep_their_promises(shape, size, overlap, multiple):
    total = np.zeros(shape)
    for tile in tiles(shape, size=size, overlap=overlap, multiple=multiple):
        assert all(box.stop - box.start <= size for box in tile.box)
        assert all(box.start % multiple == 0 for box in tile.box)
        assert tile.weight.min() > 0
        total[tile.box] += tile.weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("length", range(33, 200, 7))
def test_neighbours_share_at_least_the_overlap(length):
    boxes = [tile.box[0] for tile in tiles((length,), size=32, overlap=10, multiple=4)]
    assert boxes[0].start == 0
    assert boxes[-1].stop == length
    assert all(first.stop - second.start >= 10 for first, second in itertools.pairwise(boxes))


def test_tiles_are_no_larger_than_their_number_needs():
    boxes = [tile.box[0] for tile in tiles((2048,), size=1024, overlap=64, multiple=16)]
    assert [(box.start, box.stop) for box in boxes] == [(0, 736), (672, 1408), (1344, 2048)]


def test_weights_of_two_tiles_written_out():
    first, second = tiles((6,), size=4, overlap=2)
    assert (first.box[0], second.box[0]) == (slice(0, 4), slice(2, 6))
    np.testing.assert_allclose(first.weights[0], [1, 1, 27 / 28, 1 / 28])
    np.testing.assert_allclose(second.weights[0], [1 / 28, 27 / 28, 1, 1])


def test_one_tile_covers_a_small_grid():
    (tile,) = tiles((5, 6), size=64)
    assert tile.box == (slice(0, 5), slice(0, 6))
    assert (tile.weight == 1).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_blending_what_does_not_depend_on_the_tile_returns_it(axis):
    shape = (50, 41, 33)
    image = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    parts = tiles(shape, size=16, overlap=6, multiple=2)
    slabs = list(blend(shape, parts, lambda box: image[(slice(None), *box)], channels=3, axis=axis))
    ranges = [box[axis] for box, _ in slabs]
    assert len(ranges) > 2
    assert [r.start for r in ranges[1:]] == [r.stop for r in ranges[:-1]]
    result = np.full_like(image, np.nan)
    for box, slab in slabs:
        result[(slice(None), *box)] = slab
    np.testing.assert_allclose(result, image, atol=1e-5)


def test_blending_is_the_weighted_sum():
    parts = tiles((20, 30), size=12, overlap=4)
    values = {tuple((b.start, b.stop) for b in tile.box): float(i) for i, tile in enumerate(parts)}

    def compute(box):
        shape = [b.stop - b.start for b in box]
        return np.full((1, *shape), values[tuple((b.start, b.stop) for b in box)])

    expected = np.zeros((20, 30))
    for i, tile in enumerate(parts):
        expected[tile.box] += i * tile.weight
    result = np.concatenate([slab for _, slab in blend((20, 30), parts, compute, channels=1)], 1)[0]
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_tiles_are_frozen():
    with pytest.raises(AttributeError):
        Tile((slice(0, 1),), (np.ones(1, np.float32),)).box = ()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"size": 32, "overlap": 32}, "do not advance"),
        ({"size": 32, "overlap": 20, "multiple": 16}, "at least 36"),
        ({"size": (32, 32, 32)}, "one per axis"),
        ({"size": 32, "overlap": -1}, "overlap must be 0 or more"),
    ],
)
def test_bad_input_is_named(arguments, word):
    with pytest.raises(ValueError, match=word):
        tiles((100, 100), **arguments)

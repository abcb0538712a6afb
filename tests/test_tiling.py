import itertools

import numpy as np
import pytest

from seamwise.tiling import Blocks, Tile, blend, grow, relative_to, tiles


@pytest.mark.parametrize("shape", [(100,), (37, 200), (1, 64), (20, 70, 33)])
@pytest.mark.parametrize(
    ("size", "overlap", "multiple"), [(64, 16, 16), (48, 20, 4), (32, 0, 16), (17, 5, 1)]
)
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


def test_a_single_tile_is_not_copied():
    image = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    ((box, slab),) = blend(tiles((5, 6), size=8), lambda box: image)
    assert box == (slice(0, 5), slice(0, 6))
    assert np.shares_memory(slab, image)
    assert slab.shape == image.shape


@pytest.mark.parametrize(
    ("shape", "size", "overlap"),
    [((50, 41, 33), 16, 6), ((37,), 16, 9), ((40, 1, 30), 8, 4), ((20, 21), 8, 0)],
)
def test_blending_what_does_not_depend_on_the_tile_returns_it(shape, size, overlap):
    image = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    parts = tiles(shape, size=size, overlap=overlap, multiple=2)
    result, times = np.full_like(image, np.nan), np.zeros(shape, int)
    for box, values in blend(parts, lambda box: image[(slice(None), *box)]):
        result[(slice(None), *box)] = values
        times[box] += 1
    assert (times == 1).all()
    np.testing.assert_allclose(result, image, atol=1e-5)


def test_what_one_tile_covers_is_not_copied_and_its_largest_part_comes_last():
    computed, yielded = [], []

    def compute(box):
        computed.append(np.zeros((2, *(s.stop - s.start for s in box)), np.float32))
        yielded.append([])
        return computed[-1]

    parts = tiles((40, 30), size=16, overlap=4)
    for box, values in blend(parts, compute):
        is_view = np.shares_memory(values, computed[-1])
        is_alone = sum(_covers(tile.box, box) for tile in parts) == 1
        assert is_view == is_alone
        yielded[-1].append(values.size)
    assert [sizes[-1] for sizes in yielded] == [max(sizes) for sizes in yielded]


@pytest.mark.parametrize(
    "shape", [(16, 200, 90), (90, 16, 200), (200, 90, 16), (24, 300), (300, 24)]
)
def test_what_is_held_lies_across_the_shorter_axes(shape):
    """It is the strip that tiles share across the longest axis, and less than a tile."""
    most, overlap, size = 0, 4, 16
    image = np.ones((1, *shape), np.float32)
    computed = np.zeros(shape, bool)
    covered = np.zeros(shape, bool)

    def compute(box):
        computed[box] = True
        return image[(slice(None), *box)]

    for box, _ in blend(tiles(shape, size=size, overlap=overlap, multiple=4), compute):
        most = max(most, int((computed & ~covered).sum()))
        covered[box] = True
    strip = overlap * np.prod(shape) // max(shape)
    assert most <= strip + size ** len(shape)


def _covers(outer, box):
    return all(o.start <= b.start and b.stop <= o.stop for o, b in zip(outer, box, strict=True))


def test_blending_is_the_weighted_sum():
    parts = tiles((20, 30), size=12, overlap=4)
    values = {tuple((b.start, b.stop) for b in tile.box): float(i) for i, tile in enumerate(parts)}

    def compute(box):
        shape = [b.stop - b.start for b in box]
        return np.full((1, *shape), values[tuple((b.start, b.stop) for b in box)])

    expected = np.zeros((20, 30))
    for i, tile in enumerate(parts):
        expected[tile.box] += i * tile.weight
    result = np.full((20, 30), np.nan)
    for box, (part,) in blend(parts, compute):
        result[box] = part
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size"), [((10,), (4,)), ((7, 9), (3, 9)), ((5, 1, 8), (2, 3, 1)), ((6, 6), (6, 7))]
)
def test_blocks_cover_each_pixel_once_in_scan_order(shape, size):
    blocks, times, numbers = Blocks(shape, size), np.zeros(shape, int), np.zeros(shape, int)
    for number in range(len(blocks)):
        box = blocks.box(number)
        assert all(0 < s.stop - s.start <= length for s, length in zip(box, size, strict=True))
        assert all(s.start % length == 0 for s, length in zip(box, size, strict=True))
        times[box] += 1
        numbers[box] = number
    assert (times == 1).all()
    corners = [[s.start for s in blocks.box(number)] for number in range(len(blocks))]
    assert corners == sorted(corners)
    assert len(blocks) == np.prod(blocks.counts) == numbers.max() + 1


def test_blocks_written_out():
    blocks = Blocks((5, 7), (3, 4))
    assert blocks.counts == (2, 2)
    assert [blocks.box(number) for number in (1, 2)] == [
        (slice(0, 3), slice(4, 7)),
        (slice(3, 5), slice(0, 4)),
    ]
    assert Blocks((5,), (9,)).box(0) == (slice(0, 5),)


def test_blocks_that_meet_a_box_are_those_that_share_a_pixel():
    blocks = Blocks((5, 7), (2, 3))
    image = np.zeros((5, 7), int)
    for number in range(len(blocks)):
        image[blocks.box(number)] = number
    starts = itertools.product(range(5), range(7))
    for y, x in starts:
        for height, width in itertools.product(range(1, 6 - y), range(1, 8 - x)):
            box = slice(y, y + height), slice(x, x + width)
            assert blocks.meeting(box) == np.unique(image[box]).tolist()


@pytest.mark.parametrize("size", [(3,), (3, 0), (3, -1), (3, 3, 3)])
def test_blocks_need_one_positive_size_per_axis(size):
    with pytest.raises(ValueError, match=r"size must be one positive number per axis of \(5, 7\)"):
        Blocks((5, 7), size)


def test_a_box_grows_up_to_the_border_and_is_found_again():
    box, shape = (slice(2, 4), slice(6, 9)), (9, 10)
    around = grow(box, 3, shape)
    assert around == (slice(0, 7), slice(3, 10))
    assert grow(box, 0, shape) == box
    assert grow(box, 99, shape) == (slice(0, 9), slice(0, 10))
    image = np.arange(90).reshape(shape)
    assert relative_to(box, around) == (slice(2, 4), slice(3, 6))
    assert np.array_equal(image[around][relative_to(box, around)], image[box])


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

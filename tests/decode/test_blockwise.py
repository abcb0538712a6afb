from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from seamwise.decode import flood, instances, semantic_classes, watershed_elevation
from seamwise.decode.blockwise import (
    assign,
    cells_in,
    find_cores,
    finish,
    flood_block,
    join_cores,
    join_surveys,
    survey,
)
from seamwise.decode.nearest import REACH
from seamwise.io.images import read_labels
from seamwise.labels import semantic_target
from seamwise.tiling import Blocks, grow
from support.probabilities import random_probabilities, same_up_to_numbers

GONUCLEAR = (
    Path(__file__).parents[3] / "shared" / "data" / "gonuclear3d" / "train" / "masks" / "1136.tif"
)


def reader(array):
    """An image that is read box by box."""
    return lambda box: array[tuple(box)]


def found(classes, blocks, *, min_core=0):
    """First round: numbers of the cores within their blocks, and the cells."""
    numbers = np.zeros(blocks.shape, np.uint32)
    cores = {}
    for block in reversed(range(len(blocks))):  # no block waits for the one before
        numbers[blocks.box(block)], cores[block] = find_cores(classes[blocks.box(block)])
    return reader(numbers), join_cores(blocks, cores.__getitem__, min_core=min_core)


def finished(labels, blocks, cells, *, min_size=0):
    """Last round: from labelled blocks to the labels of the image."""
    surveys = {
        block: survey(labels[blocks.box(block)], blocks.box(block), blocks.shape)
        for block in range(len(blocks))
    }
    result = join_surveys(
        blocks, surveys.__getitem__, cells=len(cells.region_of) - 1, min_size=min_size
    )
    final = np.zeros(blocks.shape, result.number.dtype)
    for block in reversed(range(len(blocks))):
        final[blocks.box(block)] = finish(block, labels[blocks.box(block)], result)
    assert result.count == final.max(initial=0)
    return final


def decoded(classes, size, *, min_core=0, min_size=0):
    """What `instances` does, block by block."""
    classes = np.asarray(classes, np.uint8)
    blocks = Blocks(classes.shape, size)
    numbers, cells = found(classes, blocks, min_core=min_core)
    labels = np.zeros(blocks.shape, np.uint32)
    for block in reversed(range(len(blocks))):
        labels[blocks.box(block)] = assign(
            block, blocks, classes[blocks.box(block)], numbers, cells
        )
    return finished(labels, blocks, cells, min_size=min_size)


def flooded_blocks(seeds, elevation, blocks, *, halo, min_core=0, background_as="marker"):
    """Cells of every block, as numbers of the image, before holes are filled."""
    numbers, cells = found(seeds, blocks, min_core=min_core)
    labels = np.zeros(blocks.shape, np.uint32)
    options = {"halo": halo, "background_as": background_as}
    for block in reversed(range(len(blocks))):
        labels[blocks.box(block)] = flood_block(
            block, blocks, reader(seeds), reader(elevation), numbers, cells, **options
        )
    return labels, cells


def is_the_whole(classes, size, **options):
    """The blocks give the cells of the whole image."""
    whole, result = instances(classes, **options), decoded(classes, size, **options)
    return same_up_to_numbers(whole, result) and np.array_equal(whole > 0, result > 0)


# ---- an image block by block is the image at once: small cases, the answer written out


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 99])
def test_a_row_with_a_seam_wherever_it_is_cut(size):
    assert decoded([0, 1, 2, 2, 1, 1], (size,)).tolist() == [0, 1, 1, 2, 2, 2]
    assert decoded([1, 2, 2, 2, 1, 0], (size,)).tolist() == [
        1,
        1,
        0,
        2,
        2,
        0,
    ]  # equally near to both


@pytest.mark.parametrize("size", [(3, 3), (1, 1), (2, 6), (6, 2), (9, 9)])
def test_a_hole_that_spans_four_blocks(size):
    ring = np.zeros((6, 6), int)
    ring[1:5, 1:5] = 1
    ring[2:4, 2:4] = 0
    filled = ring.copy()
    filled[2:4, 2:4] = 1
    assert decoded(ring, size).tolist() == filled.tolist()
    for corner in (
        (1, 1),
        (1, 4),
        (4, 1),
        (4, 4),
    ):  # open over a corner, in one block: still one piece of background
        open_ = ring.copy()
        open_[corner] = 0
        assert decoded(open_, size).tolist() == open_.tolist()


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (3, 2)])
def test_a_hole_that_reaches_the_border_of_the_image_in_another_block(size):
    bay = np.ones((5, 5), int)
    bay[2, 2:] = 0
    assert decoded(bay, size).tolist() == bay.tolist()


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (1, 5)])
def test_background_between_two_cells_stays_also_where_each_block_sees_one(size):
    between = np.array(
        [[1, 1, 1, 1, 1], [2, 0, 0, 0, 2], [2, 0, 0, 0, 2], [2, 0, 0, 0, 2], [1, 1, 1, 1, 1]]
    )
    expected = [[1] * 5, [1, 0, 0, 0, 1], [0] * 5, [2, 0, 0, 0, 2], [2] * 5]
    assert decoded(between, size).tolist() == expected


def test_a_cell_in_the_hole_of_another_in_another_block():
    classes = np.ones((7, 7), int)
    classes[1:6, 1:6] = 0
    classes[3, 3] = 1
    labels = decoded(classes, (2, 2))
    assert labels.max() == 2
    assert labels[2, 2] == 0
    assert (
        decoded(classes, (2, 2), min_size=2)[2:5, 2:5].tolist() == [[0] * 3] * 3
    )  # dropped after filling: no hole


@pytest.mark.parametrize("size", [1, 5, 7])
def test_a_crumb_that_is_large_enough_with_its_other_half(size):
    row = [1, 1, 1, 2, 1, 1, 2, 1, 1, 1]  # cut at 5, each half of the one in the middle is a pixel
    assert decoded(row, (size,), min_core=2).tolist() == [1, 1, 1, 0, 2, 2, 0, 3, 3, 3]
    assert decoded(row, (size,), min_core=3).tolist() == [1] * 5 + [2] * 5
    assert not decoded(row, (size,), min_core=4).any()


@pytest.mark.parametrize("size", [3, 4, 7, 50])
def test_a_long_touching_strip_along_many_blocks(size):
    strip = [1, *[2] * 99, 1]
    assert decoded(strip, (size,)).tolist() == [1] * 50 + [0] + [2] * 50
    assert (decoded([1, *[2] * 100], (size,)) == 1).all()
    assert decoded([*[2] * (REACH + 1), 1, 0], (size,)).tolist() == [1] * (REACH + 2) + [0]


def test_a_cell_just_outside_the_part_that_is_searched_first():
    # from the middle, the last pixel of its block, the cell on the left is in sight at 17 pixels,
    # that on the right not
    assert decoded([1, *[2] * 33, 1], (18,)).tolist() == [1] * 17 + [0] + [2] * 17


@pytest.mark.parametrize("length", range(30, 44))
def test_a_cell_that_ends_where_a_part_of_the_search_ends(length):
    row = [*[1] * length, *[2] * 61, 1]
    assert decoded(row, (4,)).tolist() == [1] * (length + 30) + [0] + [2] * 31


@pytest.mark.parametrize("size", [(3, 2), (1, 3), (1, 70)])
def test_a_nearer_cell_of_another_region_is_not_seen_however_far_ones_own(size):
    classes = np.zeros((3, 70), int)
    classes[0], classes[0, 0], classes[2, 40:] = 2, 1, 1
    assert decoded(classes, size).tolist() == [[1] * 70, [0] * 70, [0] * 40 + [2] * 30]


@pytest.mark.parametrize("size", [1, 3])
def test_touching_pixels_without_a_cell_are_background(size):
    assert decoded([1, 1, 0, 2, 2, 2, 2], (size,)).tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert not decoded([2] * 7, (size,)).any()
    assert not decoded([0] * 7, (size,)).any()


def test_sizes_count_the_whole_cell_its_touching_pixels_and_its_holes():
    row = [1, 2, 0, 1, 0, 1, 1, 1]
    assert decoded(row, (1,), min_size=2).tolist() == [1, 1, 0, 0, 0, 2, 2, 2]
    assert decoded(row, (2,), min_size=3).tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    ring = np.pad(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]]), 1)
    assert decoded(ring, (2, 2), min_size=9).sum() == 9
    assert not decoded(ring, (2, 2), min_size=10).any()


def test_cells_are_numbered_in_the_order_of_the_blocks_they_begin_in():
    classes = [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert decoded(classes, (3, 2)).tolist() == [[0, 0, 2, 0], [1, 0, 0, 0], [0, 0, 0, 3]]
    assert decoded(classes, (3, 4)).tolist() == instances(np.array(classes)).tolist()


@pytest.mark.parametrize("size", [2, 9])
def test_a_plane_is_a_stack_of_one_slice_along_any_axis(size):
    plane = np.pad(np.array([[1, 1, 1, 2, 1], [1, 0, 1, 2, 1], [1, 1, 1, 2, 1]], np.uint8), 1)
    expected = decoded(plane, (size, size))
    assert expected.tolist() == instances(plane).tolist()
    for axis in range(3):
        stack = decoded(np.expand_dims(plane, axis), np.insert([size, size], axis, 1))
        assert np.array_equal(np.squeeze(stack, axis), expected)


def test_the_smallest_type_holds_the_cells():
    grid = np.zeros((40, 40), int)
    grid[::2, ::2] = 1
    assert decoded(grid, (16, 16)).dtype == np.uint16
    assert decoded(grid, (16, 16), min_size=2).dtype == np.uint8


# ---- random images, any block


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((90,), [(1,), (13,)]),
        ((8, 9), [(1, 1), (2, 3)]),
        ((33, 41), [(7, 9), (16, 50)]),
        ((1, 60), [(1, 7)]),
        ((13, 14, 15), [(4, 5, 6), (13, 1, 8), (20, 20, 20)]),
        ((6, 7, 6, 7), [(3, 4, 3, 5)]),
    ],
)
@pytest.mark.parametrize("kind", ["smooth", "crumbs", "few cells", "sparse"])
def test_random_images_are_decoded_as_at_once(shape, sizes, kind):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        classes = semantic_classes(random_probabilities(shape, rng, smooth=1.5))
        if kind == "crumbs":
            classes = rng.choice(3, shape, p=[0.25, 0.35, 0.4]).astype(np.uint8)
        elif kind == "few cells":  # touching pixels far from any
            classes[(classes == 1) & (rng.random(shape) < 0.97)] = 2
        elif kind == "sparse":
            classes[ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0] = 0
        for size in sizes:
            for options in ({}, {"min_core": 3, "min_size": 5}):
                assert is_the_whole(classes, size, **options), (seed, size, options)


def test_far_pixels_find_their_cells_in_a_wide_image():
    # regions of some hundred pixels with one or two cells each, wider than the first part that is
    # searched
    rng = np.random.default_rng(1)
    covered = ndimage.gaussian_filter(rng.normal(size=(160, 170)), 9) > 0
    classes = np.where(covered, np.where(rng.random(covered.shape) < 0.001, 1, 2), 0).astype(
        np.uint8
    )
    distance = ndimage.distance_transform_edt(classes != 1)
    assert distance[covered].max() > 50
    for size in ((16, 16), (40, 170)):
        assert is_the_whole(classes, size)


@pytest.mark.skipif(
    not GONUCLEAR.is_file(), reason="needs ../shared/data, the development data beside the checkout"
)
def test_real_nuclei_with_wrong_pixels_are_decoded_as_at_once():
    labels = read_labels(GONUCLEAR)[20:70, :, :]
    classes = semantic_target(labels, classes=3, touching_radius=1).astype(np.uint8)
    rng = np.random.default_rng(0)
    wrong = rng.random(classes.shape) < 0.02
    classes[wrong] = rng.integers(0, 3, wrong.sum())
    options = {"min_core": 4, "min_size": 30}
    assert instances(classes, **options).max() > 10
    for size in ((32, 32, 32), (50, 27, 64)):
        assert is_the_whole(classes, size, **options)


# ---- watershed


def random_relief(shape, seed, background=0.5, cell=0.7):
    """Seeds and heights, no two equal."""
    return watershed_elevation(
        random_probabilities(shape, np.random.default_rng(seed), smooth=1.5),
        background=background,
        cell=cell,
    )


SHAPES = [((90,), (11,)), ((33, 41), (8, 13)), ((13, 14, 15), (5, 6, 15))]


def lies_within(inner, outer):
    return all(a.start >= b.start and a.stop <= b.stop for a, b in zip(inner, outer, strict=True))


@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize("background_as", ["marker", "mask"])
@pytest.mark.parametrize("sizes", [{}, {"min_core": 3, "min_size": 4}])
def test_with_a_halo_of_the_whole_image_it_is_the_whole_flood(shape, size, background_as, sizes):
    for seed in range(3):
        seeds, elevation = random_relief(shape, seed)
        blocks = Blocks(shape, size)
        labels, cells = flooded_blocks(
            seeds,
            elevation,
            blocks,
            halo=max(shape),
            min_core=sizes.get("min_core", 0),
            background_as=background_as,
        )
        result = finished(labels, blocks, cells, min_size=sizes.get("min_size", 0))
        expected = flood(seeds, elevation, background_as=background_as, **sizes)
        assert same_up_to_numbers(expected, result)
        assert np.array_equal(expected > 0, result > 0)


@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize("halo", [0, 2, 4])
@pytest.mark.parametrize("background_as", ["marker", "mask"])
@pytest.mark.parametrize("steps", [None, 2, 0])
def test_undecided_pixels_that_fit_into_block_and_halo_get_the_cell_of_the_whole_image(
    shape, size, halo, background_as, steps
):
    checked = 0
    for seed in range(3):
        seeds, elevation = random_relief(shape, seed, background=0.45, cell=0.5)
        if steps is not None:  # many equally high pixels, or nothing but
            elevation = np.round(elevation * steps)
        blocks, at_once = Blocks(shape, size), Blocks(shape, shape)
        whole, _ = flooded_blocks(seeds, elevation, at_once, halo=0, background_as=background_as)
        labels, _ = flooded_blocks(seeds, elevation, blocks, halo=halo, background_as=background_as)
        # cells bear the numbers of the order of their blocks: those of the whole image, by their
        # markers
        of_whole = np.zeros(labels.max() + 1, int)
        of_whole[labels[seeds == 1]] = whole[seeds == 1]
        undecided, count = ndimage.label(seeds == 2)
        boxes = [blocks.box(block) for block in range(len(blocks))]
        for component in range(1, count + 1):
            pixels = undecided == component
            (around,) = ndimage.find_objects(ndimage.binary_dilation(pixels).astype(int))
            for box in boxes:
                if lies_within(around, grow(box, halo, shape)):
                    here = pixels[box]
                    assert np.array_equal(of_whole[labels[box][here]], whole[box][here])
                    checked += here.sum()
    assert checked > (20 if halo else 5)


@pytest.mark.parametrize("background_as", ["marker", "mask"])
@pytest.mark.parametrize("halo", [0, 3])
def test_no_cell_is_cut_at_a_seam(halo, background_as):
    seeds, elevation = random_relief((33, 41), 4, cell=0.6)
    markers, count = ndimage.label(seeds == 1)
    labels, cells = flooded_blocks(
        seeds, elevation, Blocks((33, 41), (8, 8)), halo=halo, background_as=background_as
    )
    assert len(cells.region_of) == count + 1
    assert same_up_to_numbers(markers, np.where(markers > 0, labels, 0))
    assert not labels[seeds == 0].any()


def test_a_seam_between_blocks_written_out():
    seeds = np.array([1, 1, 2, 2, 2, 1, 1], np.uint8)
    elevation = np.array([-1.0, -0.9, -0.2, 0.5, -0.3, -0.8, -0.7], np.float32)
    blocks = Blocks((7,), (4,))
    # the flood from the right has crossed its lower side first and takes the ridge
    assert flooded_blocks(seeds, elevation, blocks, halo=3)[0].tolist() == [1, 1, 1, 2, 2, 2, 2]
    # the left block does not see the right cell, and gives the ridge to its own
    assert flooded_blocks(seeds, elevation, blocks, halo=0)[0].tolist() == [1, 1, 1, 1, 2, 2, 2]


def test_a_block_that_is_cell_all_over_and_one_without_any():
    seeds = np.array([1, 1, 1, 2, 0, 0, 2, 2], np.uint8)
    labels, _ = flooded_blocks(seeds, np.zeros(8, np.float32), Blocks((8,), (2,)), halo=0)
    assert labels.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


# ---- the pieces


def test_the_cores_of_a_block():
    numbers, cores = find_cores(np.array([[1, 2, 1, 0, 2, 0, 1]], np.uint8))
    assert numbers.tolist() == [[1, 0, 2, 0, 0, 0, 3]]
    assert numbers.dtype == np.uint32
    assert (cores.cells.count, cores.regions.count) == (3, 3)
    assert cores.sizes.tolist() == [4, 1, 1, 1]
    assert cores.region_of.tolist() == [0, 1, 1, 3]


def test_the_cells_of_any_box():
    classes = np.array([1, 1, 0, 1, 1, 1, 0, 1], np.uint8)
    blocks = Blocks((8,), (4,))
    numbers, cells = found(classes, blocks)
    assert cells_in((slice(0, 8),), blocks, numbers, cells).tolist() == [1, 1, 0, 2, 2, 2, 0, 3]
    assert cells_in((slice(3, 6),), blocks, numbers, cells).tolist() == [2, 2, 2]
    assert cells_in((slice(1, 2),), blocks, numbers, cells).tolist() == [1]
    numbers, cells = found(classes, blocks, min_core=2)
    assert cells_in((slice(0, 8),), blocks, numbers, cells).tolist() == [1, 1, 0, 2, 2, 2, 0, 0]
    assert cells.has_cell().tolist() == [False, True, True, False]


def test_what_a_block_tells_of_its_background_and_its_cells():
    labels = np.array([[5, 5, 5, 0], [5, 0, 5, 0], [5, 5, 9, 9]], np.uint32)
    told = survey(labels, (slice(0, 3), slice(0, 4)), (6, 8))
    assert told.cells.tolist() == [5, 9]
    assert told.areas.tolist() == [7, 2]
    # the first piece of background is the one at the border of the image
    assert told.sizes.tolist() == [9, 2, 1]
    assert told.open.tolist() == [True, True, False]
    assert (told.lowest[1:].tolist(), told.highest[1:].tolist()) == ([5, 5], [9, 5])
    elsewhere = survey(labels, (slice(3, 6), slice(0, 4)), (8, 8))
    assert elsewhere.open.tolist() == [True, False, False]


def test_more_cells_than_32_bits_number():
    # the numbers of an image of that many, in a small one
    classes = np.array([1, 2, 2, 1, 0, *[2] * 9, 1], np.uint8)
    blocks = Blocks((15,), (4,))
    numbers, cells = found(classes, blocks)
    wide = replace(cells, number=cells.number.astype(np.uint64))
    for block in range(len(blocks)):
        box = blocks.box(block)
        narrow = assign(block, blocks, classes[box], numbers, cells)
        result = assign(block, blocks, classes[box], numbers, wide)
        assert result.dtype == np.uint64
        assert np.array_equal(result, narrow)
        height = reader(np.zeros(15, np.float32))
        result = flood_block(block, blocks, reader(classes), height, numbers, wide, halo=1)
        assert result.dtype == np.uint64
        told = survey(result, box, blocks.shape)
        assert told.lowest.dtype == told.cells.dtype == np.uint64


def test_only_what_is_near_is_read():
    # a block and REACH pixels around it, where no pixel is far from its cell
    classes = np.tile(np.array([1, 1, 2, 2], np.uint8), 50)
    blocks = Blocks((200,), (20,))
    numbers, cells = found(classes, blocks)
    read = []

    def watched(box):
        read.append((box[0].start, box[0].stop))
        return numbers(box)

    assign(4, blocks, classes[80:100], watched, cells)
    assert min(read)[0] == 80 - REACH
    assert max(stop for _, stop in read) == 100 + REACH


def test_nothing_given_is_changed():
    classes = np.array([[1, 2, 1], [1, 0, 1], [1, 2, 1]], np.uint8)
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint32)
    before = classes.copy(), labels.copy()
    blocks = Blocks((3, 3), (3, 3))
    numbers, cells = found(classes, blocks)
    assign(0, blocks, classes, numbers, cells)
    result = join_surveys(blocks, lambda _: survey(labels, blocks.box(0), (3, 3)), cells=1)
    assert finish(0, labels, result).tolist() == [[1] * 3] * 3
    assert np.array_equal(classes, before[0])
    assert np.array_equal(labels, before[1])


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (
            lambda b, n, c: join_cores(
                b, lambda _: find_cores(np.zeros(4, np.uint8))[1], min_core=-1
            ),
            "min_core",
        ),
        (lambda b, n, c: join_surveys(b, lambda _: None, cells=0, min_size=-1), "min_size"),
        (lambda b, n, c: flood_block(0, b, n, n, n, c, halo=-1), "halo must be 0 or more, not -1"),
    ],
)
def test_bad_input_is_named(call, word):
    blocks = Blocks((4,), (4,))
    with pytest.raises(ValueError, match=word):
        call(blocks, *found(np.zeros(4, np.uint8), blocks))

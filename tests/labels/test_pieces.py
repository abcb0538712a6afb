from pathlib import Path

import numpy as np
import pytest

from oracles.labels import connected_components_slow
from seamwise.io.images import read_labels
from seamwise.io.listing import find_images
from seamwise.labels import Fragments, connected_components, fragments, relabel
from seamwise.labels.slabs import areas
from support.labels import voronoi


def same_but_for_the_order(found, expected):
    assert np.array_equal(np.minimum(found, 1), np.minimum(expected, 1))
    assert found.max() == expected.max()
    return len({*zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True)}) == len(
        np.unique(expected)
    )


def test_a_line_of_one_pixel_separates_also_where_its_pixels_meet_at_corners():
    mask = np.array([
        [1, 1, 1, 1, 0],
        [1, 1, 1, 0, 1],
        [1, 1, 0, 1, 1],
        [1, 0, 1, 1, 1],
        [0, 1, 1, 1, 1],
    ])  # fmt: skip
    pieces = connected_components(mask)
    assert pieces.max() == 2
    assert pieces[0].tolist() == [1, 1, 1, 1, 0]
    assert pieces[4].tolist() == [0, 2, 2, 2, 2]
    assert connected_components(mask, connectivity=2).max() == 1


@pytest.mark.parametrize("value", [True, np.uint8(255), np.int16(1)])
def test_black_and_white_masks_of_every_type(value):
    pieces = connected_components(
        np.array([[value, 0, value, value]], type(value) if value is not True else bool)
    )
    assert pieces.tolist() == [[1, 0, 2, 2]]
    assert pieces.dtype == np.uint8


def test_ignored_pixels_stay_ignored_and_separate():
    pieces = connected_components(np.array([[3, 3, -5, 3, 0]]))
    assert pieces.tolist() == [[1, 1, -1, 2, 0]]
    assert pieces.dtype == np.int8


@pytest.mark.parametrize("shape", [(40,), (19, 26), (7, 9, 11)])
@pytest.mark.parametrize("highest", [1, 5])
def test_components_equal_a_flood_fill(shape, highest):
    mask = voronoi(shape, 5, np.random.default_rng(len(shape))).clip(max=highest)
    expected = connected_components_slow(mask)
    assert expected.max() > highest
    assert same_but_for_the_order(connected_components(mask), expected)
    assert same_but_for_the_order(connected_components(mask[::-1])[::-1], expected)
    if mask.ndim < 3:
        assert same_but_for_the_order(connected_components(mask[None])[0], expected)
        assert same_but_for_the_order(connected_components(mask[..., None])[..., 0], expected)


def test_what_is_no_mask_is_refused():
    with pytest.raises(TypeError, match="mask must be boolean or integers"):
        connected_components(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="one to three axes"):
        connected_components(np.zeros((1, 2, 3, 4), int))
    with pytest.raises(ValueError, match="onnectivity"):
        connected_components(np.zeros((3, 3), int), connectivity=3)


def test_fragments_of_a_hand_written_image():
    labels = np.array([
        [9, 9, 0, 4, 4],
        [9, 9, 4, 0, 4],
        [0, 0, 0, 0, 0],
        [9, 2, 2, 2, -1],
        [0, 2, 0, 9, -1],
    ])  # fmt: skip
    assert fragments(labels) == (Fragments(4, (3, 1)), Fragments(9, (4, 1, 1)))
    assert fragments(labels, connectivity=2) == (Fragments(9, (4, 1, 1)),)


def test_images_without_fragments_cells_or_background():
    assert fragments(np.zeros((3, 4), np.uint8)) == ()
    assert fragments(np.full((3, 4), -1)) == ()
    assert fragments(np.array([[1, 1, 2]], np.uint64)) == ()
    assert fragments(np.array([[1, 2, 1]])) == (Fragments(1, (1, 1)),)


@pytest.mark.parametrize("shape", [(40,), (19, 26), (7, 9, 11)])
def test_fragments_are_the_labels_of_several_components(shape):
    labels = voronoi(shape, 5, np.random.default_rng(len(shape)))
    pieces = connected_components_slow(labels)
    expected = []
    for label in range(1, 6):
        sizes = sorted(
            ((pieces == piece).sum() for piece in np.unique(pieces[labels == label])), reverse=True
        )
        expected += [Fragments(label, tuple(sizes))] if len(sizes) > 1 else []
    assert expected
    found = fragments(labels)
    assert found == tuple(expected)
    assert fragments(labels[..., ::-1]) == found
    assert [each.sizes for each in fragments(np.where(labels > 0, labels + 70000, labels))] == [
        each.sizes for each in found
    ]


USIIGACI = Path(__file__).parents[3] / "shared" / "data" / "usiigaci" / "train" / "masks"


@pytest.mark.skipif(
    not USIIGACI.is_dir(), reason="needs ../shared/data, the development data beside the checkout"
)
def test_a_tenth_of_the_hand_drawn_cells_of_usiigaci_have_crumbs():
    by_corners = by_faces = cells = 0
    for path in find_images(USIIGACI, masks=True):
        labels = read_labels(path)
        cells += int((areas(relabel(labels))[1:] > 0).sum())
        by_faces += len(fragments(labels))
        by_corners += len(fragments(labels, connectivity=2))
    assert (cells, by_faces, by_corners) == (2900, 549, 312)

"""Doubts along seams, counted by hand."""

import numpy as np
import pytest

from seamwise.metrics import seam_doubt
from seamwise.metrics.seams import join_seams, sum_seams
from seamwise.tiling import Blocks


def probabilities(doubt):
    """Two classes; entropy 1 where doubt is True, 0 elsewhere."""
    one = np.where(doubt, 0.5, 1.0)
    return np.stack([one, 1 - one])


def test_a_seam_has_the_mean_of_its_faces():
    labels = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 0]])
    doubt = np.zeros((3, 4), bool)
    doubt[0, 1] = doubt[0, 2] = True  # the upper face of 1|2: both pixels in doubt
    doubt[1, 2] = True  # the lower face: one of them; and the face of 2|3 below it
    seams = seam_doubt(probabilities(doubt), labels)
    rows = zip(seams.cell, seams.neighbour, seams.faces, seams.entropy, strict=True)
    assert [tuple(map(float, row)) for row in rows] == [
        (1, 2, 2, 0.75),
        (1, 3, 2, 0),
        (2, 3, 1, 0.5),
    ]
    assert seams.cell_probability.tolist() == [0.375, 0, 0.25]


def test_the_rows_do_not_depend_on_the_numbers_or_the_number_of_axes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (6, 8))
    maps = rng.dirichlet((1, 1, 1), (6, 8)).transpose(2, 0, 1)
    flat = seam_doubt(maps, labels)
    stack = seam_doubt(maps[:, np.newaxis], labels[np.newaxis] * 70000)
    assert (stack.cell == flat.cell * 70000).all()
    assert (stack.entropy == flat.entropy).all()
    assert flat.entropy.max() < 1


def test_without_cells_there_is_no_seam():
    assert not len(seam_doubt(np.full((2, 3, 3), 0.5), np.zeros((3, 3), int)).cell)


def test_maps_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="the shape"):
        seam_doubt(np.zeros((2, 3, 3)), np.zeros((3, 4), int))


@pytest.mark.parametrize("shape", [(9, 7), (5, 6, 7)])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_parts_with_one_pixel_more_add_up_to_the_whole(shape, size):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, shape).astype(np.uint16)
    maps = np.moveaxis(rng.dirichlet((1, 1, 1), shape), -1, 0).astype(np.float16)
    blocks = Blocks(shape, (size,) * len(shape))
    parts = []
    for number in range(len(blocks)):
        box = blocks.box(number)
        around = tuple(slice(s.start, s.stop + 1) for s in box)
        inner = [s.stop - s.start for s in box]
        parts.append(sum_seams(maps[(slice(None), *around)], labels[around], size=inner))
    seams, whole = join_seams(parts).means(), seam_doubt(maps, labels)
    for name in ("cell", "neighbour", "faces"):
        np.testing.assert_array_equal(getattr(seams, name), getattr(whole, name))
    for name in ("entropy", "cell_probability"):
        np.testing.assert_allclose(getattr(seams, name), getattr(whole, name), rtol=1e-12)

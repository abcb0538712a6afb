import numpy as np
import pytest
from skimage.morphology import skeletonize

from seamwise.synth import crowded_cells
from seamwise.weights.skeleton import skeletons


@pytest.mark.parametrize(("shape", "radius"), [((60, 70), 9), ((24, 26, 28), 6)])
def test_touching_cells_are_thinned_as_if_each_were_alone(shape, radius):
    labels = crowded_cells(shape, cells=9, radius=radius, rng=0).labels
    expected = np.zeros(shape, bool)
    for number in range(1, labels.max() + 1):
        expected |= skeletonize(labels == number)
    found = skeletons(labels)
    assert (found & expected == expected).all()
    for number in range(1, labels.max() + 1):
        assert found[labels == number].any()


def test_a_region_that_thinning_erases_keeps_its_deepest_pixels():
    labels = np.zeros((4, 4, 4), int)
    labels[1:3, 1:3, 1:3] = 1
    assert not skeletonize(labels > 0).any()
    assert (skeletons(labels) == (labels > 0)).all()


def test_lines_points_and_planes():
    line = np.array([0, 1, 1, 1, 0, 2])
    assert (skeletons(line) == (line > 0)).all()
    plane = crowded_cells((30, 40), cells=4, radius=8, rng=1).labels
    assert (skeletons(plane[None])[0] == skeletons(plane)).all()
    assert (skeletons(plane[:, None])[:, 0] == skeletons(plane)).all()
    assert not skeletons(np.zeros((3, 4), int)).any()

import numpy as np
import pytest

from oracles.labels import inner_contour_slow
from seamwise.labels import inner_contour
from support.labels import voronoi


def test_the_inner_contour_of_a_hand_written_image():
    labels = np.array([
        [1, 1, 1, 2, 2, 2],
        [1, 1, 1, 2, 2, 2],
        [1, 1, 1, 2, -1, 2],
        [0, 0, 1, 2, 2, 2],
    ])  # fmt: skip
    assert inner_contour(labels).astype(int).tolist() == [
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
    ]


def test_neither_the_image_border_nor_an_ignored_pixel_makes_a_contour():
    assert not inner_contour(np.ones((4, 5), int)).any()
    assert not inner_contour(np.array([[1, 1, -1, 0], [1, -3, 2, -1]])).any()
    assert inner_contour(np.array([[1, 1, -1, 0], [1, 0, 0, 0]])).astype(int).tolist() == [
        [0, 1, 0, 0],
        [1, 0, 0, 0],
    ]


@pytest.mark.parametrize("shape", [(23,), (19, 26), (7, 9, 11)])
def test_the_inner_contour_equals_the_oracle(shape):
    labels = voronoi(shape, 5, np.random.default_rng(len(shape)))
    contour = inner_contour(labels)
    assert np.array_equal(contour, inner_contour_slow(labels))
    assert np.array_equal(inner_contour(labels[None])[0], contour)
    assert np.array_equal(inner_contour(labels[::-1]), contour[::-1])
    assert np.array_equal(inner_contour(np.where(labels > 0, 300 - labels, labels)), contour)
    positive = labels.clip(min=0)
    assert np.array_equal(inner_contour(positive.astype(np.uint8)), inner_contour(positive))

import numpy as np
import pytest

from seamwise.labels import relabel, smallest_dtype
from seamwise.labels.slabs import areas, look_up
from support.labels import voronoi


def test_relabel_numbers_in_order_of_the_old_numbers():
    assert relabel(np.array([[0, 9, 3], [9, 70000, 3]])).tolist() == [[0, 2, 1], [2, 3, 1]]


@pytest.mark.parametrize("huge", [2**20, 2**40, 2**62])
def test_relabel_takes_numbers_too_large_for_a_table(huge):
    result = relabel(np.array([huge, 0, 5, -3, huge]))
    assert result.tolist() == [2, 0, 1, -1, 2]
    assert result.dtype == np.int8


def test_relabel_of_a_full_image_has_no_background():
    assert relabel(np.array([2**40, 7])).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("cells", "ignored", "dtype"),
    [
        (0, 0, "uint8"),
        (255, 0, "uint8"),
        (256, 0, "uint16"),
        (65535, 0, "uint16"),
        (65536, 0, "uint32"),
        (127, 1, "int8"),
        (128, 1, "int16"),
        (32768, 1, "int32"),
    ],
)
def test_relabel_never_wraps(cells, ignored, dtype):
    labels = np.concatenate([np.arange(cells + 1), np.full(ignored, -1)])
    result = relabel(labels)
    assert result.dtype == dtype
    assert np.array_equal(result, labels)


def test_relabel_does_not_change_its_input():
    labels = np.array([0, 5, -2])
    relabel(labels)
    assert labels.tolist() == [0, 5, -2]


def test_smallest_dtype_at_the_limits():
    assert [smallest_dtype(0, 2**n - 1) for n in (8, 16, 32, 64)] == [
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ]
    assert [smallest_dtype(-1, 2**n) for n in (7, 15, 31)] == ["int16", "int32", "int64"]
    with pytest.raises(ValueError, match="no integer type"):
        smallest_dtype(-1, 2**63)


def test_areas_and_look_up_do_not_depend_on_the_slabs(monkeypatch):
    labels = voronoi((31, 24), 9, np.random.default_rng(3)).clip(min=0)
    table = np.arange(labels.max() + 1) * 3
    expected = np.bincount(labels.ravel()), table[labels]
    for size in (1, 100, 2**22):
        monkeypatch.setattr("seamwise.labels.slabs._SLAB", size)
        assert np.array_equal(areas(labels), expected[0])
        assert np.array_equal(look_up(table, labels), expected[1])

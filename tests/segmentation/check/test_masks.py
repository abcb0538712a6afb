import numpy as np
import pytest

from seamwise.segmentation.check import mask_faults


def faults(labels):
    return {fault.kind: fault for fault in mask_faults(np.array(labels))}


def test_numbers_of_the_file_are_named():
    labels = np.zeros((20, 40), int)
    labels[2:8, 2:8] = labels[2:8, 20:26] = 70000
    labels[12:18, 2:8] = 5
    found = faults(labels)["number twice"]
    assert found.text == "number 70000: pieces of 36 and 36 pixels, 13 pixels apart"
    assert found.box == (slice(2, 8), slice(2, 26))


def test_a_small_piece_is_a_crumb_and_a_corner_joins():
    labels = np.zeros((20, 20), int)
    labels[2:8, 2:8] = 3
    labels[8, 8] = 3
    labels[12:18, 12:18] = 4
    assert not faults(labels)
    labels[2, 15] = 3
    assert faults(labels)["crumbs"].text == "number 3: pieces of 1 px"


def test_a_cell_within_another_is_not_a_hole():
    labels = np.zeros((20, 30), int)
    labels[2:18, 2:18] = 1
    labels[6:12, 6:12] = 2
    labels[2:18, 22:28] = 3
    assert not faults(labels)
    labels[6:12, 6:12] = 0
    assert faults(labels)["holes"].count == 1


def test_a_mask_of_one_cell_is_not_black_and_white():
    labels = np.zeros((20, 20), int)
    labels[4:12, 4:12] = 1
    assert not faults(labels)
    assert set(faults(labels * 255)) == {"black and white"}
    labels[15:19, 15:19] = 1
    assert set(faults(labels)) == {"black and white"}


def test_empty_ignored_and_deep():
    assert set(faults(np.zeros((5, 5), int))) == {"no cells"}
    assert set(faults(np.full((5, 5), -1))) == {"no cells"}
    labels = np.zeros((8, 20, 20), int)
    labels[2:6, 2:8, 2:8] = 1
    labels[2:6, 2:8, 14:19] = 1
    labels[1:7, 12:18, 2:8] = 2
    assert set(faults(labels)) == {"number twice"}


@pytest.mark.parametrize(("distance", "is_one"), [(12, True), (18, False)])
def test_a_neck_makes_two_cells_of_one_number(distance, is_one):
    rows, columns = np.ogrid[:100, :100]
    labels = np.zeros((100, 100), int)
    for number, (y, x) in enumerate([(15, 15), (15, 50), (15, 85), (85, 15), (85, 85)], 1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 < 90] = number
    for x in (40, 40 + distance):
        labels[(rows - 50) ** 2 + (columns - x) ** 2 < 90] = 6
    assert ("two cells" in faults(labels)) is not is_one

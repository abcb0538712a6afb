"""Numbers in messages."""

import numpy as np
import pytest

from seamwise.io import amount


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (0, "0 cells"),
        (1, "1 cell"),
        (2, "2 cells"),
        (np.int64(1), "1 cell"),
        (np.uint8(3), "3 cells"),
        ([1], "1 cell"),
        (np.array([1, 0]), "1 + 0 cells"),
        ((1, 1), "1 + 1 cells"),
    ],
)
def test_a_number_and_its_noun_agree(counts, text):
    assert amount(counts, "cell") == text

"""Doubts about cells, in files."""

from dataclasses import replace

import numpy as np
import pytest

from seamwise.metrics import CellDoubts
from seamwise.segmentation.doubt_files import read_doubts, write_doubts

DOUBTS = CellDoubts(np.array([1, 70000]), np.array([9, 20]), np.array([0.1, 1]), np.array([0.2, 0]))


@pytest.mark.parametrize("disagreement", [None, np.array([0.5, 0.25])])
def test_doubts_come_back_from_their_file(tmp_path, disagreement):
    doubts = replace(DOUBTS, disagreement=disagreement)
    write_doubts(tmp_path / "doubts" / "a.csv", doubts)
    back = read_doubts(tmp_path / "doubts" / "a.csv")
    for name, column in vars(doubts).items():
        if column is None:
            assert getattr(back, name) is None
        else:
            np.testing.assert_array_equal(getattr(back, name), column)


def test_a_damaged_file_is_refused_and_a_missing_one_is_none(tmp_path):
    assert read_doubts(tmp_path / "a.csv") is None
    (tmp_path / "a.csv").write_text("cell,pixels\n1,x\n")
    with pytest.raises(ValueError, match="is damaged: delete it and segment again"):
        read_doubts(tmp_path / "a.csv")

import numpy as np
import pytest

from seamwise.measure import FieldSize, Table, joined, mark_positive, summarise
from seamwise.measure.options import Width, parse_width
from support.files import one_line

CELLS = Table(
    {
        "file": np.array(["a", "a", "b"], object),
        "time": np.array([0, 1, 0]),
        "area_px": np.array([3, 5, 4]),
        "x_mean": np.array([1.0, np.nan, 9.0]),
        "x_sum": np.array([3.0, np.nan, 36.0]),
    }
)


def test_a_cell_without_a_value_is_not_positive():
    marked, threshold = mark_positive(CELLS, "x", threshold=0.5)
    assert marked["x_positive"].tolist() == [True, False, True]
    assert threshold == 0.5
    assert mark_positive(CELLS, "x", threshold=1)[0]["x_positive"].tolist() == [False, False, True]
    marked, threshold = mark_positive(CELLS, "x")
    assert marked["x_positive"].tolist() == [False, False, True]


def test_without_cells_no_cell_is_positive():
    marked, threshold = mark_positive(CELLS.select(np.zeros(3, bool)), "x")
    assert marked["x_positive"].tolist() == []
    assert np.isnan(threshold)


def test_an_unknown_channel_is_one_line():
    with pytest.raises(ValueError, match=r"positive must be one of the channels \(x\)") as caught:
        mark_positive(CELLS, "y")
    assert one_line(caught)


def test_a_field_without_cells_counts():
    fields = [FieldSize(name, time, 4e5, True) for name in "ab" for time in (0, 1)]
    table = summarise(mark_positive(CELLS, "x", threshold=2)[0], fields, positive="x_positive")
    assert table["scope"].tolist() == ["image and time"] * 4 + ["image"] * 2 + ["time"] * 2
    assert table["cells"].tolist() == [1, 1, 1, 0, 2, 1, 2, 1]
    assert table["positive"].tolist() == [0, 0, 1, 0, 0, 1, 1, 0]
    np.testing.assert_equal(table["positive_share"], [0, 0, 1, np.nan, 0, 1, 0.5, 0])
    assert table["cells_per_mm2"].tolist() == [2.5, 2.5, 2.5, 0, 2.5, 1.25, 2.5, 1.25]
    assert table["median_area_px"].tolist()[4:] == [4, 4, 3.5, 5]
    assert table["x_mean"].tolist()[4:7] == [1, 9, 5]


def test_joined_tables_keep_all_columns():
    other = Table({"area_px": np.array([7]), "note": np.array(["n"], object)})
    table = joined([CELLS, other])
    assert table["area_px"].tolist() == [3, 5, 4, 7]
    assert table["note"].tolist() == ["", "", "", "n"]
    np.testing.assert_equal(table["time"], [0, 1, 0, np.nan])


@pytest.mark.parametrize(
    ("text", "width"),
    [("5", Width(5)), ("0.5um", Width(0.5, "um")), (" 2 µm ", Width(2, "um")), (3, Width(3))],
)
def test_widths_are_read(text, width):
    assert parse_width("ring", text) == width


@pytest.mark.parametrize("text", ["", "-1", "3mm", "wide", "nan"])
def test_other_texts_are_no_width(text):
    with pytest.raises(ValueError, match="rim must be a width such as 5") as caught:
        parse_width("rim", text)
    assert one_line(caught)

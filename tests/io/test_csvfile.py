"""Tables in CSV files."""

import math

from seamwise.io.csvfile import write_csv


def test_columns_are_those_asked_for_then_those_of_the_rows(tmp_path):
    rows = [{"b": 1, "a": math.inf}, {"c": "x,y"}]
    write_csv(tmp_path / "x.csv", rows, columns=("a",))
    assert (tmp_path / "x.csv").read_text().splitlines() == ["a,b,c", "inf,1,", ',,"x,y"']


def test_a_table_without_rows_still_names_its_columns(tmp_path):
    write_csv(tmp_path / "x.csv", [], columns=("a", "b"))
    assert (tmp_path / "x.csv").read_text().splitlines() == ["a,b"]

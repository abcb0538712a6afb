"""Tables in CSV files."""

import math

import numpy as np

from seamwise.io.csvfile import write_columns, write_csv


def test_columns_are_those_asked_for_then_those_of_the_rows(tmp_path):
    rows = [{"b": 1, "a": math.inf}, {"c": "x,y"}]
    write_csv(tmp_path / "x.csv", rows, columns=("a",))
    text = (tmp_path / "x.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines() == ["a,b,c", "inf,1,", ',,"x,y"']


def test_a_table_without_rows_still_names_its_columns(tmp_path):
    write_csv(tmp_path / "x.csv", [], columns=("a", "b"))
    assert (tmp_path / "x.csv").read_text(encoding="utf-8-sig").splitlines() == ["a,b"]


def test_rows_are_safe_for_spreadsheets_and_keep_every_letter(tmp_path):
    rows = [{"image": "=1+1", "f1": -0.5}, {"image": "größe", "@x": "+y"}]
    write_csv(tmp_path / "x.csv", rows)
    content = (tmp_path / "x.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content[3:].decode().splitlines() == ["image,f1,'@x", "'=1+1,-0.5,", "größe,,'+y"]


def test_columns_for_people_are_safe_and_keep_every_letter(tmp_path):
    columns = {
        "é": np.array(["=1", "größe", "a,b"], object),
        "@n": np.ma.masked_equal([1, -1, 3], -1),
        "x": np.array([0.1, np.nan, 2]),
        "yes": np.array([True, False, True]),
    }
    write_columns(tmp_path / "x.csv", columns)
    content = (tmp_path / "x.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content[3:].decode().splitlines() == [
        "é,'@n,x,yes",
        "'=1,1,0.1,TRUE",
        "größe,,,FALSE",
        '"a,b",3,2.0,TRUE',
    ]


def test_columns_without_rows_still_have_their_names(tmp_path):
    write_columns(tmp_path / "x.csv", {"a": np.zeros(0), "b": np.zeros(0, object)})
    assert (tmp_path / "x.csv").read_text(encoding="utf-8-sig").splitlines() == ["a,b"]

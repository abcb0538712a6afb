"""Doubts along seams, in files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seamwise.metrics import Seams
from seamwise.segmentation.seam_files import read_seams, seams_path, write_seams

SEAMS = Seams(
    np.array([1, 2]), np.array([2, 70000]), np.array([9, 1]), np.array([0.1, 1]), np.array([0.2, 0])
)


@pytest.mark.parametrize("time", [None, np.array([0, 3])])
def test_seams_come_back_from_their_file(tmp_path, time):
    write_seams(tmp_path / "seams" / "a.csv", replace(SEAMS, time=time))
    back = read_seams(tmp_path / "seams" / "a.csv")
    expected = vars(replace(SEAMS, time=time))
    assert {name: None if c is None else c.tolist() for name, c in vars(back).items()} == {
        name: None if c is None else c.tolist() for name, c in expected.items()
    }


def test_only_a_series_has_a_column_of_times(tmp_path):
    write_seams(tmp_path / "a.csv", SEAMS)
    names = "cell,neighbour,faces,entropy,cell_probability"
    assert (tmp_path / "a.csv").read_text("utf-8-sig").splitlines()[:2] == [names, "1,2,9,0.1,0.2"]
    write_seams(tmp_path / "b.csv", replace(SEAMS, time=np.array([0, 3])))
    assert (tmp_path / "b.csv").read_text("utf-8-sig").splitlines()[2] == "3,2,70000,1,1.0,0.0"


@pytest.mark.parametrize(
    "content",
    [
        b"cell\nx\n",
        b"cell,neighbour,faces,entropy,cell_probability\n1,2\n",
        b"cell,neighbour,faces,entropy,cell_probability\n1.5,2,3,0,0\n",
        b"time,cell,neighbour,faces,entropy,cell_probability\n,1,2,3,0,0\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, content):
    assert read_seams(tmp_path / "a.csv") is None
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.csv is damaged: delete it and segment again"):
        read_seams(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("labels", "image", "expected"),
    [
        ("out/a.tif", "a.png", "out/seams/a.csv"),
        ("labels/a.ome.zarr", "x/a.ome.zarr", "labels/seams/a.csv"),
        ("x/a.ome.zarr/labels/cells", "x/a.ome.zarr", "x/seams/a_cells.csv"),
        ("p.zarr/A/3/0/labels/cells", "p.zarr/A/3/0", "seams/p_A_3_0_cells.csv"),
    ],
)
def test_the_file_lies_next_to_the_labels_or_the_image_that_holds_them(labels, image, expected):
    assert seams_path(Path(labels), Path(image)).as_posix() == expected

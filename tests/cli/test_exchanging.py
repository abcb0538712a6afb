"""`seamwise export-labels` and `import-labels`."""

import numpy as np
import pytest
import tifffile

from cli.conftest import SCENE
from seamwise.io.images import read_labels


@pytest.mark.parametrize("format", ["roi", "geojson", "coco"])
def test_labels_go_out_and_come_back(run, tmp_path, format):
    tifffile.imwrite(tmp_path / "a.tif", SCENE.labels)
    code, said, err = run(
        "export-labels", tmp_path / "a.tif", "-o", tmp_path / "out", "--format", format
    )
    assert (code, f"outlines are in {tmp_path / 'out'}" in said) == (0, True), err
    code, _, err = run(
        "import-labels", tmp_path / "out", "-o", tmp_path / "back", "--images", tmp_path / "a.tif"
    )
    assert code == 0, err
    np.testing.assert_array_equal(read_labels(tmp_path / "back" / "a.tif"), SCENE.labels)


def test_errors_are_one_line(run, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", SCENE.labels)
    code, _, err = run("export-labels", tmp_path / "a.tif", "-o", tmp_path / "o", "--format", "svg")
    assert (code, "--format must be roi, geojson, coco or ctc, not 'svg'" in err) == (2, True)
    (tmp_path / "x.zip").write_bytes(b"nothing")
    code, said, err = run("import-labels", tmp_path / "x.zip", "-o", tmp_path / "m")
    assert (code, "no label images were written" in said) == (1, True)
    assert len(err.strip().splitlines()) == 1

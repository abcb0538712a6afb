"""A link that leads to itself is a file that does not exist, from Python too."""

import numpy as np
import pytest
from imageio.v3 import imwrite

from seamwise.fusion import FuseOptions, fuse_files, plan
from seamwise.io import real_path
from seamwise.measure import measure_files, pair_images
from seamwise.segmentation import segment_files


@pytest.fixture
def loop(tmp_path):
    path = tmp_path / "loop.tif"
    path.symlink_to("loop.tif")
    return path


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / "images" / f"{name}.png" for name in "ab"]
    paths[0].parent.mkdir()
    for path in paths:
        imwrite(path, np.eye(20, dtype=np.uint8))
    return paths


def test_links_are_followed(tmp_path, loop):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    assert real_path(tmp_path / "link" / "x.tif") == tmp_path.resolve() / "far" / "x.tif"
    assert real_path(loop).name == "loop.tif"


def test_a_link_to_itself_is_a_missing_file(tmp_path, loop):
    with pytest.raises(FileNotFoundError, match=r"loop\.tif does not exist"):
        segment_files([loop], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"loop\.tif does not exist"):
        pair_images(loop, loop)
    with pytest.raises(FileNotFoundError, match=r"loop\.tif does not exist"):
        plan([loop, loop], tmp_path / "x.png")


def test_a_link_to_itself_as_output_ends_in_an_error_of_the_disk(loop, images):
    with pytest.raises(OSError, match=r"loop\.tif"):
        list(segment_files(images, loop))
    with pytest.raises(OSError, match=r"loop\.tif"):
        list(fuse_files([images[0].parent], loop / "x", FuseOptions(model="dct", align=False)))


def test_a_table_replaces_a_link_to_itself(tmp_path, images):
    (table := tmp_path / "loop.csv").symlink_to("loop.csv")
    list(measure_files(pair_images(images[0], images[0]), table))
    assert not table.is_symlink()
    assert "area" in table.read_text()

"""What Windows and macOS do otherwise, simulated: open files, names that differ by case."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from seamwise.fusion import FuseOptions, fuse_files
from seamwise.io import links
from seamwise.io.atomic import atomic_path
from seamwise.io.images import read_labels
from seamwise.io.ome_zarr import write_image
from seamwise.measure import measure_files, pair_images
from seamwise.segmentation import OutputOptions, load, segment_files
from seamwise.synth import crowded_cells
from support.windows import hold_open_files, ignore_case

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")


def test_the_simulation_holds_a_file_that_is_open(tmp_path, monkeypatch):
    hold_open_files(monkeypatch)
    path = tmp_path / "a"
    with path.open("w"), pytest.raises(PermissionError):
        path.unlink()
    path.unlink()


def test_a_file_that_a_reader_holds_is_named_and_leaves_no_draft(tmp_path, monkeypatch):
    hold_open_files(monkeypatch)
    path = tmp_path / "a.txt"
    path.write_text("old")
    with (
        path.open(),
        pytest.raises(PermissionError, match=r"cannot write .*a\.txt"),
        atomic_path(path) as draft,
    ):
        draft.write_text("new")
    assert os.listdir(tmp_path) == ["a.txt"]
    assert path.read_text() == "old"


def test_images_are_segmented_measured_and_replaced(tmp_path, monkeypatch):
    image = crowded_cells((96, 96), cells=8, rng=0).image
    tifffile.imwrite(tmp_path / "a.tif", image)
    write_image(tmp_path / "b.ome.zarr", image, axes="YX")
    model = load("nuclei-2d", device="cpu")
    hold_open_files(monkeypatch)
    inputs, labels = [tmp_path / "a.tif", tmp_path / "b.ome.zarr"], tmp_path / "labels"
    for overwrite in (False, True):
        files = OutputOptions(overwrite=overwrite, overlay=True)
        outcomes = list(segment_files(inputs, labels, model=model, files=files))
        assert not any(outcome.failed for outcome in outcomes), outcomes
        pairs = pair_images([tmp_path / "a.tif"], [labels / "a.tif"])
        list(measure_files(pairs, tmp_path / "cells.csv", overwrite=overwrite))
    assert np.array_equal(read_labels(labels / "a.tif"), read_labels(labels / "b.ome.zarr"))
    hidden = [name for name in os.listdir(labels) if name.startswith(".")]
    assert all(name.endswith((".lock", ".run")) for name in hidden), hidden


def test_a_burst_is_fused_and_replaced(tmp_path, monkeypatch):
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 50, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    hold_open_files(monkeypatch)
    frames = sorted(tmp_path.glob("*.png"))
    output = tmp_path / "out" / "sharp.jpg"
    output.parent.mkdir()
    (outcome,) = fuse_files(frames, output, FuseOptions(model="gff", align=False))
    assert not outcome.failed, outcome
    assert output.exists()


def test_two_names_that_differ_by_case_are_one_output_where_case_does_not_count(
    tmp_path, monkeypatch
):
    image = crowded_cells((64, 64), cells=4, rng=0).image
    for folder, name in (("one", "Cells.tif"), ("two", "cells.tif")):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / name, image)
    inputs = [tmp_path / "one" / "Cells.tif", tmp_path / "two" / "cells.tif"]
    model = load("nuclei-2d", device="cpu")
    outcomes = list(segment_files(inputs, tmp_path / "both", model=model))
    assert not any(outcome.failed for outcome in outcomes)
    ignore_case(monkeypatch)
    with pytest.raises(ValueError, match="would both write"):
        list(segment_files(inputs, tmp_path / "labels", model=model))


def test_a_disk_of_this_system_is_asked(tmp_path):
    folder = tmp_path / "Folder"
    folder.mkdir()
    assert not links._ignores_case(folder)
    assert links.one_place(folder / "A") != links.one_place(folder / "a")
    (tmp_path / "fOLDER").symlink_to(folder)  # as a disk answers that ignores case
    assert links._ignores_case(folder / "new")
    assert links.one_place(folder / "A") == links.one_place(folder / "a")
    (folder / "2024").mkdir()  # no letter: its parent tells
    assert links._ignores_case(folder / "2024")

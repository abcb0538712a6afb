"""`seamwise segment` on images that go through block by block, and on stacks."""

import json

import numpy as np
import pytest
import tifffile

from seamwise.io.images import read_labels
from seamwise.io.ome_zarr import ZarrStorage, label_names, open_ome_zarr, write_image
from seamwise.metrics import match
from seamwise.segmentation import segment
from seamwise.synth import crowded_cells

SCENE = crowded_cells((160, 700), cells=60, radius=9, rng=0)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.ome.zarr"
    write_image(
        path,
        SCENE.image,
        axes="YX",
        spacing=(0.5, 0.5),
        storage=ZarrStorage(chunks=(160, 200), levels=2),
    )
    return path


def test_an_ome_zarr_image_becomes_an_ome_zarr_label_image(run, image, tmp_path):
    code, _, err = run("segment", image, "-o", tmp_path / "out", "--tile", 512)
    assert code == 0
    assert "2 blocks of 160 × 512 pixels" in err
    written = tmp_path / "out" / "a.ome.zarr"
    labels = read_labels(written)
    assert match(segment(SCENE.image).labels, labels, iou=0.9).f1 > 0.98
    assert open_ome_zarr(written).spacing == (0.5, 0.5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.ome.zarr",
        "seamwise.json",
    ]
    code, _, err = run("segment", image, "-o", tmp_path / "out", "--tile", 512)
    assert code == 0
    assert "already exists" in err


def test_labels_may_go_into_the_image(run, image):
    for _ in range(2):
        code, *_ = run("segment", image, "-o", image)
        assert code == 0
    assert label_names(image) == ("cells",)
    assert [level.shape for level in open_ome_zarr(image / "labels" / "cells").levels] == [
        level.shape for level in open_ome_zarr(image).levels
    ]


def test_labels_of_other_options_in_the_image_are_refused_with_the_option(run, image):
    labels = image / "labels" / "cells"
    assert run("segment", image, "-o", image)[0] == 0
    before = read_labels(labels)
    code, _, err = run("segment", image, "-o", image, "--min-size", 40)
    assert code == 1
    assert f"{labels} already exists, made with min_size = None, not 40: choose another" in err
    assert run("segment", image, "-o", image, "--min-size", 40, "--name", "large")[0] == 0
    assert label_names(image) == ("cells", "large")
    np.testing.assert_array_equal(read_labels(labels), before)
    group = json.loads((labels / "zarr.json").read_text())
    del group["attributes"]["seamwise"]  # as labels of version 0.1.0 and of other tools
    (labels / "zarr.json").write_text(json.dumps(group))
    code, _, err = run("segment", image, "-o", image, "--min-size", 40)
    assert (code, f"{labels} already exists\n" in err) == (0, True)


def test_a_damaged_chunk_is_named_and_the_rest_is_done(run, image, tmp_path):
    (chunk,) = image.glob("0/**/3")  # the last of the row
    chunk.write_bytes(chunk.read_bytes()[:40])
    code, _, err = run("segment", image, "-o", tmp_path / "out", "--tile", 512)
    assert code == 1
    assert "a.ome.zarr" in err
    assert "chunk" in err
    labels = read_labels(tmp_path / "out" / "a.ome.zarr")
    assert labels[:, :600].max() > 20
    assert not labels[:, 600:].any()


def test_a_tiff_above_the_limit_goes_block_by_block(run, tmp_path, monkeypatch):
    monkeypatch.setattr("seamwise.segmentation.batch.whole_image_bytes", lambda *_, **__: 10**12)
    tifffile.imwrite(tmp_path / "a.tif", SCENE.image)
    code, *_ = run("segment", tmp_path / "a.tif", "-o", tmp_path / "out", "--memory", "2GB")
    assert code == 0
    assert (tmp_path / "out" / "a.ome.zarr").is_dir()
    assert not (tmp_path / "out" / "a.tif").exists()


def test_time_points_are_segmented_each_on_its_own(run, tmp_path):
    frames = np.stack([SCENE.image, np.roll(SCENE.image, 50, 1)])
    tifffile.imwrite(tmp_path / "a.ome.tif", frames, metadata={"axes": "TYX"})
    code, _, err = run("segment", tmp_path / "a.ome.tif", "-o", tmp_path / "out")
    assert code == 0
    assert "2 time points" in err
    written = tmp_path / "out" / "a.ome.zarr"
    assert open_ome_zarr(written).axes == "TYX"
    assert read_labels(written, time=1).max() > 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--memory", "much"], "memory must be a size like 4GB"),
        (["--mode", "3d"], "mode 3d does not fit nuclei-2d"),
        (["--mode", "sideways"], "mode must be 3d or 2d-stitch"),
        (["--stitch-iou", "0.5"], "stitch_iou needs mode 2d-stitch"),
        (["--mode", "2d-stitch", "--stitch-iou", "1.5"], "stitch_iou must be an IoU in (0, 1]"),
        (["--mode", "2d-stitch", "--workers", "2"], "mode 2d-stitch runs in one process"),
        (["--zarr-version", "0.6"], "--zarr-version must be 0.4 or 0.5"),
    ],
)
def test_bad_options_are_named(run, image, tmp_path, options, words):
    code, _, err = run("segment", image, "-o", tmp_path / "out", *options)
    assert code == 2
    assert words in err
    assert not (tmp_path / "out").exists()


def test_labels_of_a_stitched_stack_do_not_go_into_the_image(run, image):
    code, _, err = run("segment", image, "-o", image, "--mode", "2d-stitch")
    assert code == 2
    assert "choose a folder" in err
    assert label_names(image) == ()


def test_a_folder_that_would_pass_for_an_image_is_refused(run, image, tmp_path):
    code, _, err = run("segment", image, "-o", tmp_path / "cells.ome.zarr")
    assert code == 2
    assert "remove .zarr" in err
    assert not (tmp_path / "cells.ome.zarr").exists()


def test_an_overlay_that_is_not_drawn_is_said(run, image, tmp_path):
    code, _, err = run("segment", image, "-o", tmp_path / "out", "--overlay")
    assert code == 0
    assert "a.ome.zarr: block by block, without an overlay" in err


def test_too_little_memory_is_said_with_what_is_needed(run, image, tmp_path):
    code, _, err = run("segment", image, "-o", tmp_path / "out", "--memory", "100MB")
    assert code == 1
    assert "memory of 0.10 GB is too little" in err


def test_a_stack_slice_by_slice(run, tmp_path):
    stack = np.stack([SCENE.image[:, :160]] * 3)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    code, *_ = run("segment", tmp_path / "a.tif", "-o", tmp_path / "out", "--mode", "2d-stitch")
    assert code == 0
    labels = read_labels(tmp_path / "out" / "a.tif")
    assert labels.shape == stack.shape
    assert labels.max() > 5
    assert np.array_equal(labels[0], labels[2])
    code, _, err = run("segment", tmp_path / "a.tif", "-o", tmp_path / "other")
    assert code == 1
    assert "--mode 2d-stitch" in err

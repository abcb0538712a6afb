"""The alignment of a stack: channels move alike, and its file is used again."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from skimage.data import coffee

from seamwise.fusion import (
    FuseOptions,
    FuseOutputs,
    batch,
    fuse_files,
)
from seamwise.io.images import read_image
from support.focus_stacks import hyperstack, run, save


def test_channels_move_alike_and_all_is_cut_to_what_every_plane_shows(tmp_path):
    size = (120, 160)
    rng = np.random.default_rng(2)
    scenes = [cv2.GaussianBlur(rng.random((140, 180)), (0, 0), 1.5) for _ in range(2)]
    scenes = [np.round(60000 * (s - s.min()) / np.ptp(s)) for s in scenes]
    # the second channel is dim, and in focus in another plane
    stack = np.zeros((3, 2, *size), np.uint16)
    for plane, shift in enumerate((0, 0, 6)):
        for channel, scene in enumerate(scenes):
            shown = scene[8 : 8 + size[0], 8 + shift : 8 + shift + size[1]]
            sigma = 0.1 + 2 * (plane != 2 * channel)
            stack[plane, channel] = cv2.GaussianBlur(shown, (0, 0), sigma) / (1 + 9 * channel)
    path = save(tmp_path, "m.ome.tif", stack, "ZCYX")
    (outcome,) = run([path], tmp_path / "y.ome.tif", depth_map=True)
    fused = read_image(tmp_path / "y.ome.tif").data
    assert fused.shape == (2, 120, 154)
    assert "moved by up to 6" in outcome.messages[-1]
    for channel, scene in enumerate(scenes):
        # what every plane shows, seen from the plane in the middle
        wanted = scene[8:128, 14:168] / (1 + 9 * channel)
        inside = np.s_[20:-20, 20:-20]
        assert np.corrcoef(fused[channel][inside].ravel(), wanted[inside].ravel())[0, 1] > 0.9
    (outcome,) = fuse_files(
        [path], tmp_path / "full.ome.tif", FuseOptions(model="gff", align=True, crop=False)
    )
    assert not outcome.failed, outcome.messages
    assert read_image(tmp_path / "full.ome.tif").data.shape == (2, *size)


def moved_hyperstack():
    """`(T, Z, C, Y, X)`: planes that moved, each time otherwise, and both channels alike."""
    rng = np.random.default_rng(5)
    noise = rng.random((2, 2, 120, 160)).astype(np.float32)
    scenes = [[cv2.GaussianBlur(scene, (0, 0), 1.5) for scene in channels] for channels in noise]
    stack = np.empty((2, 3, 2, 96, 128), np.uint16)
    for time, z, channel in np.ndindex(2, 3, 2):
        y, x = 10 + (2 + time) * z, 12 - 3 * z
        stack[time, z, channel] = 60000 * scenes[time][channel][y : y + 96, x : x + 128]
    return stack


def test_the_alignment_of_a_stack_is_written_and_used_again(tmp_path):
    stack, again = tmp_path / "cells.ome.tif", tmp_path / "other.ome.tif"
    tifffile.imwrite(stack, moved_hyperstack(), metadata={"axes": "TZCYX"})
    file, first, second = (tmp_path / name for name in ("a.json", "1.ome.tif", "2.ome.tif"))
    (outcome,) = run([stack], first, alignment=file)
    assert any("a.json" in line for line in outcome.messages)
    written = file.read_bytes()
    tifffile.imwrite(again, moved_hyperstack(), metadata={"axes": "TZCYX"})
    (outcome,) = run([again], second, alignment=file)
    assert not any("a.json" in line for line in outcome.messages)
    assert file.read_bytes() == written
    assert np.array_equal(tifffile.imread(first), tifffile.imread(second))
    # it is the file that decides: without motion, nothing is cut
    content = json.loads(written)
    assert len(content["parts"]) == 4
    assert tifffile.imread(first).shape[-2:] < (96, 128)
    for part in content["parts"]:
        part["matrices"] = np.tile(np.eye(3), (3, 1, 1)).tolist()
    file.write_text(json.dumps(content))
    run([again], second, alignment=file, overwrite=True)
    assert tifffile.imread(second).shape[-2:] == (96, 128)


def test_a_stack_without_an_alignment_leaves_no_file_of_it(tmp_path):
    stack, file, fused = (tmp_path / name for name in ("cells.ome.tif", "a.json", "fused.ome.tif"))
    tifffile.imwrite(stack, hyperstack(), metadata={"axes": "TZCYX"})
    options = FuseOptions(model="gff", align=True, motion="none", exposure=False)
    for overwrite in (False, True):
        files = FuseOutputs(alignment=file, overwrite=overwrite)
        (outcome,) = fuse_files([stack], fused, options, files=files)
        assert not outcome.failed
        assert not any("a.json" in line for line in outcome.messages)
        assert not file.exists()


def test_if_the_alignment_of_a_stack_cannot_be_written_no_picture_appears(tmp_path, monkeypatch):
    stack, fused = tmp_path / "cells.ome.tif", tmp_path / "fused.ome.tif"
    tifffile.imwrite(stack, hyperstack(), metadata={"axes": "TZCYX"})

    def save_parts(path, alignments):
        raise OSError(28, "No space left on device")

    options, files = (
        FuseOptions(model="gff", align=True),
        FuseOutputs(alignment=tmp_path / "a.json"),
    )
    with monkeypatch.context() as patch:
        patch.setattr(batch, "save_parts", save_parts)
        (outcome,) = fuse_files([stack], fused, options, files=files)
    assert outcome.failed
    assert not fused.exists()
    (outcome,) = fuse_files([stack], fused, options, files=files)  # the same call works
    assert not outcome.failed
    assert (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parts": []}, "is the alignment of 0 time points and channels, not of 4"),
        ({"parts": 3}, "is a damaged alignment: parts must be a list"),
        ({"parts": [{}] * 4}, "is a damaged alignment: 'shape' is missing"),
        ({"kind": "seamwise alignment 1"}, "is not the alignment of a stack"),
    ],
)
def test_another_file_is_not_the_alignment_of_a_stack(tmp_path, change, words):
    stack, file = tmp_path / "cells.ome.tif", tmp_path / "a.json"
    tifffile.imwrite(stack, hyperstack(), metadata={"axes": "TZCYX"})
    content = {"kind": "seamwise stack alignment 1", "parts": []}
    file.write_text(json.dumps(content | change))
    options, files = FuseOptions(model="gff", align=True), FuseOutputs(alignment=file)
    (outcome,) = fuse_files([stack], tmp_path / "fused.ome.tif", options, files=files)
    assert outcome.failed
    assert words in outcome.messages[0]
    assert not (tmp_path / "fused.ome.tif").exists()


def drift(axis_of_channels):
    """`(T, Z, Y, X)`, or with channels: still scenes whose planes drift."""
    scene = coffee()[..., :2].astype(np.uint16) * 200
    drifted = [scene[4 * i : 4 * i + 360, 6 * i : 6 * i + 560] for i in range(6)]
    stack = np.moveaxis(np.stack(drifted), 3, axis_of_channels)
    return np.ascontiguousarray(stack)


def test_mirrored_borders_of_aligned_time_points_do_not_move(tmp_path):
    path = save(tmp_path, "x.ome.tif", drift(0), "TZYX")
    pictures, messages = [], []
    for moving in (False, True):
        options = FuseOptions(model="laplacian", align=True, motion="shift", moving=moving)
        (outcome,) = fuse_files([path], tmp_path / f"{moving}.ome.tif", options)
        assert not outcome.failed, outcome
        pictures.append(tifffile.imread(tmp_path / f"{moving}.ome.tif"))
        messages.append([line.replace(str(moving), "") for line in outcome.messages])
    assert np.array_equal(*pictures)
    assert messages[0] == messages[1]


def test_a_thing_that_moves_is_not_taken_from_other_frames_in_each_channel(tmp_path):
    path = save(tmp_path, "x.ome.tif", drift(1), "ZCYX")
    options = FuseOptions(model="laplacian", align=True, moving=True)
    (outcome,) = fuse_files([path], tmp_path / "y.ome.tif", options)
    assert outcome.failed
    assert outcome.messages == (
        f"{tmp_path / 'y.ome.tif'}: --moving takes one channel, and {path} has 2: "
        "fuse each channel alone, or remove --moving",
    )
    assert list(tmp_path.iterdir()) == [path]

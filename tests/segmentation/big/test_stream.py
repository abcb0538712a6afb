"""From disk to disk: the same cells whatever the blocks; what goes in and out."""

import numpy as np
import pytest
import tifffile

from seamwise.decode import flood, instances
from seamwise.engine import StageProgress
from seamwise.io.images import read_labels
from seamwise.io.ome_zarr import ZarrStorage, label_names, open_ome_zarr, write_image
from seamwise.io.scratch import open_scratch
from seamwise.segmentation import segment
from seamwise.segmentation.big import blocks
from support.block_runs import Stop, hidden, run, spoil_chunk, stop_at, work_of
from support.files import one_line
from support.probabilities import same_up_to_numbers
from support.volumes import RULE, blobs, intensity_model

pytestmark = pytest.mark.usefixtures("small_blocks")


def decoded_at_once(work, rule, ndim, time=0):
    """The labels of the whole class map that a run left in its work folder."""
    folder = work / f"t{time}"
    classes = np.asarray(open_scratch(folder / "classes.zarr")[...])
    assert set(np.unique(classes)) == {0, 1, 2}
    if rule.rule == "watershed":
        return flood(
            classes,
            np.asarray(open_scratch(folder / "elevation.zarr")[...]),
            min_size=rule.min_size,
        )
    return instances(classes, min_size=rule.min_size)


# ---------------------------------------------------------------- the same as at once


@pytest.mark.parametrize("tile", [40, 80, 200])
@pytest.mark.parametrize("decode", ["argmax", "threshold", "watershed"])
def test_the_labels_are_those_of_the_class_map_decoded_at_once(
    tmp_path, image, models, decode, tile
):
    output = tmp_path / "out.ome.zarr"
    options = {"model": models[2], "decode": decode, "tile": tile, "flood_halo": 130, "min_size": 4}
    with pytest.raises(Stop):
        run(image, output, **options, report=stop_at("write"))
    expected = decoded_at_once(
        work_of(output), RULE.with_name(decode).model_copy(update={"min_size": 4}), 2
    )
    assert expected.max() > 8
    result = run(image, output, **options)
    labels = read_labels(output)
    assert same_up_to_numbers(labels, expected)
    assert result.cells == (expected.max(),)
    assert (result.path, result.damaged) == (output, ())
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("tile", [16, 32])
@pytest.mark.parametrize("decode", ["argmax", "watershed"])
def test_stacks_too(tmp_path, models, decode, tile):
    path, output = tmp_path / "a.tif", tmp_path / "out.ome.zarr"
    tifffile.imwrite(path, blobs((20, 30, 40)), photometric="minisblack", metadata={"axes": "ZYX"})
    options = {"model": models[3], "decode": decode, "tile": tile, "flood_halo": 50}
    with pytest.raises(Stop):
        run(path, output, **options, report=stop_at("write"))
    expected = decoded_at_once(work_of(output), RULE.with_name(decode), 3)
    run(path, output, **options)
    assert same_up_to_numbers(read_labels(output), expected)
    assert expected.max() > 3


@pytest.mark.parametrize("flips", [False, True])
def test_blocks_see_around_themselves_so_that_they_agree_with_the_image_at_once(
    tmp_path, image, models, monkeypatch, flips
):
    output, seen, compute = tmp_path / "out.ome.zarr", set(), blocks.tile_probabilities
    monkeypatch.setattr(
        blocks,
        "tile_probabilities",
        lambda *args, **options: seen.add(options["flips"]) or compute(*args, **options),
    )
    run(image, output, model=models[2], tile=40, flips=flips)
    whole = segment(blobs((70, 100)), model=models[2], flips=flips).labels
    assert seen == {flips}
    # in half precision a pixel on the edge may fall to the other side
    assert np.mean((read_labels(output) > 0) == (whole > 0)) > 0.9995


def test_a_cell_larger_than_a_block_is_one_cell(tmp_path, models):
    pixels = np.full((70, 100), 10, np.uint16)
    pixels[5:65, 5:95] = 1000
    pixels[35:50, 30:90] = 10  # a hole over several blocks is filled, as at once
    write_image(tmp_path / "a.zarr", pixels, axes="YX")
    run(tmp_path / "a.zarr", tmp_path / "out.zarr", model=models[2], tile=40)
    labels = read_labels(tmp_path / "out.zarr")
    assert set(np.unique(labels)) == {0, 1}
    assert labels[45, 50] == labels[7, 7] == labels[62, 92] == 1


def test_no_cell_leaves_zeros(tmp_path, image):
    model = intensity_model(tmp_path / "empty.safetensors", empty=True)
    result = run(image, tmp_path / "out.zarr", model=model, tile=40)
    assert result.cells == (0,)
    assert read_labels(tmp_path / "out.zarr").shape == (70, 100)
    assert not read_labels(tmp_path / "out.zarr").any()


def test_min_size_is_of_the_whole_cell(tmp_path, image, models):
    sizes = {}
    for least in (0, 60):
        run(image, tmp_path / "out.zarr", model=models[2], tile=40, min_size=least, overwrite=True)
        sizes[least] = np.sort(np.bincount(read_labels(tmp_path / "out.zarr").ravel())[1:])
    assert np.array_equal(sizes[60], sizes[0][sizes[0] >= 60])
    assert 0 < len(sizes[60]) < len(sizes[0])


# ---------------------------------------------------------------- what goes in and out


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_new_folder_is_of_the_version_asked_for_with_the_pixel_size(
    tmp_path, image, models, version
):
    run(image, tmp_path / "out.zarr", model=models[2], zarr_version=version)
    out = open_ome_zarr(tmp_path / "out.zarr")
    assert (out.version, out.axes, out.spacing) == (version, "YX", (0.5, 0.25))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_within_the_image_have_its_levels_and_scales(tmp_path, models, version):
    path = tmp_path / "a.zarr"
    write_image(
        path,
        blobs((70, 100)),
        axes="YX",
        spacing=(0.5, 0.25),
        storage=ZarrStorage(version=version, chunks=(32, 32), levels=3),
    )
    result = run(path, path, model=models[2], tile=40)
    assert result.path == path / "labels" / "cells"
    assert label_names(path) == ("cells",)
    image, labels = open_ome_zarr(path), open_ome_zarr(result.path)
    assert labels.version == version
    assert [(one.shape, one.scale) for one in labels.levels] == [
        (one.shape, one.scale) for one in image.levels
    ]
    run(path, tmp_path / "out.zarr", model=models[2])
    assert same_up_to_numbers(read_labels(result.path), read_labels(tmp_path / "out.zarr"))
    run(path, path, model=models[2], name="again")
    assert label_names(path) == ("cells", "again")
    assert hidden(tmp_path) == hidden(path) == []


def test_labels_within_an_image_of_all_five_axes(tmp_path, models):
    path, plane = tmp_path / "a.zarr", blobs((70, 80))
    write_image(
        path,
        np.stack([plane[::-1], plane])[:, None, None],
        axes="TCZYX",
        storage=ZarrStorage(chunks=(1, 32, 32)),
    )
    result = run(path, path, model=models[2], tile=40)
    labels = open_ome_zarr(result.path)
    assert (labels.axes, labels.levels[0].shape, labels.levels[0].chunks) == (
        "TZYX",
        (2, 1, 70, 80),
        (1, 1, 40, 40),
    )
    write_image(tmp_path / "plane.zarr", plane, axes="YX")
    run(tmp_path / "plane.zarr", tmp_path / "out.zarr", model=models[2])
    assert same_up_to_numbers(
        np.asarray(labels.pixels()[(slice(1, 2), 0)])[0], read_labels(tmp_path / "out.zarr")
    )


def test_every_time_point_by_itself_and_one_without_contrast_has_no_cells(tmp_path, models):
    one, other = blobs((40, 50), 1), blobs((40, 50), 2)
    path = tmp_path / "a.zarr"
    write_image(path, np.stack([one, np.full_like(one, 7), 3 * other]), axes="TYX")
    seen = []
    result = run(path, tmp_path / "out.zarr", model=models[2], tile=40, report=seen.append)
    # a stage is through with all of them before the next begins: 2 blocks of 3 time points
    names = ("sample", "classify", "find", "label", "write")
    assert seen == [StageProgress(name, done, 6) for name in names for done in range(1, 7)]
    labels = np.asarray(open_ome_zarr(tmp_path / "out.zarr").pixels()[(slice(None),)])
    assert labels.shape == (3, 40, 50)
    assert result.cells == (labels[0].max(), 0, labels[2].max())
    for time, pixels in ((0, one), (2, other)):
        write_image(tmp_path / f"{time}.zarr", pixels, axes="YX")
        run(tmp_path / f"{time}.zarr", tmp_path / f"{time}.out.zarr", model=models[2])
        assert same_up_to_numbers(labels[time], read_labels(tmp_path / f"{time}.out.zarr"))


@pytest.fixture
def all_cell(monkeypatch):
    """A network that sees a cell in every pixel."""

    def probabilities(pixels, model, *, flips, guides, **options):
        return np.stack([np.full(pixels.shape[1:], float(c == 1), np.float32) for c in range(4)])

    monkeypatch.setattr(blocks, "tile_probabilities", probabilities)


@pytest.mark.usefixtures("all_cell")
def test_what_says_nothing_is_not_shown_to_the_network(tmp_path, image, models):
    spoil_chunk(image, 0, 0)
    run(image, tmp_path / "out.zarr", model=models[2], tile=40)
    expected = np.ones((70, 100), bool)
    expected[:32, :32] = False
    assert np.array_equal(read_labels(tmp_path / "out.zarr") > 0, expected)
    plane = blobs((40, 50))
    write_image(tmp_path / "b.zarr", np.stack([plane, 0 * plane, plane]), axes="TYX")
    assert run(tmp_path / "b.zarr", tmp_path / "out2.zarr", model=models[2]).cells == (
        1,
        0,
        1,
    )


def test_channels_are_chosen_in_order(tmp_path, models):
    cells, other = blobs((60, 70), 1), blobs((60, 70), 2)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.stack([cells, other]), photometric="minisblack", metadata={"axes": "CYX"}
    )
    two = intensity_model(tmp_path / "two.safetensors", channels=2)
    outputs = []
    for n, options in enumerate(
        [
            {"model": models[2], "channel": 0},
            {"model": two, "channel": (1, 0)},
            {"model": two, "channel": [1, 0]},
        ]
    ):
        outputs.append(tmp_path / f"{n}.zarr")
        run(path, outputs[-1], tile=40, **options)
    first, *others = map(read_labels, outputs)
    assert all(np.array_equal(first, labels) for labels in others)
    with pytest.raises(ValueError, match="expects 1 channel") as caught:
        run(path, tmp_path / "x.zarr", model=models[2])
    assert one_line(caught)


def test_the_user_hears_of_the_plan_and_of_every_block(tmp_path, image, models):
    lines, seen = [], []
    run(
        image,
        tmp_path / "out.zarr",
        model=models[2],
        tile=40,
        announce=lines.append,
        report=seen.append,
    )
    assert lines[0].startswith(f"{image}: 70 × 100 YX; 6 blocks of 40 × 40 pixels, about ")
    assert [(p.stage, p.done, p.total) for p in seen] == [
        (stage, n, 6)
        for stage in ("sample", "classify", "find", "label", "write")
        for n in range(1, 7)
    ]

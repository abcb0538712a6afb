"""From disk to disk: the same cells whatever the blocks, whatever happens meanwhile."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import tifffile
import torch
import zarr

from seamwise.decode import flood, instances
from seamwise.engine import Listener, Resources, StageProgress, choose_precision, cluster
from seamwise.engine.cluster import task_runner
from seamwise.io.images import read_image, read_labels
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.ome_zarr import (
    ZarrStorage,
    label_names,
    open_ome_zarr,
    read_record,
    write_image,
)
from seamwise.io.provenance import file_sha256
from seamwise.io.scratch import open_scratch
from seamwise.io.volume import open_labels
from seamwise.segmentation import (
    OutputOptions,
    SegmentOptions,
    decode_files,
    predict,
    segment,
    segment_files,
    segment_volume,
)
from seamwise.segmentation.big import blocks, memory, network, stream
from support.files import one_line
from support.probabilities import same_up_to_numbers
from support.volumes import RULE, blobs, intensity_model


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    for ndim, chunk, halo in ((2, 40, 8), (3, 16, 4)):
        monkeypatch.setitem(memory.CHUNK, ndim, chunk)
        monkeypatch.setitem(memory.HALO, ndim, halo)
    monkeypatch.setattr(blocks, "_LEAST", 8)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {ndim: intensity_model(folder / f"{ndim}.safetensors", ndim) for ndim in (2, 3)}


@pytest.fixture
def image(tmp_path):
    """A plane of 70 × 100 pixels, 2 × 3 blocks of 40, in an OME-Zarr folder."""
    path = tmp_path / "a.ome.zarr"
    write_image(
        path, blobs((70, 100)), axes="YX", spacing=(0.5, 0.25), storage=ZarrStorage(chunks=(32, 32))
    )
    return path


def run(path, output, **options):
    """`segment_volume`, with the options of its values given one by one."""

    def value(kind):
        names = [field.name for field in fields(kind) if field.name in options]
        return kind(**{name: options.pop(name) for name in names})

    values = [value(kind) for kind in (SegmentOptions, Resources, OutputOptions, Listener)]
    assert not options
    return segment_volume(path, output, *values[:2], files=values[2], listener=values[3])


@contextmanager
def in_this_process(resources, *, announce):
    """The runner of one worker, however many are asked for."""
    with task_runner() as runner:
        yield runner


class Stop(Exception):
    """What ends a run in the middle."""


def stop_at(stage, done=1):
    def report(progress):
        if (progress.stage, progress.done) == (stage, done):
            raise Stop

    return report


def work_of(output):
    return output.with_name(f".{output.name}.cells.work")


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


def hidden(folder):
    """Traces of unfinished work."""
    return [
        path.name for path in folder.iterdir() if path.name.endswith((".work", ".part", ".old"))
    ]


def spoil_chunk(path, *index):
    (path / "0" / "c" / Path(*map(str, index))).write_bytes(b"no zstd")


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


# ---------------------------------------------------------------- interrupted


@pytest.mark.parametrize("stage", ["sample", "classify", "find", "label", "write"])
def test_interrupted_it_goes_on_without_doing_anything_again(
    tmp_path, image, models, monkeypatch, stage
):
    output, options = tmp_path / "out.zarr", {"model": models[2], "tile": 40, "decode": "watershed"}
    run(image, tmp_path / "ref.zarr", **options)
    with pytest.raises(Stop):
        run(image, output, **options, report=stop_at(stage, 3))
    assert not output.exists()
    calls = []
    for name in ("sample", "classify", "find", "label"):
        task = getattr(blocks, name)
        monkeypatch.setattr(
            blocks,
            name,
            lambda folder, n, task=task, name=name: (calls.append((name, n)), task(folder, n)),
        )
    lines = []
    run(image, output, **options, announce=lines.append)
    order = ["sample", "classify", "find", "label", "write"]
    rest = [(stage, n) for n in range(3, 6)] if stage != "write" else []
    assert calls == rest + [
        (later, n) for later in order[order.index(stage) + 1 : -1] for n in range(6)
    ]
    assert "resumes" in lines[0]
    assert np.array_equal(read_labels(output), read_labels(tmp_path / "ref.zarr"))
    assert hidden(tmp_path) == []


KILLED = """
import os, signal, sys
from seamwise.engine import Listener
from seamwise.segmentation import SegmentOptions, segment_volume
from seamwise.segmentation.big import memory
memory.CHUNK[2], memory.HALO[2] = 40, 8
def report(progress):
    if (progress.stage, progress.done) == ("classify", 3):
        os.kill(os.getpid(), signal.SIGKILL)
segment_volume(
    sys.argv[1],
    sys.argv[2],
    SegmentOptions(model=sys.argv[3], tile=40),
    listener=Listener(report=report),
)
"""


def test_killed_it_goes_on(tmp_path, image, models):
    output = tmp_path / "out.zarr"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(image), str(output), str(models[2])], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not output.exists()
    seen = []
    run(image, output, model=models[2], tile=40, report=seen.append)
    assert (seen[0].stage, seen[0].done) == ("classify", 4)
    run(image, tmp_path / "ref.zarr", model=models[2], tile=40)
    assert np.array_equal(read_labels(output), read_labels(tmp_path / "ref.zarr"))


def test_two_at_the_same_output_do_not_mix(tmp_path, image, models):
    output, refused = tmp_path / "out.zarr", []

    def meanwhile(progress):
        if (progress.stage, progress.done) == ("write", 3):
            with pytest.raises(BlockingIOError) as caught:
                run(image, output, model=models[2], tile=40)
            refused.append(one_line(caught, "out.zarr", "another process"))

    run(image, output, model=models[2], tile=40, report=meanwhile)
    assert refused == [True]
    run(image, tmp_path / "ref.zarr", model=models[2], tile=40)
    assert np.array_equal(read_labels(output), read_labels(tmp_path / "ref.zarr"))
    assert hidden(tmp_path) == []


def test_other_options_do_not_go_on_with_what_was_begun(tmp_path, image, models):
    output = tmp_path / "out.zarr"
    with pytest.raises(Stop):
        run(image, output, model=models[2], tile=40, report=stop_at("classify", 3))
    for options, words in (
        ({"tile": 40, "decode": "threshold"}, "made with decode = None, not threshold"),
        ({"tile": 80}, "made with tile = 40, not 80"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            run(image, output, model=models[2], **options)
        assert one_line(caught, str(work_of(output)), "--overwrite")
    seen = []
    run(
        image,
        output,
        model=models[2],
        tile=40,
        decode="threshold",
        overwrite=True,
        report=seen.append,
    )
    assert (seen[0].stage, seen[0].done) == ("sample", 1)


def test_with_other_resources_a_run_resumes_in_the_same_blocks_if_they_fit(
    tmp_path, image, models, monkeypatch
):
    output, seen, devices = tmp_path / "out.zarr", [], []
    model_on = blocks.shared_network
    monkeypatch.setattr(
        blocks, "shared_network", lambda *args: devices.append(args[2]) or model_on(*args)
    )
    with pytest.raises(Stop):
        run(image, output, model=models[2], tile=40, device="auto", report=stop_at("classify", 3))
    with pytest.raises(ValueError, match="too little") as caught:
        run(image, output, model=models[2], tile=40, memory=10**8)
    assert one_line(caught, "--overwrite")
    run(image, output, model=models[2], tile=40, device="cpu", memory=2 * 10**9, report=seen.append)
    assert (seen[0].stage, seen[0].done, seen[0].total) == ("classify", 4, 6)
    assert devices == ["auto"] * 3 + ["cpu"] * 3


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs openvino")
def test_an_interrupted_run_keeps_its_runtime_and_refuses_another(tmp_path, image, models):
    output, options = tmp_path / "out.zarr", {"model": models[2], "tile": 40, "device": "cpu"}
    for runtime in ("torch", "auto"):
        with pytest.raises(Stop):
            run(image, output, **options, runtime=runtime, report=stop_at("classify", 3))
        before = read_json(work_of(output) / "job.json")["runtime"]
        assert before.startswith("torch" if runtime == "torch" else "openvino ")
        other = "openvino" if runtime == "torch" else "torch"
        with pytest.raises(ValueError, match=f"made with runtime = {before}, not {other}"):
            run(image, output, **options, runtime=other)
        run(image, output, **options)
        assert read_record(output)["runtime"] == before
        shutil.rmtree(output)


@pytest.fixture
def loads(monkeypatch):
    """The runtimes of the networks that are loaded, one after the other."""
    network._networks.clear()
    runtimes, load_network = [], predict.load_network

    def spy(model, kind, *, device, runtime):
        runtimes.append(runtime)
        return load_network(model, kind, device=device, runtime=runtime)

    monkeypatch.setattr(predict, "load_network", spy)
    return runtimes


def test_all_blocks_of_this_process_share_one_network(tmp_path, image, models, loads):
    run(image, tmp_path / "one.zarr", model=models[2], tile=40)
    assert loads == ["auto"]
    list(segment_files([image], tmp_path / "out", SegmentOptions(model=models[2])))
    assert loads == ["auto", "auto"]


@pytest.mark.parametrize("runtime", ["auto", "torch", "openvino"])
def test_the_workers_of_a_scheduler_get_the_runtime(
    tmp_path, image, models, loads, monkeypatch, runtime
):
    if runtime == "openvino":
        pytest.importorskip("openvino")

    @contextmanager
    def runner_here(resources, announce):
        yield cluster.Runner(cluster._one_by_one)

    monkeypatch.setattr(stream, "task_runner", runner_here)
    options = SegmentOptions(model=models[2], tile=40, runtime=runtime)
    segment_volume(image, tmp_path / "out.zarr", options, Resources(scheduler="tcp://10.0.0.1:1"))
    record = read_record(tmp_path / "out.zarr")
    of_workers = record["runtime"]
    assert of_workers.startswith("openvino " if runtime == "openvino" else "torch")
    assert loads == ["torch" if runtime == "auto" else runtime, of_workers]
    assert record["precision"] is None  # that of each worker


def test_the_record_names_the_precision(tmp_path, image, models):
    run(image, tmp_path / "out.zarr", model=models[2], device="cpu", runtime="torch")
    record = read_record(tmp_path / "out.zarr")
    native = str(choose_precision(torch.device("cpu"))).removeprefix("torch.")
    assert (record["runtime"], record["precision"]) == ("torch", native)


def test_the_image_or_model_written_anew_is_not_gone_on_with(tmp_path, models):
    path, model, output = tmp_path / "a.tif", tmp_path / "m.safetensors", tmp_path / "out.zarr"
    shutil.copy(models[2], model)
    for spoil, words in (
        (lambda: os.utime(path, ns=(1, 1)), "made with a different image file"),
        (lambda: intensity_model(model, empty=True), "made with a different model file"),
    ):
        tifffile.imwrite(path, blobs((60, 70)))
        with pytest.raises(Stop):
            run(path, output, model=model, tile=40, report=stop_at("classify", 3))
        spoil()
        with pytest.raises(ValueError, match=words):
            run(path, output, model=model, tile=40)
        shutil.rmtree(work_of(output))


def test_a_model_that_changes_meanwhile_is_not_mixed_with_the_first(tmp_path, models):
    path, model = tmp_path / "a.tif", tmp_path / "m.safetensors"
    tifffile.imwrite(path, blobs((60, 70)))
    shutil.copy(models[2], model)

    def replaced(progress):
        if (progress.stage, progress.done) == ("classify", 1):
            intensity_model(model, empty=True)
            network._networks.clear()  # as in a worker that takes the place of another

    with pytest.raises(ValueError, match="not the model that the work was begun with") as caught:
        run(path, tmp_path / "out.zarr", model=model, tile=40, report=replaced)
    assert one_line(caught, "m.safetensors")


def test_leftovers_of_a_removal_that_was_interrupted_are_not_gone_on_with(tmp_path, image, models):
    output = tmp_path / "out.zarr"
    with pytest.raises(Stop):
        run(image, output, model=models[2], tile=40, report=stop_at("write", 3))
    (work_of(output) / "job.json").unlink()
    shutil.rmtree(work_of(output) / "t0" / "labels.zarr")
    run(image, output, model=models[2], tile=40)
    run(image, tmp_path / "ref.zarr", model=models[2], tile=40)
    assert np.array_equal(read_labels(output), read_labels(tmp_path / "ref.zarr"))


def test_a_job_of_the_first_version_resumes_and_is_compared(tmp_path, image, models):
    output, options = tmp_path / "out.zarr", {"model": models[2], "decode": "threshold"}
    with pytest.raises(Stop):
        run(image, output, **options, tile=40, report=stop_at("classify", 3))
    record = work_of(output) / "job.json"
    added = ("decode", "min_size", "tile", "mode", "stitch_iou", "runtime", "flood_halo")
    job = {name: value for name, value in read_json(record).items() if name not in added}
    write_json(record, {**job, "flood_halo": 64})
    with pytest.raises(ValueError, match="made with flips = False, not True"):
        run(image, output, **options, flips=True)
    with pytest.raises(ValueError, match=r"made with rule\.rule = threshold, not argmax"):
        run(image, output, model=models[2], decode="argmax")
    seen = []
    run(image, output, **options, report=seen.append)
    assert (seen[0].stage, seen[0].done, seen[0].total) == ("classify", 4, 6)


def test_a_record_of_another_version_is_said(tmp_path, image, models):
    output = tmp_path / "out.zarr"
    work_of(output).mkdir()
    (work_of(output) / "job.json").write_text('{"image": "x"}')
    with pytest.raises(ValueError, match="another version") as caught:
        run(image, output, model=models[2])
    assert one_line(caught, str(work_of(output)))
    run(image, output, model=models[2], overwrite=True)
    assert output.exists()


@pytest.mark.parametrize("place", ["save_arrays", "write_json", "chunk", "write"])
def test_a_full_disk_stops_it_and_with_space_it_goes_on(
    tmp_path, image, models, monkeypatch, place
):
    output, calls = tmp_path / "out.zarr", []

    def failing(original):
        def call(*args, **options):
            calls.append(place)
            if len(calls) == 4:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **options)

        return call

    with monkeypatch.context() as patched:
        if place == "chunk":
            patched.setattr(zarr.Array, "__setitem__", failing(zarr.Array.__setitem__))
        elif place == "write":
            patched.setattr("seamwise.io.ome_zarr.Draft.write", failing(blocks.Draft.write))
        else:
            patched.setattr(blocks, place, failing(getattr(blocks, place)))
        with pytest.raises(OSError, match="space") as caught:
            run(image, output, model=models[2], tile=40)
    assert one_line(caught)
    assert caught.value.errno == errno.ENOSPC
    assert not output.exists()
    assert hidden(tmp_path) == [work_of(output).name]
    run(image, output, model=models[2], tile=40)
    run(image, tmp_path / "ref.zarr", model=models[2], tile=40)
    assert np.array_equal(read_labels(output), read_labels(tmp_path / "ref.zarr"))
    assert hidden(tmp_path) == []


# ---------------------------------------------------------------- damaged, too large, wrong


def test_a_damaged_chunk_is_named_and_nothing_else_is_lost(tmp_path, image, models):
    run(image, tmp_path / "ref.zarr", model=models[2], tile=80)
    spoil_chunk(image, 1, 2)
    result = run(image, tmp_path / "out.zarr", model=models[2], tile=80, decode="argmax")
    (line,) = result.damaged
    assert "chunk (1, 2)" in line
    assert "\n" not in line
    labels, whole = read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ref.zarr")
    assert not labels[32:64, 64:96].any()
    far = np.ones(labels.shape, bool)
    far[16:, 48:] = False
    # without that chunk the percentiles are others, though hardly
    assert np.mean((labels > 0)[far] == (whole > 0)[far]) > 0.97
    assert (labels[20:32, 64:96] > 0).any()


def test_damage_in_both_halves_of_a_block_is_left_out_of_both(tmp_path, image, models, monkeypatch):
    def limited(pixels, model, *, compute=blocks.tile_probabilities, **options):
        if pixels[0].size > 50 * 50:
            raise MemoryError
        return compute(pixels, model, **options)

    monkeypatch.setattr(blocks, "tile_probabilities", limited)
    monkeypatch.setattr(blocks, "_LEAST", 16)
    spoil_chunk(image, 1, 1)  # a block of 70 × 100 is cut at column 48
    result = run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert len(result.damaged) == 1
    labels = read_labels(tmp_path / "out.zarr")
    assert not labels[32:64, 32:64].any()
    assert labels.any()


def test_damage_over_a_seam_of_blocks_is_one_line(tmp_path, models):
    path = tmp_path / "a.zarr"
    write_image(path, blobs((70, 100)), axes="YX", storage=ZarrStorage(chunks=(50, 50)))
    spoil_chunk(path, 0, 1)
    result = run(path, tmp_path / "out.zarr", model=models[2], tile=40)
    assert len(result.damaged) == 1
    assert not read_labels(tmp_path / "out.zarr")[:50, 50:].any()


def test_of_an_image_that_cannot_be_read_at_all_nothing_is_left(tmp_path, models):
    path = tmp_path / "a.zarr"
    write_image(path, blobs((20, 30)), axes="YX")
    spoil_chunk(path, 0, 0)
    with pytest.raises(ValueError, match="cannot be read") as caught:
        run(path, tmp_path / "out.zarr", model=models[2])
    assert one_line(caught, str(path))
    assert os.listdir(tmp_path) == ["a.zarr"]


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA out of memory. Tried to allocate"), MemoryError()]
)
def test_when_memory_runs_out_a_block_is_done_in_halves(
    tmp_path, image, models, monkeypatch, error
):
    run(image, tmp_path / "ref.zarr", model=models[2], tile=128)
    sizes = []

    def limited(pixels, model, *, compute=blocks.tile_probabilities, **options):
        sizes.append(pixels[0].size)
        if pixels[0].size > 50 * 50:
            raise error
        return compute(pixels, model, **options)

    monkeypatch.setattr(blocks, "tile_probabilities", limited)
    run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert np.array_equal(read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ref.zarr"))
    assert max(sizes) > 50 * 50 > min(sizes)


def test_when_even_the_smallest_part_is_too_large_for_the_gpu_the_cpu_does_it(
    tmp_path, image, models, monkeypatch
):
    run(image, tmp_path / "ref.zarr", model=models[2], tile=128)

    def loaded(path, sha256, device, runtime, load=blocks.shared_network):
        model = load(path, sha256, "cpu", runtime)
        return model if device == "cpu" else replace(model, device="cuda")

    def full(pixels, model, *, compute=blocks.tile_probabilities, **options):
        if model.device == "cuda":
            raise RuntimeError("CUDA out of memory")
        return compute(pixels, model, **options)

    monkeypatch.setattr(blocks, "_LEAST", 32)
    monkeypatch.setattr(blocks, "shared_network", loaded)
    monkeypatch.setattr(blocks, "tile_probabilities", full)
    run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert np.array_equal(read_labels(tmp_path / "out.zarr"), read_labels(tmp_path / "ref.zarr"))


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (MemoryError(), MemoryError, "not enough memory for the box"),
        (
            RuntimeError("CUDA error: an illegal memory access was encountered"),
            RuntimeError,
            "illegal",
        ),
    ],
)
def test_what_halves_do_not_mend_is_raised(tmp_path, image, models, monkeypatch, error, kind, word):
    def failing(*args, **options):
        raise error

    monkeypatch.setattr(blocks, "tile_probabilities", failing)
    with pytest.raises(kind, match=word) as caught:
        run(image, tmp_path / "out.zarr", model=models[2], tile=128)
    assert one_line(caught)


@pytest.mark.parametrize(
    ("pixels", "axes", "word"),
    [
        (np.where(np.eye(40) > 0, np.nan, 1), "YX", "NaN or infinite"),
        (blobs((4, 40, 50)), "ZYX", "2 spatial axes"),
        (blobs((3, 40, 50)), "CYX", "expects 1 channel"),
    ],
)
def test_images_that_cannot_be_segmented_leave_nothing(tmp_path, models, pixels, axes, word):
    write_image(tmp_path / "a.zarr", pixels, axes=axes)
    with pytest.raises(ValueError, match=word) as caught:
        run(tmp_path / "a.zarr", tmp_path / "out.zarr", model=models[2], tile=40)
    assert one_line(caught)
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_a_constant_image_has_no_cells(tmp_path, models):
    write_image(tmp_path / "a.zarr", np.full((40, 50), 9, np.uint8), axes="YX")
    result = run(tmp_path / "a.zarr", tmp_path / "out.zarr", model=models[2], tile=40)
    assert result.cells == (0,)
    assert not read_labels(result.path).any()


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"tile": 0}, ValueError, "tile must be 1 or more"),
        ({"flood_halo": -1}, ValueError, "flood_halo must be 0 or more"),
        ({"name": "../cells"}, ValueError, "plain name"),
        ({"name": ""}, ValueError, "plain name"),
        ({"zarr_version": "0.3"}, ValueError, "zarr_version must be"),
        ({"memory": 10**6}, ValueError, "too little"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, ValueError, "give one"),
        ({"decode": "otsu"}, ValueError, "decode must be one of"),
        ({"channel": 3}, ValueError, "channel"),
        ({"device": "gpu"}, ValueError, "device 'gpu'"),
        ({"model": "nuclei-9d"}, FileNotFoundError, "no model named"),
    ],
)
def test_bad_options_are_named_before_any_work(tmp_path, image, models, options, error, word):
    with pytest.raises(error, match=word) as caught:
        run(image, tmp_path / "out.zarr", **{"model": models[2]} | options)
    assert one_line(caught)
    assert os.listdir(tmp_path) == [image.name]


def test_labels_that_are_there_stay_unless_they_are_to_be_replaced(tmp_path, image, models):
    for output, there in (
        (tmp_path / "out.zarr", tmp_path / "out.zarr"),
        (image, image / "labels" / "cells"),
    ):
        run(image, output, model=models[2], decode="argmax")
        with pytest.raises(FileExistsError) as caught:
            run(image, output, model=models[2], min_size=100)
        assert one_line(caught, str(there), "--overwrite")
        before = read_labels(there).max()
        run(image, output, model=models[2], min_size=100, overwrite=True)
        assert read_labels(there).max() < before
    assert label_names(image) == ("cells",)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_keep_the_options_that_made_them(tmp_path, models, version, monkeypatch):
    # two processes start slowly; that they give the same is asserted in engine/test_cluster.py
    monkeypatch.setattr("seamwise.segmentation.big.stream.task_runner", in_this_process)
    image = tmp_path / "a.zarr"
    write_image(image, blobs((70, 100)), axes="YX", storage=ZarrStorage(version=version))
    for output, labels, remedy in (
        (tmp_path / "out.zarr", tmp_path / "out.zarr", "choose another folder, or --overwrite it"),
        (image, image / "labels" / "cells", "choose another --name, or --overwrite it"),
    ):
        options = {"model": models[2], "zarr_version": version}
        run(image, output, **options, tile=40, workers=2)
        record = read_record(labels)
        assert (record["tile"], record["resources"]["workers"]) == (40, 2)
        assert record["model_sha256"] == file_sha256(models[2])
        with pytest.raises(FileExistsError) as caught:
            run(image, output, **options, tile=80)
        difference = f"{labels} already exists, made with tile = 40, not 80: {remedy}"
        assert one_line(caught, difference)
        with pytest.raises(FileExistsError) as caught:
            run(image, output, **options, tile=40, workers=1)
        assert one_line(caught, f"{labels} already exists: {remedy}")
        run(image, output, **options, tile=80, overwrite=True)
        assert read_record(labels)["tile"] == 80
    attributes = zarr.open_group(str(image / "labels" / "cells"), mode="r").attrs
    assert "seamwise" in attributes
    assert "seamwise" not in attributes.get("ome", {})
    assert read_record(image) == {}


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("damage", [None, [], {}, "text"])
def test_a_damaged_record_of_labels_is_refused_in_one_line(tmp_path, models, version, damage):
    image = tmp_path / "a.zarr"
    write_image(image, blobs((40, 50)), axes="YX", storage=ZarrStorage(version=version))
    options = {"model": models[2], "zarr_version": version}
    run(image, image, **options)
    labels = image / "labels" / "cells"
    zarr.open_group(str(labels), mode="a").attrs["seamwise"] = damage
    file = labels / ("zarr.json" if version == "0.5" else ".zattrs")
    with pytest.raises(ValueError, match="seamwise must record") as caught:
        run(image, image, **options)
    assert one_line(caught, f"{file}: ")
    (outcome,) = segment_files([image], image, SegmentOptions(model=models[2]))
    assert outcome.failed
    (message,) = outcome.messages
    assert "\n" not in message
    assert f"{file}: seamwise must record" in message
    run(image, image, **options, overwrite=True)
    assert read_record(labels)["model_sha256"] == file_sha256(models[2])


def test_overwrite_spares_the_image_and_what_is_no_image(tmp_path, image, models):
    (tmp_path / "notes").mkdir()
    plate = tmp_path / "plate.zarr"
    shutil.copytree(image, plate / "0")
    zarr.open_group(str(plate), mode="a")
    cases = [
        (image, tmp_path / "notes", "not an OME-Zarr folder"),
        (plate / "0", plate, "choose another folder"),
        (image, image / "0", "choose another folder"),
    ]
    for path, output, word in cases:
        with pytest.raises((OSError, ValueError), match=word) as caught:
            run(path, output, model=models[2], overwrite=True)
        assert one_line(caught, str(output))
    assert (plate / "0" / "zarr.json").exists()


def test_a_model_that_was_loaded_from_another_file_is_refused(tmp_path, image, models):
    path = tmp_path / "m.safetensors"
    shutil.copy(models[2], path)
    model = predict.load(path, device="cpu")
    assert model.sha256 == file_sha256(models[2])
    intensity_model(path, 2, empty=True)
    for options in (SegmentOptions(model=str(path)), SegmentOptions(model="nuclei-2d")):
        with pytest.raises(ValueError, match="is not the model that was loaded") as caught:
            segment_volume(image, tmp_path / "out.zarr", options, model=model)
        assert one_line(caught, "safetensors")
    assert not (tmp_path / "out.zarr").exists()


def test_threads_that_share_a_network_load_it_once(monkeypatch, models):
    loads, sha256 = [], file_sha256(models[2])
    begun = Event()

    def load(path, **_):
        loads.append(path)
        begun.wait(0.1)  # the other thread asks meanwhile
        return object()

    monkeypatch.setattr(network, "load", load)
    monkeypatch.setattr(network, "_networks", OrderedDict())
    with ThreadPoolExecutor(2) as threads:
        ask = partial(network.shared_network, str(models[2]), sha256, "cpu")
        one, other = threads.map(ask, ["torch", "torch"])
    assert (one is other, len(loads)) == (True, 1)


def test_labels_within_an_image_need_its_own_axes(tmp_path, models):
    path = tmp_path / "a.zarr"
    write_image(path, blobs((4, 40, 50)), axes="ZYX")
    with pytest.raises(ValueError, match="not its own axes") as caught:
        run(path, path, model=models[2], axes="TYX")
    assert one_line(caught, str(path))


# ---------------------------------------------------------------- memory

MEASURED = """
import sys
from seamwise.engine import Listener, Resources
from seamwise.segmentation import SegmentOptions, segment_volume
segment_volume(
    sys.argv[1],
    sys.argv[2],
    SegmentOptions(model=sys.argv[3]),
    Resources(memory=int(sys.argv[4])),
    listener=Listener(print),
)
# ru_maxrss would begin with the peak of the process that started this one
lines = open("/proc/self/status").readlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_run_keeps_to_its_limit_of_memory(tmp_path, models):
    path, limit = tmp_path / "a.zarr", 10**9
    write_image(
        path,
        np.tile(blobs((512, 512), smooth=5), (4, 5)),
        axes="YX",
        storage=ZarrStorage(chunks=(512, 512), levels=1),
    )
    arguments = [str(path), str(tmp_path / "out.zarr"), str(models[2]), str(limit)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], check=True, capture_output=True, text=True
    )
    announced, peak = done.stdout.splitlines()
    assert "; 1 block of" not in announced
    assert int(peak) < limit


# ---------------------------------------------------------------- probabilities


@pytest.mark.parametrize("tile", [40, 80])
def test_probabilities_are_kept_block_by_block_and_decode_to_the_same_cells(
    tmp_path, image, models, tile
):
    output = tmp_path / "out" / "a.ome.zarr"
    output.parent.mkdir()
    options = {"model": models[2], "tile": tile, "decode": "argmax"}
    run(image, output, **options, probabilities=True)
    maps = read_image(output.parent / "probabilities" / "a.ome.zarr")
    assert (maps.axes, maps.data.dtype, maps.spacing) == ("CYX", np.float16, (0.5, 0.25))
    expected = segment(blobs((70, 100)), model=models[2]).probabilities
    assert np.mean(np.abs(maps.data - expected) < 0.02) > 0.999
    run(image, tmp_path / "without.ome.zarr", **options)
    np.testing.assert_array_equal(read_labels(output), read_labels(tmp_path / "without.ome.zarr"))
    rule = RULE.with_name("argmax")
    outcomes = list(decode_files([output.parent / "probabilities"], tmp_path / "decoded", rule))
    assert not outcomes[0].failed
    assert same_up_to_numbers(read_labels(tmp_path / "decoded" / "a.tif"), read_labels(output))


def test_a_run_that_kept_no_probabilities_resumes_with_them(tmp_path, image, models, monkeypatch):
    output, options = tmp_path / "out.ome.zarr", {"model": models[2], "tile": 40}
    with pytest.raises(Stop):
        run(image, output, **options, report=stop_at("find", 3))
    run(image, output, **options, probabilities=True)
    maps = read_image(tmp_path / "probabilities" / "out.ome.zarr").data.astype(np.float32)
    np.testing.assert_allclose(maps.sum(0), 1, atol=2e-3)
    assert hidden(tmp_path) == []


def test_where_a_series_is_constant_or_damaged_the_probability_is_that_of_background(
    tmp_path, models
):
    path = tmp_path / "a.ome.zarr"
    series = np.stack([blobs((70, 100)), np.full((70, 100), 7, np.float32)])
    write_image(path, series, axes="TYX", storage=ZarrStorage(chunks=(1, 32, 32)))
    spoil_chunk(path, 0, 1, 2)
    output = tmp_path / "out" / "a.ome.zarr"
    output.parent.mkdir()
    result = run(path, output, model=models[2], tile=80, probabilities=True)
    assert len(result.damaged) == 1
    target = output.parent / "probabilities" / "a.ome.zarr"
    first, second = (read_image(target, time=time).data for time in (0, 1))
    background = np.zeros(len(first)) + (np.arange(len(first)) == 0)
    assert (second == background[:, np.newaxis, np.newaxis]).all()
    assert (first[:, 32:64, 64:96] == background[:, np.newaxis, np.newaxis]).all()
    (outcome,) = decode_files([target], tmp_path / "decoded")
    assert outcome.messages[0].endswith("+ 0 cells")
    labels = open_labels(tmp_path / "decoded" / "a.ome.zarr")
    assert (labels.times, labels.shape) == (2, (70, 100))


def test_labels_within_an_image_come_without_probabilities(tmp_path, image, models):
    files = OutputOptions(probabilities=True)
    (outcome,) = segment_files([image], image, SegmentOptions(model=models[2]), files=files)
    assert "no probabilities within an image: choose a folder" in outcome.messages[-2]
    assert not (tmp_path / "probabilities").exists()

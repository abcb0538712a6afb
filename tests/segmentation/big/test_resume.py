"""From disk to disk, interrupted: a run resumes, and never with other options or files."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from seamwise.io.images import read_image, read_labels
from seamwise.io.jsonfile import read_json, write_json
from seamwise.segmentation.big import blocks, network
from support.block_runs import Stop, hidden, run, stop_at, work_of
from support.files import one_line
from support.volumes import blobs, intensity_model

pytestmark = pytest.mark.usefixtures("small_blocks")


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


def test_a_worker_that_comes_back_late_leaves_cells_that_others_united(tmp_path, image, models):
    """Its block was given to another one, and a later stage wrote into the same array."""
    output = tmp_path / "out.zarr"
    seen = []

    def report(progress):
        if (progress.stage, progress.done) == ("label", 6):
            place = blocks.Place(work_of(output) / "t0")
            labels = place.array("labels")
            before = np.asarray(labels[...])
            labels[...] = 7 * (before > 0)
            blocks.label(place.folder, 0)
            seen.append(set(np.unique(np.asarray(labels[...]))))
            labels[...] = before

    run(image, output, model=models[2], tile=40, report=report)
    assert seen == [{0, 7}]


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


def test_a_run_that_kept_no_probabilities_resumes_with_them(tmp_path, image, models, monkeypatch):
    output, options = tmp_path / "out.ome.zarr", {"model": models[2], "tile": 40}
    with pytest.raises(Stop):
        run(image, output, **options, report=stop_at("find", 3))
    run(image, output, **options, probabilities=True)
    maps = read_image(tmp_path / "probabilities" / "out.ome.zarr").data.astype(np.float32)
    np.testing.assert_allclose(maps.sum(0), 1, atol=2e-3)
    assert hidden(tmp_path) == []

"""From disk to disk: which runtime and network the blocks get, and what the record says of it."""

import shutil
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from threading import Event

import pytest
import torch

from seamwise.engine import Resources, choose_precision, cluster
from seamwise.io.jsonfile import read_json
from seamwise.io.ome_zarr import read_record
from seamwise.io.provenance import file_sha256
from seamwise.segmentation import SegmentOptions, predict, segment_files, segment_volume
from seamwise.segmentation.big import network, stream
from support.block_runs import Stop, run, stop_at, work_of
from support.files import one_line
from support.volumes import intensity_model

pytestmark = pytest.mark.usefixtures("small_blocks")


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

"""Files segmented by a network of other code, which is in memory."""

import json
from importlib.util import find_spec
from threading import Barrier

import numpy as np
import pytest
import tifffile

from seamwise.engine import Resources
from seamwise.engine import runtime as runtimes
from seamwise.io import NormalizationRule
from seamwise.io.ome_zarr import read_record, write_image
from seamwise.segmentation import (
    Model,
    OutputOptions,
    SegmentOptions,
    batch,
    load,
    segment_files,
)
from seamwise.synth import crowded_cells


@pytest.fixture
def folder(tmp_path):
    """Two images, with one and with two bright squares."""
    image = np.zeros((40, 50), np.uint8)
    image[5:15, 5:15] = 255
    for name in ("a.tif", "b.tif"):
        (tmp_path / "images").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "images" / name, image)
        image[20:30, 5:15] = 255
    return tmp_path / "images"


@pytest.fixture(scope="module")
def model():
    rule = NormalizationRule(kind="range", low=0, high=100)
    return Model.from_network(lambda image: 40 * (image - 0.5), classes=2, normalization=rule)


def run(folder, out, model, **others):
    return list(segment_files([folder], out, model=model, **others))


def test_it_segments_files_and_the_record_names_no_model_file(folder, tmp_path, model):
    outcomes = run(folder, tmp_path / "out", model)
    assert [outcome.failed for outcome in outcomes] == [False, False]
    assert [tifffile.imread(tmp_path / "out" / name).max() for name in ("a.tif", "b.tif")] == [1, 2]
    record = json.loads((tmp_path / "out" / "seamwise.json").read_text())
    assert record["model"] == "wrapped network in memory"


def test_its_labels_are_never_taken_for_those_of_another_network(folder, tmp_path, model):
    out = tmp_path / "out"
    run(folder, out, model)
    for other in (model, load("nuclei-2d", device="cpu")):
        with pytest.raises(ValueError, match=r"holds a\.tif, made with a different model file"):
            run(folder, out, other)
    outcomes = run(folder, out, model, files=OutputOptions(overwrite=True))
    assert not any(outcome.failed for outcome in outcomes)


def test_block_by_block_it_is_refused(folder, tmp_path, model):
    outcomes = run(folder, tmp_path / "out", model, resources=Resources(workers=2))
    assert all(outcome.failed for outcome in outcomes)
    assert "model must come from a file, not from memory" in outcomes[0].messages[0]


def test_a_loaded_model_is_that_of_its_file(folder, tmp_path):
    out, model = tmp_path / "out", load("nuclei-2d", device="cpu", runtime="torch")
    run(folder, out, model, options=SegmentOptions(model="nuclei-2d"))
    record = json.loads((out / "seamwise.json").read_text())
    assert (record["model_sha256"], record["runtime"]) == (model.sha256, "torch")
    outcomes = list(segment_files([folder], out, SegmentOptions(model="nuclei-2d")))
    assert "already exists" in outcomes[0].messages[0]


def test_the_record_names_the_model_that_was_loaded_not_that_of_the_options(folder, tmp_path):
    out, model = tmp_path / "out", load("phase-2d", device="cpu", runtime="torch")
    write_image(folder / "c.ome.zarr", tifffile.imread(folder / "b.tif"), axes="YX")
    outcomes = run(folder, out, model)  # in one piece, and block by block
    assert not any(outcome.failed for outcome in outcomes)
    records = [json.loads((out / "seamwise.json").read_text()), read_record(out / "c.ome.zarr")]
    for record in records:
        assert (record["model"], record["model_sha256"]) == ("phase-2d", model.sha256)
    outcomes = list(segment_files([folder], out, SegmentOptions(model="phase-2d")))
    assert all("already exists" in outcome.messages[0] for outcome in outcomes)


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs openvino")
def test_the_files_are_the_same_from_halves_of_the_cores_and_from_all(tmp_path, monkeypatch):
    monkeypatch.setattr(runtimes, "thread_count", lambda: 2)
    (tmp_path / "images").mkdir()
    for number in range(6):
        image = crowded_cells((120, 150), cells=20, rng=number).image
        tifffile.imwrite(tmp_path / "images" / f"{number}.tif", image)
    model = load("nuclei-2d", device="cpu", runtime="openvino")
    assert model.runtime.in_streams is not None
    three, run_one = Barrier(3), batch._run

    def run_of_three(*arguments):
        three.wait(30)  # two in the network, and one that is read, decoded or written
        return run_one(*arguments)

    monkeypatch.setattr(batch, "_run", run_of_three)
    together, alone = tmp_path / "together", tmp_path / "alone"
    run(tmp_path / "images", together, model)
    monkeypatch.setattr(batch, "_run", run_one)
    for number in range(6):
        run(tmp_path / "images" / f"{number}.tif", alone, model)
    for number in range(6):
        labels = f"{number}.tif"
        assert (together / labels).read_bytes() == (alone / labels).read_bytes()
    (together / "0.tif").unlink()  # as if the run had been interrupted
    run(tmp_path / "images", together, model)
    assert (together / "0.tif").read_bytes() == (alone / "0.tif").read_bytes()

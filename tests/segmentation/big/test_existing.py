"""From disk to disk: labels that exist already, their record, and what is never replaced."""

import shutil
from contextlib import contextmanager

import pytest
import zarr

from seamwise.engine.cluster import task_runner
from seamwise.io.images import read_labels
from seamwise.io.ome_zarr import ZarrStorage, label_names, read_record, write_image
from seamwise.io.provenance import file_sha256
from seamwise.segmentation import SegmentOptions, segment_files
from support.block_runs import run
from support.files import one_line
from support.volumes import blobs

pytestmark = pytest.mark.usefixtures("small_blocks")


@contextmanager
def in_this_process(resources, *, announce):
    """The runner of one worker, however many are asked for."""
    with task_runner() as runner:
        yield runner


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


def test_labels_within_an_image_need_its_own_axes(tmp_path, models):
    path = tmp_path / "a.zarr"
    write_image(path, blobs((4, 40, 50)), axes="ZYX")
    with pytest.raises(ValueError, match="not its own axes") as caught:
        run(path, path, model=models[2], axes="TYX")
    assert one_line(caught, str(path))

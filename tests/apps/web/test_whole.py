"""All cells of a large image, block by block; large TIFFs by tiles; labels of an OME-Zarr."""

import csv
import io
import json
import shutil
import time
from threading import Event

import numpy as np
import pytest
import tifffile
import zarr

from seamwise.engine import StageProgress
from seamwise.io import create_labels, open_ome_zarr, open_volume, write_image
from seamwise.segmentation import LabelsOnDisk, SegmentOptions, segment_volume
from seamwise_web.levels import ZarrLevels
from seamwise_web.tiled import TiledImage
from seamwise_web.whole import WholeCells
from support.web_page import PIXELS, drawn, error_of

SHAPE = 1100, 1300


@pytest.fixture(scope="module")
def pixels():
    """Few cells in an image that is too large to be read as a whole."""
    assert np.prod(SHAPE) > PIXELS
    image = np.full(SHAPE, 900, np.uint16)
    for seed, (top, left) in enumerate([(0, 0), (470, 460), (1004, 1172)]):
        image[top : top + 96, left : left + 128] += drawn(seed)
    return image


@pytest.fixture(scope="module")
def folder(images, pixels):
    write_image(images / "wide.ome.zarr", pixels, axes="YX", spacing=(0.5, 0.5))
    options = {"photometric": "minisblack", "compression": "zlib"}
    tifffile.imwrite(images / "wide.tif", pixels, tile=(256, 256), **options)
    tifffile.imwrite(
        images / "strips.tif", np.stack([pixels, pixels + 7]), metadata={"axes": "CYX"}
    )
    yield images
    shutil.rmtree(images / "wide.ome.zarr")
    for name in ("wide.tif", "strips.tif"):
        (images / name).unlink()


def opened(client, place):
    answer = client.post("api/pictures", json={"place": place})
    assert answer.status_code == 200, answer.text
    return answer.json()


def tile_of(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["x-seamwise-state"])
    numbers = np.frombuffer(answer.content, f"<u{facts['bits'] // 8}")
    return numbers.reshape(facts["height"], facts["width"])


@pytest.fixture(scope="module")
def searched(client, folder, wait):
    """A large TIFF whose cells were found, and its description."""
    key = opened(client, "wide.tif")["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    job = client.post(f"api/tiled/{key}/segment", json=fields).json()
    assert client.get(f"api/pictures/{key}").json()["job"] == job["job"]
    end = wait(job["job"])
    assert end["state"] == "done", end
    yield client.get(f"api/pictures/{key}").json()
    client.delete(f"api/pictures/{key}")


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """What `seamwise segment` finds in it."""
    path = tmp_path_factory.mktemp("expected") / "cells.ome.zarr"
    segment_volume(folder / "wide.tif", path, SegmentOptions())
    return zarr.open(path / "0", mode="r")[:]


@pytest.mark.parametrize("name", ["wide.tif", "strips.tif"])
def test_a_large_tiff_opens_by_tiles(client, folder, pixels, name):
    image = opened(client, name)
    assert (image["width"], image["height"]) == SHAPE[::-1]
    assert image["tiled"]["levels"] == [[1100, 1300], [550, 650]]
    assert image["tiled"]["cells"] is None
    path = f"api/tiled/{image['picture']}/tiles/{image['channels'] - 1}"
    shift = 7 * (image["channels"] - 1)
    assert (tile_of(client, f"{path}/0/1/2") == pixels[512:1024, 1024:] + shift).all()
    assert (tile_of(client, f"{path}/1/1/0") == pixels[1024::2, :1024:2] + shift).all()
    client.delete(f"api/pictures/{image['picture']}")


def test_all_cells_are_those_of_the_command(client, searched, expected):
    cells = searched["tiled"]["cells"]
    assert (cells["count"], cells["source"]) == (expected.max(), "found by nuclei-2d")
    path = f"api/tiled/{searched['picture']}"
    assert (tile_of(client, f"{path}/cells/0/1/0") == expected[512:1024, :512]).all()
    assert (tile_of(client, f"{path}/cells/0/2/2") == expected[1024:, 1024:]).all()
    assert cells["is_saved"] is False
    answer = client.get(f"{path}/labels.tif")
    key = searched["picture"]
    assert client.get(f"api/pictures/{key}").json()["tiled"]["cells"]["is_saved"] is True
    assert "wide_masks.tif" in answer.headers["content-disposition"]
    labels = tifffile.imread(io.BytesIO(answer.content))
    assert labels.dtype == np.uint32
    assert (labels == expected).all()


def test_the_table_has_all_cells(client, searched, expected):
    answer = client.get(f"api/tiled/{searched['picture']}/cells.csv")
    assert "wide_cells.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [int(row["id"]) for row in rows] == list(range(1, expected.max() + 1))
    assert int(rows[0]["area_px"]) == (expected == 1).sum()


def test_cells_are_removed_with_their_image(client, folder, wait, monkeypatch, tmp_path):
    folders = []
    write_image(tmp_path / "cells.ome.zarr", np.ones(SHAPE, np.uint32), axes="YX")

    def find(path, output, *arguments, listener):
        folders.append(output.parent)
        shutil.copytree(tmp_path / "cells.ome.zarr", output)
        return LabelsOnDisk(output, (1,), (), "")

    monkeypatch.setattr("seamwise_web.whole.segment_volume", find)
    key = opened(client, "wide.tif")["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    for _ in range(2):
        job = client.post(f"api/tiled/{key}/segment", json=fields).json()["job"]
        assert wait(job)["state"] == "done"
    assert [one.exists() for one in folders] == [False, True]
    client.delete(f"api/pictures/{key}")
    assert not folders[1].exists()


def test_a_search_that_is_cancelled_leaves_nothing(client, folder, monkeypatch):
    begun, folders = Event(), []

    def endless(path, output, *arguments, listener):
        (output.parent / "block").touch()
        folders.append(output.parent)
        begun.set()
        for _ in range(6000):
            listener.report(StageProgress("classify", 1, 2))
            time.sleep(0.01)

    monkeypatch.setattr("seamwise_web.whole.segment_volume", endless)
    key = opened(client, "wide.ome.zarr")["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    job = client.post(f"api/tiled/{key}/segment", json=fields).json()["job"]
    assert begun.wait(60)
    assert client.delete(f"api/jobs/{job}").json()["state"] == "cancelled"
    for _ in range(600):
        if not folders[0].exists():
            break
        time.sleep(0.05)
    assert not folders[0].exists()
    error_of(client.get(f"api/tiled/{key}/cells.csv"), 409)
    client.delete(f"api/pictures/{key}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "nuclei-3d", "channel": 0}, "nuclei-3d is not for a plane"),
        ({"model": "none", "channel": 0}, "the page has no model 'none'"),
        ({"model": "nuclei-2d"}, "channel must be a whole number"),
    ],
)
def test_a_search_that_cannot_be_done_is_refused(client, folder, fields, words):
    key = opened(client, "wide.ome.zarr")["picture"]
    assert words in error_of(client.post(f"api/tiled/{key}/segment", json=fields), 400)
    error_of(client.get(f"api/tiled/{key}/cells/0/0/0"), 409)
    client.delete(f"api/pictures/{key}")


def test_the_tiff_of_all_labels_has_their_pixel_size_times_and_slices(tmp_path):
    labels = np.arange(2 * 3 * 600 * 530, dtype=np.uint32).reshape(2, 3, 600, 530)
    write_image(tmp_path / "cells.ome.zarr", labels, axes="TZYX", spacing=(2, 0.5, 0.25))
    WholeCells(tmp_path / "cells.ome.zarr", "a test").write_tiff(tmp_path / "labels.tif")
    volume = open_volume(tmp_path / "labels.tif")
    assert (volume.times, volume.axes, volume.spacing) == (2, "ZYX", (2, 0.5, 0.25))
    assert (tifffile.imread(tmp_path / "labels.tif") == labels).all()


def test_negative_labels_are_background_and_huge_ones_are_refused(tmp_path):
    labels = np.zeros((40, 50), np.int64)
    labels[3, 4], labels[5, 6], labels[7, 8] = -1, 9, 2**32 - 1
    path = tmp_path / "cells.ome.zarr"
    write_image(path, labels, axes="YX")
    cells = WholeCells(path, "a test")
    shown = np.maximum(labels, 0)
    answer = cells.tile(0, 0, 0, time=0, z=0)
    assert (np.frombuffer(answer.body, "<u4").reshape(40, 50) == shown).all()
    cells.write_tiff(tmp_path / "labels.tif")
    assert (tifffile.imread(tmp_path / "labels.tif") == shown).all()
    labels[9, 9] = 2**32
    write_image(tmp_path / "huge.ome.zarr", labels, axes="YX")
    with pytest.raises(ValueError, match="4294967296 does not fit 32 bits"):
        WholeCells(tmp_path / "huge.ome.zarr", "a test").tile(0, 0, 0, time=0, z=0)


@pytest.mark.parametrize("is_damaged", [True, False])
def test_labels_that_do_not_fit_leave_the_image_open(tmp_path, pixels, is_damaged):
    path = tmp_path / "wide.ome.zarr"
    write_image(path, pixels, axes="YX")
    (path / "labels").mkdir()
    write_image(path / "labels" / "mine", pixels[::2, ::2], axes="YX")
    record = path / "labels" / "zarr.json"
    group = {"zarr_format": 3, "node_type": "group"}
    record.write_text(json.dumps({**group, "attributes": {"ome": {"labels": ["mine"]}}}))
    if is_damaged:
        (path / "labels" / "mine" / "zarr.json").write_text("{")
    image = TiledImage(ZarrLevels(open_ome_zarr(path)))
    note = image.description()["note"]
    assert image.cells is None
    assert "of the file cannot be shown: " in note
    assert ("mine/zarr.json is not JSON" if is_damaged else "they have another size") in note
    assert str(tmp_path) not in note


def test_axes_of_a_large_tiff_can_be_chosen(client, folder, wait, monkeypatch, tmp_path):
    tifffile.imwrite(folder / "pages.tif", np.zeros((5, *SHAPE), np.uint8), metadata=None)
    write_image(tmp_path / "cells.ome.zarr", np.ones((5, *SHAPE), np.uint8), axes="TYX")
    chosen = []

    def find(path, output, options, *arguments, listener):
        chosen.append(options.axes)
        shutil.copytree(tmp_path / "cells.ome.zarr", output)
        return LabelsOnDisk(output, (1,) * 5, (), "")

    monkeypatch.setattr("seamwise_web.whole.segment_volume", find)
    try:
        stack = opened(client, "pages.tif")
        series = client.post("api/pictures", json={"place": "pages.tif", "axes": "TYX"}).json()
        key = series["picture"]
        job = client.post(f"api/tiled/{key}/segment", json={"model": "nuclei-2d", "channel": 0})
        assert wait(job.json()["job"])["state"] == "done"
        table = client.get(f"api/tiled/{key}/cells.csv")
    finally:
        (folder / "pages.tif").unlink()
    assert (stack["slices"], stack["times"]) == (5, 1)
    assert (series["slices"], series["times"]) == (0, 5)
    assert series["axes"] == {"read": "TYX", "choices": ["TYX", "ZYX", "CYX"]}
    assert chosen == ["TYX"]
    assert table.text.count("\n") == 6
    for one in (stack, series):
        client.delete(f"api/pictures/{one['picture']}")
    fields = {"place": "wide.ome.zarr", "axes": "ZYX"}
    error_of(client.post("api/pictures", json=fields), 400)


def test_labels_of_an_ome_zarr_are_shown(client, folder, pixels):
    labels = (pixels > 20_000).astype(np.uint32) * 3
    with create_labels(folder / "wide.ome.zarr", "mine") as draft:
        draft.write((slice(0, SHAPE[0]), slice(0, SHAPE[1])), labels)
    try:
        image = opened(client, "wide.ome.zarr")
        assert image["tiled"]["cells"]["source"] == "labels “mine” of the file"
        path = f"api/tiled/{image['picture']}/cells/0/1/0"
        assert (tile_of(client, path) == labels[512:1024, :512]).all()
        client.delete(f"api/pictures/{image['picture']}")
        assert (folder / "wide.ome.zarr" / "labels" / "mine").is_dir()
    finally:
        shutil.rmtree(folder / "wide.ome.zarr" / "labels")

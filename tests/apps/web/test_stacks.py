"""Stacks and time series: planes, cells of a plane or of all, and their files."""

import io
import json
import zipfile

import numpy as np
import pytest
import tifffile

import seamwise
from support.web_page import drawn, error_of

SHAPE = (96, 128)


@pytest.fixture
def opened(client, upload):
    """Drop an array with axes; returns what the page shows of it, and closes it at the end."""
    keys = []

    def drop(pixels, axes, name="x.ome.tif"):
        shown = upload(pixels, name, metadata={"axes": axes}, ome=True, photometric="minisblack")
        keys.append(shown["picture"])
        return shown

    yield drop
    for key in keys:
        client.delete(f"api/pictures/{key}")


def series(count=2):
    return np.stack([drawn(number) for number in range(count)])


def plane_of(client, key, channel=0, **place):
    answer = client.get(f"api/pictures/{key}/channels/{channel}", params=place)
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["x-seamwise-state"])
    return np.frombuffer(answer.content, f"<u{facts['bits'] // 8}"), facts


def labels_of(answer):
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["x-seamwise-state"])
    return np.frombuffer(answer.content, f"<u{facts['bits'] // 8}").reshape(SHAPE), facts


def found(client, wait, key, model="nuclei-2d", *, everywhere=False, **place):
    """Look for cells; returns how the work ended."""
    fields = {"model": model, "channel": 0, "all": everywhere}
    answer = client.post(f"api/pictures/{key}/segment", json=fields, params=place)
    return wait(answer.json()["job"])


def test_each_plane_of_a_stack_of_channels_in_time_is_shown(client, opened):
    pixels = np.arange(2 * 3 * 2 * 5 * 7, dtype=np.uint16).reshape(2, 3, 2, 5, 7)
    shown = opened(pixels, "TZCYX")
    sizes = [shown[name] for name in ("times", "slices", "channels", "height", "width")]
    assert sizes == [2, 3, 2, 5, 7]
    key = shown["picture"]
    plane, facts = plane_of(client, key, 1, time=1, z=2)
    assert (plane.reshape(5, 7) == pixels[1, 2, 1]).all()
    assert plane_of(client, key, 1)[1] == facts  # one contrast for all planes of a channel
    assert plane_of(client, key, 0)[1] != facts


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"time": 2}, "no time point 2"),
        ({"z": 3}, "no slice 4"),
        ({"z": "-1"}, "whole numbers"),
        ({"time": "x"}, "whole numbers"),
        ({"time": "9" * 30}, "whole numbers"),
    ],
)
def test_planes_that_do_not_exist_are_refused_in_words(client, opened, place, words):
    key = opened(np.zeros((2, 3, 8, 9), np.uint8), "TZYX")["picture"]
    for path in ("channels/0", "labels", "table", "labels.tif", "report.html"):
        answer = client.get(f"api/pictures/{key}/{path}", params=place)
        assert words in error_of(answer, 400 if words == "whole numbers" else 404)


def test_a_file_of_pages_without_axes_is_a_stack(client, upload):
    shown = upload(np.zeros((6, 8, 9), np.uint8), metadata=None)
    assert (shown["slices"], shown["times"]) == (6, 1)
    assert shown["note"] == "no axes in x.tif: read (6, 8, 9) as ZYX"


def test_cells_of_a_time_point_are_those_of_segment(client, opened, wait):
    key = opened(series(), "TYX")["picture"]
    assert found(client, wait, key, time=1)["state"] == "done"
    assert client.get(f"api/pictures/{key}").json()["found"] == [[1, -1]]
    shown, facts = labels_of(client.get(f"api/pictures/{key}/labels", params={"time": 1}))
    assert (shown == seamwise.segment(drawn(1)).labels).all()
    assert facts["place"] == [1, -1]
    error_of(client.get(f"api/pictures/{key}/labels", params={"time": 0}), 409)


def test_all_time_points_have_cells_a_table_and_label_images(client, opened, wait):
    key = opened(series(3), "TYX")["picture"]
    end = found(client, wait, key, everywhere=True)
    assert end["state"] == "done"
    counts = [seamwise.segment(drawn(number)).labels.max() for number in range(3)]
    text = client.get(f"api/pictures/{key}/cells.csv").content.decode("utf-8-sig")
    rows = [line.split(",")[:2] for line in text.splitlines()]
    assert rows[0] == ["id", "time"]
    assert [sum(row[1] == str(time) for row in rows[1:]) for time in range(3)] == counts
    content = client.get(f"api/pictures/{key}/labels.zip").content
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.namelist() == [f"x_t00{time}_masks.tif" for time in (1, 2, 3)]
    labels = tifffile.imread(io.BytesIO(archive.read("x_t002_masks.tif")))
    assert (labels == seamwise.segment(drawn(1)).labels).all()
    one = client.get(f"api/pictures/{key}/labels.tif", params={"time": 2})
    assert one.headers["content-disposition"].endswith("x_t003_masks.tif")


def test_a_correction_counts_in_its_time_point_and_as_unsaved_elsewhere(client, opened, wait):
    key = opened(series(), "TYX")["picture"]
    found(client, wait, key, everywhere=True)
    at = {"time": 1}
    before, facts = labels_of(client.get(f"api/pictures/{key}/labels", params=at))
    fields = {"action": "delete", "cells": [1], "revision": facts["revision"]}
    after, facts = labels_of(client.post(f"api/pictures/{key}/edit", params=at, json=fields))
    assert (after == np.where(before == 1, 0, before)).all()
    assert (facts["unsaved"], facts["unsaved_elsewhere"]) == (1, 0)
    _, facts = labels_of(client.get(f"api/pictures/{key}/labels"))
    assert (facts["unsaved"], facts["unsaved_elsewhere"]) == (0, 1)
    client.get(f"api/pictures/{key}/labels.zip")
    _, facts = labels_of(client.get(f"api/pictures/{key}/labels"))
    assert facts["unsaved_elsewhere"] == 0


def test_a_model_for_stacks_finds_cells_across_slices(client, opened, wait):
    stack = np.repeat(drawn()[np.newaxis], 24, axis=0)
    key = opened(stack, "ZYX")["picture"]
    assert found(client, wait, key, "nuclei-3d", z=7)["state"] == "done"
    assert client.get(f"api/pictures/{key}").json()["found"] == [[0, -1]]
    expected = seamwise.segment(stack, model="nuclei-3d").labels
    assert expected.max() > 0
    shown, facts = labels_of(client.get(f"api/pictures/{key}/labels", params={"z": 12}))
    assert (shown == expected[12]).all()
    assert facts["largest"] == expected.max()
    table = client.get(f"api/pictures/{key}/table", params={"z": 3}).json()
    assert [column["words"] for column in table["columns"]][:2] == ["Cell", "Volume px³"]
    assert len(table["z"]) == expected.max()
    number = int(expected[12].max())
    fields = {"action": "delete", "cells": [number], "revision": facts["revision"]}
    shown, facts = labels_of(client.post(f"api/pictures/{key}/edit", params={"z": 12}, json=fields))
    assert number not in shown
    saved = tifffile.imread(io.BytesIO(client.get(f"api/pictures/{key}/labels.tif").content))
    assert (saved == np.where(expected == number, 0, expected)).all()
    fields = {"action": "undo", "revision": facts["revision"]}
    again, _ = labels_of(client.post(f"api/pictures/{key}/edit", params={"z": 12}, json=fields))
    assert (again == expected[12]).all()
    for path in ("rois.zip", "cells.geojson", "report.html"):
        assert client.get(f"api/pictures/{key}/{path}").status_code == 200


def test_planes_of_a_stack_have_cells_of_their_own(client, opened, wait):
    key = opened(series(), "ZYX")["picture"]
    found(client, wait, key, z=1)
    assert client.get(f"api/pictures/{key}").json()["found"] == [[0, 1]]
    found(client, wait, key, everywhere=True)
    assert client.get(f"api/pictures/{key}").json()["found"] == [[0, 0], [0, 1]]
    text = client.get(f"api/pictures/{key}/cells.csv").content.decode("utf-8-sig")
    assert text.splitlines()[0].startswith("id,z,area_px")
    found(client, wait, key, "nuclei-3d")  # those of the stack replace them
    assert client.get(f"api/pictures/{key}").json()["found"] == [[0, -1]]


def test_a_drawn_cell_of_a_stack_is_in_one_slice(client, opened, wait):
    key = opened(np.zeros((3, *SHAPE), np.uint8), "ZYX")["picture"]
    found(client, wait, key, "walls-3d")
    revision = labels_of(client.get(f"api/pictures/{key}/labels"))[1]["revision"]
    points = [[10, 10], [30, 10], [30, 30], [10, 30]]
    fields = {"action": "draw", "points": points, "revision": revision}
    shown, _ = labels_of(client.post(f"api/pictures/{key}/edit", params={"z": 1}, json=fields))
    assert shown[20, 20] == 1
    other, _ = labels_of(client.get(f"api/pictures/{key}/labels", params={"z": 2}))
    assert not other.any()


def test_a_model_for_stacks_is_refused_for_a_plane(client, upload):
    key = upload(drawn())["picture"]
    fields = {"model": "nuclei-3d", "channel": 0}
    words = error_of(client.post(f"api/pictures/{key}/segment", json=fields), 400)
    assert words == "nuclei-3d is for stacks, and x.tif has none: choose another model"


def test_the_cells_of_a_plane_teach_and_those_of_a_stack_do_not(client, opened, wait):
    key = opened(series(), "ZYX")["picture"]
    training = client.post("api/trainings").json()["training"]
    found(client, wait, key, z=1)
    path, fields = f"api/trainings/{training}/pictures", {"picture": key}
    answer = client.post(path, params={"z": 1}, json=fields)
    assert answer.json()["names"] == ["x.ome.tif_t001_z002"]
    found(client, wait, key, "walls-3d")
    error_of(client.post(path, params={"z": 1}, json=fields), 409)
    client.delete(f"api/trainings/{training}")


def test_a_series_with_nan_and_a_large_stack_are_refused(client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    path = folder / "x.ome.tif"
    pixels = np.zeros((2, 8, 9), np.float32)
    pixels[1, 2, 3] = np.nan
    tifffile.imwrite(path, pixels, metadata={"axes": "TYX"}, ome=True)
    answer = client.post("api/uploads", params={"name": path.name}, content=path.read_bytes())
    assert "NaN" in error_of(answer, 400)
    big = np.zeros((5, 500, 500), np.uint8)
    tifffile.imwrite(path, big, metadata={"axes": "ZYX"}, ome=True, compression="zlib")
    answer = client.post("api/uploads", params={"name": path.name}, content=path.read_bytes())
    assert "put it into the folder of the page" in error_of(answer, 413)


def test_cells_that_need_too_much_memory_are_refused(client, opened, wait, monkeypatch):
    key = opened(series(), "TYX")["picture"]
    monkeypatch.setattr("seamwise_web.segmenting.BYTES_OF_A_NUMBER", 10**6)
    end = found(client, wait, key, everywhere=True)
    assert end["state"] == "failed"
    assert "find cells in fewer planes" in end["error"]


def test_grey_planes_that_are_stored_as_colours_have_one_channel(client, opened):
    pixels = np.repeat(series()[:, np.newaxis], 3, axis=1)
    assert opened(pixels, "TCYX")["channels"] == 1

"""The Compare door: two label images, their scores, and where they differ."""

import io
import json
import tempfile

import numpy as np
import PIL.Image
import pytest
import tifffile

from seamwise.io import write_labels
from seamwise.metrics import cell_errors, match_many
from support.web_page import ADDRESS, UPLOAD, drawn, error_of, leftovers

TRUE = np.zeros((30, 40), np.uint16)
TRUE[2:10, 2:10] = 7  # found
TRUE[2:10, 12:20] = 9  # missed
TRUE[14:22, 2:8] = 300  # merged with the next
TRUE[14:22, 8:14] = 301
TRUE[14:22, 20:36] = 400  # split
PRED = np.zeros((30, 40), np.uint16)
PRED[2:10, 2:10] = 50
PRED[14:22, 2:14] = 51
PRED[14:22, 20:28] = 52
PRED[14:22, 28:36] = 53
PRED[25:29, 25:29] = 54  # invented


@pytest.fixture(autouse=True)
def own_scratch(tmp_path, monkeypatch):
    """Temporary files of the server go to an empty folder, and none stays there."""
    (tmp_path / "server").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "server"))
    yield
    assert leftovers() == []


def drop(client, content, name="x.tif"):
    return client.post("api/labels", params={"name": name}, content=content)


def tiff(labels):
    stream = io.BytesIO()
    tifffile.imwrite(stream, labels, photometric="minisblack")
    return stream.getvalue()


def open_labels(client, labels, name="x.tif"):
    answer = drop(client, tiff(labels), name)
    assert answer.status_code == 200, answer.text
    return answer.json()


def compare(client, true=TRUE, pred=PRED, **fields):
    keys = [open_labels(client, labels)["labels"] for labels in (true, pred)]
    return client.post("api/comparisons", json={"true": keys[0], "pred": keys[1], **fields})


def test_scores_are_those_of_the_library(client):
    result = compare(client).json()
    expected = match_many(TRUE, PRED)
    assert [one["iou"] for one in result["scores"]] == [one.iou for one in expected]
    assert [one["ap"] for one in result["scores"]] == [one.accuracy for one in expected]
    assert [one["f1"] for one in result["scores"]] == [one.f1 for one in expected]
    assert [one["pq"] for one in result["scores"]] == [one.panoptic_quality for one in expected]
    assert result["mean_ap"] == pytest.approx(np.mean([one.accuracy for one in expected]))
    assert result["counts"] == {**cell_errors(TRUE, PRED).counts(), "true": 5, "pred": 5}


def test_each_error_has_a_place_and_the_number_of_the_file(client):
    result = compare(client).json()
    assert [(one["kind"], one["side"], one["id"]) for one in result["errors"]] == [
        ("missed", "true", 9),
        ("merged", "true", 300),
        ("merged", "true", 301),
        ("split", "true", 400),
        ("invented", "pred", 54),
    ]
    assert result["errors"][0]["box"] == [2, 12, 10, 20]
    assert result["kinds"]["true"] == {"missed": [2], "merged": [3, 4], "split": [5], "inexact": []}
    assert result["kinds"]["pred"] == {
        "invented": [5],
        "merges": [2],
        "pieces": [3, 4],
        "near_misses": [],
    }


def test_a_stricter_match_changes_the_errors_and_not_the_scores(client):
    true, pred = np.zeros((2, 20, 20), np.uint8)
    true[2:12, 2:12], pred[4:12, 2:12] = 1, 1  # IoU 0.8
    loose, strict = (compare(client, true, pred, iou=iou).json() for iou in (0.5, 0.9))
    assert (loose["counts"]["correct"], strict["counts"]["inexact"]) == (1, 1)
    assert loose["scores"] == strict["scores"]


def test_the_labels_come_numbered_from_one(client):
    key = open_labels(client, TRUE, "gt.tif")
    assert (key["name"], key["width"], key["height"], key["cells"]) == ("gt.tif", 40, 30, 5)
    answer = client.get(f"api/labels/{key['labels']}/pixels")
    shown = np.frombuffer(answer.content, "<u2").reshape(TRUE.shape)
    assert json.loads(answer.headers["x-seamwise-state"]) == {"bits": 16, "largest": 5}
    assert (shown == np.searchsorted([0, 7, 9, 300, 301, 400], TRUE)).all()
    assert client.get(f"api/labels/{key['labels']}").json() == key


def test_a_stack_is_compared_as_a_whole_and_shown_by_slices(client):
    true, pred = np.stack([TRUE, TRUE, TRUE * 0]), np.stack([PRED * 0, PRED, PRED])
    result = compare(client, true, pred).json()
    assert result["counts"] == {**cell_errors(true, pred).counts(), "true": 5, "pred": 5}
    places = {(one["side"], one["id"]): (one["z"], one["box"]) for one in result["errors"]}
    assert places["true", 9] == (0, [2, 12, 10, 20])
    assert places["pred", 54] == (1, [25, 25, 29, 29])
    assert [one["z"] for one in result["errors"]] == sorted(one["z"] for one in result["errors"])
    key = open_labels(client, true)
    assert (key["slices"], key["cells"]) == (3, 5)
    answer = client.get(f"api/labels/{key['labels']}/pixels", params={"z": 2})
    assert not np.frombuffer(answer.content, "<u2").any()
    answer = client.get(f"api/labels/{key['labels']}/pixels", params={"z": 1})
    assert (np.frombuffer(answer.content, "<u2").reshape(TRUE.shape) > 0).tolist() == (
        TRUE > 0
    ).tolist()
    error_of(client.get(f"api/labels/{key['labels']}/pixels", params={"z": 3}), 404)
    words = error_of(compare(client, true, PRED), 400)
    assert "not 40 × 30 × 3 and 40 × 30 pixels" in words


def test_cells_of_the_segment_door_are_compared_as_they_are(client, cells):
    edit = {"action": "delete", "cells": [2], "revision": 0}
    facts = json.loads(client.get(f"api/pictures/{cells}/labels").headers["x-seamwise-state"])
    edit["revision"] = facts["revision"]
    assert client.post(f"api/pictures/{cells}/edit", json=edit).status_code == 200
    content = client.get(f"api/pictures/{cells}/labels.tif").content
    labels = tifffile.imread(io.BytesIO(content))
    opened = client.post("api/labels/pictures", json={"picture": cells}).json()
    assert opened["name"] == "cells of x.tif"
    assert opened["cells"] == len(np.unique(labels)) - 1
    true = open_labels(client, labels)["labels"]
    fields = {"true": true, "pred": opened["labels"]}
    assert client.post("api/comparisons", json=fields).json()["errors"] == []


def test_cells_that_were_not_looked_for_cannot_be_compared(client, upload):
    key = upload(drawn())["picture"]
    error_of(client.post("api/labels/pictures", json={"picture": key}), 409)
    error_of(client.post("api/labels/pictures", json={"picture": "none"}), 404)
    error_of(client.post("api/labels/pictures", json={}), 400)
    client.delete(f"api/pictures/{key}")


def test_huge_numbers_of_cells_take_no_memory(client):
    labels = np.zeros((4, 5), np.uint32)
    labels[1, 1], labels[2, 3] = 2**32 - 1, 5
    result = compare(client, labels, labels).json()
    assert (result["counts"]["correct"], result["errors"]) == (2, [])


def test_negative_true_labels_are_ignored_and_predicted_ones_refused(client):
    ignored = TRUE.astype(np.int32)
    ignored[TRUE == 9] = -1
    result = compare(client, ignored).json()
    assert (result["counts"]["missed"], result["counts"]["true"]) == (0, 4)
    assert "negative labels" in error_of(compare(client, TRUE, ignored), 400)


def test_labels_of_one_pixel_and_without_cells(client):
    one = np.zeros((1, 1), np.uint8)
    result = compare(client, one, one).json()
    assert result["scores"][0]["ap"] == 1
    assert result["errors"] == []


def test_label_images_of_two_sizes_are_refused(client):
    words = error_of(compare(client, TRUE, PRED[:20]), 400)
    assert words == (
        "the labels must be of one size, not 40 × 30 and 40 × 20 pixels: open two of one image"
    )


@pytest.mark.parametrize("iou", [0, 1.5, -1, "half", True, None])
def test_a_match_needs_an_iou_in_its_range(client, iou):
    assert "iou" in error_of(compare(client, iou=iou), 400)


def test_labels_that_were_closed_are_answered_in_words(client):
    key = open_labels(client, TRUE)["labels"]
    client.delete(f"api/labels/{key}")
    for fields in ({"true": key, "pred": key}, {}, {"true": 3, "pred": [key]}):
        assert "were closed" in error_of(client.post("api/comparisons", json=fields), 404)
    error_of(client.get(f"api/labels/{key}/pixels"), 404)


def png(pixels):
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "x.tif", "x.tif is empty"),
        (b"no image", "x.png", "x.png"),
        (png(np.arange(36, dtype=np.uint8).reshape(4, 3, 3)), "photo.png", "photo.png"),
        (tiff(np.ones((4, 4), np.float32)), "map.tif", "map.tif"),
        (b"x", "../x.tif", "plain name"),
        (b"x", "notes.txt", "is not an image that the page reads"),
    ],
)
def test_what_is_not_a_label_image_is_answered_in_words(client, content, name, words):
    assert words in error_of(drop(client, content, name), 400)


def test_huge_label_images_are_refused_before_they_are_unpacked(client):
    assert "larger than 1 MiB" in error_of(drop(client, bytes(UPLOAD + 1)), 413)
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((3000, 3000), np.uint8), compression="zlib")
    words = error_of(drop(client, stream.getvalue(), "bomb.tif"), 413)
    assert words == "bomb.tif has more than 1 million pixels: `seamwise evaluate` takes it"


@pytest.mark.parametrize("place", ["../secret.tif", "link.tif", "way/secret.tif", "/etc", 3, None])
def test_no_labels_come_from_outside_of_the_folder(client, place):
    answer = client.post("api/labels/places", json={"place": place})
    error_of(answer, 403 if isinstance(place, str) else 400)


def test_labels_of_the_folder_are_opened(client, images):
    write_labels(images / "day 1" / "cells_masks.tif", TRUE)
    try:
        answer = client.post("api/labels/places", json={"place": "day 1/cells_masks.tif"})
    finally:
        (images / "day 1" / "cells_masks.tif").unlink()
    assert answer.json()["cells"] == 5


def test_the_oldest_labels_are_closed_when_there_are_too_many(client):
    keys = [open_labels(client, drawn())["labels"] for _ in range(9)]
    error_of(client.get(f"api/labels/{keys[0]}"), 404)
    assert client.get(f"api/labels/{keys[-1]}").status_code == 200


@pytest.mark.parametrize("path", ["api/labels", "api/labels/places", "api/comparisons"])
def test_the_door_is_guarded(client, path):
    foreign = client.post(path, json={}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    stranger = client.post(f"{ADDRESS.replace('the-token', 'wrong')}{path}", json={})
    assert stranger.status_code == 403

"""Finding cells, thresholds, corrections, the table and downloads."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from threading import Event

import numpy as np
import pytest
import tifffile

import seamwise
from seamwise.io import read_labels, write_labels
from seamwise.measure import measure
from seamwise_web.pictures import Pictures
from support.web_page import PICTURES, drawn


def labels_of(answer, shape=(96, 128)):
    """The labels in an answer, and what describes them."""
    assert answer.status_code == 200, answer.text
    facts = json.loads(answer.headers["x-seamwise-state"])
    return np.frombuffer(answer.content, f"<u{facts['bits'] // 8}").reshape(shape), facts


def edit(client, key, action, cells=(), revision=None):
    if revision is None:
        revision = labels_of(client.get(f"api/pictures/{key}/labels"))[1]["revision"]
    fields = {"action": action, "cells": list(cells), "revision": revision}
    return client.post(f"api/pictures/{key}/edit", json=fields)


def search(client, key, **fields):
    """Begin to look for cells; returns the key of the work."""
    fields = {"model": "nuclei-2d", "channel": 0, **fields}
    return client.post(f"api/pictures/{key}/segment", json=fields).json()["job"]


def decode(client, key, min_size=20, **thresholds):
    fields = {"thresholds": thresholds, "min_size": min_size}
    return labels_of(client.post(f"api/pictures/{key}/decode", json=fields))


def values(sliders):
    return {slider["name"]: slider["value"] for slider in sliders}


def test_the_cells_are_those_of_segment(client, cells):
    shown, facts = labels_of(client.get(f"api/pictures/{cells}/labels"))
    expected = seamwise.segment(drawn()).labels
    assert (shown == expected).all()
    assert facts["largest"] == expected.max() > 5
    assert facts["model"] == "nuclei-2d"
    rule = seamwise.segmentation.load("nuclei-2d").info.decode
    assert values(facts["sliders"]) == {
        "foreground": rule.relief.foreground,
        "peak": rule.relief.peak,
        "saddle": rule.relief.saddle,
        "core": rule.relief.core,
        "min_size": rule.min_size,
    }


def test_thresholds_decode_again_without_the_network(client, cells):
    model = seamwise.segmentation.load("nuclei-2d")
    pair = model.info.decode.relief.model_copy(update={"foreground": 0.4, "saddle": 0.2})
    rule = model.info.decode.model_copy(update={"relief": pair})
    expected = seamwise.segment(drawn(), model=model, decode=rule, min_size=60).labels
    shown, facts = decode(client, cells, 60, foreground=0.4, saddle=0.2)
    assert (shown == expected).all()
    assert not (shown == seamwise.segment(drawn(), model=model).labels).all()
    assert values(facts["sliders"])["min_size"] == 60
    assert values(facts["defaults"])["foreground"] == model.info.decode.relief.foreground


def test_several_decodings_are_one_step_to_undo(client, cells):
    first, _ = labels_of(client.get(f"api/pictures/{cells}/labels"))
    for size in (100, 200, 300):
        _, facts = decode(client, cells, size)
    assert values(facts["sliders"])["min_size"] == 300
    back, facts = labels_of(edit(client, cells, "undo"))
    assert (back == first).all()
    assert values(facts["sliders"])["min_size"] == 20
    assert (facts["can_undo"], facts["can_redo"]) == (False, True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"thresholds": {"peak": 1.5}, "min_size": 0},
            "Doubtful cells must be a number from 0 to 1, not 1.5",
        ),
        (
            {"thresholds": {"saddle": "a"}, "min_size": 0},
            "Splitting must be a number from 0 to 1.5, not 'a'",
        ),
        (
            {"thresholds": {"gamma": 0.5}, "min_size": 0},
            "rule relief has no threshold 'gamma': it has foreground, peak, saddle, core",
        ),
        ({"thresholds": [], "min_size": 0}, "thresholds must be an object in JSON"),
        (
            {"thresholds": {}, "min_size": -1},
            "min_size must be a whole number of 0 or more, not -1",
        ),
        ({"thresholds": {}}, "min_size must be a whole number of 0 or more, not None"),
    ],
)
def test_thresholds_out_of_range_are_refused_and_change_nothing(client, cells, fields, words):
    before, _ = labels_of(client.get(f"api/pictures/{cells}/labels"))
    answer = client.post(f"api/pictures/{cells}/decode", json=fields)
    assert answer.status_code == 400
    assert answer.json()["error"] == words
    after, facts = labels_of(client.get(f"api/pictures/{cells}/labels"))
    assert (before == after).all()
    assert not facts["can_undo"]


def test_cells_are_deleted_and_merged_and_that_is_undone_and_done_again(client, cells):
    first, _ = labels_of(client.get(f"api/pictures/{cells}/labels"))
    without, facts = labels_of(edit(client, cells, "delete", [1]))
    assert (without == np.where(first == 1, 0, first)).all()
    assert facts["corrections"] == 1
    merged, facts = labels_of(edit(client, cells, "merge", [4, 3]))
    assert (merged == np.where(without == 4, 3, without)).all()
    assert facts["corrections"] == 2
    for action, expected in (
        ("undo", without), ("undo", first), ("redo", without), ("redo", merged), ("undo", without),
    ):  # fmt: skip
        shown, facts = labels_of(edit(client, cells, action))
        assert (shown == expected).all()
    assert (facts["can_undo"], facts["can_redo"]) == (True, True)
    _, facts = labels_of(edit(client, cells, "delete", [2]))
    assert not facts["can_redo"]


def test_new_thresholds_replace_corrections_until_they_are_undone(client, cells):
    corrected, _ = labels_of(edit(client, cells, "delete", [1]))
    decoded, facts = decode(client, cells, 20)
    assert 1 in decoded
    assert facts["can_undo"]
    assert facts["corrections"] == facts["unsaved"] == 0
    back, facts = labels_of(edit(client, cells, "undo"))
    assert (back == corrected).all()
    assert facts["corrections"] == 1


def test_cells_keep_their_numbers_until_they_are_decoded_or_found_again(client, cells, wait):
    _, first = labels_of(client.get(f"api/pictures/{cells}/labels"))
    _, corrected = labels_of(edit(client, cells, "delete", [1]))
    assert corrected["numbering"] == first["numbering"]
    _, decoded = decode(client, cells, 100)
    _, back = labels_of(edit(client, cells, "undo"))
    assert wait(search(client, cells))["state"] == "done"
    _, again = labels_of(client.get(f"api/pictures/{cells}/labels"))
    states = [first, decoded, back, again]
    assert len({state["numbering"] for state in states}) == 4
    revisions = [state["revision"] for state in (first, corrected, decoded, back, again)]
    assert revisions == sorted(set(revisions))


def test_an_edit_of_cells_that_changed_in_the_meantime_is_refused(client, cells):
    _, seen = labels_of(client.get(f"api/pictures/{cells}/labels"))
    decoded, _ = decode(client, cells, 100)
    for action in ("delete", "undo"):
        answer = edit(client, cells, action, [1], revision=seen["revision"])
        assert answer.status_code == 409
        assert "changed in the meantime" in answer.json()["error"]
    assert (labels_of(client.get(f"api/pictures/{cells}/labels"))[0] == decoded).all()
    answer = client.post(f"api/pictures/{cells}/edit", json={"action": "undo"})
    assert "revision must be a whole number" in answer.json()["error"]


def test_labels_that_were_saved_are_not_lost(client, cells):
    _, facts = labels_of(edit(client, cells, "delete", [1]))
    assert (facts["corrections"], facts["unsaved"]) == (1, 1)
    assert client.get(f"api/pictures/{cells}/labels.tif").status_code == 200
    _, facts = labels_of(client.get(f"api/pictures/{cells}/labels"))
    assert (facts["corrections"], facts["unsaved"]) == (1, 0)
    _, facts = labels_of(edit(client, cells, "delete", [2]))
    assert facts["unsaved"] == 2


def test_an_image_with_corrections_is_not_closed_for_another_one(client, cells, upload, wait):
    labels_of(edit(client, cells, "delete", [1]))
    others = [upload(drawn())["picture"] for _ in range(PICTURES)]
    assert client.get(f"api/pictures/{cells}").status_code == 200
    assert client.get(f"api/pictures/{others[0]}").status_code == 404
    for key in others[1:]:
        assert wait(search(client, key))["state"] == "done"
        labels_of(edit(client, key, "delete", [1]))
    answer = client.post("api/pictures", json={"place": "cells.tif"})
    assert answer.status_code == 409
    assert "save the labels of x.tif" in answer.json()["error"]
    client.get(f"api/pictures/{cells}/labels.tif")
    assert client.post("api/pictures", json={"place": "cells.tif"}).status_code == 200
    assert client.get(f"api/pictures/{cells}").status_code == 404
    for key in others:
        client.delete(f"api/pictures/{key}")


def test_the_server_answers_others_while_cells_are_decoded(client, cells, monkeypatch):
    held = []
    find = Pictures.find
    monkeypatch.setattr(Pictures, "find", lambda self, key: held.append(find(self, key)) or held[0])
    client.get(f"api/pictures/{cells}")
    with ThreadPoolExecutor(2) as pool:
        with held[0].lock:
            saved = pool.submit(client.get, f"api/pictures/{cells}/labels.tif")
            started = pool.submit(client.get, "api/start")
            done = wait_for([started], timeout=10).done
        assert done == {started}
        assert saved.result(10).status_code == 200


@pytest.mark.parametrize(
    ("action", "numbers", "words"),
    [
        ("delete", [], "choose a cell first"),
        ("delete", [999], "cell 999 does not exist"),
        ("merge", [1], "at least two cells"),
        ("merge", [1, 1], "at least two cells"),
        ("merge", [1, 999], "cell 999 does not exist"),
        ("delete", [0], "numbers of cells"),
        ("delete", [2**40], "numbers of cells"),
        ("delete", ["1"], "numbers of cells"),
        ("explode", [1], "action must be one of delete, merge, split, draw, undo, redo"),
    ],
)
def test_edits_of_what_is_not_a_cell_are_refused(client, cells, action, numbers, words):
    answer = edit(client, cells, action, numbers)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_undo_without_a_change_changes_nothing(client, cells):
    first, _ = labels_of(client.get(f"api/pictures/{cells}/labels"))
    for action in ("undo", "redo"):
        shown, _ = labels_of(edit(client, cells, action))
        assert (shown == first).all()


def test_the_table_has_a_row_for_each_cell_of_the_corrected_labels(client, cells):
    labels, _ = labels_of(edit(client, cells, "delete", [1]))
    table = client.get(f"api/pictures/{cells}/table").json()
    columns = {column["words"]: column["values"] for column in table["columns"]}
    expected = measure(drawn(), labels)
    assert columns["Cell"] == expected["id"].tolist() == np.unique(labels)[1:].tolist()
    assert columns["Area px²"] == expected["area_px"].tolist()
    assert columns["Mean"] == expected["ch0_mean"].tolist()
    assert table["y"] == expected["centroid_y_px"].tolist()
    assert table["unit"] == "px"


def test_the_downloads_are_those_of_the_command_line(client, upload, wait, run, tmp_path):
    (tmp_path / "in").mkdir()
    sizes = {"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "in" / "a b.tif", drawn(), **sizes)
    assert run("segment", tmp_path / "in", "-o", tmp_path / "out", "--measure")[0] == 0
    key = upload(drawn(), "a b.tif", **sizes)["picture"]
    job = client.post(f"api/pictures/{key}/segment", json={"model": "nuclei-2d", "channel": 0})
    wait(job.json()["job"])
    answer = client.get(f"api/pictures/{key}/labels.tif")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b_masks.tif"
    assert answer.content == (tmp_path / "out" / "a b.tif").read_bytes()
    table = client.get(f"api/pictures/{key}/cells.csv").content.decode("utf-8-sig")
    theirs = (tmp_path / "out" / "cells.csv").read_text("utf-8-sig")
    rows = [line.split(",", 3) for line in theirs.splitlines()]  # id, file, time and the rest
    assert table.splitlines() == [f"{number},{rest}" for number, _, _, rest in rows]
    assert client.get(f"api/pictures/{key}/table").json()["unit"] == "um"


def test_an_image_without_cells_has_nothing_to_show_yet(client, upload):
    key = upload(drawn())["picture"]
    for path in ("labels", "table", "labels.tif", "cells.csv"):
        answer = client.get(f"api/pictures/{key}/{path}")
        assert answer.status_code == 409
        assert "not looked for yet" in answer.json()["error"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 5)])
@pytest.mark.parametrize("is_flat", [True, False])
def test_tiny_and_flat_images_give_an_empty_table(client, upload, wait, shape, is_flat):
    image = np.zeros(shape, np.uint8)
    if not is_flat:
        image.flat[0] = 9
    key = upload(image)["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    job = client.post(f"api/pictures/{key}/segment", json=fields).json()["job"]
    assert wait(job)["state"] == "done"
    labels, facts = labels_of(client.get(f"api/pictures/{key}/labels"), shape)
    if is_flat or image.size == 1:
        assert "nothing to find" in facts["caution"]
    table = client.get(f"api/pictures/{key}/table").json()
    assert len(table["columns"][0]["values"]) == labels.max()
    assert client.get(f"api/pictures/{key}/labels.tif").status_code == 200
    assert client.get(f"api/pictures/{key}/cells.csv").status_code == 200


def test_an_image_of_another_kind_gets_a_caution(client, upload, wait):
    key = upload(50_000 - drawn())["picture"]
    fields = {"model": "nuclei-2d", "channel": 0}
    job = client.post(f"api/pictures/{key}/segment", json=fields).json()["job"]
    assert wait(job)["state"] == "done"
    _, facts = labels_of(client.get(f"api/pictures/{key}/labels"))
    assert facts["caution"]
    assert "--" not in facts["caution"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "nothing", "channel": 0}, 400, "the page has no model 'nothing'"),
        ({"model": "../x", "channel": 0}, 400, "the page has no model"),
        ({"model": "nuclei-2d", "channel": 4}, 404, "has no channel 4"),
        ({"model": "nuclei-2d", "channel": -1}, 400, "channel must be"),
        ({"model": "nuclei-2d", "channel": True}, 400, "channel must be"),
        ({"channel": 0}, 400, "the page has no model None"),
    ],
)
def test_what_cannot_be_segmented_is_answered_in_words(client, upload, fields, status, words):
    key = upload(drawn())["picture"]
    answer = client.post(f"api/pictures/{key}/segment", json=fields)
    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.mark.parametrize("diameter", [0, -3, "wide", 1e9, [1]])
def test_a_diameter_that_does_not_fit_fails_in_words(client, upload, wait, diameter):
    key = upload(drawn())["picture"]
    fields = {"model": "nuclei-2d", "channel": 0, "diameter": diameter}
    job = client.post(f"api/pictures/{key}/segment", json=fields).json()["job"]
    end = wait(job)
    assert end["state"] == "failed"
    assert "diameter" in end["error"]
    assert "spacing" not in end["error"]  # the page has no such field
    assert client.get(f"api/pictures/{key}/labels").status_code == 409


def test_a_cancelled_work_leaves_the_cells_as_they_were(client, cells, upload, wait, monkeypatch):
    before, _ = labels_of(client.get(f"api/pictures/{cells}/labels"))
    has_begun, may_end = Event(), Event()
    segment_image = seamwise.segmentation.segment_image

    def slow(*arguments, **options):
        has_begun.set()
        assert may_end.wait(20)
        return segment_image(*arguments, **options)

    monkeypatch.setattr("seamwise_web.segmenting.segment_image", slow)
    fields = {"model": "nuclei-2d", "channel": 0, "diameter": 60}
    job = client.post(f"api/pictures/{cells}/segment", json=fields).json()["job"]
    assert has_begun.wait(20)
    assert client.get(f"api/pictures/{cells}").json()["job"] == job
    sizes = {"thresholds": {}, "min_size": 50}
    for answer in (
        edit(client, cells, "delete", [1]),
        client.post(f"api/pictures/{cells}/decode", json=sizes),
    ):
        assert answer.status_code == 409  # it would be lost when the search ends
        assert "looked for again" in answer.json()["error"]
    assert client.delete(f"api/jobs/{job}").json()["state"] == "cancelled"
    may_end.set()
    monkeypatch.undo()
    assert wait(job)["state"] == "cancelled"
    other = upload(drawn())["picture"]  # when its turn comes, the cancelled work has ended
    next_job = client.post(f"api/pictures/{other}/segment", json=fields).json()["job"]
    assert wait(next_job)["state"] == "done"
    after, _ = labels_of(client.get(f"api/pictures/{cells}/labels"))
    assert (before == after).all()


def test_an_unknown_job_is_answered_in_words(client):
    assert client.get("api/jobs/nothing").status_code == 404
    assert client.delete("api/jobs/nothing").status_code == 404


def test_the_label_image_can_be_read_again(client, cells, tmp_path):
    labels, _ = labels_of(edit(client, cells, "merge", [1, 2]))
    content = client.get(f"api/pictures/{cells}/labels.tif").content
    assert (tifffile.imread(io.BytesIO(content)) == labels).all()
    (tmp_path / "x.tif").write_bytes(content)
    again = tmp_path / "again.tif"
    write_labels(again, read_labels(tmp_path / "x.tif"))
    assert again.read_bytes() == content

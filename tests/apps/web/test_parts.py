"""The queue, the history, offers and the folder, each by itself."""

import io
import logging
from threading import Event
from time import sleep

import numpy as np
import pytest
from PIL import Image

from seamwise.engine import Lane
from seamwise.io import shipped_models
from seamwise_web.answers import RefusalError, explain
from seamwise_web.folder import open_folder
from seamwise_web.history import History, change_between
from seamwise_web.jobs import Jobs
from seamwise_web.offers import model_offers
from seamwise_web.shown import shown_jpeg


@pytest.fixture
def jobs():
    queue = Jobs()
    yield queue
    queue.close()


def test_jobs_run_one_after_the_other(jobs):
    gate, order = Event(), []
    first = jobs.add(lambda job: (gate.wait(9), job.finish(lambda: order.append(1))))
    second = jobs.add(lambda job: job.finish(lambda: order.append(2)))
    assert jobs.description(second)["ahead"] == 1
    assert jobs.description(first)["ahead"] == 0
    gate.set()
    jobs._thread.shutdown(wait=True)
    assert order == [1, 2]
    assert (first.state, second.state) == ("done", "done")


def test_a_training_holds_up_other_trainings_only(jobs):
    gate = Event()
    training = jobs.add(lambda job: (gate.wait(9), job.finish(lambda: None)), is_training=True)
    next_one = jobs.add(lambda job: job.finish(lambda: None), is_training=True)
    search = jobs.add(lambda job: job.finish(lambda: None))
    jobs._thread.shutdown(wait=True)
    assert (search.state, next_one.state) == ("done", "waiting")
    assert jobs.description(search)["ahead"] == 0
    assert jobs.description(next_one)["ahead"] == 1
    gate.set()
    jobs._trainings.shutdown(wait=True)
    assert (training.state, next_one.state) == ("done", "done")


def test_a_cancelled_job_keeps_nothing(jobs):
    has_begun, gate, results = Event(), Event(), []

    def work(job):
        has_begun.set()
        gate.wait(9)
        job.finish(lambda: results.append("kept"))

    running, waiting = jobs.add(work), jobs.add(work)
    assert has_begun.wait(9)
    running.cancel()
    waiting.cancel()
    gate.set()
    jobs._thread.shutdown(wait=True)
    assert (running.state, waiting.state, results) == ("cancelled", "cancelled", [])


def test_a_job_that_ended_stays_done(jobs):
    job = jobs.add(lambda job: job.finish(lambda: None))
    jobs._thread.shutdown(wait=True)
    job.cancel()
    assert job.state == "done"


def test_a_job_that_fails_tells_why_and_the_next_one_runs(jobs):
    def work(job):
        raise ValueError("image is\nempty")

    failed, next_one = jobs.add(work), jobs.add(lambda job: job.finish(lambda: None))
    jobs._thread.shutdown(wait=True)
    assert (failed.state, failed.error, next_one.state) == ("failed", "image is empty", "done")


def test_only_the_last_jobs_are_remembered(jobs, monkeypatch):
    monkeypatch.setattr("seamwise_web.jobs._MOST_DONE", 3)
    gate = Event()
    keys = []
    for _ in range(6):
        job = jobs.add(lambda job: job.finish(lambda: None))
        while job.is_open:
            sleep(0.001)
        keys.append(job.key)
    running = jobs.add(lambda job: (gate.wait(9), job.finish(lambda: None)))
    waiting = jobs.add(lambda job: job.finish(lambda: None))
    for key in keys[:3]:
        with pytest.raises(RefusalError, match="was forgotten"):
            jobs.find(key)
    assert jobs.find(keys[3]).state == "done"
    assert jobs.find(running.key).is_open
    assert jobs.find(waiting.key).is_open
    gate.set()


def test_a_cancelled_job_that_raises_stays_cancelled(jobs):
    def work(job):
        job.cancel()
        raise ValueError("too late")

    job = jobs.add(work)
    jobs._thread.shutdown(wait=True)
    assert (job.state, job.error) == ("cancelled", "")


def test_tiles_are_counted_and_none_is_computed_after_a_cancel(jobs):
    shares, calls = [], []

    def work(job):
        lane = Lane(lambda done: job.begin("looking", done / 200))
        for _ in range(2):
            lane.submit(calls.append, np.zeros((1, 10, 10)))
            shares.append(job.share)
        lane.submit(lambda: None)
        shares.append(job.share)
        job.cancel()
        lane.submit(calls.append, np.zeros((1, 10, 10)))

    job = jobs.add(work)
    jobs._thread.shutdown(wait=True)
    assert shares == [0, 0.5, 1]
    assert (len(calls), job.state) == (2, "cancelled")


def test_changes_of_labels_are_undone_and_made_again():
    history, first = History(), np.arange(6, dtype=np.uint32).reshape(2, 3)
    second = np.where(first == 5, 0, first).astype(np.uint32)
    history.add(change_between(first, second, ("old", "new")))
    labels = second.copy()
    assert (history.undo(labels).rules[0], labels.tolist()) == ("old", first.tolist())
    assert (history.redo(labels).rules[1], labels.tolist()) == ("new", second.tolist())


def test_a_change_of_nothing_is_a_step():
    history, labels = History(), np.zeros((2, 3), np.uint32)
    history.add(change_between(labels, labels, ("old", "new")))
    assert history.undo(labels).rules == ("old", "new")
    assert not labels.any()


def add_changes(history, kinds):
    """Add a change for each letter: c for a correction, d for a decoding; returns the labels."""
    labels = np.zeros((2, 2), np.uint32)
    for number, kind in enumerate(kinds, start=1):
        after = np.full((2, 2), number, np.uint32)
        change = change_between(labels, after, (number - 1, number), is_decoding=kind == "d")
        history.add(change)
        labels = after
    return labels


def test_the_oldest_changes_are_forgotten_when_they_fill_up(monkeypatch):
    monkeypatch.setattr("seamwise_web.history._MOST", 1)
    history = History()
    labels = add_changes(history, "ccccc")
    assert history.undo(labels).rules[0] == 4
    assert (labels == 4).all()
    assert not history.can_undo


@pytest.mark.parametrize(
    ("kinds", "count"), [("", 0), ("cc", 2), ("cd", 0), ("cdd", 0), ("cdc", 1), ("dcc", 2)]
)
def test_corrections_are_those_since_the_last_decoding(kinds, count):
    history = History()
    add_changes(history, kinds)
    assert history.corrections == count


def test_corrections_are_counted_after_they_are_forgotten(monkeypatch):
    monkeypatch.setattr("seamwise_web.history._MOST_BYTES", 1)
    history = History()
    labels = add_changes(history, "dccd")  # only the last is remembered
    assert history.corrections == 0
    history.undo(labels)
    assert (history.can_undo, history.corrections) == (False, 2)


def test_a_change_of_all_labels_takes_little_memory():
    first = np.kron(np.arange(2500).reshape(50, 50), np.ones((20, 20))).astype(np.uint32)
    change = change_between(first, first + 7, ("old", "new"))
    assert len(change.bits) < first.nbytes / 20


def test_models_of_the_user_come_first(tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(shipped_models()["nuclei-2d"].read_bytes())
    offers = model_offers([mine])
    assert list(offers) == ["mine", "nuclei-2d", "phase-2d", "nuclei-3d", "walls-3d"]
    assert offers["mine"].purpose == ""


def test_a_model_for_other_images_is_refused():
    with pytest.raises(ValueError, match="is not for cells in one channel: remove"):
        model_offers([shipped_models()["focus-seg"]])


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(OSError, match="does not exist: give the folder"):
        open_folder(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="is not a folder"):
        open_folder(tmp_path / "file")


def test_a_long_list_is_cut_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("seamwise_web.folder._MOST", 3)
    for name in "abcde":
        (tmp_path / f"{name}.png").touch()
    listed = open_folder(tmp_path).list()
    assert listed["images"] == ["a.png", "b.png", "c.png"]
    assert listed["note"] == "the first 3 of 5 entries"


def test_errors_that_nobody_expected_are_logged_and_told_in_words(caplog):
    with caplog.at_level(logging.ERROR):
        status, words = explain(KeyError("x"))
    assert (status, "fault of seamwise" in words) == (500, True)
    assert "KeyError" in caplog.text
    assert "memory" in explain(MemoryError())[1]


def test_floats_beyond_their_range_are_black_or_white():
    picture = Image.open(io.BytesIO(shown_jpeg(np.repeat(np.float32([[-0.5, 1.5]]), 16, 1))))
    assert np.asarray(picture)[0, [0, -1]].tolist() == [0, 255]

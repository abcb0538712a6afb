"""A model is trained on corrected cells: progress, cancel, resume, and what is refused."""

import shutil
import tempfile
import time
from threading import Event

import numpy as np
import pytest

from seamwise.io import describe_model
from seamwise_web import training as training_module
from seamwise_web.offers import Shelf
from support.web_page import drawn, error_of, leftovers


@pytest.fixture
def training(client, tmp_path, monkeypatch):
    """The key of a training without images; once it is closed, no file of it remains."""
    (tmp_path / "server").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "server"))
    key = client.post("api/trainings").json()["training"]
    yield key
    client.delete(f"api/trainings/{key}")
    assert leftovers() == []


def add(client, training, picture):
    return client.post(f"api/trainings/{training}/pictures", json={"picture": picture})


def train(client, training, **fields):
    wanted = {"model": "nuclei-2d", "steps": 2, **fields}
    return client.post(f"api/trainings/{training}/train", json=wanted)


def test_a_model_comes_out_that_finds_cells(client, wait, cells, training, tmp_path):
    assert add(client, training, cells).json()["names"] == ["x.tif"]
    state = train(client, training).json()
    assert wait(state["job"])["state"] == "done"
    state = client.get(f"api/trainings/{training}").json()
    assert [step for step, _ in state["loss"]] == [1, 2]
    assert [step for step, _ in state["scores"]] == [1, 2]
    assert not state["can_resume"]
    name = state["model"]["name"]
    content = client.get(f"api/trainings/{training}/model.safetensors").content
    (tmp_path / "m.safetensors").write_bytes(content)
    assert describe_model(tmp_path / "m.safetensors").training["settings"]["steps"] == 2
    assert name not in client.get("api/start").text  # other tabs do not see it
    job = client.post(f"api/pictures/{cells}/segment", json={"model": name, "channel": 0}).json()
    assert wait(job["job"])["state"] == "done"


def test_a_run_is_cancelled_and_goes_on(client, wait, cells, training, monkeypatch):
    add(client, training, cells)
    has_begun, gate, begin = Event(), Event(), training_module.Job.begin

    def slow(job, stage, share=None):
        begin(job, stage, share)
        if stage == "training" and not has_begun.is_set():
            has_begun.set()
            gate.wait(60)

    monkeypatch.setattr(training_module.Job, "begin", slow)
    job = train(client, training, steps=3).json()["job"]
    assert has_begun.wait(60)
    for is_stopped in (False, True):  # until its step ends, a stopped run is at work, too
        assert "being trained" in error_of(train(client, training), 409)
        assert "being trained" in error_of(add(client, training, cells), 409)
        client.delete(f"api/jobs/{job}")
        state = client.get(f"api/trainings/{training}").json()
        assert (state["is_busy"], state["is_stopping"]) == (True, True), is_stopped
        assert not state["can_resume"]
    gate.set()
    assert wait(job)["state"] == "cancelled"
    state = rested(client, training)
    assert state["can_resume"]
    assert state["model"] is None
    done = len(state["loss"])
    job = train(client, training, model="phase-2d", resume=True).json()["job"]
    assert wait(job)["state"] == "done"
    steps = [step for step, _ in client.get(f"api/trainings/{training}").json()["loss"]]
    assert steps == [1, 2, 3]
    assert done < 3


def rested(client, training):
    """What is told of a training once its run has ended."""
    for _ in range(2400):
        state = client.get(f"api/trainings/{training}").json()
        if not state["is_busy"]:
            return state
        time.sleep(0.05)
    raise TimeoutError(state)


def test_what_was_not_stopped_cannot_be_resumed(client, cells, training):
    add(client, training, cells)
    assert "no run can be resumed" in error_of(train(client, training, resume=True), 409)


@pytest.fixture
def trained(client, wait, cells, training, monkeypatch):
    """The name of a model that is not saved; the run is a copy of the model it begins with."""

    def copy(images, validation, settings, *, output, **options):
        return shutil.copy(settings.start, output / "model.safetensors")

    monkeypatch.setattr("seamwise.segmentation.train", copy)
    add(client, training, cells)
    assert wait(train(client, training).json()["job"])["state"] == "done"
    return client.get(f"api/trainings/{training}").json()["model"]["name"]


def test_an_unsaved_model_is_not_closed_for_another_training(client, training, trained):
    others = [client.post("api/trainings").json()["training"] for _ in range(3)]
    assert client.get(f"api/trainings/{training}").status_code == 200
    error_of(client.get(f"api/trainings/{others[1]}"), 404)
    assert client.get(f"api/trainings/{training}/model.safetensors").status_code == 200
    for _ in range(2):  # it is saved now
        others.append(client.post("api/trainings").json()["training"])
    error_of(client.get(f"api/trainings/{training}"), 404)
    for key in others:
        client.delete(f"api/trainings/{key}")


def test_too_many_unsaved_models(client, training, monkeypatch):
    monkeypatch.setattr(training_module.Training, "may_be_closed", False)
    other = client.post("api/trainings").json()["training"]
    assert "save their models" in error_of(client.post("api/trainings"), 409)
    client.delete(f"api/trainings/{other}")


def test_a_closed_training_takes_its_models_away(client, wait, cells, training, trained):
    wanted = {"model": trained, "channel": 0}
    job = client.post(f"api/pictures/{cells}/segment", json=wanted).json()["job"]
    assert wait(job)["state"] == "done"
    client.delete(f"api/trainings/{training}")
    words = error_of(client.post(f"api/pictures/{cells}/segment", json=wanted), 400)
    assert f"no model {trained!r}" in words


def test_models_are_numbered(client, wait, training, trained):
    assert wait(train(client, training).json()["job"])["state"] == "done"
    second = client.get(f"api/trainings/{training}").json()["model"]["name"]
    first, number = trained.split()
    assert (first, second) == ("corrected", f"corrected {int(number) + 1}")


def test_a_model_that_was_closed_meanwhile_is_told():
    with pytest.raises(ValueError, match="corrected 1 was closed"):
        Shelf({}).load("corrected 1")


@pytest.fixture
def other_cells(client, upload, wait):
    """The key of another image of the same name."""
    key = upload(drawn(1))["picture"]
    job = client.post(f"api/pictures/{key}/segment", json={"model": "nuclei-2d", "channel": 0})
    assert wait(job.json()["job"])["state"] == "done"
    yield key
    client.delete(f"api/pictures/{key}")


def test_an_image_is_added_once_and_another_one_of_its_name_too(
    client, cells, other_cells, training
):
    assert add(client, training, cells).json()["names"] == ["x.tif"]
    assert add(client, training, cells).json()["names"] == ["x.tif"]
    assert add(client, training, other_cells).json()["names"] == ["x.tif", "x.tif (2)"]
    assert add(client, training, cells).json()["names"] == ["x.tif", "x.tif (2)"]


def test_what_cannot_be_learned_from_is_refused(client, upload, training):
    error_of(add(client, training, 3), 400)
    error_of(add(client, training, "nothing"), 404)
    key = upload(drawn())["picture"]
    assert "not looked for yet" in error_of(add(client, training, key), 409)
    assert "nothing to learn from" in error_of(train(client, training), 409)
    error_of(client.get(f"api/trainings/{training}/model.safetensors"), 409)
    client.delete(f"api/pictures/{key}")


@pytest.mark.parametrize(
    "fields",
    [{"model": "magic"}, {"model": "../x"}, {"model": None}, {"steps": 0}, {"steps": 5001},
     {"steps": "many"}, {"steps": True}, {"steps": 2.5}],
)  # fmt: skip
def test_wishes_that_the_page_does_not_have(client, cells, training, fields):
    add(client, training, cells)
    error_of(train(client, training, **fields), 400)


def test_a_training_that_was_closed_is_answered_in_words(client):
    assert "was closed" in error_of(client.get("api/trainings/nothing"), 404)
    foreign = client.post("api/trainings", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_the_oldest_training_is_closed_with_its_files(client, training):
    keys = [client.post("api/trainings").json()["training"] for _ in range(2)]
    error_of(client.get(f"api/trainings/{training}"), 404)
    assert len(leftovers()) == 2
    for key in keys:
        client.delete(f"api/trainings/{key}")


def test_a_channel_of_wide_numbers_is_stored_in_16_bits():
    from seamwise_web.display import plain_channel

    values = np.array([[-3.0, 5.0], [1.0, 1.0]], np.float32)
    assert plain_channel(values).tolist() == [[0, 65535], [32768, 32768]]

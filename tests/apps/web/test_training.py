"""A model is trained on corrected cells: progress, cancel, resume, and what is refused."""

import tempfile
from threading import Event

import numpy as np
import pytest

from seamwise.io import describe_model
from seamwise_web import training as training_module
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
    assert "being trained" in error_of(train(client, training), 409)
    assert "being trained" in error_of(add(client, training, cells), 409)
    client.delete(f"api/jobs/{job}")
    gate.set()
    assert wait(job)["state"] == "cancelled"
    wait(
        client.post(
            f"api/pictures/{cells}/segment", json={"model": "nuclei-2d", "channel": 0}
        ).json()["job"]
    )  # the queue is free again: the checkpoint is written
    state = client.get(f"api/trainings/{training}").json()
    assert state["can_resume"]
    assert state["model"] is None
    done = len(state["loss"])
    job = train(client, training, model="phase-2d", resume=True).json()["job"]
    assert wait(job)["state"] == "done"
    steps = [step for step, _ in client.get(f"api/trainings/{training}").json()["loss"]]
    assert steps == [1, 2, 3]
    assert done < 3


def test_an_image_of_the_same_name_replaces_the_one_before(client, cells, training):
    assert add(client, training, cells).json()["names"] == ["x.tif"]
    assert add(client, training, cells).json()["names"] == ["x.tif"]


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
    from seamwise_web.pictures import plain_channel

    values = np.array([[-3.0, 5.0], [1.0, 1.0]], np.float32)
    assert plain_channel(values).tolist() == [[0, 65535], [32768, 32768]]

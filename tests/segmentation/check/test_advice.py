"""The model to train on from, and how long it takes."""

from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from seamwise.io import read_image, read_labels
from seamwise.report import training_report
from seamwise.segmentation import find_pairs
from seamwise.segmentation.check import Look, advice, advise, survey
from seamwise.segmentation.check.advice import _start_for
from seamwise.segmentation.check.survey import rim_brightness
from seamwise.synth import crowded_cells, nuclei, tissue

SAMPLES = Path(str(resources.files("seamwise"))) / "samples"


def look(shape=(40, 50), channels=1, brightness=0.9, rim=0.2, skewness=0.9):
    """An image with these values."""
    more = {"name": "a", "dtype": "uint8", "sizes": np.array([9]), "touching": 0, "digest": ""}
    return Look(
        shape=shape, channels=channels, brightness=brightness, rim=rim, skewness=skewness,
        spacing=None, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "name", "difference"),
    [
        ({}, "nuclei-2d", ""),
        ({"skewness": 0.2}, "phase-2d", ""),
        ({"skewness": 0.2, "rim": 0.8}, "phase-2d", ""),
        ({"rim": 0.8}, "nuclei-2d", "bright rims"),
        ({"channels": 3, "brightness": 0.1, "skewness": -1}, "phase-2d", "histology"),
        ({"channels": 3}, "nuclei-2d", ""),
        ({"shape": (9, 40, 50)}, "nuclei-3d", ""),
        ({"shape": (9, 40, 50), "rim": 0.8, "skewness": 0.1}, "walls-3d", ""),
        ({"shape": (9, 40, 50), "brightness": 0.2}, "nuclei-3d", "dark cells"),
    ],
)
def test_the_start_follows_the_look_of_most_images(values, name, difference):
    start = _start_for([look(**values), look(**values), look()])
    assert start.name == name
    assert difference in start.difference
    assert bool(start.difference) == bool(difference)
    assert ("only a beginning" in start.caution) == bool(difference)


def test_stained_walls_are_brighter_than_the_cells_and_nuclei_are_not():
    walls = tissue((20, 48, 48), rng=0, cell_size=16.0)
    balls = nuclei((24, 64, 64), cells=5, rng=0)
    assert rim_brightness(walls.image, walls.labels) > 0.6
    assert rim_brightness(balls.image, balls.labels) < 0.4
    image, labels = (
        read_image(SAMPLES / "nuclei.png").data,
        read_labels(SAMPLES / "nuclei-mask.tif"),
    )
    assert rim_brightness(image, labels) < 0.4
    assert rim_brightness(image, np.zeros_like(labels)) == 0.5


@pytest.fixture
def data(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(2):
        scene = crowded_cells((96, 112), cells=12, radius=9, rng=number)
        for kind, array in (("images", scene.image), ("masks", scene.labels)):
            tifffile.imwrite(tmp_path / "data" / kind / f"{number}.tif", array.astype(np.uint16))
    return tmp_path / "data"


def test_the_time_counts_every_step_and_every_validation(data, monkeypatch):
    """By a clock that ticks once in each step and in each prediction."""
    ticks = iter(range(1000))
    monkeypatch.setattr(advice, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    split = find_pairs(data)
    pairs = [*split.training, *split.validation]
    look_at = survey(data)
    result = advise(look_at, pairs, device="cpu", validation=5)
    steps, interval = result.settings["steps"], result.settings["validate_every"]
    assert steps == 12 * interval
    assert result.seconds == steps + 12 * 5
    assert advise(look_at, pairs, device="cpu").seconds == steps + 12


def timed(data, monkeypatch):
    """Steps, validations and seconds of an estimate; the clock ticks once for each."""
    ticks = iter(range(1000))
    monkeypatch.setattr(advice, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    result = advise(survey(data), find_pairs(data).training, device="cpu")
    return result.settings["steps"], 12, result.seconds


def test_a_part_stands_for_its_share_of_the_image(data, monkeypatch):
    monkeypatch.setattr(advice, "_TIMED_SIDES", {2: 48})
    steps, validations, seconds = timed(data, monkeypatch)
    assert seconds == pytest.approx(steps + validations * (96 * 112) / 48**2)


def test_the_middle_of_an_image_is_timed(data, monkeypatch):
    seen = []

    def training_task(images, parts, settings):
        seen.extend([images[0], parts[0]])
        raise StopIteration

    monkeypatch.setattr(advice, "training_task", training_task)
    monkeypatch.setattr(advice, "_TIMED_SIDES", {2: 48})
    with pytest.raises(StopIteration):
        timed(data, monkeypatch)
    whole, part = seen
    np.testing.assert_array_equal(part.image, whole.image[:, 24:72, 32:80])
    np.testing.assert_array_equal(part.labels, whole.labels[24:72, 32:80])


def test_the_page_warns_of_a_start_that_is_for_other_images(data, tmp_path, monkeypatch):
    monkeypatch.setattr(advice, "training_seconds", lambda *_, **__: 60.0)
    monkeypatch.setattr(advice, "_BRIGHT_RIM", 0.0)
    look_at = survey(data)
    result = advise(look_at, find_pairs(data).training, device="cpu")
    training_report(look_at, result, tmp_path / "r.html", command="")
    assert "No shipped model is for cells with bright rims" in (tmp_path / "r.html").read_text()
    named = advise(look_at, find_pairs(data).training, device="cpu", start="phase-2d")
    assert (named.caution, named.reasons["start"]) == ("", "you named it")

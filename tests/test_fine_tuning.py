"""`benchmarks/fine_tuning.py`: what is trained on and scored, and what a stopped list keeps."""

import json
from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import tifffile

from seamwise.io.models import ReliefPair
from seamwise.segmentation import AnnotatedImage, read_start
from seamwise.segmentation.start import rules_from
from seamwise.synth import crowded_cells

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fine_tuning.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs benchmarks/")


@dataclass(frozen=True)
class Named:
    name: str


@pytest.fixture
def script(monkeypatch):
    """The script as a module; each test has its own, and may replace functions of it."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = spec_from_file_location("fine_tuning", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(output, **changes):
    usual = {
        "output": output, "start": "nuclei-2d", "begin": ["start", "none"], "settings": ["plain"],
        "unlabelled": ["background"], "counts": [1, 3], "keep": 1.0, "steps": 2, "crop": 96,
        "rule": "chosen", "quick": True, "kind": "all", "start_steps": 2,
    }  # fmt: skip
    return Namespace(**{**usual, **changes})


def test_no_run_sees_an_image_of_the_report(script):
    pairs = [Named(f"{number:02}") for number in range(45)]
    pool, report = script.divided(pairs)
    assert [int(pair.name) for pair in report] == list(range(1, 45, 3))
    assert {*pool, *report} == {*pairs}
    assert len(pool) + len(report) == 45
    for count in (1, 3, 10, 30):
        assert len({*script.evenly(pool, count)}) == count


def test_a_list_that_was_stopped_resumes(script, tmp_path):
    trained = []

    def train(run, chosen, options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(run.folder)
        return {"decoded_by": "argmax"}

    script.trained, script.scored = train, lambda model, report: {"pq": 0.5, "ap": len(report)}
    pairs = [Named(f"{number:02}") for number in range(12)]
    with pytest.raises(KeyboardInterrupt):
        script.work(pairs, options(tmp_path, quick=False))
    lines = json.loads((tmp_path / "scores.json").read_text())["runs"]
    assert [(line["images"], line["start"]) for line in lines] == [(1, "nuclei-2d"), (1, "none")]
    assert lines[0]["ap"] == 4
    del trained[0]
    with pytest.raises(KeyboardInterrupt):
        script.work(pairs, options(tmp_path, quick=False))
    assert [name.split("-plain")[0] for name in trained] == ["1-none", "3-nuclei-2d"]
    trained[:] = []
    script.work(pairs, options(tmp_path, quick=False))
    assert [name.split("-plain")[0] for name in trained] == ["3-none"]


def test_rules_are_those_of_the_start_and_neutral_ones(script):
    info = read_start("nuclei-2d").info
    rules = script.rules_of(info, info)
    assert [*rules] == ["start", "neutral", "argmax"]
    assert rules["start"].relief == info.decode.relief
    assert rules["start"].gap == "second"
    assert rules["neutral"].relief == ReliefPair()
    tuned_for_phase = rules_from(info.decode)[2].relief
    assert all(rule.relief != tuned_for_phase for rule in rules.values())
    plain = info.model_copy(
        update={"architecture": info.architecture.model_copy(update={"guides": False})}
    )
    assert [*script.rules_of(plain, info)] == ["argmax"]


def test_erased_cells_are_background_and_the_others_stay(script):
    labels = np.arange(-1, 401).reshape(1, -1)
    image = AnnotatedImage("a", np.zeros((1, *labels.shape), np.float32), labels)
    run = script.Run(10, "none", "plain", "near", 0.25, 120, 0, "chosen")
    left = script.erased(image, run, 3).labels
    assert ((left == labels) | ((left == 0) & (labels > 0))).all()
    assert (left > 0).sum() == 100
    assert left[0, 0] == -1
    assert not np.array_equal(left, script.erased(image, run, 4).labels)


def test_the_curves_have_complete_masks_and_usual_settings(script, tmp_path):
    run = script.Run(10, "nuclei-2d", "plain", "background", 1.0, 120, 0, "chosen")
    others = [
        {"images": 3}, {"start": "none"}, {"keep": 0.5}, {"unlabelled": "near"},
        {"settings": "check"}, {"steps": 480},
    ]  # fmt: skip
    lines = [{**asdict(replace(run, **change)), "pq": 0.1, "ap": 0.2} for change in ({}, *others)]
    plot = import_module("fine_tuning_plot")
    longest = plot.curve(lines, from_nothing=False)
    assert [(run["images"], run["steps"]) for run in longest] == [(3, 120), (10, 480)]
    assert [run["images"] for run in plot.curve(lines, from_nothing=True)] == [10]
    half = [
        {**asdict(replace(run, images=n, keep=0.5, unlabelled="near")), "pq": 0.1, "ap": 0.1}
        for n in (1, 3)
    ]
    drawn = plot.curve([*lines, *half], from_nothing=False, masks=plot.HALF_MASKS)
    assert [run["images"] for run in drawn] == [1, 3]
    lines += [*half, {**asdict(replace(run, images=0, steps=0)), "pq": 0.3, "ap": 0.2}]
    assert [run["images"] for run in plot.curve(lines, from_nothing=False)] == [3, 10]
    script.draw(lines, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_a_start_for_hazy_images_sees_none_of_them(script, tmp_path, monkeypatch):
    hazy = script.HAZY.read_text().split()
    assert len(hazy) == len({*hazy}) == 65
    pairs = [Named(name) for name in (*hazy, "sharp1", "sharp2")]
    seen, scores = [], []

    def train(training, validation, settings, *, output, **_):
        seen.append((training, validation, settings.steps))
        (output / "model.safetensors").write_text("weights")
        return output / "model.safetensors"

    script.all_pairs, script.train = lambda folder: pairs, train
    script.read_pairs = lambda pairs, rule: [pair.name for pair in pairs]
    script.trained = lambda run, chosen, options: {"decoded_by": "argmax"}

    def scored(model, report):
        scores.append(model)
        return {"pq": 0.5, "ap": float(len(report))}

    script.scored = scored
    words = [str(SCRIPT), "data", "-o", str(tmp_path), "--kind", "hazy", "--counts", "1"]
    monkeypatch.setattr("sys.argv", [*words, "--start-steps", "16"])
    script.main()
    script.main()  # what is there stays
    assert seen == [(["sharp2"], ["sharp1"], 16)]
    start = tmp_path / "sharp-nuclei.safetensors"
    assert start.read_text() == "weights"
    assert scores[0] == start
    assert len(scores) == 3
    lines = script.read_lines(tmp_path)
    assert [line["images"] for line in lines] == [0, 1, 1]
    assert [line["start"] for line in lines] == [str(start), str(start), "none"]
    assert lines[0]["ap"] == 15


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for number in range(9):
        drawn = crowded_cells((96, 96), cells=9, radius=8, rng=number)
        grey = (drawn.image / drawn.image.max() * 255).astype(np.uint8)
        for kind, array in (("images", grey), ("masks", drawn.labels.astype(np.uint8))):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"{number}.tif", array)
    return folder


def test_runs_are_trained_and_scored(script, data, tmp_path):
    pairs = script.all_pairs(data)
    chosen = options(tmp_path, counts=[3])
    script.work(pairs, chosen)
    first = script.read_lines(tmp_path)
    assert [line["start"] for line in first] == ["nuclei-2d", "none"]
    assert first[1]["decoded_by"] == "argmax"
    assert first[0]["pq"] > 0.5 > first[1]["pq"]  # two steps spoil nothing, and teach nothing
    (tmp_path / "scores.json").unlink()  # as if it had been stopped before it was scored
    script.work(pairs, chosen)
    again = script.read_lines(tmp_path)
    assert [line["seconds"] for line in again] == [None, None]
    for one, other in zip(first, again, strict=True):
        assert {**one, "seconds": None} == other
    script.work(pairs, options(tmp_path, counts=[3], begin=["start"], settings=["check"]))
    assert script.read_lines(tmp_path)[2]["loss"] == "ce3"

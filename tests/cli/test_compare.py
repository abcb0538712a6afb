"""`seamwise compare`; how a command is run is in `conftest`."""

import json

import pytest
import tifffile

from seamwise.io.images import write_labels
from seamwise.synth import crowded_cells

QUICK = ["--steps", "2", "--batch-size", "1", "--crop", "32", "--width", "2", "--device", "cpu"]


@pytest.fixture
def data(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for seed in range(4):
        scene = crowded_cells((48, 56), cells=5, radius=6, rng=seed)
        tifffile.imwrite(tmp_path / "data" / "images" / f"{seed}.tif", scene.image)
        write_labels(tmp_path / "data" / "masks" / f"{seed}.tif", scene.labels)
    return tmp_path / "data"


def test_compare_writes_a_page_and_scores_and_goes_on_where_it_stopped(run, data, tmp_path):
    out = tmp_path / "out"
    command = ("compare", data, "-o", out, "--losses", "ce, j4", *QUICK)
    code, said, err = run(*command)
    assert code == 0
    assert (
        "No loss found a cell" in said
        or "has the highest PQ. Fewer than 6 test images are too few" in said
    )  # after two steps
    assert f"wrote {out / 'report.html'}" in said
    assert "j4-0, step 2: PQ 0." in err
    assert sorted(path.name for path in out.iterdir()) == [
        "ce3-0",
        "j4-0",
        "report.html",
        "scores.json",
    ]
    scores = json.loads((out / "scores.json").read_text())
    assert scores["images"] == [
        "1"
    ]  # of 0 1 2 3, the first is for validation, and of the rest again the first
    assert [one["run"]["loss"] for one in scores["runs"]] == ["ce3", "j4"]
    assert scores["settings"]["width"] == 2
    model = out / "ce3-0" / "model.safetensors"
    before = model.stat().st_mtime_ns
    code, *_ = run(*command)
    assert code == 0
    assert model.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--losses", "j4"], "losses must be two or more"),
        (["--losses", "j4,ssim"], "loss must be one of unet2, unet3,"),
        (["--losses", "j4,w3", "--masks", "colour"], "--masks must be instances or binary"),
    ],
)
def test_bad_options_are_one_line(run, data, tmp_path, arguments, words):
    code, _, err = run("compare", data, "-o", tmp_path / "out", *arguments, *QUICK)
    assert code == 2
    assert words in err.splitlines()[-1]


def test_runs_of_other_settings_are_not_mixed(run, data, tmp_path):
    run("compare", data, "-o", tmp_path / "out", "--losses", "ce3,j4", *QUICK)
    code, _, err = run(
        "compare", data, "-o", tmp_path / "out", "--losses", "ce3,j4", *QUICK, "--steps", "3"
    )
    assert code == 2
    assert "was made with settings.steps = 2, not 3: resume with the same" in err


def test_too_few_images(run, data, tmp_path):
    for number in (1, 2, 3):
        (data / "images" / f"{number}.tif").unlink()
    code, _, err = run("compare", data, "-o", tmp_path / "out", *QUICK)
    assert code == 2
    assert "too few images" in err
    assert not (tmp_path / "out").exists()


def test_masks_with_missing_cells_cannot_be_compared(run, data, tmp_path):
    settings = tmp_path / "s.toml"
    settings.write_text('unlabelled = "near"\n')
    options = ("--losses", "ce3,j4", "--settings", settings, *QUICK)
    code, _, err = run("compare", data, "-o", tmp_path / "out", *options)
    assert code == 2
    assert "unlabelled = near is for `seamwise train`: remove it" in err
    assert not list((tmp_path / "out").glob("*/*"))

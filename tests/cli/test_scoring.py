"""`seamwise evaluate`."""

import json
import subprocess
import sys

import numpy as np
import tifffile

from seamwise.synth import crowded_cells

SCENE = crowded_cells((96, 110), cells=12, radius=8, rng=0)


def test_a_reader_that_has_enough_ends_the_command_quietly(training, tmp_path):
    masks = tmp_path / "data" / "masks"
    command = f"{sys.executable} -m seamwise evaluate {masks} {masks} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "pooled" in done.stdout
    assert "pipe" not in done.stderr.lower()


def test_evaluate_names_missing_predictions_and_other_sizes(run, tmp_path):
    for folder in ("pred", "true"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "true" / "x_masks.tif", SCENE.labels)
    tifffile.imwrite(tmp_path / "true" / "y.tif", SCENE.labels)
    tifffile.imwrite(tmp_path / "pred" / "x.tif", SCENE.labels)
    code, _, err = run("evaluate", tmp_path / "pred", tmp_path / "true")
    assert code == 2
    assert "1 of 2" in err
    tifffile.imwrite(tmp_path / "pred" / "y.tif", SCENE.labels[1:])
    code, said, err = run("evaluate", tmp_path / "pred", tmp_path / "true")
    assert code == 1  # the other pair is scored
    assert len(err.splitlines()) == 1
    assert "y.tif must have the size" in err
    assert "mean over images" in said
    assert said.splitlines()[-1] == "1 of 2 pairs failed"
    code, _, err = run("evaluate", tmp_path / "pred" / "y.tif", tmp_path / "true" / "y.tif")
    assert code == 2
    assert "y.tif must have the size" in err


def test_evaluate_of_perfect_labels_is_all_ones(run, tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", SCENE.labels)
    code, *_ = run(
        "evaluate", tmp_path / "p.tif", tmp_path / "p.tif", "--json", tmp_path / "s.json"
    )
    assert code == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert all(score["panoptic_quality"] == 1 for score in scores["pooled"] + scores["mean"])


def test_evaluate_scores_contours_if_asked(run, tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", np.roll(SCENE.labels, 2, axis=0))
    tifffile.imwrite(tmp_path / "t.tif", SCENE.labels)
    code, out, _ = run(
        "evaluate",
        tmp_path / "p.tif",
        tmp_path / "t.tif",
        "--contours",
        "--json",
        tmp_path / "s.json",
    )
    assert code == 0
    assert "contours, pooled" in out
    assert "contours, mean over images" in out
    scores = json.loads((tmp_path / "s.json").read_text())["contours"]
    assert [score["radius"] for score in scores["pooled"]] == [1, 2, 3, 4, 5, 6, 7]
    assert scores["mean"][0]["f1"] == scores["per_image"][0][0]["f1"] < 1
    assert f"{scores['pooled'][0]['f1']:.3f}" in out
    code, out, _ = run(
        "evaluate", tmp_path / "p.tif", tmp_path / "t.tif", "--json", tmp_path / "s.json"
    )
    assert "contours, pooled" not in out
    assert "contours" not in json.loads((tmp_path / "s.json").read_text())


def test_evaluating_a_photograph_is_said_and_done(run, tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", SCENE.image)
    tifffile.imwrite(tmp_path / "t.tif", SCENE.labels)
    code, out, err = run("evaluate", tmp_path / "p.tif", tmp_path / "t.tif")
    assert code == 0
    assert f"1 of 2 files (e.g. {tmp_path / 'p.tif'}): scattered numbers, as in a photograph" in err
    assert "0.000" in out


def test_evaluating_writes_a_page_of_errors(run, tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", SCENE.labels)
    tifffile.imwrite(tmp_path / "t.tif", SCENE.labels)
    tifffile.imwrite(tmp_path / "image.tif", SCENE.image)
    page = tmp_path / "e.html"
    code, out, _ = run("evaluate", tmp_path / "p.tif", tmp_path / "t.tif", "--report", page)
    assert code == 0
    assert str(page) in out
    assert f"<b>{SCENE.labels.max()}</b><span>correct</span>" in page.read_text()
    code, _, err = run(
        "evaluate", tmp_path / "p.tif", tmp_path / "t.tif", "--images", tmp_path / "image.tif"
    )
    assert code == 2
    assert "--images needs --report" in err
    code, _, err = run(
        "evaluate", tmp_path / "p.tif", tmp_path / "t.tif", "--report", page, "--channel", "1"
    )
    assert code == 2
    assert "--channel and --axes need --images" in err


def test_the_page_of_errors_shows_the_channel_that_was_chosen(run, tmp_path):
    tifffile.imwrite(tmp_path / "t.tif", SCENE.labels)
    colours = np.stack([SCENE.image, SCENE.image // 2], axis=-1)
    tifffile.imwrite(tmp_path / "image.tif", colours, photometric="minisblack")
    words = ("evaluate", tmp_path / "t.tif", tmp_path / "t.tif", "--report", tmp_path / "e.html")
    words += ("--images", tmp_path / "image.tif", "--axes", "YXC", "--channel")
    assert run(*words, "1")[0] == 0
    assert "Not shown" not in (tmp_path / "e.html").read_text()
    assert run(*words, "2")[0] == 0
    assert "Not shown: " in (tmp_path / "e.html").read_text()


def test_evaluating_reports_labels_without_an_image_once(run, tmp_path):
    for folder in ("p", "t", "images"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        tifffile.imwrite(tmp_path / "p" / f"{name}.tif", SCENE.labels)
        tifffile.imwrite(tmp_path / "t" / f"{name}.tif", SCENE.labels)
    tifffile.imwrite(tmp_path / "images" / "b.tif", SCENE.image)
    words = ("evaluate", tmp_path / "p", tmp_path / "t", "--report", tmp_path / "e.html")
    code, _, err = run(*words, "--images", tmp_path / "images")
    assert code == 0
    assert err == (
        f"2 of 3 label images without an image of the same name in {tmp_path / 'images'} "
        "(e.g. a): on the page their outlines lie on black\n"
    )
    assert run(*words)[2] == ""  # nobody asked for images
    assert run(*words, "--images", tmp_path / "images", "-q")[2] == ""


def test_a_page_of_errors_never_replaces_an_image(run, tmp_path):
    for name in ("p", "t", "image"):
        tifffile.imwrite(tmp_path / f"{name}.tif", SCENE.labels)
    image = tmp_path / "image.tif"
    (tmp_path / "page.html").symlink_to(image)
    before = image.read_bytes()
    for page, words in ((image, "ending in .html"), (tmp_path / "page.html", "replace the input")):
        code, _, err = run(
            *("evaluate", tmp_path / "p.tif", tmp_path / "t.tif"),
            *("--images", image, "--report", page),
        )
        assert code == 2
        assert words in err
        assert image.read_bytes() == before

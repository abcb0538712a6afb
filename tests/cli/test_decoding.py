"""`segment --probabilities` and `decode`."""

import json

import numpy as np
import pytest
import tifffile

from seamwise.io.images import read_labels


def test_probabilities_decode_to_the_labels_of_segment(run, images, tmp_path):
    out = tmp_path / "out"
    code, _, err = run("segment", images / "b.tif", "-o", out)
    first = (out / "b.tif").read_bytes()
    code, _, err = run("segment", images / "b.tif", "-o", out, "--probabilities")
    assert code == 0, err
    assert (out / "b.tif").read_bytes() == first
    _, _, err = run("segment", images / "b.tif", "-o", out, "--probabilities")
    assert "already exists" in err
    maps = tifffile.imread(out / "probabilities" / "b.tif")
    assert (maps.dtype, maps.shape) == (np.float16, (4 + 3, 96, 110))  # relief and offsets, too
    np.testing.assert_allclose(maps[:4].sum(0, dtype=float), 1, atol=4e-3)
    for folder, options in (("again", []), ("model", ["--model", "nuclei-2d"])):
        again = tmp_path / folder
        code, said, err = run("decode", out / "probabilities", "-o", again, *options)
        assert (code, str(again) in said) == (0, True), err
        assert ("as stored with the probabilities" in err) == (folder == "again")
        np.testing.assert_array_equal(read_labels(out / "b.tif"), read_labels(again / "b.tif"))
    code, _, err = run("measure", images / "b.tif", out, "-o", tmp_path / "t.csv")
    assert code == 0, err  # the probabilities are not taken for labels


def test_options_go_before_the_stored_rule(run, tmp_path):
    maps = np.zeros((3, 6, 8), np.float32)
    maps[1], maps[0] = 0.4, 0.6
    maps[:, 2:4, 2:5] = np.array([0.3, 0.6, 0.1])[:, None, None]
    np.save(tmp_path / "x.npy", maps)
    pair = {"rule": "threshold", "threshold": {"touching": 0.9, "cell": 0.35}, "min_size": 7}
    (tmp_path / "x.json").write_text(json.dumps({"decode": pair}))
    ways = {
        "stored": ([], 48), "argmax": (["--decode", "argmax"], 0),
        "small": (["--decode", "argmax", "--min-size", "6"], 6),
        "threshold": (["--decode", "threshold"], 48),
        "other": (["--decode", "threshold", "--thresholds", "0.9,0.5", "--min-size", "0"], 6),
    }  # fmt: skip
    for name, (options, size) in ways.items():
        code, _, err = run("decode", tmp_path / "x.npy", "-o", tmp_path / name, *options)
        assert code == 0, err
        assert (read_labels(tmp_path / name / "x.tif") > 0).sum() == size, name
        is_named = "cells by threshold, as stored with the probabilities\n" in err
        assert is_named == (name in ("stored", "threshold")), name
    (tmp_path / "x.json").write_text(json.dumps({"decode": {"rule": "no"}}))
    np.save(tmp_path / "y.npy", maps)
    code, _, err = run("decode", tmp_path, "-o", tmp_path / "bad")
    assert (code, "x.json is damaged" in err, "y.npy: 1 cell" in err) == (1, True, True)
    code, _, err = run("decode", tmp_path, "-o", tmp_path / "own", "--model", "nuclei-2d",
                       "--decode", "argmax")  # fmt: skip
    assert (code, "stored" in err) == (0, False), err  # the stored rules are not read
    (tmp_path / "x.json").write_text(json.dumps({"decode": pair}))
    code, _, err = run("decode", tmp_path, "-o", tmp_path / "both")
    assert "cells by threshold, as stored with the probabilities (1 of 2 files)" in err
    code, _, err = run("decode", tmp_path, "-o", tmp_path / "sizes", "--min-size", "5")
    assert (code, "as stored" in err) == (0, False)
    for other in ({"decode": "utf-8"}, {"decode": {"codec": 3}}):  # of another program
        (tmp_path / "x.json").write_text(json.dumps(other))
        assert run("decode", tmp_path / "x.npy", "-o", tmp_path / str(len(str(other))))[0] == 0
    (tmp_path / "x.json").write_text(json.dumps({"spacing": [1, 1]}))  # as nnU-Net has it
    code, _, err = run("decode", tmp_path / "x.npy", "-o", tmp_path / "plain")
    assert (code, "stored" in err) == (0, False)


def test_stitched_slices_keep_no_probabilities(run, images, model, tmp_path):
    options = ("--model", model, "--mode", "2d-stitch", "--probabilities")
    code, _, err = run("segment", images, "-o", tmp_path / "out", *options)
    assert (code, "keeps no probabilities" in err) == (2, True)


def test_thresholds_are_read(run, tmp_path):
    maps = np.zeros((3, 6, 8), np.float32)
    maps[1], maps[0] = 0.4, 0.6
    maps[:, 2:4, 2:5] = np.array([0.3, 0.6, 0.1])[:, None, None]
    np.save(tmp_path / "x.npy", maps)
    how = {
        "argmax": [],
        "threshold": ["--thresholds", "0.9,0.35"],
        "watershed": ["--thresholds", "0.5,0.5"],
    }
    sizes = {}
    for rule, options in how.items():
        code, _, err = run(
            "decode", tmp_path / "x.npy", "-o", tmp_path / rule, "--decode", rule, *options
        )
        assert code == 0, err
        sizes[rule] = int((read_labels(tmp_path / rule / "x.tif") > 0).sum())
    assert (sizes["argmax"], sizes["threshold"]) == (6, 48)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--decode", "threshold"], "--decode threshold needs --thresholds TOUCHING,CELL"),
        (["--decode", "watershed", "--thresholds", "1"], "must be 2 numbers, BACKGROUND,CELL"),
        (["--decode", "watershed", "--thresholds", "1,2"], "must be probabilities from 0 to 1"),
        (["--thresholds", "1,2"], "--thresholds do not fit --decode argmax"),
        (["--model", "focus-seg"], "--model must be a model that segments"),
        (["--gap", "x"], "--gap must be second or background"),
    ],
)
def test_bad_calls_are_one_line(run, tmp_path, arguments, words):
    np.save(tmp_path / "x.npy", np.full((2, 4, 4), 0.5))
    code, _, err = run("decode", tmp_path / "x.npy", "-o", tmp_path / "out", *arguments)
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1

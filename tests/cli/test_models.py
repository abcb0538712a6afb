"""`seamwise tune`, `combine` and `info`."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from seamwise.io import read_labels, shipped_models, write_labels
from seamwise.io.models import SegmentationInfo, load_model, save_model
from support.leaky import leaky, tiles


def test_train_then_tune_then_segment_by_each_rule(run, training, tmp_path):
    run(*training, "--steps", "2")
    model, data = tmp_path / "run" / "model.safetensors", tmp_path / "data"
    untuned = model.read_bytes()
    code, _, err = run(
        "segment",
        data / "images",
        "-o",
        tmp_path / "out",
        "--model",
        model,
        "--decode",
        "threshold",
    )
    assert code == 2
    assert "seamwise tune" in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()

    copy, plot, scores = (tmp_path / name for name in ("tuned.safetensors", "p.png", "s.json"))
    code, out, _ = run("tune", model, data, "-o", copy, "--plot", plot, "--json", scores)
    assert code == 0
    assert re.search(
        r"argmax PQ [01]\.\d{3}, best threshold PQ [01]\.\d{3} at touching 0\.\d\d, cell 0\.\d\d",
        out,
    )
    assert str(copy) in out
    assert model.read_bytes() == untuned
    assert plot.read_bytes().startswith(b"\x89PNG")
    content = json.loads(scores.read_text())
    assert content["images"] == ["0"]  # every 7th of four
    pair = content["rule"]["threshold"]
    assert [pair["touching"], pair["cell"]] == content["best"]["thresholds"]
    assert len(content["trials"]) == pair["tuning"]["decodings"]

    code, *_ = run("tune", copy, data, "--decode", "watershed", "--background-as", "mask", "--all")
    assert code == 0
    rule = json.loads(run("info", copy)[1])["decode"]
    assert rule["threshold"] == pair
    assert rule["watershed"]["background_as"] == "mask"
    assert rule["watershed"]["tuning"]["images"] == 4
    for name in ("argmax", "threshold", "watershed"):
        out = tmp_path / name
        code, *_ = run("segment", data / "images", "-o", out, "--model", copy, "--decode", name)
        assert code == 0
        assert len(list(out.glob("*.tif"))) == 4
        assert json.loads((out / "seamwise.json").read_text())["decode"] == name
    code, _, err = run("segment", data / "images", "-o", tmp_path / "argmax", "--model", copy)
    assert code == 2
    assert "with decode = argmax, not None" in err


def test_stored_probabilities_are_tuned_and_decoded_with_what_it_prints(run, tmp_path):
    maps, masks = tmp_path / "my maps", tmp_path / "masks"
    maps.mkdir()
    masks.mkdir()
    labels = tiles(np.random.default_rng(0))
    probabilities = leaky(labels)
    np.savez(maps / "a.npz", probabilities=probabilities / probabilities.sum(0))
    write_labels(masks / "a.tif", labels)
    code, out, err = run("tune", maps, masks, "--decode", "watershed", "--background-as", "mask",
                         "--json", tmp_path / "s.json", "--plot", tmp_path / "p.png")  # fmt: skip
    assert code == 0
    assert "best watershed PQ 1.000" in out
    assert json.loads((tmp_path / "s.json").read_text())["probabilities"] == str(maps)
    command = re.search(r"use them with: seamwise (decode .*)", out).group(1)
    words = [tmp_path / "labels" if word == "labels" else word for word in shlex.split(command)]
    code, *_ = run(*words)
    assert code == 0
    assert read_labels(tmp_path / "labels" / "a.tif").max() == 9
    pair = {"background": 0.501, "cell": 0.701, "background_as": "mask"}
    (maps / "a.json").write_text(json.dumps({"decode": {"rule": "watershed", "watershed": pair}}))
    code, out, _ = run("tune", maps, masks, "--decode", "watershed", "--background-as", "mask")
    assert (code, "no pair beats watershed, which is stored: keep" in out) == (0, True)
    for option in (["-o", tmp_path / "m.safetensors"], ["--all"], ["--masks", "binary"],
                   ["--device", "cpu"], ["--hold-out-every", "3"]):  # fmt: skip
        code, _, err = run("tune", maps, masks, *option)
        assert code == 2
        assert f"{option[0]} is for models" in err
        assert len(err.strip().splitlines()) == 1


def test_a_folder_with_the_name_of_a_model_is_not_that_model(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("nuclei-2d", "package", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "package" / "rdf.yaml").write_text("type: model")
    for model in ("nuclei-2d", "package"):
        code, _, err = run("tune", model, "data", "-o", "x.safetensors")
        assert code == 2
        assert "is for models" not in err
    assert "-o is for models" in run("tune", "./nuclei-2d", "data", "-o", "x.safetensors")[2]


def test_background_as_needs_a_watershed(run, tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 3, 4), 0.5))
    code, _, err = run("decode", tmp_path, "-o", tmp_path / "out", "--background-as", "mask")
    assert code == 2
    assert "--background-as is for --decode watershed, not argmax" in err


def test_tuning_on_training_images_is_reported(run, training, tmp_path):
    run(*training, "--steps", "2")
    _, _, err = run("tune", tmp_path / "run" / "model.safetensors", tmp_path / "data", "--all")
    assert "3 of 4 images have names of training images (e.g. 1)" in err


def test_combine_then_info_then_segment(run, training, tmp_path):
    settings = tmp_path / "quick.toml"
    settings.write_text("snapshot_every = 2\n" + settings.read_text())
    run(*training, "--steps", "4")
    snapshots = sorted((tmp_path / "run").glob("snapshot-*"))
    comb = tmp_path / "comb.safetensors"
    code, out, _ = run("combine", *snapshots, "-o", comb)
    assert code == 0
    assert "the mean of 2 models" in out
    description = json.loads(run("info", comb)[1])
    assert description["architecture"]["members"] == 2
    assert description["training"]["members"][1]["file"] == "run/snapshot-4.safetensors"
    code, *_ = run("segment", tmp_path / "data" / "images", "-o", tmp_path / "out", "--model", comb)
    assert code == 0


def test_what_a_member_is_too_long_to_list_is_counted(run, model, tmp_path):
    weights, info = load_model(Path(model), SegmentationInfo)
    names = [f"image {n}" for n in range(9)]
    for name in ("a", "b"):
        save_model(
            tmp_path / name, weights, info.model_copy(update={"training": {"images": names}})
        )
    run("combine", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "c.safetensors")
    (first, _) = json.loads(run("info", tmp_path / "c.safetensors")[1])["training"]["members"]
    assert first["images"] == [*names[:3], "and 6 more"]


@pytest.mark.parametrize(("arguments", "word"), [
    (["tune", "nuclei-2d", "{data}"], "ships with seamwise and stays as it is"),
    (["tune", "{model}", "{data}/none"], "none does not exist"),
    (["tune", "{model}", "{data}", "--decode", "argmax"],
     "--decode must be threshold or watershed, not 'argmax'"),
    (["tune", "{model}", "{data}", "--background-as", "both"], "must be marker or mask"),
    (["tune", "{model}", "{data}", "--masks", "grey"], "--masks must be instances or binary"),
    (["tune", "{model}", "{data}", "--plot", "{data}/none/p.png"], "cannot write"),
    (["tune", "{model}", "{data}", "-o", "{data}/none/m.safetensors"], "cannot write"),
    (["tune", "{model}", "{data}", "--plot", "{data}/images/0.tif"],
     "--plot would replace the input"),
    (["tune", "{model}", "{data}", "--json", "{data}/masks/1.tif"],
     "--json would replace the input"),
    (["tune", "{model}", "{data}", "-o", "{data}/../m.safetensors", "--json", "{model}"],
     "--json would replace the input"),
    (["tune", "nothing", "{data}"], "no model named 'nothing'"),
    (["combine", "{model}", "-o", "{data}/c.safetensors"], "models must be two or more, not 1"),
    (["combine", "{model}", "nuclei-2d", "-o", "{data}/c.safetensors"], "its width is 16, not 2"),
    (["combine", "{model}", "{model}", "-o", "{data}/none/c.safetensors"], "cannot write"),
    (["combine", "{model}", "nuclei-2d", "-o", "{model}"], "is one of the models to combine"),
])  # fmt: skip
def test_bad_tuning_and_combining_is_one_line_and_writes_nothing(
    run, training, tmp_path, model, arguments, word
):
    before = Path(model).read_bytes()
    code, _, err = run(
        *(argument.format(model=model, data=tmp_path / "data") for argument in arguments)
    )
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert Path(model).read_bytes() == before
    assert not list((tmp_path / "data").glob("*.safetensors"))


def test_info_says_what_each_built_in_model_is_for_in_a_line_of_its_own(run):
    code, out, _ = run("info")
    assert code == 0
    assert "model nuclei-2d: separates fluorescent nuclei in 2D images" in out
    purposes = re.findall(r"^model .*: (.*)$", out, re.MULTILINE)
    assert len(purposes) == len(set(purposes)) == len(shipped_models())
    assert max(map(len, out.splitlines()[1:-1])) <= 80


def test_info_tells_licence_and_experiment(run):
    lines = " ".join(run("info")[1].split())
    for name in ("focus-seg", "focus-reg"):
        of_model = lines.partition(f"model {name}:")[2].partition(" model ")[0]
        assert "licence: BSD-3-Clause for the weights; trained on BSDS500, whose" in of_model
        description = json.loads(run("info", name)[1])
        assert "non-commercial research" in description["licence"]
        assert ("status" in description) is (name == "focus-reg")
    assert lines.count("status: an experiment of the thesis") == 1
    assert "see below" not in lines  # a licence is told in full: info does not show the card


def test_info_notes_that_a_model_has_another_name_now(run):
    code, out, error = run("info", "tissue-3d")
    assert code == 0
    assert json.loads(out)["architecture"]["ndim"] == 3
    assert error.startswith("tissue-3d is now named walls-3d")
    assert len(error.splitlines()) == 1


def test_info_lists_what_ships(run):
    code, out, _ = run("info")
    assert code == 0
    assert "nuclei-2d" in out


def test_a_model_is_exported_by_its_name(run, model, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    code, out, err = run("export", model, "--to", "onnx", "-o", tmp_path / "m.onnx")
    assert code == 0, err
    assert "equal to torch" in out
    assert (tmp_path / "m.onnx").stat().st_size > 1000
    code, _, err = run("export", model, "-o", tmp_path / "m.onnx")
    assert (code, "already exists: --overwrite replaces it" in err) == (2, True)
    assert run("export", model, "-o", tmp_path / "m.onnx", "--overwrite")[0] == 0
    code, _, err = run("export", model, "-o", tmp_path / "m.pt")
    assert code == 2
    assert "ending in .onnx" in err

import json
import re
import signal
import subprocess
import sys
import time

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch

from seamwise.cli import main
from seamwise.io.models import Architecture, ModelInfo, save_model
from seamwise.nets import UNet
from seamwise.segmentation import batch
from seamwise.synth import crowded_cells

SCENE = crowded_cells((96, 110), cells=12, radius=8, rng=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    info = ModelInfo(
        architecture=Architecture(in_channels=1, out_channels=4, width=2, depth=2),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
    )
    save_model(path, UNet(1, 4, width=2, depth=2).state_dict(), info)
    return str(path)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; returns exit code, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["seamwise", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return stopped.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.tif", "c.tif"):
        write = iio.imwrite if name.endswith("png") else tifffile.imwrite
        write(folder / name, (SCENE.image // 256).astype(np.uint8))
    return folder


def test_segment_writes_labels_and_overlays(run, images, tmp_path, model):
    code, out, _ = run("segment", images, "-o", tmp_path / "out", "--model", model, "--overlay")
    assert code == 0
    assert str(tmp_path / "out") in out
    for name in "abc":
        labels = tifffile.imread(tmp_path / "out" / f"{name}.tif")
        assert labels.shape == SCENE.image.shape
        assert labels.dtype.kind == "u"
        assert iio.imread(tmp_path / "out" / f"{name}_overlay.png").shape == (96, 110, 3)


def test_segment_takes_files_and_globs(run, images, tmp_path, model):
    code, *_ = run("segment", images / "a.png", images / "*.tif", "-o", tmp_path / "out", "--model", model)
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tif")) == ["a.tif", "b.tif", "c.tif"]


def test_a_bad_file_is_named_and_the_others_go_on(run, images, tmp_path, model):
    (images / "b.tif").write_bytes((images / "b.tif").read_bytes()[:300])
    iio.imwrite(images / "d.png", np.full((20, 20), 7, np.uint8))
    code, out, err = run("segment", images, "-o", tmp_path / "out", "--model", model)
    assert code == 1
    assert "2 of 4 files failed" in out
    assert re.search(r"b\.tif", err)
    assert re.search(r"d\.png: image is constant", err)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tif")) == ["a.tif", "c.tif"]


def test_run_again_it_goes_on_where_it_stopped(run, images, tmp_path, model):
    out = tmp_path / "out"
    run("segment", images / "a.png", "-o", out, "--model", model)
    before = (out / "a.tif").stat().st_mtime_ns
    code, _, err = run("segment", images, "-o", out, "--model", model)
    assert code == 0
    assert "is there already" in err
    assert (out / "a.tif").stat().st_mtime_ns == before
    assert (out / "c.tif").exists()
    run("segment", images / "a.png", "-o", out, "--model", model, "--overwrite")
    assert (out / "a.tif").stat().st_mtime_ns > before


def test_results_of_different_options_are_not_mixed(run, images, tmp_path, model):
    run("segment", images / "a.png", "-o", tmp_path / "out", "--model", model)
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--model", model, "--min-size", "9")
    assert code == 2
    assert "min_size = None, not 9" in err
    assert not (tmp_path / "out" / "c.tif").exists()


def test_labels_never_replace_an_input_or_each_other(run, images, tmp_path, model):
    code, _, err = run("segment", images / "*.tif", "-o", images, "--model", model)
    assert code == 2
    assert "would replace" in err
    tifffile.imwrite(images / "a.tif", SCENE.image)
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--model", model)
    assert code == 2
    assert "would both write" in err


def test_channels_are_chosen_by_number(run, tmp_path, model):
    colour = np.stack([SCENE.image // 256, SCENE.image // 512, 255 - SCENE.image // 256], -1).astype(np.uint8)
    iio.imwrite(tmp_path / "rgb.png", colour)
    code, _, err = run("segment", tmp_path / "rgb.png", "-o", tmp_path / "out", "--model", model)
    assert code == 1
    assert "--channel" in err
    code, *_ = run(
        "segment",
        tmp_path / "rgb.png",
        "-o",
        tmp_path / "out",
        "--model",
        model,
        "--channel",
        "0",
        "--overwrite",
    )
    assert code == 0


@pytest.mark.parametrize(("arguments", "word"), [
    (["segment", "nowhere.tif"], "nowhere.tif"),
    (["segment", "{images}", "--model", "nuclei-9d"], "nuclei-9d"),
    (["segment", "{images}", "--model", "{images}/a.png"], "a.png"),
    (["segment", "{images}", "--channel", "red"], "--channel must be a number"),
    (["segment", "{images}", "--device", "warp"], "device 'warp'"),
    (["train", "{images}/none"], "none does not exist"),
    (["train", "{images}", "--settings", "{images}/missing.toml"], "missing.toml"),
    (["train", "{images}", "--loss", "hinge"], "setting loss"),
    (["train", "{images}", "--learning-rate", "-1"], "setting learning_rate"),
])  # fmt: skip
def test_bad_calls_are_one_line_and_exit_code_2(run, images, tmp_path, model, arguments, word):
    arguments = [argument.format(images=images) for argument in arguments]
    if "--model" not in arguments and arguments[0] == "segment":
        arguments += ["--model", model]
    code, _, err = run(*arguments, "-o", tmp_path / "out")
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert not list((tmp_path / "out").glob("*.tif"))


def test_an_output_that_cannot_be_written_is_said(run, images, tmp_path, model):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("segment", images, "-o", tmp_path / "file", "--model", model)
    assert code == 2
    assert "file" in err


def test_interrupted_segmenting_says_so_and_keeps_what_is_done(run, images, tmp_path, model, monkeypatch):
    real, calls = batch.segment, []

    def interrupted(image, **options):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(image, **options)

    monkeypatch.setattr(batch, "segment", interrupted)
    code, _, err = run("segment", images, "-o", tmp_path / "out", "--model", model)
    assert code == 130
    assert "interrupted" in err
    assert [path.name for path in (tmp_path / "out").glob("*.tif")] == ["a.tif"]


@pytest.fixture
def training(tmp_path):
    for seed in range(4):
        scene = crowded_cells((64, 64), cells=5, radius=7, rng=seed)
        for kind, array in (("images", scene.image), ("masks", scene.labels)):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "data" / kind / f"{seed}.tif", array)
    settings = tmp_path / "quick.toml"
    settings.write_text(
        "width = 2\ndepth = 2\ncrop = 32\nbatch_size = 2\nvalidate_every = 2\n[augmentation]\nwarp = 1\n"
    )
    return ["train", tmp_path / "data", "--settings", settings, "-o", tmp_path / "run"]


def test_train_then_segment_then_evaluate_then_info(run, training, tmp_path):
    code, out, _ = run(*training, "--steps", "4")
    assert code == 0
    model = tmp_path / "run" / "model.safetensors"
    assert str(model) in out
    code, *_ = run("segment", tmp_path / "data" / "images", "-o", tmp_path / "labels", "--model", model)
    assert code == 0
    code, out, _ = run("evaluate", tmp_path / "labels", tmp_path / "data" / "masks", "--json", tmp_path / "s.json")
    assert code == 0
    assert "0.50" in out
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["images"] == ["0", "1", "2", "3"]
    assert len(scores["per_image"]) == 4
    assert scores["pooled"][0]["n_true"] == 20
    code, out, _ = run("info", model)
    assert code == 0
    assert json.loads(out)["training"]["settings"]["steps"] == 4


def test_settings_of_the_command_line_win_over_the_file(run, training, tmp_path):
    run(*training, "--steps", "2", "--loss", "j3", "--width", "3")
    _, out, _ = run("info", tmp_path / "run" / "model.safetensors")
    description = json.loads(out)
    assert description["architecture"]["width"] == 3
    assert description["architecture"]["out_channels"] == 3
    assert description["training"]["settings"]["augmentation"]["warp"] == 1


def test_a_misspelt_setting_is_named(run, training, tmp_path):
    (tmp_path / "quick.toml").write_text("stepps = 3\n")
    code, _, err = run(*training)
    assert code == 2
    assert "there is no setting stepps" in err


def test_interrupted_training_leaves_a_checkpoint_and_resumes(run, training, tmp_path):
    command = [
        sys.executable,
        "-m",
        "seamwise.cli",
        *map(str, training),
        "--steps",
        "3000",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "log.csv"
    deadline = time.monotonic() + 60
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    done = len(log.read_text().splitlines()) - 1
    assert 2 <= done < 3000
    steps = len(torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["history"])
    assert steps == done


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
    code, _, err = run("evaluate", tmp_path / "pred", tmp_path / "true")
    assert code == 2
    assert "y.tif has size" in err


def test_evaluate_of_perfect_labels_is_all_ones(run, tmp_path):
    tifffile.imwrite(tmp_path / "p.tif", SCENE.labels)
    code, *_ = run("evaluate", tmp_path / "p.tif", tmp_path / "p.tif", "--json", tmp_path / "s.json")
    assert code == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert all(score["panoptic_quality"] == 1 for score in scores["pooled"] + scores["mean"])


def test_help_lists_the_commands(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in ("segment", "train", "evaluate", "demo", "info"))


def test_the_demo_writes_its_pictures(run, tmp_path):
    code, out, _ = run("demo", "-o", tmp_path / "demo")
    assert code == 0
    assert "panoptic quality" in out
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "image.png",
        "labels.tif",
        "overlay.png",
        "demo.png",
    }
    assert tifffile.imread(tmp_path / "demo" / "labels.tif").max() > 40


def test_info_lists_what_ships(run):
    code, out, _ = run("info")
    assert code == 0
    assert "nuclei-2d" in out

"""`seamwise train`."""

import json
import signal
import subprocess
import sys
import time
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch

from seamwise import segmentation
from seamwise.labels import inner_contour
from seamwise.segmentation import TrainProgress


def test_train_then_segment_then_evaluate_then_info(run, training, tmp_path):
    code, out, _ = run(*training, "--steps", "4")
    assert code == 0
    model = tmp_path / "run" / "model.safetensors"
    assert str(model) in out
    code, *_ = run(
        "segment", tmp_path / "data" / "images", "-o", tmp_path / "labels", "--model", model
    )
    assert code == 0
    code, out, _ = run(
        "evaluate", tmp_path / "labels", tmp_path / "data" / "masks", "--json", tmp_path / "s.json"
    )
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


def test_the_progress_goes_to_tensorboard_too(run, training, tmp_path):
    code, *_ = run(*training, "--steps", "2", "--logger", "tensorboard")
    assert code == 0
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"panoptic_quality" in events.read_bytes()
    code, _, err = run(*training, "--steps", "2", "--resume", "--logger", "clearml")
    assert code == 2
    assert err == "seamwise: --logger must be tensorboard or wandb, not 'clearml'\n"


def test_a_run_among_its_own_images_is_refused(run, training, tmp_path):
    words = list(training)
    words[words.index("-o") + 1] = tmp_path / "data" / "images"
    code, _, err = run(*words, "--steps", "2")
    assert code == 2
    assert "is the folder of the data" in err
    assert not (tmp_path / "data" / "images" / "curve.png").exists()


def test_a_run_in_any_folder_of_the_data_that_holds_images_is_refused(run, training, tmp_path):
    words = list(training)
    place = words.index("-o") + 1
    other = tmp_path / "data" / "notes" / "drawings"
    other.mkdir(parents=True)
    tifffile.imwrite(other / "sketch.tif", np.zeros((8, 8), np.uint8))
    words[place] = other
    code, _, err = run(*words, "--steps", "2")
    assert code == 2
    assert f"-o {other} is the folder of the data, or one of it with images" in err
    assert [path.name for path in other.iterdir()] == ["sketch.tif"]
    words[place] = other.parent  # holds no image itself
    assert run(*words, "--steps", "1")[0] == 0


def test_a_refused_training_leaves_no_empty_folder(run, training, tmp_path):
    words = list(training)
    place = words.index("-o") + 1
    for path in (tmp_path / "data" / "masks").iterdir():
        tifffile.imwrite(path, np.zeros((5, 5), np.uint8))  # not the size of the image
    words[place] = tmp_path / "runs" / "deep" / "first"
    code, _, err = run(*words, "--steps", "2")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    code, *_ = run("compare", tmp_path / "data", "-o", tmp_path / "runs" / "all", "--steps", "2")
    assert code == 2
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs" / "deep").mkdir(parents=True)
    assert run(*words, "--steps", "2")[0] == 2
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["deep"]  # was there before
    assert not (tmp_path / "runs" / "deep" / "first").exists()


def test_cells_in_pieces_are_reported_in_one_line(run, training, tmp_path):
    for path in sorted((tmp_path / "data" / "masks").iterdir()):
        labels = tifffile.imread(path)
        labels[0, 0] = labels[-1, -1] = labels.max()
        tifffile.imwrite(path, labels)
    _, _, err = run(*training, "--steps", "1")
    (line,) = (line for line in err.splitlines() if "several pieces" in line)
    assert line.startswith("4 of 20 cells are in several pieces (in 4 of 4 images, ")


def test_scores_of_few_cells_are_named(run, training):
    _, out, err = run(*training, "--steps", "1")
    assert "the scores are of 1 image with 5 cells: too few to trust" in out + err


def test_a_model_that_finds_nothing_is_not_recommended(run, training, monkeypatch):
    nothing = SimpleNamespace(panoptic_quality=0.0, accuracy=0.0)
    scores = SimpleNamespace(pooled=[nothing], mean=[nothing])
    module = import_module("seamwise.segmentation.train")
    monkeypatch.setattr(module, "match_dataset", lambda pairs, ious: scores)
    _, out, err = run(*training, "--steps", "1")
    assert "it finds no cell right yet (PQ 0); train it longer\n" in out + err
    assert "use it with" not in out + err


def test_a_misspelt_setting_is_named(run, training, tmp_path):
    (tmp_path / "quick.toml").write_text("stepps = 3\n")
    code, _, err = run(*training)
    assert code == 2
    assert "unknown setting 'stepps' in" in err
    assert "did you mean 'steps'?" in err


def test_interrupted_training_leaves_a_checkpoint_and_resumes(run, training, tmp_path):
    command = [
        sys.executable,
        "-m",
        "seamwise",
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


def test_training_from_black_and_white_masks(run, training, tmp_path):
    for path in (tmp_path / "data" / "masks").iterdir():
        labels = tifffile.imread(path)
        tifffile.imwrite(path, 255 * ((labels > 0) & ~inner_contour(labels)).astype(np.uint8))
    code, *_ = run(*training, "--steps", "2", "--loss", "saw", "--masks", "binary")
    assert code == 0
    _, out, _ = run("info", tmp_path / "run" / "model.safetensors")
    assert json.loads(out)["training"]["settings"]["annotation"] == "binary"


@pytest.mark.parametrize(
    ("seconds", "note"), [(500.0, "about 8 minutes left; Ctrl-C writes a checkpoint"), (50.0, "")]
)
def test_the_time_left_is_told_once_it_is_known(run, training, monkeypatch, seconds, note):
    def short(*images, report, output, **options):
        report(TrainProgress(1, 1.0, 1e-4, 99.0))
        report(TrainProgress(20, 1.0, 1e-4, 120.0, seconds_left=seconds))
        report(TrainProgress(21, 1.0, 1e-4, 121.0, seconds_left=seconds))
        return output / "model.safetensors"

    monkeypatch.setattr(segmentation, "train", short)
    _, _, err = run(*training, "--steps", "120")
    assert note in err
    assert err.count("minutes left") == bool(note)


def test_settings_that_do_not_fit_each_other_are_reported(run, training, tmp_path):
    with open(tmp_path / "quick.toml", "a") as file:
        file.write("[weights]\nbeta = 5\n")
    code, _, err = run(*training, "--loss", "saw")
    assert code == 2
    assert "weight map saw has no option 'beta': it has balance, tau, sigma, rounds" in err


def test_fine_tuning_needs_no_settings(run, training, tmp_path):
    data, output = training[1], tmp_path / "fine"
    code, _, err = run(
        "train", data, "-o", output, "--start", "nuclei-2d", "--steps", "1", "--batch-size", "1",
        "--crop", "32", "--unlabelled", "near", "--corrected", data / "masks",
        "--corrected-weight", "2",
    )  # fmt: skip
    assert code == 0, err
    _, out, _ = run("info", output / "model.safetensors")
    description = json.loads(out)
    settings = description["training"]["settings"]
    assert settings["start"] == "nuclei-2d"
    assert settings["schedule"] == "cosine"
    assert settings["unlabelled"] == "near"
    assert settings["corrected_weight"] == 2
    assert description["training"]["corrected"] == ["1", "2", "3"]
    assert description["decode"]["rule"] == "relief"


def test_a_start_that_does_not_fit_is_refused_before_anything_is_written(run, training, tmp_path):
    options = ("--start", "nuclei-3d")
    code, _, err = run("train", training[1], "-o", tmp_path / "fine", *options)
    assert code == 2
    assert err.count("\n") == 1
    assert "start model nuclei-3d is for 3 spatial axes" in err
    assert not (tmp_path / "fine").exists()


def test_options_without_a_use_are_refused(run, training, tmp_path):
    for options, words in {
        ("--corrected-weight", "2"): "--corrected-weight needs --corrected",
        ("--unlabelled-radius", "2"): "is for unlabelled = near, not background: remove it",
    }.items():
        code, _, err = run(*training, *options)
        assert code == 2
        assert err.count("\n") == 1
        assert words in err
    assert not (tmp_path / "run").exists()


def test_a_taken_folder_is_refused_before_the_images_are_read(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").touch()
    code, _, err = run("train", tmp_path / "no-data", "-o", tmp_path / "run")
    assert (code, "already holds a run (model.safetensors): use --resume" in err) == (2, True)

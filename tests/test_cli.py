import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch

from seamwise import segmentation
from seamwise.io.models import Architecture, SegmentationInfo, load_model, save_model
from seamwise.labels import inner_contour
from seamwise.nets import UNet
from seamwise.segmentation import TrainProgress, batch
from seamwise.synth import crowded_cells
from seamwise.weights import w3

SCENE = crowded_cells((96, 110), cells=12, radius=8, rng=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    info = SegmentationInfo(
        architecture=Architecture(in_channels=1, out_channels=4, width=2, depth=2),
        classes=("background", "cell", "touching", "gap"),
        channels=("grey",),
    )
    save_model(path, UNet(1, 4, width=2, depth=2).state_dict(), info)
    return str(path)


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
    code, *_ = run(
        "segment", images / "a.png", images / "*.tif", "-o", tmp_path / "out", "--model", model
    )
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tif")) == [
        "a.tif",
        "b.tif",
        "c.tif",
    ]


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
    assert "already exists" in err
    assert (out / "a.tif").stat().st_mtime_ns == before
    assert (out / "c.tif").exists()
    run("segment", images / "a.png", "-o", out, "--model", model, "--overwrite")
    assert (out / "a.tif").stat().st_mtime_ns > before


def test_results_of_different_options_are_not_mixed(run, images, tmp_path, model):
    run("segment", images / "a.png", "-o", tmp_path / "out", "--model", model)
    code, _, err = run(
        "segment", images, "-o", tmp_path / "out", "--model", model, "--min-size", "9"
    )
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
    colour = np.stack(
        [SCENE.image // 256, SCENE.image // 512, 255 - SCENE.image // 256], -1
    ).astype(np.uint8)
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
    (["train", "{images}", "--settings", "{images}/missing.toml"], "missing.toml does not exist: check"),
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


def test_interrupted_segmenting_says_so_and_keeps_what_is_done(
    run, images, tmp_path, model, monkeypatch
):
    real, calls = batch.segment_image, []

    def interrupted(image, options, **others):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(image, options, **others)

    monkeypatch.setattr(batch, "segment_image", interrupted)
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


def test_tuning_on_images_the_model_was_trained_on_is_said(run, training, tmp_path):
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
    (["tune", "{model}", "{data}", "--decode", "argmax"], "--decode must be threshold or watershed, not 'argmax'"),
    (["tune", "{model}", "{data}", "--background-as", "both"], "--background-as must be marker or mask"),
    (["tune", "{model}", "{data}", "--masks", "grey"], "--masks must be instances or binary"),
    (["tune", "{model}", "{data}", "--plot", "{data}/none/p.png"], "cannot write"),
    (["tune", "{model}", "{data}", "-o", "{data}/none/m.safetensors"], "cannot write"),
    (["tune", "nothing", "{data}"], "no model named 'nothing'"),
    (["combine", "{model}", "-o", "{data}/c.safetensors"], "two models or more, got 1"),
    (["combine", "{model}", "nuclei-2d", "-o", "{data}/c.safetensors"], "its width is 16, not 2"),
    (["combine", "{model}", "{model}", "-o", "{data}/none/c.safetensors"], "cannot write"),
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


def test_settings_of_the_command_line_win_over_the_file(run, training, tmp_path):
    run(*training, "--steps", "2", "--loss", "j3", "--width", "3")
    _, out, _ = run("info", tmp_path / "run" / "model.safetensors")
    description = json.loads(out)
    assert description["architecture"]["width"] == 3
    assert description["architecture"]["out_channels"] == 3
    assert description["training"]["settings"]["augmentation"]["warp"] == 1


def test_cells_in_pieces_are_said_in_one_line(run, training, tmp_path):
    for path in sorted((tmp_path / "data" / "masks").iterdir()):
        labels = tifffile.imread(path)
        labels[0, 0] = labels[-1, -1] = labels.max()
        tifffile.imwrite(path, labels)
    _, _, err = run(*training, "--steps", "1")
    (line,) = (line for line in err.splitlines() if "several pieces" in line)
    assert line.startswith("4 of 20 cells are in several pieces (in 4 of 4 images, ")


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


def test_weights_writes_maps_and_previews(run, training, tmp_path):
    masks, out = tmp_path / "data" / "masks", tmp_path / "maps"
    code, said, _ = run(
        "weights", masks, "--map", "w3", "--set", "beta=12", "--set", "nu=5", "-o", out, "--preview"
    )
    assert code == 0
    assert str(out) in said
    assert sorted(path.name for path in out.iterdir()) == sorted(
        name for k in range(4) for name in (f"{k}.tif", f"{k}_preview.png")
    )
    labels = tifffile.imread(masks / "2.tif")
    np.testing.assert_array_equal(tifffile.imread(out / "2.tif"), w3(labels, beta=12, nu=5))
    _, _, err = run(
        "weights", masks, "--map", "w3", "--set", "beta=12", "--set", "nu=5", "-o", out, "--preview"
    )
    assert err.count("there already") == 4
    (masks / "1.tif").write_text("no image")
    code, said, _ = run("weights", masks, "--map", "balance", "-o", out)
    assert code == 1
    assert "1 of 4 files failed" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--map", "w4"], "map must be one of balance, dwm, saw, unet, w3, not 'w4'"),
        (["--map", "dwm", "--set", "nu=3"], "weight map dwm has no option 'nu'"),
        (["--map", "dwm", "--set", "beta"], "--set must be name=value"),
        (["--map", "dwm", "--set", "beta=wide"], "beta must be a positive number, not 'wide'"),
        (["--map", "dwm", "--spacing", "1;2"], "--spacing must be numbers as 2,1,1"),
        (["--map", "dwm", "--masks", "lines"], "annotation must be 'instances' or 'binary'"),
    ],
)
def test_bad_weights_calls_are_one_line(run, training, tmp_path, arguments, word):
    code, _, err = run("weights", tmp_path / "data" / "masks", "-o", tmp_path / "maps", *arguments)
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1


def test_training_from_black_and_white_masks(run, training, tmp_path):
    for path in (tmp_path / "data" / "masks").iterdir():
        labels = tifffile.imread(path)
        tifffile.imwrite(path, 255 * ((labels > 0) & ~inner_contour(labels)).astype(np.uint8))
    code, *_ = run(*training, "--steps", "2", "--loss", "saw", "--masks", "binary")
    assert code == 0
    _, out, _ = run("info", tmp_path / "run" / "model.safetensors")
    assert json.loads(out)["training"]["settings"]["annotation"] == "binary"


@pytest.mark.parametrize(("seconds", "said"), [(500.0, "about 8 minutes to go"), (50.0, "")])
def test_a_long_run_says_how_long_it_takes(run, training, monkeypatch, seconds, said):
    def short(*images, report, output, **options):
        report(TrainProgress(1, 1.0, 1e-4, 99.0))
        report(TrainProgress(20, 1.0, 1e-4, 120.0, seconds_left=seconds))
        report(TrainProgress(21, 1.0, 1e-4, 121.0, seconds_left=seconds))
        return output / "model.safetensors"

    monkeypatch.setattr(segmentation, "train", short)
    _, _, err = run(*training, "--steps", "120")
    assert err.count("minutes to go") == bool(said)
    assert said in err


def test_a_reader_that_has_enough_ends_the_command_quietly(training, tmp_path):
    masks = tmp_path / "data" / "masks"
    command = f"{sys.executable} -m seamwise evaluate {masks} {masks} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "pooled" in done.stdout
    assert "pipe" not in done.stderr.lower()


def test_settings_that_do_not_fit_each_other_are_said(run, training, tmp_path):
    with open(tmp_path / "quick.toml", "a") as file:
        file.write("[weights]\nbeta = 5\n")
    code, _, err = run(*training, "--loss", "saw")
    assert code == 2
    assert "weight map saw has no option 'beta': it has balance, tau, sigma, rounds" in err


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


def test_help_lists_the_commands(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(
        command in out
        for command in ("segment", "train", "tune", "combine", "evaluate", "demo", "info")
    )


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

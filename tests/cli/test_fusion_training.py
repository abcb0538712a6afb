"""`seamwise train-fusion`."""

import json

import pytest
from skimage.data import astronaut

from seamwise.io.images import write_labels
from seamwise.io.photo import write_photo
from seamwise.synth import random_shapes


@pytest.fixture
def pictures(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(4):
        write_photo(
            tmp_path / f"data/images/p{number}.png",
            astronaut()[60 * number : 60 * number + 64, 80:160],
        )
        write_labels(tmp_path / f"data/labels/p{number}.png", random_shapes((64, 80), rng=number))
    return tmp_path / "data"


def test_train_fusion_then_fuse_then_info(run, burst, pictures, tmp_path):
    settings = tmp_path / "quick.toml"
    settings.write_text("depth = 1\nvalidate_every = 2\n[simulation]\nmatte = 0.5\n")
    code, out, err = run(
        "train-fusion", pictures, "-o", tmp_path / "run", "--settings", settings, "--steps", 4,
        "--batch-size", 1, "--crop", 32, "--width", 2, "--network", "picture", "--loss", "l1",
        "--leave-out-every", 4, "--hold-out-every", 2,
    )  # fmt: skip
    assert code == 0
    assert "PSNR" in err
    model = tmp_path / "run" / "model.safetensors"
    assert f"wrote {model}" in out
    code, out, _ = run("info", model)
    training = json.loads(out)["training"]
    assert (training["images"], training["validation_images"]) == (["p2"], ["p1", "p3"])
    assert training["settings"]["loss"] == "l1"
    code, *_ = run("fuse", burst, "-o", tmp_path / "sharp.png", "--method", model, "--no-align")
    assert code == 0
    code, _, err = run("segment", burst, "-o", tmp_path / "labels", "--model", model)
    assert code == 2
    assert "is for fusion: use it with `seamwise fuse`" in err


@pytest.mark.parametrize(("arguments", "word"), [
    (("--network", "both"), "--network must be selection, bands or picture, not 'both'"),
    (("--loss", "l3"), "--loss must be nps, l1, l2, huber, gradient, ssim or perceptual, not 'l3'"),
    (("--loss", "l1"), "options of network 'picture'"),
    (("--settings", "bad.toml"),
     "unknown setting 'sigma' in bad.toml: did you mean 'simulation.sigma'?"),
    (("--settings", "no.toml"), "settings file no.toml does not exist: check its name and folder"),
    (("--hold-out-every", "9"), "give at least one of each"),
])  # fmt: skip
def test_bad_training_calls_are_one_line(run, pictures, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("sigma = 3\n")
    if "--hold-out-every" in arguments:
        for number in (1, 2, 3):
            (pictures / f"images/p{number}.png").unlink()
    code, _, err = run("train-fusion", pictures, "-o", "run", *arguments)
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()

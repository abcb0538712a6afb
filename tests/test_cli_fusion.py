"""The commands of fusion; how a command is run is as in `test_cli`."""

import json

import numpy as np
import pytest
from skimage.data import astronaut

from seamwise.io.images import write_labels
from seamwise.io.photo import read_photo, write_photo
from seamwise.synth import focus_pair, random_shapes


@pytest.fixture
def burst(tmp_path):
    image = astronaut()[:200, 100:340]
    left = np.zeros(image.shape[:2], bool)
    left[:, :120] = True
    pair = focus_pair(image, left, sigma=2.0)
    folder = tmp_path / "burst"
    folder.mkdir()
    for name, picture in (("a.png", pair.a), ("b.png", pair.b)):
        write_photo(folder / name, np.round(picture * 255).astype(np.uint8))
    return folder


def test_fuse_writes_a_sharp_picture_with_the_model_that_ships(run, burst, tmp_path):
    code, out, err = run(
        "fuse", burst / "a.png", burst / "b.png", "-o", tmp_path / "sharp.png", "--no-align"
    )
    assert code == 0
    assert f"the result is in {tmp_path / 'sharp.png'}\n" in out
    assert "2 frames, 240 × 200 pixels" in err
    sharp = read_photo(tmp_path / "sharp.png").pixels.astype(float)
    truth = astronaut()[:200, 100:340].astype(float)
    sources = [read_photo(path).pixels for path in sorted(burst.iterdir())]
    assert (
        np.abs(sharp - truth).mean() < min(np.abs(source - truth).mean() for source in sources) / 4
    )


def test_fuse_with_everything_asked_for(run, burst, tmp_path):
    code, out, _ = run(
        "fuse", burst, "-o", tmp_path / "sharp.tif", "--method", "gff", "--motion", "homography", "--no-exposure",
        "--full-size", "--alignment", tmp_path / "a.json", "--depth-map", "--focus-maps",
    )  # fmt: skip
    assert code == 0
    assert f"the result is in {tmp_path / 'sharp.tif'}, with its maps beside it\n" in out
    written = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert written == [
        "a.json",
        "sharp.tif",
        "sharp_depth.png",
        "sharp_focus_0.png",
        "sharp_focus_1.png",
    ]
    assert read_photo(tmp_path / "sharp.tif").pixels.shape == (200, 240, 3)


def test_a_folder_of_bursts_goes_on_after_a_bad_one(run, burst, tmp_path):
    bad = tmp_path / "more" / "bad"
    bad.mkdir(parents=True)
    write_photo(bad / "one.png", np.zeros((8, 9), np.uint8))
    burst.rename(tmp_path / "more" / "good")
    code, out, err = run(
        "fuse", tmp_path / "more", "-o", tmp_path / "out", "--method", "laplacian", "--no-align"
    )
    assert code == 1
    assert "two frames or more, not 1" in err
    assert "1 of 2 bursts failed" in out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


@pytest.mark.parametrize(("arguments", "word"), [
    (("burst/a.png", "-o", "x.png"), "two frames or more, not 1"),
    (("burst/a.png", "burst/b.png", "-o", "burst/a.png"), "is a frame and would be replaced"),
    (("burst", "-o", "other.png"), "already exists: --overwrite replaces it"),
    (("burst", "-o", "no/x.png", "--method", "best"), "no model named 'best': give one of focus-reg, focus-seg"),
    (("burst", "-o", "x.png", "--method", "nuclei-2d"), "is for segmentation"),
    (("burst", "-o", "x.png", "--mode", "both"), "--mode must be sequence or together, not 'both'"),
    (("burst", "-o", "x.png", "--motion", "wild"), "--motion must be affine or homography"),
    (("burst", "-o", "x.png", "--mode", "together", "--method", "gff", "--no-align"), "mode is an option of networks"),
    (("burst", "-o", "x.png", "--mode", "together", "--method", "focus-reg"), "needs a network that selects"),
    (("nothing", "-o", "x.png"), "nothing"),
    (("burst", "other.png", "-o", "x.png"), "is grey"),
    (("burst", "deep.png", "-o", "x.png"), "is uint16"),
    (("burst", "text.png", "-o", "x.png"), "text.png"),
])  # fmt: skip
def test_bad_calls_are_one_line_with_exit_code_2_and_write_nothing(
    run, burst, tmp_path, monkeypatch, arguments, word
):
    monkeypatch.chdir(tmp_path)
    write_photo(tmp_path / "other.png", np.zeros((200, 240), np.uint8))
    write_photo(tmp_path / "deep.png", np.zeros((200, 240, 3), np.uint16))
    (tmp_path / "text.png").write_text("no picture")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    code, _, err = run("fuse", *arguments)
    assert code == 2
    assert word in err
    assert len(err.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_an_output_that_cannot_be_written_is_said(run, burst, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run("fuse", burst, "-o", tmp_path / "file" / "x.png", "--method", "gff")
    assert code == 2
    assert "cannot" in err


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
        "train-fusion", pictures, "-o", tmp_path / "run", "--settings", settings, "--steps", 4, "--batch-size", 1,
        "--crop", 32, "--width", 2, "--network", "picture", "--loss", "l1", "--leave-out-every", 4,
        "--hold-out-every", 2,
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
    (("--network", "both"), "setting network: "),
    (("--loss", "l3"), "setting loss: "),
    (("--loss", "l1"), "options of network 'picture'"),
    (("--settings", "bad.toml"), "unknown setting 'sigma' in bad.toml: did you mean 'simulation.sigma'?"),
    (("--settings", "no.toml"), "settings file no.toml does not exist: check its name and folder"),
    (("--hold-out-every", "9"), "one of each is needed"),
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


def messages(err):
    """Lines of standard error, without the progress bar."""
    return [line for line in err.strip().splitlines() if not line.startswith("score ━")]


@pytest.fixture
def fused(tmp_path, monkeypatch):
    """Pairs a and b in a folder, and of each what two methods made: one sharp left of the middle, one right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    image = astronaut()[:64, 100:180]
    left = np.arange(80)[np.newaxis].repeat(64, 0) < 40
    for name, sigma in (("a", 2.0), ("b", 3.0)):
        pair = focus_pair(image, left, sigma=sigma)
        made = {f"pairs/{name}-A": pair.a, f"pairs/{name}-B": pair.b, f"truth/{name}": image / 255}
        made |= {f"good/{name}": pair.truth * 0.99, f"mean/{name}": (pair.a + pair.b) / 2}
        for file, picture in made.items():
            (tmp_path / file).parent.mkdir(exist_ok=True)
            write_photo(tmp_path / f"{file}.png", np.round(picture * 255).astype(np.uint8))
    return tmp_path


def test_evaluate_fusion_compares_methods_and_returned_sources(run, fused):
    code, out, err = run(
        "evaluate-fusion", "pairs", "good", "mean", "--truth", "truth", "-o", "scores"
    )
    assert code == 0
    assert messages(err) == []
    assert "2 pairs: mean ± standard deviation" in out
    content = json.loads((fused / "scores" / "scores.json").read_text())
    assert list(content["mean"]) == ["good", "mean", "source A", "source B"]
    header, *_ = [line for line in out.splitlines() if "Q_MI" in line]
    assert header.split() == ["Q_MI", "Q_TE", "Q_NCIE", "Q_G", "Q_P", "Q_S", "Q_CB", "SSIM", "PSNR"]
    assert all(len(line) <= 80 for line in out.splitlines() if "caution" not in line)
    lines = out.splitlines()
    for method, scores in content["mean"].items():
        number, line = next(
            (i, line)
            for i, line in enumerate(lines)
            if line.split()[: len(method.split())] == method.split()
        )
        *seven, ssim, psnr = scores.values()
        assert line.removeprefix(f" {method}").split()[-9:] == [
            *(f"{x:.4f}" for x in (*seven, ssim)),
            f"{psnr:.2f}",
        ]
        spread = lines[number + 1].split()
        assert spread[0] == f"±{content['std'][method]['q_mi']:.4f}"
        assert spread[8] == f"±{content['std'][method]['psnr']:.2f}"
    (caution,) = [
        line for line in lines if line.startswith("caution: a source returned as it is scores high")
    ]
    assert "here highest in Q_MI" in caution
    assert content["mean"]["source A"]["q_mi"] > content["mean"]["good"]["q_mi"]
    assert sorted(path.name for path in (fused / "scores").iterdir()) == [
        "boxplots.png",
        "scores.csv",
        "scores.json",
    ]
    assert read_photo(fused / "scores" / "boxplots.png").pixels.shape[0] > 300
    assert len((fused / "scores" / "scores.csv").read_text().splitlines()) == 1 + 2 * 4


def test_evaluate_fusion_of_one_pair_of_files(run, fused):
    code, out, _ = run("evaluate-fusion", "pairs/a-A.png", "pairs/a-B.png", "good/a.png", "mean")
    assert code == 0
    assert "±" not in out
    assert "1 pair" in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith(("a ", "source"))] == [
        "a",
        "source",
        "source",
    ]


def test_evaluate_fusion_prints_the_best_in_bold_unless_it_is_the_only_one(run, fused, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    for methods, rows in ((("good", "mean"), ["good"]), (("good",), [])):
        _, out, _ = run(
            "evaluate-fusion", "pairs/a-A.png", "pairs/a-B.png", *methods, "--truth", "truth"
        )
        lines = [line for line in out.splitlines() if "\x1b[1m0." in line or "\x1b[1m1." in line]
        assert [line.split()[0] for line in lines if "source" not in line][:1] == rows
        assert not any("source" in line for line in lines)


@pytest.mark.parametrize("sources", [("pairs",), ("pairs/a-A.png", "pairs/a-B.png")])
def test_evaluate_fusion_prints_a_dash_for_what_is_not_finite(run, fused, sources):
    write_photo(fused / "good" / "a.png", read_photo(fused / "truth" / "a.png").pixels)
    code, out, _ = run("evaluate-fusion", *sources, "good", "--truth", "truth")
    assert code == 0
    assert not any(word in out for word in ("inf", "nan"))
    lines = out.splitlines()
    (place,) = (i for i, line in enumerate(lines) if line.split()[:1] == ["good"])
    assert lines[place].split()[-1] == "—"
    if sources == ("pairs",):
        assert lines[place + 1].split()[-1] == "±—"


def test_evaluate_fusion_says_that_it_passes_over_subfolders(run, fused):
    (fused / "pairs" / "more").mkdir()
    code, _, err = run("evaluate-fusion", "pairs", "good")
    assert code == 0
    (message,) = messages(err)
    assert message.startswith(
        "pairs holds pictures, such as a-A.png: its subfolders, such as more, are skipped"
    )


def test_evaluate_fusion_goes_on_after_a_bad_pair(run, fused):
    (fused / "mean" / "b.png").unlink()
    write_photo(fused / "pairs" / "a-C.png", np.zeros((64, 80), np.uint8))
    for side in "AB":
        write_photo(fused / f"pairs/c-{side}.png", read_photo(fused / f"pairs/b-{side}.png").pixels)
    for method in ("good", "mean"):
        write_photo(fused / method / "c.png", read_photo(fused / "good" / "b.png").pixels)
    code, out, err = run("evaluate-fusion", "pairs", "good", "mean")
    assert code == 1
    assert messages(err) == [
        "a: it has 3 frames: the metrics are defined for two sources",
        "b: there is no mean/b (.png, .jpg or .tif)",
    ]
    assert "1 of 3 pairs" in out


@pytest.mark.parametrize(("arguments", "word"), [
    (("pairs/a-A.png", "good/a.png"), "give the sources (a folder of pairs, or two pictures), then"),
    (("nowhere", "good"), "nowhere does not exist"),
    (("pairs", "nowhere"), "nowhere does not exist"),
    (("pairs", "good/a.png"), "is one picture, and there are 2 pairs"),
    (("pairs", "good/*.png"), "fused must be a folder or one picture, not a pattern of 2 pictures, good/*.png:"),
    (("pairs", "good", "good"), "would both be called"),
    (("pairs/a-A.png", "pairs/a-B.png", "text.png"), "text.png"),
    (("pairs/a-A.png", "pairs/a-B.png", "small.png"), "small.png has 9 × 8 pixels, pairs/a-A.png has 80 × 64"),
    (("burst", "good/a.png"), "burst: it has 3 frames: the metrics are defined for two sources"),
    (("pairs", "good", "-o", "pairs/scores"), "would be taken for frames by the next run"),
    (("pairs", "good", "-o", "text.png"), "there is a file of that name"),
])  # fmt: skip
def test_bad_calls_of_evaluate_fusion_are_one_line(run, fused, arguments, word):
    (fused / "text.png").write_text("no picture")
    write_photo(fused / "small.png", np.zeros((8, 9), np.uint8))
    (fused / "burst").mkdir()
    for number in range(3):
        write_photo(fused / f"burst/{number}.png", np.zeros((64, 80), np.uint8))
    code, out, err = run("evaluate-fusion", *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert len(messages(err)) == 1

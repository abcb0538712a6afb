"""`seamwise evaluate-fusion`."""

import csv
import json

import numpy as np
import pytest
from skimage.data import astronaut

from seamwise.io.photo import read_photo, write_photo
from seamwise.synth import focus_pair


def messages(err):
    """Lines of standard error, without the progress bar."""
    return [line for line in err.strip().splitlines() if not line.startswith("score ━")]


@pytest.fixture
def fused(tmp_path, monkeypatch):
    """Pairs a and b in a folder; for each two methods' pictures and the truth."""
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
        line
        for line in lines
        if line.startswith("caution: a source without any fusion scores high")
    ]
    assert "here it is highest in Q_MI" in caution
    assert content["mean"]["source A"]["q_mi"] > content["mean"]["good"]["q_mi"]
    assert sorted(path.name for path in (fused / "scores").iterdir()) == [
        "boxplots.png",
        "scores.csv",
        "scores.json",
    ]
    assert read_photo(fused / "scores" / "boxplots.png").pixels.shape[0] > 300
    assert len((fused / "scores" / "scores.csv").read_text().splitlines()) == 1 + 2 * 4


def test_evaluate_fusion_writes_scores_to_the_files_of_options(run, fused):
    options = ("--json", "s.json", "--csv", "s.csv")
    code, out, _ = run("evaluate-fusion", "pairs", "good", *options)
    assert code == 0
    assert "wrote s.json\nwrote s.csv\n" in out
    content = json.loads((fused / "s.json").read_text())["scores"]
    with open(fused / "s.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3
    for row in rows:
        expected = content[row.pop("pair")][row.pop("method")]
        assert row == {metric: str(value) for metric, value in expected.items()}


def test_an_output_does_not_replace_a_picture_that_is_scored(run, fused):
    file = min((fused / "good").iterdir())
    content = file.read_bytes()
    code, out, err = run("evaluate-fusion", "pairs", "good", "--csv", file)
    assert (code, out) == (2, "")
    assert messages(err) == [f"seamwise: --csv would replace the input {file}: give another file"]
    assert file.read_bytes() == content


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(run, fused, option):
    code, out, err = run("evaluate-fusion", "pairs", "good", option, "none/s")
    assert (code, out) == (2, "")
    assert messages(err) == [
        "seamwise: cannot write none/s: its folder does not exist; create it first"
    ]


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


def test_evaluate_fusion_reports_that_it_skips_subfolders(run, fused):
    (fused / "pairs" / "more").mkdir()
    code, _, err = run("evaluate-fusion", "pairs", "good")
    assert code == 0
    (message,) = messages(err)
    assert message.startswith(
        "pairs holds pictures, such as a-A.png: its subfolders, such as more, are skipped"
    )


def test_evaluate_fusion_skips_a_bad_pair(run, fused):
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
        "b: missing: mean/b (.png, .jpg or .tif)",
    ]
    assert "1 of 3 pairs" in out


@pytest.mark.parametrize(("arguments", "word"), [
    (("pairs/a-A.png", "good/a.png"), "give the sources (a folder of pairs, or two pictures)"),
    (("nowhere", "good"), "nowhere does not exist"),
    (("pairs", "nowhere"), "nowhere does not exist"),
    (("pairs", "good/a.png"), "is one picture, and there are 2 pairs"),
    (("pairs", "good/*.png"), "fused must be a folder or one picture, not a pattern of 2 pictures"),
    (("pairs", "good", "good"), "would both be called"),
    (("pairs/a-A.png", "pairs/a-B.png", "text.png"), "text.png"),
    (("pairs/a-A.png", "pairs/a-B.png", "small.png"),
     "small.png has 9 × 8 pixels, pairs/a-A.png has 80 × 64"),
    (("burst", "good/a.png"), "burst: it has 3 frames: the metrics are defined for two sources"),
    (("pairs", "good", "-o", "pairs/scores"), "would be taken for frames by the next run"),
    (("pairs", "good", "-o", "text.png"), "a file of that name exists"),
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

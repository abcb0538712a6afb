"""Tables of scores: nothing is cut off."""

import csv
import json

import numpy as np
import pytest
import tifffile

from seamwise.cli.tables import print_losses, print_matching
from seamwise.metrics import match_dataset


@pytest.fixture
def many_cells(tmp_path, monkeypatch):
    """Two images of 15,625 and 2,500 cells, of which two predictions are missing."""
    monkeypatch.setenv("COLUMNS", "80")
    for folder in ("predicted", "true"):
        (tmp_path / folder).mkdir()
    for name, side in (("a", 1000), ("b", 400)):
        labels = np.zeros((side, side), np.uint16)
        cells = np.arange(1, (side // 8) ** 2 + 1, dtype=np.uint16).reshape(side // 8, side // 8)
        for row in range(5):
            for column in range(5):
                labels[row::8, column::8] = cells
        tifffile.imwrite(tmp_path / "true" / f"{name}.tif", labels)
        tifffile.imwrite(tmp_path / "predicted" / f"{name}.tif", np.where(labels == 7, 0, labels))
    return tmp_path


def test_scores_of_many_cells_fit_80_columns(run, many_cells):
    code, out, _ = run("evaluate", many_cells / "predicted", many_cells / "true")
    assert code == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    rows = [line.split() for line in out.splitlines() if line.strip().startswith("0.50")]
    assert rows[0][1:4] == ["18123", "0", "2"]
    assert rows[0][-1] == "1.000"


def test_a_narrower_terminal_cuts_nothing_off(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    labels = np.arange(1, 5).reshape(2, 2)
    print_matching(match_dataset([(labels, labels)]))
    out = capsys.readouterr().out
    assert "…" not in out
    line = next(line for line in out.splitlines() if line.strip().startswith("0.50"))
    assert line.split()[1:] == ["4", "0", "0", *["1.000"] * 7]


def test_scores_with_deviations_fit_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    columns = ("PQ", "SQ", "RQ", "AP", "AP@0.7", "AP@0.9")
    line = {"loss": "unet3", **dict.fromkeys(columns, "0.512 ± 0.012"), "minutes": "12.5"}
    print_losses([line])
    out = capsys.readouterr().out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("±0.012") == 6


def as_text(line):
    return {name: str(value) for name, value in line.items()}


def test_json_and_csv_hold_the_same_scores(run, many_cells):
    files = many_cells / "s.json", many_cells / "s.csv"
    code, out, _ = run(
        "evaluate", many_cells / "predicted", many_cells / "true", "--contours",
        "--json", files[0], "--csv", files[1],
    )  # fmt: skip
    assert code == 0
    assert all(f"wrote {file}" in out for file in files)
    content = json.loads(files[0].read_text())
    with open(files[1], encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for kind, part in (("cells", content), ("contours", content["contours"])):
        expected = {("pooled", ""): part["pooled"], ("mean", ""): part["mean"]}
        expected |= {
            ("image", image): lines
            for image, lines in zip(content["images"], part["per_image"], strict=True)
        }
        for (scores, image), lines in expected.items():
            place = {"object": kind, "scores": scores, "image": image}
            matching = [row for row in rows if place.items() <= row.items()]
            for row, line in zip(matching, lines, strict=True):
                assert (place | as_text(line)).items() <= row.items()
    assert {row["image"] for row in rows} == {"", "a", "b"}


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(run, many_cells, option):
    for folder in (many_cells / "none", many_cells / "true" / "a.tif"):
        file = folder / "scores"
        code, out, err = run(
            "evaluate", many_cells / "predicted", many_cells / "true", option, file
        )
        assert (code, out) == (2, "")
        assert f"cannot write {file}" in err
    assert not list(many_cells.glob("scores*"))


@pytest.mark.parametrize("option", ["--json", "--csv"])
@pytest.mark.parametrize("folder", ["predicted", "true"])
def test_an_output_does_not_replace_an_image_that_is_scored(run, many_cells, option, folder):
    file = many_cells / folder / "a.tif"
    content = file.read_bytes()
    code, out, err = run("evaluate", many_cells / "predicted", many_cells / "true", option, file)
    assert (code, out) == (2, "")
    assert f"{option} would replace the input {file}: give another file" in err
    assert file.read_bytes() == content


def test_two_outputs_of_one_name_are_refused(run, many_cells):
    file = many_cells / "scores"
    code, out, err = run(
        "evaluate", many_cells / "predicted", many_cells / "true", "--json", file, "--csv", file
    )
    assert (code, out) == (2, "")
    assert "--csv and --json both name" in err

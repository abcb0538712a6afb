"""Measured figures: tables of pages are those of kept results, and text repeats what was measured.

`benchmarks/page_tables.py` writes the tables. `REPEATED` lists other figures that stand on a page
and were measured on another: a figure that changes on one of both has to change on the other.
"""

import importlib
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from seamwise.io import file_sha256, read_json, shipped_models

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
BENCHMARKS = "benchmarks/README.md"
CARDS = "src/seamwise/models"
RESULTS = sorted(FOLDER.glob("results/*.json"))
FIGURE = r"(\d{1,3}(?:,\d{3})+|\d*\.?\d+)"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs benchmarks/")


@dataclass(frozen=True)
class Repeated:
    """Words of two pages with the same figures at each #. … stands for words without a bar."""

    page: str
    words: str
    measured: str
    source: str = BENCHMARKS
    unit: str = "1"  # of the source, in that of the page

    def __str__(self):
        return f"{self.page}: {self.words[:40]}"


REPEATED = [
    Repeated(
        "README.md",
        "| a megapixel of an image of 2048², with reading and writing | # s | # s |",
        "files read and written (peers) | … and # s/MP | … and # s/MP |",
    ),
    Repeated(
        "README.md",
        "| a megapixel of an image of 1024² | # s; … | # s |",
        "files read and written (peers) | # and … | # and … |",
    ),
    Repeated("README.md", "StarDist # times as long", "| StarDist ÷ seamwise | … | # |"),
    Repeated("README.md", "Cellpose # times", "| Cellpose ÷ seamwise … | … | # |"),
    Repeated(
        "README.md",
        "| from the command to the first image | # s |",
        "the first 256² image from the shell # s",
    ),
    Repeated(
        "README.md",
        "| memory for 1,000 megapixels, … | # GB |",
        "| 1000 | … | … | … | # | 251001 |",
    ),
    Repeated(
        "README.md",
        "With ten images and 15 minutes of one core, AP is # from `nuclei-2d` and # from nothing",
        "| 10 | 696 | …, # | …, # |",
    ),
    Repeated(
        "README.md",
        "one image gives an AP of #, from nothing #;",
        "| 1 | 60 | …, # | …, # |",
    ),
    Repeated(
        "docs/training.md",
        "and 696 steps, a quarter of an hour of one core, give an AP of #.",
        "| 10 | 696 | …, # |",
    ),
    Repeated("docs/training.md", "lifts its AP from # to", "| 0 | 0 | …, # |"),
    Repeated("docs/training.md", "lifts its AP from … to #;", "| 1 | 60 | …, # |"),
    Repeated("docs/training.md", "with thirty better (# against", "| 30 | 150 | … | …, # |"),
    Repeated("docs/training.md", "with thirty better (… against #)", "| 30 | 150 | …, # |"),
    Repeated("docs/training.md", "240 steps, AP falls from # to", "| 10 | 240 | …, # |"),
    Repeated(
        "docs/training.md",
        "240 steps, AP falls from … to #.",
        "erased, `--unlabelled background` | 240 | …, # |",
    ),
    Repeated(
        "docs/training.md",
        "`--unlabelled near` gets #:",
        "erased, `--unlabelled near` | 240 | …, # |",
    ),
    Repeated("docs/training.md", "all its cells gave # in 219 steps", "| 1 | 219 | …, # |"),
    Repeated("docs/training.md", "that of the 15 others #.", "| 1 | 120 | #, … |"),
    Repeated(
        "docs/fusion.md",
        "have #, # and # dB by default, with `focus-pair` alone #, # and #",
        "highlights | beads | |---|---|---| | default | # / # / # | … | | focus-pair | # / # / # |",
    ),
    Repeated(
        "docs/measure.md",
        "On nine simulated series of # to # crowded cells",
        "nine simulated series of 20 frames, with # to # cells in a frame",
    ),
    Repeated("docs/measure.md", "take # seconds of one core and", "| compressed TIFF | # | … |"),
    Repeated(
        "docs/measure.md",
        "seconds of one core and # GB",
        "| OME-Zarr | … | … | # GB |",
    ),
    Repeated(
        "docs/how-to/stacks.md",
        "reached PQ #, stitched slices # to #.",
        "| PQ | # | … | # | # | | PQ of the true slices |",
    ),
    Repeated(
        "docs/how-to/petavoxel.md",
        "| network | # million voxels per second",
        "| network, blocks of … | … | # |",
    ),
    Repeated(
        "docs/big-images.md",
        "| stack of 508 × 1024 × 1024 voxels, # cells, … |",
        "within 4 GB, in one process with two threads. It finds # cells.",
    ),
    Repeated(
        "docs/big-images.md",
        "| stack of 508 × 1024 × 1024 voxels, … | … | … | # GB |",
        "| all, peak # GB |",
    ),
    Repeated(
        "docs/thesis.md",
        "`walls-3d` finds # % of the cells in … minutes on one core (the thesis: # %)",
        "at an IoU of 0.5: # %. … of 7,128 (# %)",
    ),
    Repeated(
        "docs/thesis-parts.md",
        "a made-up one: # of # cells (# %)",
        "cells, and # of the # drawn ones … at an IoU of 0.5: # %",
    ),
    Repeated(
        "docs/big-images.md",
        "`walls-3d` finds # % of the cells of the stack",
        "at an IoU of 0.5: # %",
    ),
    Repeated(
        "docs/big-images.md",
        "| slide of 20,000 × 20,000 pixels, # cells, … | … | … | # GB |",
        "It finds # of 100,489 cells … The peak is # GB",
    ),
    Repeated(
        "docs/big-images.md",
        "In the smallest blocks # of a million pixels differed in 2D",
        "1040 × 1392 | 0.85 GB | 512 × 512 | # |",
    ),
    Repeated(
        "docs/big-images.md",
        "and # of a million voxels in 3D",
        "| 0.96 GB | 64 × 64 × 64 | # |",
    ),
    Repeated(
        "docs/determinism.md",
        "| … to # of a million pixels differ in 2D",
        "1040 × 1392 | 0.85 GB | 512 × 512 | # |",
    ),
    Repeated(
        "docs/determinism.md",
        "up to # of a million voxels in 3D",
        "| 0.96 GB | 64 × 64 × 64 | # |",
    ),
    Repeated(
        "docs/determinism.md",
        "on 40 images # % of the pixels have the class of float32",
        "On the 40 selection images # % of the pixels have the same class as in float32",
    ),
    Repeated(
        "docs/app.md",
        "100 megapixels was on the page with # GB of memory of the server, and",
        "| ten screens side by side at full size | … | # MB |",
        unit="0.001",
    ),
    Repeated(
        "docs/app.md",
        "and # GB with the cells of a part",
        "| its 625 cells and their table | … | # MB |",
        unit="0.001",
    ),
    Repeated(
        "docs/report.md",
        "drew # seams, and # of them cut",
        "| 64 images | seams | wrong | share | |---|---|---|---| | all | # | # |",
    ),
    Repeated(
        "docs/report.md",
        "finds # of the 41 wrong seams",
        "| probability of cell of 5 % or more | … | # |",
    ),
    Repeated(
        "docs/report.md",
        "`nuclei-2d` found # cells. # of them are wrong",
        "| entropy ≥ 0.25, one pass | report | # | … | … of # |",
    ),
    Repeated(
        "docs/report.md",
        "and # hold two true cells",
        "| entropy ≥ 0.25, one pass | report | … | … | … | … of # |",
    ),
    Repeated(
        "docs/report.md",
        "*Unsure* names # cells; # of these are wrong",
        "| entropy ≥ 0.25, one pass | report | … | # | # of … |",
    ),
    Repeated(
        "docs/report.md",
        "*May be two* names #; # of these are two, and # are two or wrong",
        "| valley ≥ 0.2, one pass | report | … | # | … | # of … | # |",
    ),
    Repeated(
        "docs/report.md",
        "network: # s of one core for an image of 1024² with # cells, which … segments in # s",
        "`cell_doubt` took # s of one core … whose # cells `segment` found in # s",
    ),
    Repeated(
        f"{CARDS}/nuclei-2d.md",
        "On the 40 selection images AP #, #, #, #, # at IoU .5 to .9",
        "in 8-bit integers and bfloat16, as installed by `make` | # | # | # | # | # |",
    ),
    Repeated(
        f"{CARDS}/nuclei-2d.md",
        "in float32 #, #, #, #, # (",
        "the same, computed in float32 | # | # | # | # | # |",
    ),
    Repeated(
        f"{CARDS}/nuclei-2d.md",
        "(#, #, #, #, # on a processor without bfloat16)",
        "With float32 in place of bfloat16 it is #, #, #, #, #.",
    ),
    Repeated(
        f"{CARDS}/focus-pair.md",
        "frame by frame, of which two show all: # (layers), # (hairs), # (hard edges) and # dB",
        "| focus-pair | … / … / # | … / … / # | … / … / # | … / … / # |",
    ),
    Repeated(
        f"{CARDS}/focus-pair.md",
        "(matte edges); `focus-burst` #, #, # and #",
        "| focus-burst | … / … / # | … / … / # | … / … / # | … / … / # |",
    ),
    Repeated(
        f"{CARDS}/focus-pair.md",
        "is the first of seven methods, with #, which",
        "| focus-pair | # | 2 | 2 | 3 |",
    ),
    Repeated(
        f"{CARDS}/focus-pair.md",
        "has in its place; that of DCT is #.",
        "| dct-cv | # | 1 | 1 | 1 |",
    ),
    Repeated(
        f"{CARDS}/focus-burst.md",
        "or a black one, do no harm: # dB instead of #",
        "and a black one: # dB, without them #",
    ),
    Repeated(
        BENCHMARKS,
        "it has #, # and # dB for 12, 25 and 50 frames",
        "| surface, frames | 2 | 5 | 12 | 25 | 50 | |---|---|---|---|---|---| "
        "| focus-burst | … | … | # | # | # |",
        source=f"{CARDS}/focus-burst.md",
    ),
]


def figures(page, words):
    """The figures of a page at each # of these words, which it has once."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", page).replace("**", "")
    tokens = {"#": FIGURE, "…": "[^|]*?"}
    pattern = "".join(tokens.get(part, re.escape(part)) for part in re.split("([#…])", words))
    found = list(re.finditer(pattern, " ".join(text.split())))
    assert len(found) == 1, f"{len(found)} times, not once: {words}"
    return [Decimal(figure.replace(",", "")) for figure in found[0].groups()]


def is_rounded(figure, measured):
    """Whether a figure is a measured one, to as many digits as it has."""
    return abs(figure - measured) <= Decimal(5).scaleb(figure.as_tuple().exponent - 1)


@pytest.mark.parametrize("repeated", REPEATED, ids=str)
def test_a_repeated_figure_is_the_measured_one(repeated):
    here = figures((ROOT / repeated.page).read_text(encoding="utf-8"), repeated.words)
    there = figures((ROOT / repeated.source).read_text(encoding="utf-8"), repeated.measured)
    for figure, measured in zip(here, there, strict=True):
        assert is_rounded(figure, measured * Decimal(repeated.unit))


def test_figures_are_read_where_the_words_stand_once():
    page = "It takes **1,204 s**, see\n[figures](there.md).\n\n| a | .62 | 5 |\n| b | 0.7 | 6 |\n"
    assert figures(page, "takes # s, see figures") == [1204]
    assert figures(page, "| a | # | # |") == [Decimal(".62"), 5]
    assert figures(page, "| b | … | # |") == [6]
    with pytest.raises(AssertionError, match="2 times"):
        figures(page, "| # | … |")
    with pytest.raises(AssertionError, match="0 times"):
        figures(page, "| a | … | # | # |")


@pytest.mark.parametrize(
    ("figure", "measured", "is_so"),
    [(".62", ".618", True), (".62", ".614", False), ("4.0", "4.05", True), ("4.0", "4", True),
     ("41", "42", False), ("1.3", "1.33", True), ("0.8", "0.76", True), ("0.13", "0.14", False)],
)  # fmt: skip
def test_a_figure_may_be_rounded(figure, measured, is_so):
    assert is_rounded(Decimal(figure), Decimal(measured)) == is_so


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def test_tables_are_those_of_the_kept_results(script):
    tables = script("page_tables")
    for path in tables.PAGES:
        text = path.read_text(encoding="utf-8")
        assert tables.render(text) == text, f"{path.name}: run benchmarks/page_tables.py"


def test_each_kept_result_has_a_table(script):
    tables = script("page_tables")
    pages = "".join(path.read_text(encoding="utf-8") for path in tables.PAGES)
    named = {name for match in tables.TABLE.finditer(pages) for name in match[4].split()}
    kept = {f"results/{path.name}" for path in RESULTS}
    assert kept == {name for name in named if name.startswith("results/")}
    assert pages.count("<!-- end -->") == len(tables.TABLE.findall(pages))


def test_a_result_that_changes_changes_the_table(script, monkeypatch):
    tables = script("page_tables")
    row = {"psnr": [41.157, 30.0, 20.0], "as_they_are": 3, "pairs": 4}
    monkeypatch.setattr(
        tables, "read_json", {FOLDER / "results/dim.json": {"codes": {"x": row}}}.get
    )
    page = "A.\n\n<!-- dim.table results/dim.json -->\n| old |\n<!-- end -->\n\nB.\n"
    lines = tables.render(page).splitlines()
    assert lines[:3] + lines[-4:] == [
        "A.", "", "<!-- dim.table results/dim.json -->", "", "<!-- end -->", "", "B.",
    ]  # fmt: skip
    assert lines[4:-4] == [
        "| | focus-pair | without | gff | seen as they are |",
        "|---|---|---|---|---|",
        "| x | 41.16 | 30.00 | 20.00 | 3 of 4 |",
    ]
    assert tables.render("\n".join(lines)) == "\n".join(lines)


def test_a_result_tells_how_it_was_measured(script, monkeypatch, tmp_path):
    files = script("result_files")
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/dim.py", "a b", "--pairs", "2"])
    files.write_result(tmp_path / "dim.json", {"codes": {}}, models=["gff", "focus-pair"])
    content = read_json(tmp_path / "dim.json")
    assert content["codes"] == {}
    assert content["made_by"]["command"] == "python benchmarks/dim.py 'a b' --pairs 2"
    assert content["made_by"]["models_sha256"].keys() == {"focus-pair"}
    assert content["made_by"].keys() == {
        "command", "seamwise", "torch", "processor", "numbers", "date", "models_sha256",
    }  # fmt: skip
    files.write_result(None, {})


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_is_of_the_weights_that_ship(path):
    made_by = read_json(path)["made_by"]
    assert made_by["models_sha256"], "names no model"
    for name, sha256 in made_by["models_sha256"].items():
        assert sha256 == file_sha256(shipped_models()[name]), f"run {made_by['command']}"

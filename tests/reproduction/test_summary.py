"""The pages of all claims and of all parts: numbers from the kept results, a row for everything."""

import re
from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="module")
def pages(scripts):
    return dict(scripts.summary.pages())


def test_the_pages_hold_what_the_stored_numbers_say(scripts, pages):
    """Or `make reproduction-report` was not run."""
    docs = scripts.summary.ROOT / "docs"
    for name, text in pages.items():
        assert (docs / name).read_text(encoding="utf-8") == text


def test_words_stand_for_verdicts_and_numbers(scripts):
    summary = scripts.summary

    def filled(words):
        return summary.render(words, summary.RESULTS, summary.SECONDS)

    words = "a {score instances dsb2018 j4 MAP PQ} b {touching dsb2018 j4 MAP} c"
    assert filled(words) == "a 0.749 ± 0.004 b 0.63 ± 0.03 c"
    order = filled("{claim table6 dsb2018: J4 > J3 by arg max}")
    assert order == "**holds** (PQ 0.749 against 0.722, higher in 3 of 3 seeds)"
    of_variant = filled("{claim variants usiigaci: W³ with N / n > BWM by arg max}")
    assert of_variant == (
        "**no significant difference** (PQ 0.200 against 0.208, higher in 1 of 3 seeds)"
    )
    lines = filled("{claim table2_3 usiigaci/lines: SAW > DWM, contours at radius 2}")
    assert lines == "**holds** (F1@2 0.445 against 0.363)"
    contours = filled("{claim table2_3 usiigaci: SAW > DWM, cells}")
    assert contours.startswith("**no significant difference** (RQ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{claim table6 dsb2018: J5 > J4}", "table6 on dsb2018 has no claim 'J5 > J4': it has J4"),
        ("{score x}", "{score x} in the words: score takes data, set, loss, decoder and metric"),
        (
            "{trend dsb2018}",
            "{trend dsb2018} in the words: trend takes set, loss and loss that is behind",
        ),
        ("{touching x}", "{touching x} in the words: touching takes set, loss and decoder"),
        ("{number 3}", "{number 3} in the words is unknown: see the head of summary.py"),
    ],
)
def test_words_that_stand_for_nothing_are_named(scripts, words, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        scripts.summary.render(words, scripts.summary.RESULTS, scripts.summary.SECONDS)


def numbers_of(rows, kind):
    """Which tables or figures the first cells of the rows name, such as "Figures 10 to 13"."""
    numbers = []
    for name in (row[0] for row in rows if row[0].startswith(kind)):
        ends = [int(number) for number in re.findall(r"\d+", name)]
        numbers += range(ends[0], ends[-1] + 1) if " to " in name else ends
    return numbers


def test_every_part_table_and_figure_has_a_row_with_a_state(pages):
    parts, figures = pages["thesis-parts.md"].split("## Tables and figures")
    rows = {
        name: [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in section.split("## Settings")[0].splitlines()
            if re.match(r"\| (?!part|\|)", line) and not line.startswith("| | state")
        ]
        for name, section in (("parts", parts), ("figures", figures))
    }
    assert len(rows["parts"]) == 28
    assert numbers_of(rows["figures"], "Table") == list(range(1, 11))
    assert numbers_of(rows["figures"], "Figure") == list(range(1, 56))
    for row in (*rows["parts"], *rows["figures"]):
        state, reason = row[-2:]
        assert state in ("✓", "~", "—")
        assert reason


def test_the_time_of_a_whole_training_is_written_in_units_that_are_read_at_once(scripts):
    days = scripts.summary.days
    assert days({"seconds": 1.8, "steps": 10_000}) == "5 hours"
    assert days({"seconds": 20.0, "steps": 28_000}) == "6 days"
    assert days({"seconds": 40.0, "steps": 39_429_000}) == "50 years"


def test_other_pages_quote_the_stored_numbers(scripts):
    """README.md, and docs/which-loss.md where it names our study."""
    root, results = scripts.summary.ROOT, scripts.summary.RESULTS

    def quality(kind, name, loss, rule):
        units = scripts.units.Units.read(results, kind, name)
        return float(np.mean(units.means(loss, rule, metric="PQ")))

    def touching(loss, rule):
        units = scripts.units.Units.read(results, "touching", "dsb2018").of(loss)
        share = np.mean([scripts.table6.share_found(unit, rule) for unit in units])
        return f"{100 * share:.0f} %"

    def lost(loss):
        return quality("weak", "dsb2018", f"clean/{loss}", "MAP") - quality(
            "weak", "dsb2018", f"drop 50 %/{loss}", "MAP"
        )

    crowded = {
        loss: quality("instances", "usiigaci", loss, rule)
        for loss, rule in (("j4", "MAP+gap"), ("ce3", "MAP"), ("dsc", "MAP"))
    }
    alone = [
        f"{quality('instances', 'dsb2018', loss, rule):.3f}"
        for loss, rule in (("dsc", "MAP"), ("j4", "MAP+gap"), ("ce3", "MAP"))
    ]
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    for text in (
        f"(*arg max*) | {touching('j4', 'MAP+gap')} | {touching('dsc', 'MAP')} | "
        f"{touching('ce3', 'MAP')} |",
        f"by arg max | {crowded['j4']:.2f} | {crowded['dsc']:.2f} | {crowded['ce3']:.2f} |",
        f"lie alone | {alone[1]} | {alone[0]} | {alone[2]} |",
        f"(three seeds) | {lost('j4'):.2f} | not measured | {lost('ce3'):.1f} |",
        f"W³ finds {touching('w3', 'MAP')} of the touching nuclei by arg max",
        f"its PQ is then {quality('variants', 'dsb2018', 'frequency/w3', 'MAP'):.2f} instead of "
        f"{quality('instances', 'dsb2018', 'w3', 'MAP'):.2f}",
    ):
        assert text in readme
    which_loss = (root / "docs" / "which-loss.md").read_text(encoding="utf-8")
    assert f"its PQ fell by {lost('j4'):.2f}" in which_loss
    assert f"({alone[0]} against {alone[1]})" in which_loss


def test_the_enhancement_of_a_noisy_stack_is_counted_and_judged(scripts, tmp_path):
    script = scripts.fig38_40

    def counts(tp):
        return {"n_true": [10] * 8, "n_pred": [10] * 8, "tp": [tp] * 8, "iou": [0.8 * tp] * 8}

    content = {f"{n}/{name}/0": counts(5) for n in script.PHOTONS for name in script.ENHANCEMENTS}
    content["noisy/Gaussian, σ 1/0"] = counts(7)
    content["noisy/median of 3/0"] = counts(3)
    units = scripts.units.Units(content)
    assert "| noisy, Gaussian, σ 1 | 56 of 80 | 0.70 | 0.560 |" in script.table(units)
    assert [claim.verdict for claim in script.claims(units)] == ["holds", "does not hold"]
    assert script.section(tmp_path, tmp_path) == ""


def test_a_stack_has_the_same_cells_at_every_noise(scripts):
    one, other = (scripts.fig38_40.draw_stack(0, photons) for photons in (100.0, 2.0))
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (one.image != other.image).any()


def test_every_picture_of_the_thesis_gallery_is_drawn_and_shown(scripts):
    root = scripts.summary.ROOT
    page = (root / "docs" / "thesis-gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"images/thesis/(\w+)\.png", page))
    assert shown == {*scripts.gallery.FIGURES, scripts.fig38_40.NAME}
    for name in shown:
        assert (root / "docs" / "images" / "thesis" / f"{name}.png").exists()


def record_of(scripts, name):
    """What a picture of the gallery says of itself."""
    folder = scripts.summary.ROOT / "docs" / "images" / "thesis"
    return scripts.gallery.read_record(folder / f"{name}.png")


def masked(titles):
    """Titles without the counts of cells that a network finds."""
    return [re.sub(r"\d+ right, \d+ false", "", title) for title in titles]


def test_no_picture_of_the_gallery_is_of_an_earlier_state(scripts, monkeypatch):
    """Or `reproduction/segmentation/gallery.py` was not run after a change of scenes or titles."""
    gallery = scripts.gallery
    monkeypatch.setattr(gallery, "maps", lambda image, path: np.zeros((3, *image.labels.shape)))
    monkeypatch.setattr(gallery, "cells", lambda image, path, decode="MAP": image.labels)
    networks = SimpleNamespace(model=lambda loss, damage="": None)
    for name, figure in gallery.FIGURES.items():
        record = record_of(scripts, name)
        assert gallery.provenance().difference(record["made_by"]) == "", name
        titles = [axes.get_title() for axes in figure(networks).axes]
        assert masked(record["titles"]) == masked(titles), name


def test_the_gallery_quotes_the_counts_of_its_pictures(scripts):
    path = scripts.summary.ROOT / "docs" / "thesis-gallery.md"
    page = " ".join(path.read_text(encoding="utf-8").split())

    def counts(name):
        found = re.compile(r"(.*): (\d+) right, (\d+) false")
        matches = filter(None, map(found.fullmatch, record_of(scripts, name)["titles"]))
        return [(match[1], int(match[2]), int(match[3])) for match in matches]

    missed = [36 - right for title, right, _ in counts("fig17") if title[:3] in ("DWM", "SAW")]
    numbers = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight"]
    assert f"{numbers[min(missed)]} to {numbers[max(missed)]} of 36 are not found" in page
    (_, right3, false3), (_, right4, false4) = counts("fig36")[:2]
    more = f"J4 finds {numbers[right4 - right3]} cell more than J3, and {numbers[false4 - false3]}"
    assert f"{more} false ones more" in page


def test_the_picture_of_a_noisy_stack_shows_the_stored_counts(scripts):
    script, record = scripts.fig38_40, record_of(scripts, "fig38_40")
    units = scripts.units.Units.read(scripts.summary.RESULTS, script.NAME, script.SCENE)
    counts = [units.of(f"noisy/{name}")[0] for name in script.ENHANCEMENTS]
    assert [title for title in record["titles"] if "found" in title] == [
        f"in the whole stack {unit['tp'][0]} of {unit['n_true'][0]} found" for unit in counts
    ]
    assert [record["titles"][4 * row] for row in range(3)] == list(script.TITLES.values())
    assert script.provenance(script.STACKS).difference(record["made_by"]) == ""


def test_a_picture_of_the_thesis_gallery_is_drawn_from_small_networks(scripts, tmp_path):
    gallery, networks = scripts.gallery, scripts.gallery.Networks(tmp_path, 1)
    gallery.save(gallery.fig20(networks), tmp_path / "fig20.png", gallery.provenance(1))
    assert (tmp_path / "fig20.png").stat().st_size > 10_000
    record = gallery.read_record(tmp_path / "fig20.png")
    assert record["titles"][:2] == ["a training image, whole", "annotated: half of the cells"]
    assert gallery.provenance(2).difference(record["made_by"]) == (
        "made with settings.steps = 1, not 2"
    )
    assert {path.name[:-9] for path in tmp_path.glob("j4-*")} == {
        "j4-half-of-the-cells",
        "j4-2-pixels-smaller",
    }
    longer = scripts.gallery.Networks(tmp_path, 2).model("j4", scripts.gallery.HALF)
    assert longer != networks.model("j4", scripts.gallery.HALF)

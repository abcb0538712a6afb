"""The thesis' segmentation experiments: equal conditions, results, verdicts, and quick runs."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from seamwise.io.images import write_labels, write_png
from seamwise.io.provenance import Provenance
from seamwise.metrics import match_dataset
from seamwise.segmentation import load
from seamwise.segmentation.choose import Conditions
from seamwise.segmentation.data import AnnotatedImage
from support.long_tests import is_nightly


@pytest.fixture
def run(scripts, monkeypatch, tmp_path):
    """Run a script as a command on made-up cells, in this process."""

    def command(name, *arguments):
        folders = ("--runs", tmp_path / "runs", "-o", tmp_path / "results", "--sets", "cells")
        given = map(str, (f"{name}.py", tmp_path, *folders, "--quick", *arguments))
        monkeypatch.setattr(sys, "argv", list(given))
        getattr(scripts, name).main()

    return command


@pytest.fixture
def study(scripts, monkeypatch, tmp_path):
    folders = ["--runs", str(tmp_path / "runs"), "-o", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", ["x.py", str(tmp_path), *folders, "--quick"])
    return scripts.study.Study.from_command("", sets=("cells",))[0]


def units(scripts, **of_loss):
    """Make up measurements by arg max, a seed each, of images with one true cell."""
    content = {}
    for loss, quality in of_loss.items():
        ones = [1] * len(quality)
        content[f"{loss}/0"] = {
            "MAP": {"n_true": ones, "n_pred": ones, "tp": ones, "iou": quality, "ap": quality}
        }
    return scripts.units.Units(content)


# --- equal conditions


def test_every_loss_begins_alike_and_what_was_trained_is_not_trained_again(
    study, scripts, monkeypatch
):
    paths = [study.network("cells", loss, 0) for loss in ("ce2", "w3", "j4")]
    assert len({path.parent.name for path in paths}) == 3
    conditions = (study.results / "conditions-cells.json").read_text()
    assert conditions.count('"crops"') == 1
    before = paths[1].stat().st_mtime_ns
    assert study.network("cells", "w3", 0) == paths[1]
    assert paths[1].stat().st_mtime_ns == before


@pytest.mark.parametrize("other", [{"start": "x"}, {"crops": "x"}])
def test_a_loss_that_begins_otherwise_is_not_trained(study, scripts, monkeypatch, other):
    study.network("cells", "w3", 0)
    found = scripts.study.conditions_of

    def spoilt(*arguments):
        return replace(found(*arguments), **other)

    monkeypatch.setattr(scripts.study, "conditions_of", spoilt)
    with pytest.raises(RuntimeError, match=r"j4-0 .*does not begin like the others of its seed"):
        study.network("cells", "j4", 0)
    assert not list(study.runs.glob("cells-j4-0*"))


def test_other_seeds_and_other_images_have_conditions_of_their_own(study, scripts, monkeypatch):
    data = study.data_set("cells")
    study.network("cells", "w3", 0)
    study.network("cells", "w3", 1)
    study.network(
        "cells", "w3", 0, scripts.study.Variant("instances", "one", {}, data.training[:1])
    )
    kept = json.loads((study.results / "conditions-cells.json").read_text())["units"]
    assert len(kept) == 3
    assert len({Conditions(unit["start"], unit["crops"]) for unit in kept.values()}) == 3


def test_the_protocol_keeps_training_and_test_apart(scripts):
    protocol = scripts.study.tomllib.loads(scripts.study.PROTOCOL.read_text())
    cells = scripts.study.read_set(
        "cells", scripts.study.merge(protocol, protocol["quick"]), Path()
    )
    names = [
        image.name for part in (cells.training, cells.validation, cells.test) for image in part
    ]
    assert len(set(names)) == len(names) == 6
    usiigaci = protocol["sets"]["usiigaci"]
    assert not set(usiigaci["test"]) & set(usiigaci["validation"])
    held_back = {*usiigaci["test"], *usiigaci["validation"]}
    for same_place in ({"usi04", "usi39"}, {"usi23", "usi40"}):
        assert not same_place & held_back
    assert 45 - len(held_back) == 28


def test_the_folder_is_split_by_name(scripts, tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    rng = np.random.default_rng(0)
    for name in "abcdefgh":
        write_png(tmp_path / "images" / f"{name}.png", rng.integers(0, 256, (8, 8), np.uint8))
        write_labels(tmp_path / "masks" / f"{name}.tif", np.ones((8, 8), np.uint8))
    described = {"test_every": 4, "validation_every": 3, "folder": "", "training": {"steps": 6}}
    found = scripts.study.read_set("x", {"training": {}, "sets": {"x": described}}, tmp_path)
    parts = (found.training, found.validation, found.test)
    assert ["".join(image.name for image in part) for part in parts] == ["cdgh", "bf", "ae"]
    assert (found.settings.validate_every, found.settings.snapshot_every) == (6, 1)
    tiled = scripts.study.read_set(
        "x", {"training": {}, "sets": {"x": {**described, "tile": 5}}}, tmp_path
    )
    assert [image.name for image in tiled.validation] == ["b-0", "b-1", "f-0", "f-1"]
    np.testing.assert_array_equal(tiled.validation[1].image, found.validation[0].image[:, 3:, 3:])


# --- what is kept


def test_results_are_measured_once_and_begun_anew_by_another_protocol(scripts, tmp_path, capsys):
    def kept(width="a"):
        return scripts.study.Results(tmp_path / "x.json", Provenance({"width": width}))

    assert kept().get("w3/0", lambda: {"pq": 0.5}, machine="one")["pq"] == 0.5
    again = kept().get("w3/0", lambda: pytest.fail("measured again"), machine="two")
    assert (again["pq"], again["machine"]) == (0.5, 0)
    assert kept().get("j4/0", lambda: {"pq": 0.7}, machine="two")["machine"] == 1
    assert json.loads((tmp_path / "x.json").read_text())["machines"] == ["one", "two"]
    assert kept("b").get("w3/0", lambda: {"pq": 0.1}, machine="one")["pq"] == 0.1
    assert list(kept("b").units) == ["w3/0"]
    (aside,) = tmp_path.glob("x-*.json")
    assert list(json.loads(aside.read_text())["units"]) == ["j4/0", "w3/0"]
    assert (
        f"x.json was made with width = a, not b: it is now {aside.name}" in capsys.readouterr().out
    )


def test_results_of_the_first_version_hold_a_fingerprint_alone(scripts, tmp_path, capsys):
    def kept(width):
        return scripts.study.Results(tmp_path / "x.json", Provenance({"width": width}))

    kept("a").get("w3/0", lambda: {"pq": 0.5}, machine="one")
    content = json.loads((tmp_path / "x.json").read_text())
    del content["protocol"]
    (tmp_path / "x.json").write_text(json.dumps(content))
    assert list(kept("a").units) == ["w3/0"]
    assert not kept("b").units
    assert "x.json was made by another protocol: it is now x-" in capsys.readouterr().out


def test_two_processes_that_share_a_file_keep_what_the_other_measured(scripts, tmp_path):
    first, second = (
        scripts.study.Results(tmp_path / "x.json", Provenance({"a": 1})) for _ in range(2)
    )
    first.get("w3/0", lambda: {"pq": 0.5}, machine="one")
    second.get("j4/0", lambda: {"pq": 0.7}, machine="two")
    first.get("j3/0", lambda: {"pq": 0.6}, machine="one")
    content = json.loads((tmp_path / "x.json").read_text())
    assert {
        key: (unit["pq"], content["machines"][unit["machine"]])
        for key, unit in content["units"].items()
    } == {
        "w3/0": (0.5, "one"),
        "j4/0": (0.7, "two"),
        "j3/0": (0.6, "one"),
    }


def test_what_is_wrong_with_the_data_is_said_in_a_line(scripts, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        sys, "argv", ["table6.py", str(tmp_path), "--runs", str(tmp_path), "-o", str(tmp_path)]
    )
    with pytest.raises(SystemExit, match="2"):
        scripts.study.command(scripts.table6.main)
    assert capsys.readouterr().err == (
        f"{tmp_path} holds no usiigaci/train: give the folder that does, or other --sets\n"
    )
    for kind, ending in (("images", "png"), ("masks", "tif")):
        (tmp_path / "usiigaci" / "train" / kind).mkdir(parents=True)
        path = tmp_path / "usiigaci" / "train" / kind / f"a.{ending}"
        (write_png if ending == "png" else write_labels)(path, np.ones((8, 8), np.uint8))
    with pytest.raises(SystemExit, match="2"):
        scripts.study.command(scripts.table6.main)
    assert "lacks 17 images of the protocol, such as usi02" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "text", "least"), [("--seeds", "-1", 0), ("--seeds", "x", 0), ("--threads", "0", 1)]
)
def test_numbers_of_the_command_line_are_whole_and_in_range(
    study, scripts, monkeypatch, capsys, option, text, least
):
    monkeypatch.setattr(sys, "argv", [*sys.argv, f"{option}={text}"])
    with pytest.raises(SystemExit, match="2"):
        scripts.study.Study.from_command("", sets=("cells",))
    assert f"'{text}' is not a whole number from {least} on" in capsys.readouterr().err


def test_what_a_kind_depends_on_is_in_its_hash(scripts):
    study, protocol = scripts.study, scripts.study.read_protocol()

    def prints(kind, **changes):
        return study.fingerprint(study.provenance(study.merge(protocol, changes), kind, "cells"))

    assert prints("instances") == prints(
        "instances", weak={"steps": 1}, sets={"usiigaci": {"tile": 1}}
    )
    assert prints("instances") != prints("instances", training={"width": 1})
    assert prints("instances") != prints("instances", sets={"cells": {"images": [1, 1, 1]}})
    assert prints("weak") != prints("weak", weak={"steps": 1})
    assert prints("zero_shot") != prints("zero_shot", sets={"usiigaci": {"tile": 1}})


def test_tables_within_tables_are_merged(scripts):
    first = {"a": {"b": 1, "c": 2}, "d": 3}
    assert scripts.study.merge(first, {"a": {"b": 4}, "e": 5}) == {
        "a": {"b": 4, "c": 2},
        "d": 3,
        "e": 5,
    }
    assert first == {"a": {"b": 1, "c": 2}, "d": 3}


# --- what is measured


def annotated(labels):
    labels = np.asarray(labels, np.int32)
    return AnnotatedImage("x", np.zeros((1, *labels.shape), np.float32), labels)


def test_scores_are_those_of_the_metrics(scripts):
    rng = np.random.default_rng(0)
    true = [rng.integers(0, 4, (12, 12)) for _ in range(3)]
    found = [np.where(rng.random((12, 12)) < 0.8, labels, 0) for labels in true]
    counts = scripts.measures.scores([annotated(labels) for labels in true], found)
    wanted = match_dataset(zip(true, found, strict=True), ious=(0.5,)).mean[0]
    mean = {
        metric: scripts.units.score(counts, metric).mean()
        for metric in ("P05", "recall", "RQ", "SQ", "PQ")
    }
    assert mean == pytest.approx(
        {
            "P05": wanted.precision,
            "recall": wanted.recall,
            "RQ": wanted.f1,
            "SQ": wanted.segmentation_quality,
            "PQ": wanted.panoptic_quality,
        },
        abs=1e-4,
    )


def test_a_larger_field_of_view_has_fewer_pixels_and_the_same_cells(scripts):
    labels = np.zeros((20, 30), np.int32)
    labels[4:12, 4:12], labels[4:12, 12:24] = 1, 2
    half = scripts.measures.rescale(annotated(labels), 0.5)
    assert half.image.shape == (1, 10, 15)
    assert np.bincount(half.labels.ravel()).tolist()[1:] == [16, 24]
    assert scripts.measures.rescale(annotated(labels), 2).labels.shape == (40, 60)


def test_a_true_cell_is_found_if_a_predicted_one_overlaps_half_of_both(scripts):
    labels = np.array([0, 2, 2, 2, 5, 5, 7, 7, 7])
    found = np.array(
        [9, 9, 4, 4, 4, 4, 0, 1, 1]
    )  # of 2: 2 of 5 pixels with 4; of 5: 2 of 4; of 7: 2 of 3
    assert scripts.measures.is_found(labels, found).tolist() == [False, True, True]
    assert scripts.measures.is_found(labels, 0 * found).tolist() == [False, False, False]


def test_the_smallest_cell_is_rescaled_with_the_image(scripts, study):
    data = replace(
        study.data_set("cells"),
        settings=replace(study.data_set("cells").settings, min_size=40, min_core=8),
    )
    rule = scripts.measures.resize_rule(
        scripts.measures.DecodeRule(min_size=1, min_core=1), 0.5, data
    )
    assert (rule.min_size, rule.min_core) == (10, 2)


def test_the_diameter_is_that_of_a_disc_as_large(scripts):
    yy, xx = np.mgrid[:60, :60]
    disc = ((yy - 30) ** 2 + (xx - 30) ** 2 <= 20**2).astype(int)
    assert scripts.measures.diameter([annotated(disc)]) == pytest.approx(40, rel=0.02)
    ball = (sum((axis - 12) ** 2 for axis in np.mgrid[:25, :25, :25]) <= 10**2).astype(int)
    assert scripts.measures.diameter([annotated(ball)]) == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    "condition", ["clean", "drop 50 %", "erode 2", "dilate 2", "shift 2", "2 images"]
)
def test_annotation_is_spoilt_the_same_way_for_every_loss(scripts, study, monkeypatch, condition):
    weak = scripts.weak_annotation
    monkeypatch.setitem(weak.FEW, "2 images", 2)
    images = (*study.data_set("cells").training, *study.data_set("cells").test)
    first, second = (weak.annotate(images, condition, 0) for _ in range(2))
    assert [image.name for image in first] == [image.name for image in second]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
    if condition == "2 images":
        assert len(first) == 2
        return
    cells = [
        (len(np.unique(a.labels)), len(np.unique(b.labels)))
        for a, b in zip(first, images, strict=True)
    ]
    area = sum((a.labels > 0).sum() for a in first) / sum((b.labels > 0).sum() for b in images)
    changed = any((a.labels != b.labels).any() for a, b in zip(first, images, strict=True))
    assert changed == (condition != "clean")
    if condition == "drop 50 %":
        assert all(abs((a - 1) / (b - 1) - 0.5) < 0.02 for a, b in cells)
    if condition in ("erode 2", "dilate 2"):
        assert (area < 0.9) if condition == "erode 2" else (area > 1.1)


# --- what numbers say


def test_means_are_over_images_and_the_spread_is_over_seeds(scripts):
    ones = [1, 1]
    content = {
        f"j4/{seed}": {"MAP": {"n_true": ones, "n_pred": ones, "tp": ones, "iou": iou, "ap": iou}}
        for seed, iou in enumerate(([0.5, 0.7], [0.8, 0.9]))
    }
    found = scripts.units.Units(content)
    assert found.means("j4", "MAP", metric="PQ") == pytest.approx([0.6, 0.85])
    assert found.images("j4", "MAP", metric="PQ") == pytest.approx([0.65, 0.8])
    assert found.cell("j4", "MAP", metric="PQ") == "0.725 ± 0.177"
    assert found.cell("j3", "MAP", metric="PQ") == "—"
    assert list(found.by_seed("j4")) == [0, 1]


def test_losses_are_compared_on_the_seeds_that_both_have(scripts):
    quality = np.linspace(0.3, 0.6, 8)
    both = units(scripts, j4=quality + 0.1, j3=quality)
    lucky = units(scripts, j3=quality + 0.3).content["j3/0"]
    found = scripts.units.Units({**both.content, "j3/1": lucky})
    claim = found.above("x", ("j4", "MAP"), ("j3", "MAP"))
    assert (claim.verdict, claim.numbers[:22]) == ("holds", "PQ 0.550 against 0.450")
    assert found.above("x", ("j4", "MAP"), ("dsc", "MAP")).verdict == "not measured"


def test_a_claim_over_seeds_says_in_how_many_the_first_is_higher(scripts):
    quality = np.linspace(0.3, 0.6, 8)
    content = {}
    for seed, (first, second) in enumerate(((0.1, 0.0), (0.2, 0.0), (0.0, 0.1))):
        content |= {
            f"j4/{seed}": {"MAP": counts(quality + first)},
            f"j3/{seed}": {"MAP": counts(quality + second)},
        }
    found = scripts.units.Units(content)
    assert found.above("x", ("j4", "MAP"), ("j3", "MAP")).numbers.endswith("higher in 2 of 3 seeds")
    assert found.above("x", ("j3", "MAP"), ("j4", "MAP")).numbers.endswith("higher in 1 of 3 seeds")


def test_scores_by_hand(scripts):
    counts = {"n_true": [4, 0], "n_pred": [2, 0], "tp": [2, 0], "iou": [1.5, 0.0], "ap": [0.2, 0.0]}
    found = {
        m: scripts.units.score(counts, m).tolist()
        for m in ("P05", "recall", "RQ", "SQ", "PQ", "AP")
    }
    assert found == {
        "P05": [1.0, 0.0],
        "recall": [0.5, 0.0],
        "RQ": pytest.approx([2 / 3, 0.0]),
        "SQ": [0.75, 0.0],
        "PQ": [0.5, 0.0],
        "AP": [0.2, 0.0],
    }
    with pytest.raises(ValueError, match="not 'F1'"):
        scripts.units.score(counts, "F1")


def test_the_order_of_table_6_is_judged_step_by_step(scripts):
    quality = np.linspace(0.3, 0.6, 8)
    found = units(
        scripts,
        j4=quality + 0.3,
        j3=quality + 0.2,
        w3=quality,
        bwm=quality + 0.1,
        dsc=quality + 0.3,
    )
    found.content["j4/0"]["MAP+gap"] = counts(quality + 0.4)
    said = {
        c.text: c.verdict
        for claims in scripts.table6.claims(replace_watershed(scripts, found))
        for c in claims
    }
    assert said["J4 > J3 by arg max"] == "holds"
    assert said["J3 > DSC by arg max"] == "does not hold"
    assert said["DSC > W³ by arg max"] == "holds"
    assert said["W³ > BWM by arg max"] == "does not hold"
    assert said["J3 by arg max > DSC by watershed"] == "does not hold"
    assert said["(not in the thesis) J3 > CE3 by arg max"] == "not measured"
    assert said["(not in the thesis) J4, gap as background > J4"] == "holds"
    assert said["(not in the thesis) J4, gap as background > DSC"] == "holds"
    assert said["(not in the thesis) J4 > DSC by watershed"] == "no significant difference"
    (row,) = (
        r
        for r in scripts.table6.table(replace_watershed(scripts, found)).splitlines()
        if "| J4, MAP |" in r
    )
    assert row.endswith("| 0.813 |")
    assert "| J4, gap as background, MAP | 1.000 |" in scripts.table6.table(
        replace_watershed(scripts, found)
    )


def replace_watershed(scripts, found):
    return scripts.units.Units(
        {key: {**unit, "WT": unit["MAP"]} for key, unit in found.content.items()}
    )


def counts(quality):
    ones = [1] * len(quality)
    return {"n_true": ones, "n_pred": ones, "tp": ones, "iou": list(quality), "ap": list(quality)}


def claims_of(script, found):
    return {claim.text: claim.verdict for claim in script.claims(found)}


def test_tables_4_and_5_judge_decoders_and_losses_and_print_thresholds_in_the_thesis_order(scripts):
    quality = np.linspace(0.3, 0.6, 8)
    rules = {
        "w3": {"MAP": quality, "TH": quality + 0.3, "WT": quality - 0.1},
        "bwm": {"MAP": quality - 0.1, "TH": quality + 0.3, "WT": quality},
        "unet": {"MAP": quality, "TH": quality, "WT": quality - 0.1},
    }
    content = {
        f"{loss}/0": {
            "pairs": {"TH": [0.1, 0.9], "WT": [0.4, 0.8]},
            **{rule: counts(q) for rule, q in of_rule.items()},
        }
        for loss, of_rule in rules.items()
    }
    found = scripts.units.Units(content)
    said = {
        claim.text: claim.verdict for family in scripts.table4_5.claims(found) for claim in family
    }
    assert said["TH is better than arg max for W³"] == "holds"
    assert said["WT is better than arg max for UNET"] == "does not hold"
    # Table 6 asks these
    assert not said.keys() & {"WT is better than arg max for W³", "W³ > BWM by MAP"}
    assert said["W³ > BWM by TH"] == "no significant difference"
    assert said["W³ > BWM by WT"] == "does not hold"
    assert said["COMB is the best by TH: > BWM"] == "not measured"
    # found as (touching, cell) and (background, cell), printed as γ1 (cell), γ2 (touching), τ0, τ1
    assert "| W³ | 0.90 | 0.10 | 0.40 | 0.80 |" in scripts.table4_5.thresholds(found)


def test_tables_2_and_3_and_figure_15_judge_contours_at_their_radius_and_field(scripts):
    rng = np.random.default_rng(0)
    f1 = rng.uniform(0.2, 0.4, (8, 7))
    wide = {"saw": 0.3, "dwm": 0.2, "unet": 0.1, "unet2": 0.0, "fl": 0.05}
    content = {}
    for loss, more in wide.items():
        f1_of = f1 + more
        if loss == "unet2":
            f1_of[:, 6] += 0.3  # above UNET3 at radius 7 only
        near = {"f1": f1_of, **counts(f1[:, 0]), "tp": f1[:, 0] + more}
        parts = {
            **{f"{field}X": near for field in scripts.fig15.FIELDS},
            "4.0X": {**near, "f1": f1 - more},
        }
        content[f"{loss}/0"] = {"training": near, **parts}
    found = scripts.units.Units(content)
    said = claims_of(scripts.table2_3, found)
    assert said["SAW > DWM, contours at radius 2"] == said["UNET3 > UNET2, cells"] == "holds"
    assert (
        said["UNET3 > UNET2, contours at radius 2"]
        == said["UNET2 > FL, contours at radius 7"]
        == "holds"
    )
    assert (
        said["UNET3 > UNET2, contours at radius 7"] == said["UNET2 > FL, cells"] == "does not hold"
    )
    table = scripts.table2_3.contour_table(found, "testing").splitlines()
    (row,) = (line for line in table if line.startswith("| DWM"))
    assert [float(cell.strip("* ")) for cell in row.split("|")[2:-1]] == pytest.approx(
        list(f1[:, 1:].mean(axis=0) + 0.2), abs=5e-4
    )
    assert table[table.index(row) + 1].startswith("| thesis | 0.675 | 0.785 |")
    assert scripts.fig15.claims(found)[0].numbers.startswith(
        f"F1@3 {f1[:, 2].mean() + 0.3:.3f} against"
    )
    said = claims_of(scripts.fig15, found)
    assert said["2X: SAW or DWM (here SAW) > the others (here UNET3)"] == "holds"
    assert said["4X: SAW or DWM (here DWM) > the others (here UNET2)"] == "does not hold"
    assert said["2X: FL is poor: the worst of the others (here UNET2) > FL"] == "does not hold"


def test_figures_16_and_26_judge_the_course_of_training(scripts):
    def unit(loss=(1.0,), *, recall=(0.5, 0.5), quality=(0.2, 0.2), by_th=0.3):
        rules = (
            {"recall": r, "MAP": q, "TH": by_th, "WT": 0.3}
            for r, q in zip(recall, quality, strict=True)
        )
        return {
            "loss": list(loss),
            "snapshots": [{"step": 100 * i, **rule} for i, rule in enumerate(rules)],
        }

    content = {f"{loss}/0": unit() for loss in scripts.fig16_26.SYSTEMS.values()}
    content["saw/0"] = unit(np.linspace(2, 1, 20), recall=(0.1, 0.9))
    content["dwm/0"] = unit(recall=(0.1, 0.8))
    content["fl/0"] = unit(recall=(0.9, 0.7))  # the first at the beginning only
    content["unet2/0"] = unit(recall=(1.0, 1.0))  # knows two classes
    content["w3/0"] = unit(quality=(0.1, 0.6), by_th=0.2)
    content["lsmax/0"] = unit(quality=(0.45, 0.2))

    def said():
        found = claims_of(scripts.fig16_26, scripts.units.Units(content))
        return ["not" not in verdict for verdict in found.values()]

    assert said() == [
        True,
        True,
        True,
        False,
        False,
    ]  # the loss falls, accuracy, MAP, TH, and by WT all are alike
    content["saw/0"] = unit(np.linspace(1, 2, 20), recall=(0.9, 0.6))
    content["lsmax/0"] = unit(quality=(0.6, 0.2))
    content["w3/0"] = unit(quality=(0.1, 0.6), by_th=0.4)
    assert said() == [False, False, False, True, False]


def test_below_the_name_of_each_data_set_is_what_was_measured(scripts, tmp_path):
    def part(name, units):
        return f"{name} has {len(units.content)}", ""

    for name, losses in (("a", ["j4"]), ("b", ["j4", "w3"]), ("c", [])):
        content = {f"{loss}/0": {} for loss in losses}
        (tmp_path / f"contours-{name}.json").write_text(json.dumps({"units": content}))
    made = scripts.units.per_data_set
    assert made(tmp_path, "contours", "abcd", part) == "**a**\n\na has 1\n\n**b**\n\nb has 2"
    assert made(tmp_path, "contours", "abcd", part, needs=["w3"]) == "**b**\n\nb has 2"


def test_detection_is_pooled(scripts):
    part = {"n_true": [8, 2], "n_pred": [4, 4], "tp": [4, 1], "iou": [3.0, 0.6], "ap": [0, 0]}
    found = scripts.units.Units({"saw/0": {"1.0X": part}})
    assert "| SAW | **0.625** | **0.500** | **0.556** |" in scripts.table2_3.detection_table(
        found, "testing"
    )


def test_table_7_judges_each_data_set_and_what_was_never_seen(scripts, tmp_path):
    quality = np.linspace(0.3, 0.6, 8)

    def write(name, content):
        (tmp_path / name).write_text(json.dumps({"units": content}))

    own = {
        "j3/0": {"MAP": counts(quality)},
        "j4/0": {"MAP": counts(quality - 0.1), "MAP+gap": counts(quality + 0.1)},
    }
    write("instances-cells.json", own)
    seen = {
        f"dsb2018/{loss}/0": {
            "scale": 2.0,
            "as it is": counts(quality),
            "rescaled": counts(quality + more),
        }
        for loss, more in (("j3", 0.0), ("j4", 0.2))
    }
    write("zero_shot-cells.json", seen)
    said = {
        claim.text: claim.verdict for family in scripts.table7.claims(tmp_path) for claim in family
    }
    assert said == {
        "J4 > J3 on cells": "does not hold",
        "(not in the thesis) J4 > J3 on cells, gap as background": "holds",
        "J4 > J3, zero-shot, cells → dsb2018, rescaled": "holds",
    }
    assert "| J4, cells → dsb2018 | 0.450 | 0.650 | 2.0 |" in scripts.table7.foreign_table(tmp_path)


def test_each_variant_differs_from_the_protocol_in_one_thing(scripts, study):
    data = study.data_set("cells")
    made = {name: scripts.variants.variant(name, data, 0) for name in scripts.variants.VARIANTS}
    assert {name: dict(variant.changes) for name, variant in made.items()} == {
        "frequency": {"weights": {"balance": "frequency"}},
        "lam0.5": {"lam": 0.5},
        "thin": {"touching_radius": 1, "gap_radius": 3.0},
        "longer": {"steps": 6, "validate_every": 6, "snapshot_every": 0},
        "few": {},
    }
    assert len(made["few"].training) == 2
    with pytest.raises(ValueError, match="not 'thick'"):
        scripts.variants.variant("thick", data, 0)


def test_the_order_with_the_other_balance_takes_only_w3_from_the_variants(scripts):
    quality = np.linspace(0.3, 0.6, 8)
    found = units(scripts, j4=quality + 0.3, j3=quality + 0.2, w3=quality, bwm=quality + 0.1)
    found.content["frequency/w3/0"] = {"MAP": counts(quality + 0.15), "WT": counts(quality)}
    found.content["bwm/0"]["WT"] = counts(quality)
    found.content["lam0.5/j4/0"] = found.content["frequency/bwm/0"] = {"MAP": counts(quality + 0.9)}
    assert claims_of(scripts.variants, found) == {
        "J3 > W³ with N / n by arg max": "holds",
        "W³ with N / n > BWM by arg max": "holds",
    }
    further = {c.text: c.verdict for c in scripts.variants.further_claims(found)}
    assert further == {
        "W³ with N / n > BWM by watershed": "no significant difference",
        "the watershed helps W³ with N / n": "does not hold",
    }


def test_w3_with_its_default_balance_stands_in_the_tables_next_to_the_other(scripts, tmp_path):
    quality = np.linspace(0.3, 0.6, 8)
    pairs = {"TH": [0.1, 0.9], "WT": [0.4, 0.8]}
    both = {"pairs": pairs, **dict.fromkeys(("MAP", "TH", "WT"), counts(quality))}
    other = {**both, "MAP": counts(quality + 0.1)}
    units = scripts.units.Units({"w3/0": both})
    (tmp_path / "variants-dsb2018.json").write_text(
        json.dumps({"units": {"frequency/w3/0": other, "few/w3/0": both}})
    )
    shown = units.with_balanced(tmp_path, "dsb2018")
    assert set(shown.content) == {"w3/0", "frequency/w3/0"}
    lines = scripts.table6.table(shown).splitlines()
    (row,) = (line for line in lines if line.startswith("| W³, N / n, MAP |"))
    assert "**0.550**" in row
    assert row.endswith("| 0.551 |")  # the thesis' W³
    assert "| W³, N / n | 0.90 | 0.10 | 0.40 | 0.80 |" in scripts.table4_5.thresholds(shown)
    assert "| W³, N / n |" in scripts.table4_5.table(shown)


def test_a_variant_is_set_beside_the_plain_loss_on_common_seeds(scripts):
    quality = np.linspace(0.3, 0.6, 8)
    plain = units(scripts, j4=quality, bwm=quality)
    plain.content["j4/1"] = {"MAP": counts(quality + 0.3)}  # no variant of that seed
    changed = units(
        scripts, **{"lam0.5/j4": quality - 0.1, "longer/bwm": quality + 0.1, "few/w3": quality}
    )
    change = scripts.variants.change
    assert change(plain, "j4", changed, "lam0.5/j4") == ("-0.100", "down")
    assert change(plain, "bwm", changed, "longer/bwm") == ("+0.100", "up")
    assert change(plain, "w3", changed, "few/w3") == ("", "")


def test_the_variants_section_takes_the_rest_of_the_order_from_table_6(scripts, tmp_path):
    quality = np.linspace(0.3, 0.6, 8)
    both = {rule: counts(quality) for rule in ("MAP", "WT")}
    plain = {f"{loss}/0": both for loss in ("j4", "j3", "bwm", "w3")}
    (tmp_path / "instances-dsb2018.json").write_text(json.dumps({"units": plain}))
    (tmp_path / "variants-dsb2018.json").write_text(json.dumps({"units": {"frequency/w3/0": both}}))
    text = scripts.variants.section(tmp_path, tmp_path)
    assert "| W³, b = N / n | 0.450 | 0.450 | +0.000 | no significant difference |" in text
    assert (
        "| W³ with N / n > BWM by arg max | **no significant difference** | PQ 0.450 against 0.450 "
        "|" in text
    )


def test_touching_cells_are_pooled_over_images(scripts):
    rule = {"n_true": [8, 2], "tp": [4, 2], "n_pred": [9, 9]}
    content = {
        "j4/0": dict.fromkeys(("MAP", "MAP+gap", "TH", "WT"), rule),
        "comb/0": {"MAP": rule, "TH": rule, "WT": rule},
    }
    text = scripts.table6.touching_table(scripts.units.Units(content))
    assert "| J4 | 0.600 | 0.600 | 0.600 | 0.600 |" in text
    assert "| COMB | 0.600 | — | 0.600 | 0.600 |" in text


def test_ranks_are_those_of_common_seeds(scripts, tmp_path):
    quality = np.linspace(0.3, 0.6, 8)
    found = units(scripts, j4=quality + 0.2, j3=quality + 0.1, ce3=quality)
    found.content["ce3/1"] = {
        "MAP": counts(quality[::-1] + 0.2)
    }  # the mean of both seeds is above some of J4's
    text = scripts.table6.ranks(found, tmp_path / "x.png")
    assert "seeds 0: p 0.00034" in text
    found.content["bwm/2"] = {"MAP": counts(quality)}
    assert scripts.table6.ranks(found, tmp_path / "x.png") == ""


def test_the_best_under_bad_annotation_is_named_with_those_that_may_be_as_good(
    scripts, monkeypatch
):
    quality = np.linspace(0.3, 0.6, 8)
    shifts = {"ce3": 0.2, "bwm": 0.1, "unet": 0.0, "w3": 0.0, "j3": 0.2, "j4": 0.19}
    content = {
        f"clean/{loss}/0": {"MAP": counts(quality + shift)} for loss, shift in shifts.items()
    }
    noise = 0.02 * (-1) ** np.arange(8)
    content["clean/j3/0"] = {"MAP": counts(quality + 0.199 + noise)}
    answer = scripts.weak_annotation.answer(scripts.units.Units(content), "MAP")
    assert "| clean | CE | J3 |" in answer


def test_printed_numbers_are_those_of_the_thesis(scripts):
    assert scripts.table6.PRINTED["J4", "MAP"] == (0.9334, 0.9353, 0.8689, 0.8132)
    assert scripts.table4_5.PRINTED["W³"][-1] == 0.7896
    assert scripts.table4_5.PRINTED["COMB"][7] == 0.7889
    assert scripts.table4_5.THRESHOLDS["W³"] == (0.6, 0.2, 0.4, 0.9)
    assert scripts.table2_3.PRINTED_F1["testing"]["SAW"][0] == 0.7332
    assert scripts.table2_3.PRINTED_DETECTION["testing"]["DWM"] == (0.7046, 0.5195, 0.5980)
    assert scripts.table7.PRINTED["DIC"]["J4"][-1] == 0.7841


# --- the scripts run


def test_quick_forms_run_and_the_report_shows_what_they_measured(
    scripts, run, tmp_path, monkeypatch
):
    if not is_nightly:  # most of the time goes into thresholds: 25 pairs are enough, not 2,401
        tuning = sys.modules["seamwise.segmentation.choose.tune"]
        monkeypatch.setattr(tuning, "GRID", tuning.GRID[4::10])
        monkeypatch.setattr(scripts.weak_annotation, "LOSSES", ("ce3", "j4"))
        for script in (scripts.table6, scripts.variants):  # weak annotation has CE3
            fewer = {name: loss for name, loss in script.SYSTEMS.items() if name[:2] != "CE"}
            monkeypatch.setattr(script, "SYSTEMS", fewer)  # a deleted item comes back as the last
    monkeypatch.setattr(scripts.weak_annotation, "CONDITIONS", ("clean", "drop 50 %", "1 image"))
    monkeypatch.setattr(
        scripts.variants, "VARIANTS", {"lam0.5": ("λ", ("j4",)), "few": ("few", ("bwm",))}
    )
    for name in (
        "table6",
        "table2_3",
        "table4_5",
        "fig16_26",
        "table7",
        "weak_annotation",
        "variants",
    ):
        monkeypatch.setattr(getattr(scripts, name), "SETS", ("cells",))
        run(name)
    monkeypatch.setattr(scripts.fig15, "SETS", ("cells",))
    words = "\n\n".join(
        f"{{{name}}}" for name in ("table6", "table2_3", "table4_5", "fig15", "fig16_26", "table7")
    )
    words += "\n\n{weak_annotation}\n\n{variants}\n\n{conditions}\n\n{protocol}\n"
    text = scripts.report.render(words, tmp_path / "results" / "quick", tmp_path)
    assert "Not measured yet" not in text
    for word in (
        "J4, MAP",
        "thesis: J4 on TCELLS",
        "TH γ2 (touching)",
        "testing, radius",
        "drop 50 %",
        "hours",
    ):
        assert word in text
    pictures = re.findall(r"images/([\w.-]+\.png)", text)
    assert {"fig15-cells.png", "fig16_26-cells.png"} <= set(pictures)
    assert all((tmp_path / picture).stat().st_size > 5000 for picture in pictures)


def test_the_report_shows_no_numbers_of_another_protocol(scripts, tmp_path, monkeypatch):
    kept = tmp_path / "results"
    with pytest.raises(
        FileNotFoundError, match=r"results holds no results \(\*\.json\): give the folder"
    ):
        scripts.report.refuse_others(kept)
    shutil.copytree(scripts.study.HERE / "results", kept)
    scripts.report.refuse_others(kept)
    path = kept / "instances-cells.json"
    made_by = json.loads(path.read_text())["made_by"]
    path.with_stem("instances-cells-0123").write_text("{}")  # moved aside by a run
    path.write_text(path.read_text().replace(made_by, "0123"))
    monkeypatch.setattr(
        sys, "argv", ["report.py", "--results", str(kept), "-o", str(tmp_path / "docs")]
    )
    with pytest.raises(
        ValueError, match=r"instances-cells\.json was made by another protocol: measure again"
    ):
        scripts.report.main()
    assert not (tmp_path / "docs" / "segmentation-thesis.md").exists()


def test_the_report_says_where_and_how_long_was_measured(scripts, tmp_path):
    unit = {"machine": 0, "seconds": 5400, "date": "2026-01-02"}
    content = {
        "machines": ["a slow one"],
        "units": {"a": unit, "b": {**unit, "date": "2026-01-05"}},
    }
    for name in ("instances-cells", "instances-cells-0123"):  # the second was moved aside
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert scripts.report.conditions(tmp_path) == (
        "- a slow one: 2 measurements, 2026-01-02 to 2026-01-05\n- together 3.0 hours"
    )


# --- the page that is kept


@pytest.fixture(scope="module")
def page(scripts, tmp_path_factory):
    """The page as `report.py` writes it now, without the pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda *args, **options: None)
        words = scripts.report.WORDS.read_text(encoding="utf-8")
        results = scripts.study.HERE / "results"
        return scripts.report.render(words, results, tmp_path_factory.mktemp("pictures"))


def test_the_page_holds_what_the_stored_numbers_say(scripts, page):
    """Or `make reproduction-report` was not run."""
    kept = scripts.study.HERE.parents[1] / "docs" / "segmentation-thesis.md"
    assert kept.read_text(encoding="utf-8") == page


def test_a_comparison_has_one_verdict_on_the_page(page):
    verdicts = {}
    for line in page.splitlines():
        match = re.match(r"\| .* \| \*\*(.*)\*\* \| (PQ [\d.]+ against [^;|]*?)[ ;|]", line)
        in_sentences = re.findall(r"\*\*([\w ]+)\*\* \((PQ [\d.]+ against [\d.]+,?)", line)
        for verdict, numbers in [match.groups()] if match else in_sentences:
            if numbers != "PQ 0.000 against 0.000":
                verdicts.setdefault(numbers, set()).add(verdict)
    assert len(verdicts) > 60
    assert {numbers: found for numbers, found in verdicts.items() if len(found) > 1} == {}


@pytest.mark.parametrize("page", ["report.md", "summary.md"])
def test_the_verdict_of_a_comparison_comes_from_its_claim_also_in_sentences(scripts, page):
    words = (scripts.study.HERE / page).read_text(encoding="utf-8")
    verdict = r"(?:\*\*|hold\b|not hold\b|significant)"
    by_hand = re.findall(rf"[A-Z][\w³]* > [A-Z][\w³]*[^|.:{{]*?{verdict}", words)
    assert by_hand == []


# --- masks with lines, of chapter 3


def test_a_line_separates_what_touches_and_nothing_else(scripts):
    labels = np.array(
        [
            [1, 1, 1, 2, 2, 2],
            [1, 1, 1, 2, 2, 2],
            [1, 1, 1, 0, 0, 0],
            [0, 0, 3, 0, 4, 4],
        ]
    )
    image = AnnotatedImage("a", np.zeros((1, 4, 6), np.float32), labels)
    made = scripts.table2_3.with_lines(image)
    assert made.name == "a-lines"
    np.testing.assert_array_equal(
        made.labels,
        [
            [1, 1, 0, 2, 2, 2],
            [1, 1, 0, 2, 2, 2],
            [1, 0, 0, 0, 0, 0],
            [0, 0, 3, 0, 4, 4],
        ],
    )


def test_networks_learn_from_masks_with_lines(scripts, run, tmp_path, monkeypatch):
    tuning = sys.modules["seamwise.segmentation.choose.tune"]
    monkeypatch.setattr(tuning, "GRID", tuning.GRID[4::10])
    monkeypatch.setattr(scripts.table2_3, "SYSTEMS", {"UNET2": "unet2", "SAW": "saw"})
    monkeypatch.setattr(scripts.table2_3, "ORDER", ("SAW", "UNET2"))
    run("table2_3")
    run("table2_3", "--lines")
    folder = tmp_path / "results" / "quick"
    for kind in ("instances", "contours"):
        units = json.loads((folder / f"{kind}-cells.json").read_text())["units"]
        assert sorted(units) == ["lines/saw/0", "lines/unet2/0", "saw/0", "unet2/0"]
    (network,) = (tmp_path / "runs" / "quick").glob("cells-lines-saw-*/model.safetensors")
    assert load(network).info.training["settings"]["annotation"] == "binary"
    monkeypatch.setattr(scripts.table2_3, "SETS", ("cells",))
    text = scripts.table2_3.section(folder, tmp_path)
    plain, lines = text.split("**cells, black-and-white masks with lines (Algorithm 1)**")
    assert plain.count("| SAW |") == lines.count("| SAW |") == 4
    assert plain.count("SAW > UNET2") == lines.count("SAW > UNET2") == 3
    assert lines.count("numbered cells > lines, SAW") == 2


# --- the scaling study


def test_the_scaling_study_runs_resumes_and_shows_what_it_measured(
    scripts, run, tmp_path, monkeypatch, capsys
):
    tuning = sys.modules["seamwise.segmentation.choose.tune"]
    monkeypatch.setattr(tuning, "GRID", tuning.GRID[4::10])
    run("scaling")
    path = tmp_path / "results" / "quick" / "scaling-cells.json"
    content = json.loads(path.read_text())
    assert sorted(content["units"]) == [
        "width2-steps2/ce3/0",
        "width2-steps2/j4/0",
        "width2-steps3/w3/0",
        "width4-steps2/ce3/0",
        "width4-steps2/j4/0",
    ]
    before = path.read_bytes()
    capsys.readouterr()
    run("scaling")
    assert path.read_bytes() == before
    assert "holds" not in capsys.readouterr().out
    monkeypatch.setattr(scripts.scaling, "SETS", ("cells",))
    text = scripts.scaling.section(path.parent, tmp_path)
    assert "| J4, width 4, 2 steps |" in text
    assert "| width 4, 2 steps: J4 > CE3 | **" in text
    assert "not measured" not in text
    assert (tmp_path / "scaling-cells.png").stat().st_size > 5000


def test_the_scaling_study_draws_curves_of_two_widths_or_two_lengths_or_more(scripts):
    def curves(*names):
        units = scripts.units.Units({f"{name}/j4/0": {} for name in names})
        return [(c.title, c.numbers(c.sizes)) for c in scripts.scaling.curves(units)]

    assert curves("width8-steps600", "width16-steps2400") == []
    assert curves("width8-steps600", "width16-steps600", "width16-steps2400") == [
        ("600 steps", [8, 16]),
        ("width 16", [600, 2400]),
    ]
    assert curves("width16-steps2400", "width32-steps2400") == [("2,400 steps", [16, 32])]


def test_a_curve_has_the_losses_that_are_measured_at_its_sizes(scripts):
    scaling = scripts.scaling

    def scores(quality):
        ones = [1, 1]
        return {"n_true": ones, "n_pred": ones, "tp": ones, "iou": [quality] * 2}

    units = scripts.units.Units(
        {
            "width8-steps600/j4/0": {"MAP": scores(0.5), "MAP+gap": scores(0.7)},
            "width8-steps600/j4/1": {"MAP": scores(0.6), "MAP+gap": scores(0.7)},
            "width16-steps600/j4/0": {"MAP": scores(0.8), "MAP+gap": scores(0.9)},
            "width16-steps600/j3/0": {"MAP": scores(0.4)},
        }
    )
    (curve,) = scaling.curves(units)
    panel = scaling.Figure().subplots()
    scaling.draw_losses(panel, units, curve, "MAP")
    drawn = {
        line.get_label(): line.lines[0].get_xydata().round(3).tolist() for line in panel.containers
    }
    assert drawn == {
        "J3": [[16, 0.4]],
        "J4": [[8, 0.55], [16, 0.8]],
        "J4, gap as background": [[8, 0.7], [16, 0.9]],
    }
    assert panel.get_title() == "600 steps, MAP"
    assert panel.get_xlabel() == "width"


# --- J that counts cells


def test_j_by_cells_is_measured_for_each_power_and_shown(
    scripts, run, tmp_path, monkeypatch, capsys
):
    tuning = sys.modules["seamwise.segmentation.choose.tune"]
    monkeypatch.setattr(tuning, "GRID", tuning.GRID[4::10])
    run("by_cells")
    path = tmp_path / "results" / "quick" / "by_cells-cells.json"
    units = json.loads(path.read_text())["units"]
    assert sorted(units) == ["power0.5/j4_cells/0", "power0/j4/0", "power1/j4_cells/0"]
    assert "| 0.5 | 1 |" in capsys.readouterr().out
    monkeypatch.setattr(scripts.by_cells, "SETS", ("cells",))
    lines = scripts.by_cells.section(path.parent, tmp_path).splitlines()
    assert [line.split(" |")[0] for line in lines[2:]] == ["| 0", "| 0.5", "| 1"]
    data = SimpleNamespace(settings=SimpleNamespace(steps=600))
    assert scripts.by_cells.variant(0.5, data).changes == {
        "steps": 1200, "validate_every": 1200, "snapshot_every": 300, "weights": {"power": 0.5},
    }  # fmt: skip


def test_the_page_says_what_of_the_scaling_study_is_measured(scripts):
    keys = ("width8-steps600/ce3/0", "width8-steps600/ce3/1", "width8-steps600/j4/0", "other/j4/0")
    text = scripts.scaling.state(scripts.units.Units({key: {} for key in keys}))
    assert text.startswith("3 of 75 networks are measured")
    assert "- width 8, 600 steps: CE3 (2), J4 (1)" in text
    assert text.endswith("The others are not run yet.")


def test_what_costs_least_is_measured_first(scripts):
    protocol = scripts.study.read_protocol()["scaling"]
    planned = scripts.scaling.cells(protocol)
    costs = [cell.cost for cell in planned]
    assert costs == sorted(costs)
    assert len(planned) == 3 * 6 * 3 + 3 * 6 + 3
    assert str(planned[0].size) == "width 8, 600 steps"
    w3 = next(cell for cell in planned if cell.loss == "w3")
    assert w3.variant.changes["weights"] == {"balance": "frequency"}


def test_the_scaling_study_takes_the_networks_of_table_6(scripts, tmp_path):
    def write(kind, **units):
        (tmp_path / f"{kind}-usiigaci.json").write_text(json.dumps({"units": units}))

    write("instances", **{"j4/0": {"a": 1}, "j4/1": {"a": 2}, "w3/0": {"a": 3}, "saw/0": {}})
    write("variants", **{"frequency/w3/0": {"a": 4}, "thin/j4/0": {}})
    write("scaling", **{"width8-steps600/j4/0": {"a": 5}, "width16-steps600/j4/1": {"a": 6}})
    protocol = scripts.study.read_protocol()
    units = scripts.scaling.with_table_6(tmp_path, "usiigaci", protocol)
    assert units.content == {
        "width16-steps600/j4/0": {"a": 1},
        "width16-steps600/j4/1": {"a": 6},
        "width16-steps600/w3/0": {"a": 4},
        "width8-steps600/j4/0": {"a": 5},
    }
    study = scripts.study.Study(protocol, tmp_path, tmp_path, tmp_path / "none")
    planned = scripts.scaling.cells(protocol["scaling"])
    assert scripts.scaling.missing(study, "usiigaci", planned) == planned
    study = scripts.study.Study(protocol, tmp_path, tmp_path, tmp_path)
    (tmp_path / "scaling-usiigaci.json").unlink()
    left = scripts.scaling.missing(study, "usiigaci", planned)
    assert {(str(c.size), c.loss, c.seed) for c in set(planned) - set(left)} == {
        ("width 16, 600 steps", "j4", 0),
        ("width 16, 600 steps", "j4", 1),
        ("width 16, 600 steps", "w3", 0),
    }


def test_the_lead_of_a_loss_is_that_of_the_seeds_both_have_at_each_size(scripts):
    def scores(quality, **more):
        ones = [1, 1]
        one = {"n_true": ones, "n_pred": ones, "tp": ones, "iou": [quality] * 2}
        return {"MAP": one, **more}

    gap = {"MAP+gap": scores(0.9)["MAP"]}
    units = scripts.units.Units(
        {
            "width8-steps600/j4/0": scores(0.5),
            "width8-steps600/j4/1": scores(0.6),
            "width8-steps600/j3/1": scores(0.7),
            "width16-steps600/j4/0": scores(0.8, **gap),
            "width16-steps600/j3/0": scores(0.4),
            "width32-steps600/j4/0": scores(0.8),
        }
    )
    scaling = scripts.scaling
    small, large = scaling.Size(600, 8), scaling.Size(600, 16)
    found = scaling.leads(units, ("j4", "MAP"), ("j3", "MAP"))
    assert found == pytest.approx({small: -0.1, large: 0.4})
    assert scaling.trend(units, "j4", "j3") == "ahead at 1 of 2 sizes (-0.100 to +0.400 PQ)"
    assert scaling.trend(units, "dsc", "w3") == "*not measured yet*"
    table = scaling.lead_table(units).splitlines()
    assert "| J4 over J3 | -0.100 | +0.400 | — |" in table
    assert "| J4, gap as background, over J3 | — | +0.500 | — |" in table
    assert len(table) == 4


def test_what_table_6_judges_is_not_judged_again(scripts, tmp_path):
    for kind, start, quality in (("instances", "", 0.5), ("scaling", "width8-steps600/", 0.4)):
        content = units(scripts, j3=[quality] * 3, j4=[quality + 0.1] * 3).content
        made = {f"{start}{key}": unit for key, unit in content.items()}
        for unit in made.values():
            unit["WT"] = unit["MAP"]
        (tmp_path / f"{kind}-usiigaci.json").write_text(json.dumps({"units": made}))
    text = scripts.scaling.section(tmp_path, tmp_path)
    assert "| J4, width 16, 600 steps | 0.600 |" in text
    assert "width 8, 600 steps: J4 > J3" in text
    assert "width 16, 600 steps: J4 > J3" not in text
    assert (tmp_path / "scaling-usiigaci.png").exists()


def test_an_estimate_keeps_nothing(scripts, run, tmp_path, capsys):
    run("scaling", "--estimate")
    assert "cells, width 2: " in capsys.readouterr().out
    assert not list((tmp_path / "results").rglob("*.json"))


def test_a_result_file_that_is_half_written_is_named_and_kept(scripts, run, tmp_path):
    path = tmp_path / "results" / "quick" / "scaling-cells.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"units": {"width2')
    with pytest.raises(ValueError, match=r"scaling-cells\.json"):
        run("scaling")
    assert path.read_text() == '{"units": {"width2'

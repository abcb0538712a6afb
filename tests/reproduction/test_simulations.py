"""Simulations and landscapes of the thesis' Figures 33, 34, 35 and 37: verdicts and drawings."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seamwise.analysis import binary_scores
from seamwise.engine.networks import build_network
from seamwise.segmentation.data import AnnotatedImage
from seamwise.segmentation.settings import TrainSettings
from seamwise.segmentation.train import describe


def said(claims):
    return [claim.verdict for claim in claims]


# --- Figures 33, 34 and 35


@pytest.fixture
def figures(scripts):
    """All claims that numbers decide hold."""
    script = scripts.simulated_scores
    moving, still = [0.9, 0.7, 0.4, 0.1], [0.0] * 4
    scores = {score: still if score in ("youden", "mcc") else moving for score in script.SCORES}
    steps = np.linspace(1, 0.5, 60).tolist()
    late = [0.1] * 40 + [50.0] * 20  # below cross entropy until the fit
    course = {
        "cross_entropy": steps,
        "youden": late,
        "cross_entropy_gradient": steps,
        "youden_gradient": late,
    }
    names = (*script.classifiers(0.5), "empty kept", "many pixels")
    points = {"youden": [0.1, 0.2], "mcc": [0.1, 0.3]}
    mask = ["0012", "0312"]
    return {
        "fig33": {
            "prevalence": [0.5, 0.25, 0.1, 0.01],
            "scores": {name: dict(scores) for name in script.classifiers(0.5)},
        },
        "fig34": {
            "prevalence": [0.01, 0.25, 0.5],
            "pixels": 350,
            "many_pixels": 10000,
            "draws": 20,
            "empty": [0.03, 0.0, 0.0],
            "correlation": {name: [0.93, 0.99, 1.0] for name in names},
            "scatter": {name: [points] * 3 for name in (script.C3, script.RIGHT)},
        },
        "fig35": {
            "target": mask,
            "masks": {f"{t}": mask for t in script.MOMENTS},
            "pixels": [3, 2, 2, 1],
            "found": {f"{t}": [3, 2, 2, 0] for t in script.MOMENTS},
            "courses": {f"{start}": dict(course) for start in script.STARTS},
        },
    }


def test_invariance_is_judged_by_the_range_of_each_score(scripts, figures):
    script, content = scripts.fig33_35_claims, figures["fig33"]
    assert said(script.claims_33(content)) == ["holds"] * 3
    content["scores"]["C1"]["mcc"] = [0, 0, 0, 1e-6]
    assert said(script.claims_33(content)) == ["does not hold", "holds", "holds"]
    content["scores"]["C3"]["accuracy"] = [0.5] * 4
    second = script.claims_33(content)[1]
    assert (second.verdict, second.numbers) == (
        "does not hold",
        "invariant as well: accuracy of C3",
    )
    content["scores"][script.RIGHT]["mcc"] = [0.8, 0.7, 0.6, 0.25]
    third = script.claims_33(content)[2]
    assert third.verdict == "does not hold"
    assert "J 0.000 to 0.000, MCC 0.800 to 0.250" in third.numbers


def test_correlations_are_judged_where_the_class_is_rarest(scripts, figures):
    script, content = scripts.fig33_35_claims, figures["fig34"]
    assert said(script.claims_34(content)) == ["holds", "cannot be tested here", "holds"]
    content["correlation"]["C3"] = [0.91, 0.99, 1.0]
    assert said(script.claims_34(content)) == ["does not hold", "cannot be tested here", "holds"]
    content["correlation"][script.RIGHT] = [0.6, 0.99, 1.0]
    assert said(script.claims_34(content))[2] == "does not hold"
    assert "| π = 0.01 | 0.92 | 0.9100 | 0.9300 | 0.9300 | 0.9300 | 0.6000 |" in script.table_34(
        content
    )


def test_cross_entropy_must_lead_throughout_and_the_gradient_of_youden_be_much_larger_late(
    scripts, figures
):
    script, content = scripts.fig33_35_claims, figures["fig35"]
    assert said(script.claims_35(content)) == ["holds", "holds", "cannot be tested here"]
    course = content["courses"]["0.9"]
    course["youden_gradient"] = [*course["youden_gradient"][:39], *[50.0] * 21]
    early, late, _ = script.claims_35(content)
    assert (early.verdict, late.verdict) == ("does not hold", "holds")
    assert "40 of 40 (start 0.5), 39 of 40 (start 0.9)" in early.numbers
    course["youden_gradient"] = [0.1] * 40 + [5.0] * 20
    assert said(script.claims_35(content))[:2] == ["holds", "does not hold"]
    course["youden_gradient"], course["youden"] = [0.1] * 40 + [50.0] * 20, [0.1] * 60
    assert said(script.claims_35(content))[:2] == ["holds", "does not hold"]


def test_an_image_without_positives_counts_by_its_negatives(scripts):
    kept = scripts.simulated_scores.with_empty_images(
        binary_scores([0, 3], [40, 2], [0, 1], [60, 6])
    )
    assert kept.youden == pytest.approx([0.6 - 1, 0.75 + 0.75 - 1])
    assert kept.mcc[0] == 0
    assert kept.mcc[1] == pytest.approx((3 * 6 - 2 * 1) / np.sqrt(5 * 4 * 8 * 7))


def test_the_figures_are_drawn_from_made_up_content(scripts, figures, tmp_path):
    written = scripts.fig33_35_drawings.draw(figures, tmp_path)
    assert [path.name for path in written] == ["fig33.png", "fig34.png", "fig35.png"]
    assert all(path.stat().st_size > 5000 for path in written)


def test_the_simulations_run_as_a_command(scripts, monkeypatch, tmp_path, capsys):
    script = scripts.fig33_35
    monkeypatch.setattr(sys, "argv", ["fig33_35.py", "-o", str(tmp_path), "--quick"])
    script.main()
    folder = tmp_path / "quick"
    assert {path.name for path in folder.iterdir()} == {"fig33_35.json"}
    content = json.loads((folder / "fig33_35.json").read_text())
    text = scripts.fig33_35_claims.words(content)
    assert capsys.readouterr().out.strip() == text.strip()
    assert "| MCC | 0.800 | 0.756 | 0.625 | 0.256 |" in text
    assert content["versions"].keys() == {"seamwise", "numpy", "torch", "python"}
    assert content["seed"] == scripts.simulated_scores.SEED
    verdicts = [claim.verdict for claim in scripts.fig33_35_claims.claims_35(content["fig35"])]
    assert verdicts == ["does not hold", "holds", "cannot be tested here"]
    assert scripts.simulated_scores.from_digits(content["fig35"]["target"]).max() == 3


# --- Figure 37

AXIS = np.array([-1, -0.5, -0.25, -0.1, 0, 0.1, 0.25, 0.5, 1])


def unit(steepness, chance=(0.01, 1.0, 2.0, 1.0)):
    """Parabolas a · r² above 0.5 of each loss, along two lines and on a plane."""
    losses = ("BWM", "W³", "J3", "CE")
    steep = dict(zip(losses, steepness, strict=True))
    common = {
        "crops": [4, 1, 8, 8],
        "touching": 0.01,
        "chance": dict(zip(losses, chance, strict=True)),
        "coordinates": AXIS.tolist(),
    }
    line = {loss: [(0.5 + a * AXIS**2).tolist() for _ in range(2)] for loss, a in steep.items()}
    plane = {loss: (0.5 + a * (AXIS[:, None] ** 2 + AXIS**2)).tolist() for loss, a in steep.items()}
    return {"line": {**common, "values": line}, "plane": {**common, "values": plane}}


def test_a_rise_is_the_mean_over_both_ways_of_both_directions(scripts):
    script, one = scripts.fig37, unit((1, 2, 4, 3))
    assert script.rise(one, "W³", 0.5) == pytest.approx(2 * 0.25)
    one["line"]["values"]["W³"][1][-1] += 8  # at +1 of the second direction
    assert script.rise(one, "W³", 1.0) == pytest.approx(2 + 8 / 4)
    found = script.rises(
        {"J3/0": unit((1, 2, 4, 3)), "J3/1": unit((1, 2, 8, 3)), "W³/0": one}, "J3", "chance"
    )
    assert found["J3"]["0.5"] == pytest.approx((1 + 2) / 2 / 2)
    assert found["BWM"]["1.0"] == pytest.approx(1 / 0.01)
    assert found["CE"]["plane"] == pytest.approx(3 * np.median(AXIS[:, None] ** 2 + AXIS**2))


def test_verdicts_of_the_landscape_follow_the_rises(scripts):
    script = scripts.fig37

    def judged(*steepness, scale="plain"):
        return [
            holds
            for holds, _ in script.verdicts(
                script.rises({"J3/0": unit(steepness)}, "J3", scale)
            ).values()
        ]

    # BWM flat, W³ above it, W³ near-constant, J3 the steepest
    assert judged(0.1, 0.3, 4, 1) == [True, True, True, True]
    assert judged(0.5, 0.6, 4, 1) == [False, True, False, True]
    assert judged(0.3, 0.2, 4, 1) == [True, False, True, True]
    assert judged(0.1, 5, 4, 9) == [True, True, False, False]
    # a loss whose scale is small is steep once that is taken out
    assert judged(0.1, 0.3, 4, 1, scale="chance") == [False, False, False, False]


def test_the_section_gives_both_scales_around_every_network(scripts):
    content = {"cells": {"J3/0": unit((0.1, 0.3, 4, 1)), "BWM/0": unit((0.5, 0.6, 4, 1))}}
    text = scripts.fig37.words(content)
    claim = next(line for line in text.splitlines() if line.startswith("| W³ is near-constant"))
    assert claim.count("**holds**") == claim.count("**does not hold**") == 1
    assert (
        "| J3 | 0.5 | 2 | +0.04 (×1.08; +2%) | +0.25 (×1.50; +12%) | +1 (×3.00; +50%) | +4 (×9.00; "
        "+200%) |" in text
    )
    assert "At chance J3 is 200 times BWM" in text
    assert "cross entropy makes 25% at 0.1, 25% at 0.25" in text
    assert "around W³'s network" not in text


def test_landscapes_are_drawn_and_read_back_without_those_that_are_not_complete(scripts, tmp_path):
    one = unit((0.1, 0.3, 4, 1))
    units = {"line/J3/0": one["line"], "plane/J3/0": one["plane"], "line/W³/0": one["line"]}
    (tmp_path / "landscape-usiigaci.json").write_text(json.dumps({"units": units}))
    content = scripts.fig37.collect(tmp_path)
    assert content == {"usiigaci": {"J3/0": one}}
    written = scripts.fig37.draw(content, tmp_path)
    assert {path.name for path in written} == {"fig37-usiigaci.png", "fig37-usiigaci-lines.png"}
    assert all(path.stat().st_size > 5000 for path in written)


@pytest.fixture
def data(scripts):
    """Two validation images; only the second has cells that touch, around its middle."""
    rng = np.random.default_rng(0)
    apart, touching = np.zeros((2, 40, 44), np.int32)
    apart[2:8, 2:8], apart[30:36, 30:36] = 1, 2
    touching[12:28, 12:22], touching[12:28, 22:32] = 1, 2
    images = tuple(
        AnnotatedImage(name, rng.random((1, 40, 44), np.float32), labels)
        for name, labels in (("apart", apart), ("touching", touching))
    )
    settings = TrainSettings(width=2, depth=2, steps=1, batch_size=1, crop=16)
    return scripts.study.DataSet("made up", images, images, images, settings.fill_in(2))


def test_the_crops_are_the_middles_with_the_most_touching_pixels(scripts, data):
    images, target, weights = scripts.fig37.batch(data, scripts.fig37.settings_by_loss(data, 0))
    assert images.shape == (1, 1, 16, 16)
    np.testing.assert_array_equal(images[0, 0], data.validation[1].image[0, 12:28, 14:30])
    assert target.unique().tolist() == [1, 2]
    assert weights.keys() == {"BWM", "W³"}
    assert all(weight.shape == (1, 16, 16) for weight in weights.values())


def test_lines_lie_in_the_plane_and_cross_at_the_network(scripts, data, monkeypatch):
    script = scripts.fig37
    settings = script.settings_by_loss(data, 0)
    torch.manual_seed(0)
    info = describe(settings["J3"], data.training, data.validation)
    network = build_network(info.architecture).eval().requires_grad_(False)
    model = SimpleNamespace(net=network, info=info, device=torch.device("cpu"))
    monkeypatch.setattr(script.measures, "network", lambda *_: model)
    protocol = {"landscape": {"line": 3, "plane": 3, "extent": 1.0}}
    study = SimpleNamespace(data_set=lambda _: data, protocol=protocol)
    line, plane = (script.measure(study, "made up", kind, "J3", 0) for kind in ("line", "plane"))
    images, target, weights = script.batch(data, settings)
    for loss, its in settings.items():
        weight = {"weight": weights[loss]} if loss in weights else {}
        across, along = np.array(line["values"][loss])
        surface = np.array(plane["values"][loss])
        assert across[1] == pytest.approx(
            float(its.system().loss(network(images), target, **weight)), rel=1e-4
        )
        assert surface[:, 1] == pytest.approx(across, rel=1e-4)
        assert surface[1] == pytest.approx(along, rel=1e-4)
        assert np.ptp(across) > 1e-3 * across[1]
    assert line["chance"]["CE"] == pytest.approx(np.log(3))
    assert line["chance"]["J3"] == pytest.approx(
        np.log(3) + np.log(2) * 2 / 6
    )  # background is not in the crop

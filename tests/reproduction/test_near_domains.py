"""Zero-shot between near domains: kinds of images, scales, and a quick run."""

import json
import sys

import numpy as np
import pytest

from seamwise.segmentation.data import AnnotatedImage


def disc(name, diameter, side=64):
    y, x = np.mgrid[:side, :side] - side / 2
    labels = (x**2 + y**2 < diameter**2 / 4).astype(np.int32)
    return AnnotatedImage(name, labels[np.newaxis].astype(np.float32), labels)


def test_an_image_is_hazy_by_its_name_and_otherwise_small_or_large_by_its_nuclei(
    scripts, monkeypatch, tmp_path
):
    script = scripts.near_domains
    images = [disc("a", 12), disc("b", 30), disc("c", 30), disc("d", 19)]
    assert script.kind_of(images[1], {"c"}, 20.0) == "large"
    assert script.kind_of(images[1], {"b"}, 20.0) == "hazy"
    (tmp_path / "hazy.txt").write_text("c\nd\n")
    monkeypatch.setattr(script, "HAZY", tmp_path / "hazy.txt")
    kinds = script.by_kind(images, 20.0)
    assert {kind: [image.name for image in members] for kind, members in kinds.items()} == {
        "small": ["a"],
        "large": ["b"],
        "hazy": ["c", "d"],
    }


def test_the_kinds_of_the_list_are_images_of_the_data(scripts):
    names = scripts.near_domains.HAZY.read_text().split()
    assert len(names) == len(set(names)) > 50
    assert all(len(name) == 64 for name in names)  # as dsb2018 names its images


def scores(quality):
    ones = [1] * 8
    return {"n_true": ones, "n_pred": ones, "tp": ones, "iou": [quality] * 8, "ap": ones}


def test_tables_and_claims_of_what_is_measured(scripts, tmp_path):
    script = scripts.near_domains
    assert script.section(tmp_path, tmp_path) == ""
    units = {
        "scale 1/j3/0": {"as it is": {"MAP": scores(0.8)}},
        "scale 0.5/j3/0": {"as it is": {"MAP": scores(0.3)}, "rescaled": {"MAP": scores(0.6)}},
        "small to large/j3/0": {
            "scale": 0.31,
            "as it is": {"MAP": scores(0.4)},
            "rescaled": {"MAP": scores(0.5)},
        },
        "small to large/j4/0": {
            "scale": 0.31,
            "as it is": {"MAP": scores(0.2), "MAP+gap": scores(0.25)},
            "rescaled": {"MAP": scores(0.7), "MAP+gap": scores(0.75)},
        },
        "all to large/j4/0": {"as it is": {"MAP": scores(0.81), "MAP+gap": scores(0.82)}},
    }
    (tmp_path / "near-dsb2018.json").write_text(json.dumps({"units": units}))
    text = script.section(tmp_path, tmp_path)
    for line in (
        "| J3 | 0.800 | 0.300 → 0.600 | — → — | — → — | — → — |",
        "| J3, small → large | 0.400 | 0.500 | 0.31 | — |",
        "| J4, small → large | 0.200 | 0.700 | 0.31 | 0.810 |",
        "| J4, gap as background, small → large | 0.250 | 0.750 | 0.31 | 0.820 |",
    ):
        assert line in text
    of_scales, of_kinds = script.claims(scripts.units.Units(units))
    assert [(claim.text, claim.verdict) for claim in (*of_scales, *of_kinds)] == [
        ("rescaling helps J3 at scale 0.5", "holds"),
        ("J4 > J3, small → large, rescaled", "holds"),
        ("rescaling helps J4, small → large", "holds"),
    ]


@pytest.fixture
def study(scripts, monkeypatch, tmp_path):
    """Run the script on made-up cells, of which those above the median are large."""
    script = scripts.near_domains
    monkeypatch.setattr(script, "WITH_KINDS", ("cells",))
    monkeypatch.setattr(script, "KINDS", ("small", "large"))
    monkeypatch.setattr(
        script,
        "by_kind",
        lambda images, large_from: {"small": tuple(images[:1]), "large": tuple(images[1:])},
    )
    folders = ["--runs", str(tmp_path / "runs"), "-o", str(tmp_path / "results")]
    command = ["near_domains.py", str(tmp_path), *folders, "--sets", "cells", "--quick"]
    monkeypatch.setattr(sys, "argv", command)
    script.main()
    return json.loads((tmp_path / "results" / "quick" / "near-cells.json").read_text())["units"]


def test_the_quick_form_measures_each_scale_and_each_pair_of_kinds(study, tmp_path):
    scales = {
        f"scale {scale}/{loss}/0" for scale in ("1", "0.5", "2") for loss in ("j3", "j4", "w3")
    }
    pairs = {
        f"{training} to {target}/{loss}/0"
        for training in ("all", "small", "large")
        for target in ("small", "large")
        for loss in ("j3", "j4", "w3")
    }
    assert set(study) == scales | pairs
    assert set(study["scale 0.5/j4/0"]["rescaled"]) == {"MAP", "MAP+gap"}
    assert set(study["scale 0.5/j3/0"]["as it is"]) == {"MAP"}
    assert "rescaled" not in study["scale 1/j3/0"]
    assert "rescaled" in study["small to large/j3/0"]
    assert "rescaled" not in study["all to large/j3/0"]
    assert "rescaled" not in study["large to large/j3/0"]
    assert len(study["small to large/j3/0"]["as it is"]["MAP"]["n_true"]) == 1
    networks = {path.name.partition("-0-")[0] for path in (tmp_path / "runs" / "quick").iterdir()}
    assert networks == {
        f"cells-{part}-{loss}"
        for part in ("width2-steps2", "small", "large")
        for loss in ("j3", "j4", "w3")
    }

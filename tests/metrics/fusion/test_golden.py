"""Values of the reference MATLAB code, in full precision."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seamwise.metrics.fusion import q_cb, q_g, q_mi, q_ncie, q_p, q_s, q_te, ssim

PUBLIC = Path(__file__).parent / "golden"
LYTRO = Path(__file__).parents[4] / "shared" / "data" / "fusion" / "golden"
# 04_A has flat windows at white; in 05_dsift features of all three maps correlate negatively
LYTRO_ITEMS = ["03_dtcwt", "04_A", "05_dsift"]

METRICS = {
    "QMI": (q_mi, {}, 1e-12),
    "QTE_q0.43137": (q_te, {}, 1e-12),
    "QTE_q1.85": (q_te, {"variant": "cvejic"}, 1e-11),
    "QNCIE": (q_ncie, {}, 1e-12),
    "QG_zheng": (q_g, {}, 1e-11),
    "QG_liu": (q_g, {"variant": "survey"}, 1e-12),
    "QP": (q_p, {}, 1e-10),
    "QS_zheng": (q_s, {}, 1e-12),
    "QS_liu": (q_s, {"variant": "survey"}, 1e-9),
    # flat windows have another weight in "W", see the notes of q_s
    "QW_zheng": (q_s, {"form": "W"}, 1e-6),
    "QW_liu": (q_s, {"variant": "survey", "form": "W"}, 2e-6),
    "QE_liu": (q_s, {"variant": "survey", "form": "E"}, 2e-6),
    "QCB": (q_cb, {}, 1e-12),
}


@cache
def items(folder):
    table = json.loads((folder / "golden_metrics.json").read_text())["items"]
    return {item["id"]: item for item in table}


@cache
def pictures(folder, name):
    item = items(folder)[name]
    return tuple(np.asarray(Image.open(folder / item[key])) for key in "ABF")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", items(PUBLIC))
def test_equals_the_reference_code(name, metric):
    function, options, tolerance = METRICS[metric]
    expected = items(PUBLIC)[name]["metrics"][metric]
    assert function(*pictures(PUBLIC, name), **options) == pytest.approx(
        expected, abs=tolerance, rel=0
    )


@pytest.mark.skipif(
    not LYTRO.is_dir(), reason="needs ../shared/data, the development data beside the checkout"
)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", LYTRO_ITEMS)
def test_equals_the_reference_code_on_photographs(name, metric):
    function, options, tolerance = METRICS[metric]
    expected = items(LYTRO)[name]["metrics"][metric]
    assert function(*pictures(LYTRO, name), **options) == pytest.approx(
        expected, abs=tolerance, rel=0
    )


@pytest.mark.parametrize("name", items(PUBLIC))
def test_ssim_equals_the_reference_code(name):
    a, b, fused = pictures(PUBLIC, name)
    expected = items(PUBLIC)[name]["metrics"]
    assert ssim(a, fused) == pytest.approx(expected["SSIM_AF"], abs=1e-12)
    assert ssim(b, fused) == pytest.approx(expected["SSIM_BF"], abs=1e-12)


@pytest.mark.parametrize("subject", ["camera", "coins", "brick", "astronaut"])
def test_returning_a_source_beats_the_truth_in_information_but_not_in_edges(subject):
    # a warning that the package gives: report the sources beside every result
    a, b, truth = pictures(PUBLIC, f"{subject}_truth")
    for metric in (q_mi, q_te, q_ncie):
        assert metric(a, b, a) > metric(a, b, truth)
    for metric in (q_g, q_s):
        assert metric(a, b, a) < metric(a, b, truth)

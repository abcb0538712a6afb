import numpy as np
import pytest

from seamwise.analysis import (
    Claim,
    claim_of_fact,
    claim_of_pairs,
    holm_corrected,
    p_text,
    spread_text,
)
from seamwise.analysis.evidence import (
    bold_columns,
    bold_maximum,
    table_with_reference,
    verdict_table,
)


def test_a_difference_is_one_only_if_a_paired_test_tells_it():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.7, 10)
    assert claim_of_pairs("x", base + 0.1, base, metric="PQ").verdict == "holds"
    assert claim_of_pairs("x", base, base + 0.1, metric="PQ").verdict == "does not hold"
    assert (
        claim_of_pairs("x", base + 0.01 * (-1) ** np.arange(10), base, metric="PQ").verdict
        == "no significant difference"
    )
    assert claim_of_pairs("x", base, base, metric="PQ").verdict == "no significant difference"
    # many small gains and one large loss: what counts is the ranks, not the means
    gains, nothing = np.append(0.001 * np.arange(1, 20), 0.0), np.append(np.zeros(19), 1.0)
    assert gains.mean() < nothing.mean()
    assert claim_of_pairs("x", gains, nothing, metric="PQ").verdict == "holds"
    assert (
        claim_of_pairs("x", base[:5] + 0.1, base[:5], metric="PQ").verdict
        == "too few images for a test"
    )


def test_p_values_are_corrected_after_holm():
    claims = [
        Claim("a", "holds", "", 0.03),
        Claim("b", "holds", ""),
        Claim("c", "does not hold", "", 0.01),
    ]
    claims.append(Claim("d", "no significant difference", "", 0.5))
    corrected = holm_corrected(claims)
    assert [each.p_value for each in corrected] == pytest.approx([0.06, None, 0.03, 0.5])
    assert [each.verdict for each in corrected] == [
        "no significant difference",
        "holds",
        "does not hold",
        "no significant difference",
    ]


def test_each_family_of_claims_is_corrected_by_itself():
    claims = [Claim(f"{i}", "holds", "", 0.03) for i in range(2)]
    assert verdict_table(claims).count("**no significant difference**") == 2
    assert verdict_table(claims[:1], claims[1:]).count("**holds**") == 2


def test_a_claim_without_a_test_is_decided_by_a_fact():
    assert claim_of_fact("x", True, "1 > 0") == Claim("x", "holds", "1 > 0")
    assert claim_of_fact("x", False, "1 < 2").verdict == "does not hold"


def test_small_p_are_bounded_and_one_value_has_no_spread():
    assert (p_text(0.0312), p_text(0.00009)) == ("0.031", "< 0.0001")
    assert (spread_text([0.5, 0.7]), spread_text([0.5], 2), spread_text([])) == (
        "0.600 ± 0.141",
        "0.50",
        "—",
    )


def test_the_highest_of_each_column_is_bold():
    assert bold_maximum(["0.500 ± 0.1", "—", "0.700"]) == ["0.500 ± 0.1", "—", "**0.700**"]
    assert bold_maximum(["—", "—"]) == ["—", "—"]
    assert bold_columns("ab", [["1", "2"], ["4", "3"]]) == {
        "a": ("1", "**4**"),
        "b": ("**2**", "3"),
    }


def test_the_printed_row_stands_under_ours():
    table = table_with_reference(["", "PQ"], {"J4": ["0.5"]}, {"J4": [0.81]}, digits=2)
    assert (
        table
        == "| | PQ |".replace("| |", "|  |") + "\n|---|---:|\n| J4 | 0.5 |\n| thesis | 0.81 |\n"
    )

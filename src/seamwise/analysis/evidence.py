"""From measurements to statements: paired tests, correction for their number, report tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its part stats takes half a second: imported at its first use
from numpy.typing import ArrayLike

LEVEL = 0.05
"""Level of significance of every test, two-sided."""

FEWEST_CASES = 6
"""Cases that a paired test needs: with five, even Wilcoxon's smallest p is above the level."""

HOLDS = "holds"
"""Verdict on a claim that the data support."""
FAILS = "does not hold"
"""Verdict on a claim that the data contradict."""
OPEN = "no significant difference"
"""Verdict on a claim that the data leave open."""


@dataclass(frozen=True)
class Claim:
    """A statement, and what numbers say to it.

    Attributes
    ----------
    text : str
        The statement.
    verdict : str
        "holds", "does not hold", "no significant difference", or why there is no verdict.
    numbers : str
        The numbers behind the verdict.
    p_value : float, optional
        p of the test behind the verdict, if there was one.
    """

    text: str
    verdict: str
    numbers: str
    p_value: float | None = None


def claim_of_pairs(text: str, first: ArrayLike, second: ArrayLike, *, metric: str) -> Claim:
    """Judge whether the first scores are higher than the second, case by case.

    Wilcoxon's signed-rank test decides, two-sided at the level of 5 %. Each direction gets half of
    the level, so that the ranks decide, as they do in p, and not the means.

    Parameters
    ----------
    text : str
        The claim, "the first is higher", in words.
    first, second : (n,) array of numbers
        Scores of the same n cases.
    metric : str
        Name of the score, for the numbers.

    Returns
    -------
    Claim
        With fewer than six cases there is no verdict. Where all pairs are equal, p is 1.

    Examples
    --------
    >>> claim_of_pairs("A > B", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [0.1] * 6, metric="PQ")
    Claim(text='A > B', verdict='holds', numbers='PQ 0.750 against 0.100', p_value=0.03125)
    """
    higher, lower = np.asarray(first, float), np.asarray(second, float)
    numbers = f"{metric} {higher.mean():.3f} against {lower.mean():.3f}"
    if len(higher) < FEWEST_CASES:
        return Claim(text, "too few images for a test", numbers)
    if not (higher != lower).any():
        return Claim(text, OPEN, numbers, 1.0)
    p_above, p_below = (
        float(scipy.stats.wilcoxon(higher - lower, alternative=side).pvalue)
        for side in ("greater", "less")
    )
    p_value = min(2 * min(p_above, p_below), 1.0)
    verdict = HOLDS if p_above < p_below else FAILS
    return Claim(text, verdict if p_value < LEVEL else OPEN, numbers, p_value)


def claim_of_fact(text: str, holds: bool, numbers: str) -> Claim:
    """Make a claim that numbers decide without a test."""
    return Claim(text, HOLDS if holds else FAILS, numbers)


def holm_corrected(claims: Sequence[Claim]) -> list[Claim]:
    """Correct the p of a family of claims for the number of tests, after Holm 1979.

    With the m values of p in ascending order, the i-th becomes ``max over j ≤ i of (m − j + 1)
    p_j``, at most 1. A claim whose corrected p is not below the level has no significant
    difference. Claims without a test stay as they are and do not count.
    """
    p_values = np.array([np.nan if claim.p_value is None else claim.p_value for claim in claims])
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    factors = np.arange(len(order), 0, -1)
    p_values[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return [
        claim if claim.p_value is None else _with_p(claim, p_value)
        for claim, p_value in zip(claims, p_values.tolist(), strict=True)
    ]


def _with_p(claim: Claim, p_value: float) -> Claim:
    verdict = claim.verdict if p_value < LEVEL else OPEN
    return replace(claim, p_value=p_value, verdict=verdict)


def p_text(value: float) -> str:
    """Write p with two digits; small values are only bounded: "0.031", "< 0.0001"."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def spread_text(values: Sequence[float], digits: int = 3) -> str:
    """Write mean ± standard deviation (n − 1): of one value the value, of none a dash.

    Examples
    --------
    >>> spread_text([0.5, 0.7]), spread_text([0.5]), spread_text([])
    ('0.600 ± 0.141', '0.500', '—')
    """
    if not values:
        return "—"
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f}"


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table: the first column to the left, the others to the right."""
    rule = "|---" + "|---:" * (len(head) - 1) + "|"
    body = [_markdown_line(line) for line in lines]
    return "\n".join([_markdown_line(head), rule, *body]) + "\n"


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def verdict_table(*families: Sequence[Claim]) -> str:
    """Write a Markdown table of claims, each family corrected for its number of tests.

    With ten images, the smallest p of Wilcoxon's test is 0.002. In a family of more than 25 tests
    no difference could be significant.
    """
    lines = ["| claim | here | | p |", "|---|---|---|---|"]
    for claim in (claim for family in families for claim in holm_corrected(family)):
        p_value = "" if claim.p_value is None else p_text(claim.p_value)
        lines.append(f"| {claim.text} | **{claim.verdict}** | {claim.numbers} | {p_value} |")
    return "\n".join(lines) + "\n"


def bold_maximum(cells: Sequence[str]) -> list[str]:
    """Mark the highest of a column of numbers, each perhaps followed by "± …"; skip dashes."""
    values = [float(cell.split()[0]) if cell[0].isdigit() else -1.0 for cell in cells]
    maximum = max(values)
    return [
        f"**{cell}**" if value == maximum >= 0 else cell
        for cell, value in zip(cells, values, strict=True)
    ]


def bold_columns(
    names: Iterable[str], columns: Iterable[Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Return the cells of each row by name, with the highest of each column marked."""
    cells = [bold_maximum(column) for column in columns]
    return dict(zip(names, zip(*cells, strict=True), strict=True))


def table_with_reference(
    head: Sequence[str],
    ours: Mapping[str, Sequence[str]],
    thesis: Mapping[str, Sequence[float]],
    digits: int = 3,
) -> str:
    """Write a Markdown table with our row of each system, and under it the thesis' row."""
    lines: list[Sequence[str]] = []
    for name, cells in ours.items():
        lines += [[name, *cells], ["thesis", *(f"{value:.{digits}f}" for value in thesis[name])]]
    return markdown_table(head, lines)

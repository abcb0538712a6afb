"""Render the pages of all claims and parts: docs/thesis.md and thesis-parts.md.

python reproduction/segmentation/summary.py [-o docs]

summary.md and parts.md hold the words. What stands in braces is replaced by kept numbers:

    {claim table6 dsb2018: J4 > J3 by arg max}     verdict and numbers, as the table judges it
    {claim table2_3 usiigaci/lines: SAW > DWM, cells}  the same of a variant's measurements
    {score instances dsb2018 j4 MAP PQ}            mean over images and seeds, ± their spread
    {touching dsb2018 j4 MAP}                      share of the touching cells that are found
    {trend dsb2018 j4 j3}                          who is ahead at the sizes of scaling.py
    {times}                                        the table of recipes/thesis/seconds.json
"""

import argparse
import importlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seamwise.analysis import Claim, holm_corrected, markdown_table, spread_text
from seamwise.io import atomic_path, read_json
from study import HERE, command, read_protocol
from units import Units

ROOT = HERE.parents[1]
RESULTS = HERE / "results"
SECONDS = ROOT / "recipes" / "thesis" / "seconds.json"
WORDS = {"thesis.md": HERE / "summary.md", "thesis-parts.md": HERE / "parts.md"}
SCORE = ("data", "set", "loss", "decoder", "metric")
TREND = ("set", "loss", "loss that is behind")
TOUCHING = ("set", "loss", "decoder")
KINDS = {
    "table6": "instances",
    "table4_5": "instances",
    "table2_3": "contours",
    "fig38_40": "fig38_40",
    "near_domains": "near",
}


def claim(table: str, name: str, text: str, results: Path) -> Claim:
    """Return a claim of a table, corrected for the list that it stands in."""
    script = importlib.import_module(table)
    if table == "table7":
        families = script.claims(results)
    elif table == "mask_rcnn":
        families = script.claims(results, name)
    elif table == "variants":
        content: dict[str, Any] = {}
        for kind in ("instances", "variants"):
            content |= Units.read(results, kind, name).content
        units = Units(content)
        families = [script.claims(units), script.further_claims(units)]
    else:
        name, _, variant = name.partition("/")
        units = Units.read(results, KINDS[table], name)
        families = script.claims(units.under(variant) if variant else units)
        families = [families] if isinstance(families, list) else families
    judged = {each.text: each for family in families for each in holm_corrected(family)}
    if text not in judged:
        raise ValueError(f"{table} on {name} has no claim {text!r}: it has {', '.join(judged)}")
    return judged[text]


def render(words: str, results: Path, seconds: Path) -> str:
    """Put verdicts and numbers where the words ask for them."""

    def filled(match: re.Match[str]) -> str:
        kind, _, rest = match[1].partition(" ")
        if kind == "claim":
            place, _, text = rest.partition(": ")
            judged = claim(*place.split(), text, results)
            return f"**{judged.verdict}** ({judged.numbers})"
        if kind == "score":
            measured, name, loss, rule, metric = split(match[0], rest, SCORE)
            return Units.read(results, measured, name).cell(loss, rule, metric=metric)
        if kind == "touching":
            name, loss, rule = split(match[0], rest, TOUCHING)
            share_found = importlib.import_module("table6").share_found
            units = Units.read(results, "touching", name).of(loss)
            return spread_text([share_found(unit, rule) for unit in units], 2)
        if kind == "trend":
            name, first, second = split(match[0], rest, TREND)
            scaling = importlib.import_module("scaling")
            units = scaling.with_table_6(results, name, read_protocol())
            return str(scaling.trend(units, first, second))
        if kind == "times":
            return times(read_json(seconds)["files"]) if seconds.exists() else "*Not measured yet.*"
        raise ValueError(f"{match[0]} in the words is unknown: see the head of summary.py")

    return re.sub(r"\{([^{}\n]+)\}", filled, words)


def split(brace: str, rest: str, names: tuple[str, ...]) -> list[str]:
    """Split what a brace holds, or say what it should hold."""
    parts = rest.split()
    if len(parts) != len(names):
        kind = brace[1:].partition(" ")[0]
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        raise ValueError(f"{brace} in the words: {kind} takes {listed}")
    return parts


def times(files: Mapping[str, Mapping[str, float]]) -> str:
    """Write seconds for a step and what the whole training would take."""
    lines = [
        [f"`{name}`", f"{entry['steps']:,}", f"{entry['seconds']:.2f}", days(entry)]
        for name, entry in files.items()
    ]
    head = ["", "steps", "seconds for a step", "whole training", "on a GPU"]
    return markdown_table(head, [[*line, "not measured"] for line in lines])


def days(entry: Mapping[str, float]) -> str:
    """Write the time of all steps: in hours below two days, in years from two on."""
    hours = entry["seconds"] * entry["steps"] / 3600
    if hours < 48:
        return f"{hours:.0f} hours"
    return f"{hours / 24:,.0f} days" if hours < 2 * 24 * 365 else f"{hours / 24 / 365:.0f} years"


def pages(results: Path = RESULTS, seconds: Path = SECONDS) -> Iterable[tuple[str, str]]:
    """Return each page with its name."""
    for name, path in WORDS.items():
        yield name, render(path.read_text(encoding="utf-8"), results, seconds)


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs")
    output = parser.parse_args().output
    for name, text in pages():
        with atomic_path(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command(main)

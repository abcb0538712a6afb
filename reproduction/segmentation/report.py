"""Render the report from the kept numbers: docs/segmentation-thesis.md and its pictures.

python reproduction/segmentation/report.py [--results reproduction/segmentation/results] [-o docs]

report.md holds the words; {name} in it stands for the section of name.py. Verdicts and scores in
its sentences, {claim …}, {score …}, {touching …} and {trend …} as in summary.py, are those of the
kept results, also on a page of other results.
"""

import argparse
import importlib
import re
from pathlib import Path

import summary
from seamwise.io import atomic_path, read_json
from study import HERE, PROTOCOL, command, difference_of, merge, provenance, read_protocol

WORDS = HERE / "report.md"


def result_files(results: Path) -> list[Path]:
    """List the files of results, without those that a run with another protocol has moved aside."""
    names = (*read_protocol()["sets"], "")
    return [path for path in sorted(results.glob("*.json")) if path.stem.partition("-")[2] in names]


def conditions(results: Path) -> str:
    """Write machines, dates and hours of what was measured."""
    machines: dict[str, list[str]] = {}
    seconds = 0.0
    for path in result_files(results):
        content = read_json(path)
        for unit in content.get("units", {}).values():
            machines.setdefault(content["machines"][unit["machine"]], []).append(unit["date"])
            seconds += unit["seconds"]
    lines = [
        f"- {name}: {len(dates)} measurements, {min(dates)} to {max(dates)}"
        for name, dates in machines.items()
    ]
    return "\n".join([*lines, f"- together {seconds / 3600:.1f} hours"])


def refuse_others(results: Path) -> None:
    """Refuse a folder without results, or with results of another protocol than the page's."""
    protocol = read_protocol()
    if results.name in ("quick", "thesis_size"):
        protocol = merge(protocol, protocol[results.name])
    if not result_files(results):
        raise FileNotFoundError(
            f"{results} holds no results (*.json): give the folder that a script's -o named"
        )
    for path in result_files(results):
        kind, _, name = path.stem.partition("-")
        if not name:
            continue
        difference = difference_of(read_json(path), provenance(protocol, kind, name))
        if difference:
            raise ValueError(f"{path} was {difference}: measure again (make reproduction)")


def render(words: str, results: Path, pictures: Path) -> str:
    """Put every section where the words ask for it."""

    def section(match: re.Match[str]) -> str:
        name = match.group(1)
        if name == "protocol":
            return f"```toml\n{PROTOCOL.read_text().partition('# --quick')[0].strip()}\n```"
        if name == "conditions":
            return conditions(results)
        return (
            str(importlib.import_module(name).section(results, pictures)).strip()
            or "*Not measured yet.*"
        )

    def quoted(match: re.Match[str]) -> str:
        return summary.render(match[0], summary.RESULTS, summary.SECONDS)

    text = re.sub(r"\{(claim|score|touching|trend) [^{}\n]+\}", quoted, words)
    text = re.sub(r"^\{(\w+)\}$", section, text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text)


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent.parent / "docs")
    arguments = parser.parse_args()
    refuse_others(arguments.results)
    pictures = arguments.output / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    text = render(WORDS.read_text(encoding="utf-8"), arguments.results, pictures)
    with atomic_path(arguments.output / "segmentation-thesis.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command(main)

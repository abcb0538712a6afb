"""Render docs/fusion-thesis.md and its pictures from the kept results.

python reproduction/fusion/fusion_page.py [--results reproduction/fusion/results] [-o docs]

page.md holds the words. {table8} on a line of its own stands for that section; {leads table9
HF-Seg} and the like in a sentence stand for a verdict or a number, see `SENTENCES`. What has no
file of results is "not measured yet".
"""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import comparison
import fig46
import fig47
import fig48_50
import fig54
import fig55
import table8
import table9
import table10
from seamwise.io import atomic_path, read_json
from stored import HERE, RESULTS, command, holds

WORDS = HERE / "page.md"
NAME = "fusion-thesis.md"
SCORED = {"table8": table8.THESIS, "table9": table9.THESIS}  # files of scores
SECTIONS = {
    script.__name__: script
    for script in (table8, table9, table10, fig46, fig47, fig48_50, fig54, fig55)
}
MISSING = "*Not measured yet.*"


def content_of(name: str, results: Path) -> Any:
    """Return scores or results of a script; FileNotFoundError where it has not run."""
    path = results / f"{name}.json"
    return comparison.read_scores(path) if name in SCORED else read_json(path)


def lead(results: Path, table: str, network: str) -> str:
    """Whether a network has a higher mean than all others, on the three metrics of the claim."""
    means = comparison.summary(content_of(table, results))
    return holds(all(comparison.higher(means[metric], network) for metric in comparison.CLAIMED))


def ssim_of(results: Path, network: str) -> NDArray[np.float64]:
    """SSIM of a system on each made-up pair."""
    scores = content_of("table8", results)
    column: NDArray[np.float64] = scores.values[
        :, scores.methods.index(network), scores.metrics.index("ssim")
    ]
    return column


def median_ssim(results: Path, network: str) -> str:
    """Median SSIM of a system on made-up pairs."""
    return f"{np.median(ssim_of(results, network)):.3f}"


def nearly_one(results: Path, network: str) -> str:
    """Whether the SSIM of a system is nearly 1 for most pairs."""
    return holds(table8.share_nearly_one(ssim_of(results, network)) > 0.5)


def sources_win(results: Path, table: str) -> str:
    """Metrics on which a returned source scores at least as high as every system."""
    names = content_of(table, results).won_by_a_source
    return ", ".join(name.upper() for name in names) or "no metric"


def best(results: Path, table: str, metric: str) -> str:
    """The system with the highest mean of a metric."""
    return comparison.best_system(comparison.summary(content_of(table, results))[metric.lower()])


def ties(results: Path, table: str) -> str:
    """Whether the systems that the thesis reports without a difference have none on any metric."""
    rankings = comparison.rank(content_of(table, results)).values()
    pairs = SCORED[table].ties
    count = sum(bool(comparison.significant_pairs(ranking, pairs)) for ranking in rankings)
    return f"{holds(count == 0)}: some differ on {count} of {len(rankings)} metrics"


def row_of_order(results: Path, network: str) -> fig46.Row:
    """The differences of both orders that a network has."""
    for row in content_of("fig46", results)["rows"]:
        if row["name"] == network and not row["nearest"]:
            return fig46.Row(**{**row, "mse": tuple(row["mse"])})
    raise FileNotFoundError(f"fig46.json has no {network}")


def order(results: Path, network: str) -> str:
    """Largest difference of both orders that a network has."""
    return f"{max(row_of_order(results, network).mse):.0e}"


def order_verdict(results: Path, network: str) -> str:
    """What Figure 46 says of a network."""
    return f"**{row_of_order(results, network).verdict()}**"


def returned(results: Path, result: str) -> str:
    """Whether most metrics reward a returned source, compared with a result of HF-Reg."""
    return fig47.judge(content_of("fig47", results)["pairs"], result.replace("_", " "))


def third(results: Path, name: str) -> str:
    """Whether HF-Reg loses more by a third source than HF-Seg does."""
    return f"**{fig54.claims(content_of('fig54', results))[name.replace('_', ' ')].verdict}**"


def noise(results: Path, rival: str) -> str:
    """Whether a network that filters noise has a higher PSNR than a rival."""
    return fig55.judge(content_of("fig55", results)["margins"][rival.replace("_", " ")])


def slower(results: Path, method: str) -> str:
    """How many times as long as guided filtering a method takes."""
    methods = content_of("table10", results)["methods"]
    return f"{methods[method.replace('_', ' ')]['seconds'][0] / methods['gff']['seconds'][0]:.3g}"


def least_error(results: Path) -> str:
    """Whether NPS6 has the least error of the three distances."""
    best = fig48_50.least_errors(content_of("fig48_50", results)["losses"])
    return holds(set(best) == {"nps"})


SENTENCES: dict[str, Callable[..., str]] = {
    "leads": lead,
    "median": median_ssim,
    "nearly": nearly_one,
    "sources": sources_win,
    "best": best,
    "order": order,
    "ordered": order_verdict,
    "returned": returned,
    "third": third,
    "noise": noise,
    "ties": ties,
    "slower": slower,
    "nps": least_error,
}


def render(words: str, results: Path) -> str:
    """Put sections, verdicts and numbers where the words ask for them."""

    def part(match: re.Match[str]) -> str:
        kind, *rest = match[1].split()
        try:
            if kind in SECTIONS:
                return str(SECTIONS[kind].section(content_of(kind, results))).strip()
            if kind in SENTENCES:
                return SENTENCES[kind](results, *rest)
        except FileNotFoundError:
            return MISSING
        except comparison.UnfinishedError as state:
            return f"*Not finished: {state}.*"
        raise ValueError(f"{match[0]} in the words is unknown: see SECTIONS and SENTENCES")

    return re.sub(r"\{([^{}\n]+)\}", part, words)


def draw(results: Path, pictures: Path) -> None:
    """Draw what has been measured to its end."""
    with suppress(FileNotFoundError, comparison.UnfinishedError):
        comparison.draw(content_of("table8", results), pictures, "table8", ["ssim"])
    with suppress(FileNotFoundError):
        fig48_50.draw_errors(content_of("fig48_50", results), pictures / "fig49.png")


def page(results: Path = RESULTS) -> str:
    """Return the page."""
    return render(WORDS.read_text(encoding="utf-8"), results)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("-o", "--output", type=Path, default=HERE.parents[1] / "docs")
    arguments = parser.parse_args()
    if not list(arguments.results.glob("*.json")):
        raise FileNotFoundError(f"{arguments.results} holds no results (*.json)")
    text = page(arguments.results)
    draw(arguments.results, arguments.output / "images")
    with atomic_path(arguments.output / NAME) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command(main)

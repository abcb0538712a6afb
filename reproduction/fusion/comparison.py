"""What Tables 8 and 9 share: systems on pairs, seven metrics, ranks, and the thesis' claims."""

import importlib.util
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.analysis import (
    LEVEL,
    NemenyiTest,
    critical_difference_diagram,
    friedman,
    nemenyi,
    p_text,
)
from seamwise.fusion import CLASSICAL, DUMMIES, METRICS, FusionScores, draw_boxplots, fuse, load
from seamwise.io import Provenance, read_json
from seamwise.metrics.fusion import ssim, to_grey
from stored import check_stored, holds, pixels_sha256, provenance_of, store

SYSTEMS = {"CNN": "cnn", "DCT+CV": "dct-cv", "DCT": "dct", "GFF": "gff", "IM": "matting",
           "HF-Reg": "focus-reg", "HF-Seg": "focus-seg"}  # fmt: skip
PROPOSED = ("HF-Reg", "HF-Seg")
OTHERS = tuple(name for name in SYSTEMS if name not in PROPOSED)
CLAIMED = ("q_mi", "q_te", "q_ncie")
FEWEST = 10  # pairs for a verdict
DIGITS = 6  # of a score that is kept

Printed = Mapping[
    str, Mapping[str, tuple[float, float]]
]  # mean and deviation by metric, then system


class UnfinishedError(Exception):
    """A file holds fewer pairs than its run was asked for."""


@dataclass(frozen=True)
class Thesis:
    """A table of the thesis, and the pairs of systems that it reports without a difference."""

    printed: Printed
    ties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two 8-bit colour sources, and the truth if it is known."""

    name: str
    sources: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    truth: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Ranking:
    """Friedman's p and Nemenyi's test of all systems on one metric."""

    friedman_p: float
    nemenyi: NemenyiTest


def rows(columns: Sequence[str], *lines: str) -> Printed:
    """Parse the thesis' table: a line ``name mean±std mean±std …`` for each metric."""
    metrics = {}
    for line in lines:
        name, *cells = line.split()
        numbers = [cell.split("±") for cell in cells]
        values = [(float(mean), float(std)) for mean, std in numbers]
        metrics[name.lower()] = dict(zip(columns, values, strict=True))
    return metrics


def score(pairs: Iterable[Pair], count: int, *, scores_path: Path) -> FusionScores:
    """Score every system and both dummies on every pair.

    What is scored is kept in a JSON file after each pair, and not scored again by the same models
    on the same pictures. The file also keeps `count`, the number of pairs, so that a page can tell
    whether the run has ended.

    Raises
    ------
    ValueError
        The extra matting is not installed, the file was made with other models, metrics or
        pictures, or there are fewer than two pairs.
    """
    if importlib.util.find_spec("pymatting") is None:
        raise ValueError('IM needs the extra matting: pip install "seamwise[matting]"')
    provenance = _provenance()
    stored = dict(check_stored(scores_path, provenance).get("pairs", {}))
    fusers: dict[str, Any] = {name: m if m in CLASSICAL else load(m) for name, m in SYSTEMS.items()}
    names = []
    for pair in pairs:
        names.append(pair.name)
        sha256 = pixels_sha256(pair.sources)
        if pair.name in stored:
            if stored[pair.name]["sources_sha256"] != sha256:
                raise ValueError(
                    f"{scores_path} has a pair {pair.name} of other pictures: it is kept, give "
                    "another folder with -o"
                )
            continue
        results = {name: fuse(pair.sources, model=fuser).image for name, fuser in fusers.items()}
        results |= dict(zip(DUMMIES, pair.sources, strict=True))
        scores = {name: _score(pair, image) for name, image in results.items()}
        stored[pair.name] = {"sources_sha256": sha256, "scores": scores}
        store(scores_path, provenance, {"count": count, "pairs": stored})
        print(f"{len(names)} of {count}: {pair.name}", flush=True)
    store(scores_path, provenance, {"count": count, "pairs": stored})
    return _as_scores(stored, names)


def read_scores(path: Path) -> FusionScores:
    """Read the scores of a file.

    Raises
    ------
    UnfinishedError
        The run that scores the pairs has not ended.
    """
    content = read_json(path)
    pairs, count = content["pairs"], content.get("count", 0)
    if len(pairs) < count:
        raise UnfinishedError(f"{len(pairs)} of {count} pairs are scored so far")
    return _as_scores(pairs, list(pairs))


def _as_scores(pairs: Mapping[str, Any], names: Sequence[str]) -> FusionScores:
    if len(names) < 2:
        raise ValueError(
            f"{len(names)} pairs have no standard deviation and no ranks: two or more are needed"
        )
    methods = (*SYSTEMS, *DUMMIES)
    metrics = tuple(pairs[names[0]]["scores"][methods[0]])

    cells = itertools.product(names, methods, metrics)
    values = [pairs[name]["scores"][method][metric] for name, method, metric in cells]
    shape = (len(names), len(methods), len(metrics))
    return FusionScores(tuple(names), methods, metrics, np.array(values).reshape(shape))


def _provenance() -> Provenance:
    """Return what a score depends on in addition to its pair."""
    models = {name: SYSTEMS[name] for name in PROPOSED}
    return provenance_of(models, metrics=[*METRICS, "ssim"])


def _score(pair: Pair, image: NDArray[np.uint8]) -> dict[str, float]:
    a, b, fused = (to_grey(x) for x in (*pair.sources, image))
    scores = {name: metric(a, b, fused) for name, metric in METRICS.items()}
    if pair.truth is not None:
        scores["ssim"] = ssim(image, pair.truth)
    return {name: round(value, DIGITS) for name, value in scores.items()}


def summary(scores: FusionScores) -> Printed:
    """Return mean and deviation as the thesis prints them, also of the dummies."""
    mean, std = scores.mean, scores.std

    def of_methods(j: int) -> dict[str, tuple[float, float]]:
        return {s: (float(mean[i, j]), float(std[i, j])) for i, s in enumerate(scores.methods)}

    return {metric: of_methods(j) for j, metric in enumerate(scores.metrics)}


def rank(scores: FusionScores) -> dict[str, Ranking]:
    """Run both tests for each metric, over the systems without the dummies."""
    tables = {m: scores.values[:, : len(SYSTEMS), i] for i, m in enumerate(scores.metrics)}
    return {
        metric: Ranking(friedman(table).p_value, nemenyi(table)) for metric, table in tables.items()
    }


def table(ours: Printed, printed: Printed) -> str:
    """Write our row and the thesis' row of each metric, our best system in bold."""
    columns = [*SYSTEMS, *DUMMIES]
    lines = ["| | | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for metric, row in ours.items():
        best = best_system(row)
        cells = [_cell(*row[s], bold=s == best) for s in columns]
        lines.append(f"| {metric.upper()} | here | " + " | ".join(cells) + " |")
        if metric in printed:
            cells = [_cell(*printed[metric][s]) if s in printed[metric] else "—" for s in columns]
            lines.append("| | thesis | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def best_system(row: Mapping[str, tuple[float, float]]) -> str:
    """Return the system with the highest mean."""
    return max(SYSTEMS, key=lambda system: row[system][0])


def _cell(mean: float, deviation: float, *, bold: bool = False) -> str:
    text = f"{mean:.4f} ± {deviation:.4f}"
    return f"**{text}**" if bold else text


def verdict(
    scores: FusionScores, thesis: Thesis, rankings: Mapping[str, Ranking], *, also: str = ""
) -> str:
    """Judge the thesis' claims about the table, by its printed numbers and by ours."""
    if len(scores.pairs) < FEWEST:
        return f"No verdict from fewer than {FEWEST} pairs.\n"
    metrics = ", ".join(metric.upper() for metric in scores.won_by_a_source) or "no metric"
    source = (
        f"Returning a source unchanged scores at least as high as every system on: {metrics}.\n"
    )
    parts = [
        leads(thesis.printed, summary(scores)),
        differences(len(scores.pairs), thesis, rankings),
        also,
        source,
    ]
    return "\n".join(part for part in parts if part)


def leads(printed: Printed, ours: Printed) -> str:
    """Judge whether each network has a higher mean, and a lower deviation, than all other systems.

    The thesis' printed numbers and those here are judged by the same rule.
    """
    names = " | ".join(metric.upper() for metric in CLAIMED)
    lines = [
        f"| than each of {', '.join(OTHERS)} | numbers | {names} | on all three |",
        "|---" * 6 + "|",
    ]
    for network in PROPOSED:
        for claim, is_better in (("a higher mean", higher), ("a lower deviation", steadier)):
            for author, numbers in (("thesis", printed), ("here", ours)):
                answers = [is_better(numbers[metric], network) for metric in CLAIMED]
                cells = ["yes" if answer else "no" for answer in answers]
                row = [f"{network} has {claim}", author, *cells, holds(all(answers))]
                lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def higher(row: Mapping[str, tuple[float, float]], network: str) -> bool:
    return all(row[network][0] > row[other][0] for other in OTHERS)


def steadier(row: Mapping[str, tuple[float, float]], network: str) -> bool:
    return all(row[network][1] < row[other][1] for other in OTHERS)


def differences(count: int, thesis: Thesis, rankings: Mapping[str, Ranking]) -> str:
    """List the pairs without a difference in the thesis that the tests find to differ."""
    ties = "; ".join(f"{a} and {b}" for a, b in thesis.ties)
    lines = [
        f"The thesis reports no significant difference between {ties}. Among these, with n = "
        f"{count} pairs of pictures and k = {len(SYSTEMS)} systems, at {LEVEL:.0%} for each metric "
        "by itself:",
        "",
        "| | Friedman's p | different by Nemenyi's test |",
        "|---|---|---|",
    ]
    for metric, ranking in rankings.items():
        pairs = ", ".join(significant_pairs(ranking, thesis.ties)) or "no significant difference"
        lines.append(f"| {metric.upper()} | {ranking.friedman_p:.2g} | {pairs} |")
    return "\n".join(lines) + "\n"


def significant_pairs(ranking: Ranking, ties: Iterable[tuple[str, str]]) -> list[str]:
    """Return the pairs that differ by Nemenyi's test, if Friedman's test finds a difference."""
    if ranking.friedman_p >= LEVEL:
        return []
    names = list(SYSTEMS)
    p_values = ((a, b, ranking.nemenyi.p_values[names.index(a), names.index(b)]) for a, b in ties)
    return [f"{a} and {b} (p {p_text(p)})" for a, b, p in p_values if p < LEVEL]


def section(scores: FusionScores, thesis: Thesis, *, heading: str, also: str = "") -> str:
    """Write the table, and what it says to the claims."""
    means, rankings = summary(scores), rank(scores)
    answer = verdict(scores, thesis, rankings, also=also)
    return f"{heading}\n\n{table(means, thesis.printed)}\n{answer}"


def draw(scores: FusionScores, folder: Path, stem: str, metrics: Sequence[str]) -> None:
    """Draw box plots, and the diagram of the critical difference for each of the metrics."""
    draw_boxplots(folder / f"{stem}_boxes.png", scores)
    rankings = rank(scores)
    for metric in metrics:
        ranking = rankings[metric]
        diagram = critical_difference_diagram(list(SYSTEMS), ranking.nemenyi)
        diagram.savefig(folder / f"{stem}_cd_{metric}.png", dpi=100)


def write(scores: FusionScores, text: str, folder: Path, stem: str) -> None:
    """Write ``<stem>.md``, draw, and print the text."""
    (folder / f"{stem}.md").write_text(text, encoding="utf-8")
    draw(scores, folder, stem, scores.metrics)
    print("\n" + text)

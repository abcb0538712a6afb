"""What Tables 8 and 9 share: every system on every pair, seven metrics, ranks, and the thesis' claims about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seamwise.analysis.statistics import critical_difference_diagram, friedman, nemenyi
from seamwise.fusion import fuse, measure
from seamwise.fusion.fused_pairs import DUMMIES
from seamwise.fusion.methods import CLASSICAL
from seamwise.fusion.predict import load
from seamwise.io.jsonfile import read_json, write_json
from seamwise.metrics import fusion as metrics

SYSTEMS = {"CNN": "cnn", "DCT+CV": "dct-cv", "DCT": "dct", "GFF": "gff", "IM": "matting",
           "HF-Reg": "focus-reg", "HF-Seg": "focus-seg"}  # fmt: skip
METRICS = {name.upper(): metric for name, metric in measure.METRICS.items()}
PROPOSED, ALIKE = ("HF-Reg", "HF-Seg"), ("CNN", "GFF", "HF-Reg", "HF-Seg")
HIGHER_BY_THESIS = ("Q_MI", "Q_TE", "Q_NCIE")

Printed = dict[str, dict[str, tuple[float, float]]]
Scores = dict[str, dict[str, NDArray[np.float64]]]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two 8-bit colour sources, and the truth if it is known."""

    name: str
    sources: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    truth: NDArray[np.uint8] | None = None


def score(pairs: Iterator[Pair], *, kept_in: Path) -> Scores:
    """Score every system and both dummies on every pair: by metric, then system, an array over the pairs.

    What is scored is kept in a JSON file after each pair, and not scored again.
    """
    fusers: dict[str, Any] = {name: m if m in CLASSICAL else load(m) for name, m in SYSTEMS.items()}
    done: dict[str, Any] = read_json(kept_in) if kept_in.exists() else {}
    names = []
    for pair in pairs:
        names.append(pair.name)
        if pair.name in done:
            continue
        results = {name: fuse(pair.sources, model=fuser).image for name, fuser in fusers.items()}
        results |= dict(zip(DUMMIES, pair.sources, strict=True))
        done[pair.name] = {name: _scored(pair, image) for name, image in results.items()}
        write_json(kept_in, done)
        print(f"{len(names)}: {pair.name}", flush=True)
    measured = done[names[0]]["GFF"]
    systems = [*SYSTEMS, *DUMMIES]
    return {m: {s: np.array([done[name][s][m] for name in names]) for s in systems} for m in measured}


def _scored(pair: Pair, image: NDArray[np.uint8]) -> dict[str, float]:
    a, b, fused = (metrics.to_grey(x) for x in (*pair.sources, image))
    scores = {name: metric(a, b, fused) for name, metric in METRICS.items()}
    return scores if pair.truth is None else {**scores, "SSIM": metrics.ssim(image, pair.truth)}


def table(scores: Scores, printed: Printed) -> str:
    """Ours, and below it the thesis' row, for each metric; the best of ours in bold, dummies aside."""
    columns = [*SYSTEMS, *DUMMIES]
    lines = ["| | | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for metric, by_system in scores.items():
        best = max(SYSTEMS, key=lambda system: by_system[system].mean())
        cells = [_cell(by_system[s].mean(), by_system[s].std(), bold=s == best) for s in columns]
        lines.append(f"| {metric} | here | " + " | ".join(cells) + " |")
        if metric in printed:
            cells = [_cell(*printed[metric][s]) if s in printed[metric] else "—" for s in columns]
            lines.append("| | thesis | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(mean: float, deviation: float, *, bold: bool = False) -> str:
    text = f"{mean:.4f} ± {deviation:.4f}"
    return f"**{text}**" if bold else text


def verdict(scores: Scores) -> str:
    """The thesis' two claims about the table, each with what was found here."""
    higher = [m for m in METRICS if _best_of_all(scores[m])]
    apart = {m: _apart(scores[m]) for m in scores}
    named = ", ".join(higher) or "no metric"
    holds = set(HIGHER_BY_THESIS) <= set(higher)
    lines = [
        f"- Both networks have higher means than every other system on Q_MI, Q_TE and Q_NCIE: "
        f"**{'holds' if holds else 'does not hold'}**; here on {named}.",
        "- Their variance is lower there too: "
        f"**{'holds' if all(_steadier(scores[m]) for m in HIGHER_BY_THESIS) else 'does not hold'}**.",
        "- No significant difference between CNN, GFF, HF-Reg and HF-Seg (Friedman, Nemenyi, 5 %): "
        f"**{'holds' if not any(apart.values()) else 'does not hold'}**"
        + "".join(f"; {metric}: {', '.join(pairs)}" for metric, pairs in apart.items() if pairs)
        + ".",
        f"- A dummy that returns a source beats every system on {', '.join(_fooled(scores)) or 'no metric'}.",
    ]
    return "\n".join(lines) + "\n"


def _best_of_all(by_system: dict[str, NDArray[np.float64]]) -> bool:
    others = max(by_system[s].mean() for s in SYSTEMS if s not in PROPOSED)
    return all(by_system[s].mean() > others for s in PROPOSED)


def _steadier(by_system: dict[str, NDArray[np.float64]]) -> bool:
    others = min(by_system[s].std() for s in SYSTEMS if s not in PROPOSED)
    return all(by_system[s].std() < others for s in PROPOSED)


def _apart(by_system: dict[str, NDArray[np.float64]]) -> list[str]:
    """Pairs of the four systems that Nemenyi's test tells apart, after a Friedman test that does."""
    names = list(SYSTEMS)
    columns = np.column_stack([by_system[name] for name in names])
    if friedman(columns).p_value >= 0.05:
        return []
    p_values = nemenyi(columns).p_values
    numbers = [names.index(name) for name in ALIKE]
    return [f"{names[i]} and {names[j]}" for i in numbers for j in numbers if i < j and p_values[i, j] < 0.05]


def _fooled(scores: Scores) -> list[str]:
    return [
        metric
        for metric, by_system in scores.items()
        if max(by_system[d].mean() for d in DUMMIES) > max(by_system[s].mean() for s in SYSTEMS)
    ]


def draw(scores: Scores, output: Path, stem: str) -> None:
    """Box plots of every metric in one picture, and a critical-difference diagram for each."""
    figure = Figure(figsize=(16, 3.6 * -(-len(scores) // 4)), layout="constrained")
    panels = figure.subplots(-(-len(scores) // 4), 4, squeeze=False).ravel()
    for panel in panels[len(scores) :]:
        panel.set_axis_off()
    for panel, (metric, by_system) in zip(panels, scores.items(), strict=False):
        panel.boxplot(list(by_system.values()), tick_labels=list(by_system))
        panel.tick_params("x", rotation=60)
        panel.set_title(metric)
    figure.savefig(output / f"{stem}_boxes.png", dpi=80)
    for metric, by_system in scores.items():
        result = nemenyi(np.column_stack([by_system[name] for name in SYSTEMS]))
        diagram = critical_difference_diagram(list(SYSTEMS), result)
        diagram.savefig(output / f"{stem}_cd_{metric.lower()}.png", dpi=100)


def write(scores: Scores, printed: Printed, output: Path, stem: str, heading: str) -> None:
    """Write <stem>.json and <stem>.md, draw, and print the table with its verdict."""
    summary = {m: {s: [float(v.mean()), float(v.std())] for s, v in by.items()} for m, by in scores.items()}
    tests = {
        metric: {"friedman_p": friedman(np.column_stack([by[s] for s in SYSTEMS])).p_value, "apart": _apart(by)}
        for metric, by in scores.items()
    }
    write_json(output / f"{stem}.json", {"mean_and_std": summary, "thesis": printed, "tests": tests})
    text = f"{heading}\n\n{table(scores, printed)}\n{verdict(scores)}"
    (output / f"{stem}.md").write_text(text)
    draw(scores, output, stem)
    print("\n" + text)


def rows(columns: Sequence[str], *lines: str) -> Printed:
    """The thesis' table: a line for each metric, `name mean±std mean±std …` in the order of the columns."""
    parsed: Printed = {}
    for line in lines:
        name, *cells = line.split()
        values = [tuple(map(float, cell.split("±"))) for cell in cells]
        parsed[name] = dict(zip(columns, values, strict=True))
    return parsed

"""From measurements to statements: means over images and seeds, paired tests, and what they say to a claim."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from seamwise.io.jsonfile import read_json

LEVEL = 0.05
FEWEST = 6  # images for a test: of five even Wilcoxon's smallest p is above the level

Unit = Mapping[str, Any]
Scores = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Claim:
    """What the thesis says, and what the numbers here say to it."""

    text: str
    verdict: str
    numbers: str

    def __str__(self) -> str:
        return f"| {self.text} | **{self.verdict}** | {self.numbers} |"


@dataclass(frozen=True)
class Units:
    """Measurements of one kind on one data set; each has a loss, a seed, and perhaps more in its key."""

    content: Mapping[str, Unit]

    @classmethod
    def read(cls, results: Path, kind: str, name: str) -> "Units":
        """Read a file of `study.Results`; no file has no measurements."""
        path = results / f"{kind}-{name}.json"
        return cls(read_json(path)["units"] if path.exists() else {})

    def by_seed(self, loss: str) -> dict[int, Unit]:
        """The measurements of a loss, or of a key such as "drop 25 %/j4"."""
        parts = ((key.rpartition("/"), unit) for key, unit in self.content.items())
        return {int(seed): unit for (name, _, seed), unit in parts if name == loss}

    def of(self, loss: str) -> list[Unit]:
        """The same without the seeds."""
        return list(self.by_seed(loss).values())

    def images(self, loss: str, *path: str, metric: str, seeds: Collection[int] | None = None) -> NDArray[np.float64]:
        """A score of each image, the mean over the seeds; `path` leads to the scores within a measurement."""
        units = [unit for seed, unit in self.by_seed(loss).items() if seeds is None or seed in seeds]
        return np.mean([score(within(unit, path), metric) for unit in units], axis=0)

    def means(self, loss: str, *path: str, metric: str) -> list[float]:
        """A score as the mean over the images, for each seed."""
        return [float(score(within(unit, path), metric).mean()) for unit in self.of(loss)]

    def cell(self, loss: str, *path: str, metric: str) -> str:
        """Mean ± standard deviation over the seeds, of the mean over the images; a dash if nothing was measured."""
        return spread(self.means(loss, *path, metric=metric))

    def above(self, text: str, first: Sequence[str], second: Sequence[str], *, metric: str = "PQ") -> Claim:
        """Judge that the first scores higher than the second, each a loss and a path, on the seeds both have."""
        seeds = self.by_seed(first[0]).keys() & self.by_seed(second[0]).keys()
        if not seeds:
            return Claim(text, "not measured", "")
        a, b = (self.images(loss, *path, metric=metric, seeds=seeds) for loss, *path in (first, second))
        return judged(text, a, b, metric=metric)


def within(unit: Unit, path: Iterable[str]) -> Any:
    """Follow keys into a measurement."""
    for key in path:
        unit = unit[key]
    return unit


def score(scores: Scores, metric: str) -> NDArray[np.float64]:
    """A score of each image from its counts; what has no cells to be right or wrong about scores 0, as in `metrics`."""
    true, predicted, tp, iou = (np.array(scores[name], float) for name in ("n_true", "n_pred", "tp", "iou"))
    match metric:
        case "P05":
            return tp / np.maximum(predicted, 1)
        case "recall":
            return tp / np.maximum(true, 1)
        case "RQ":
            return tp / np.maximum((true + predicted) / 2, 0.5)
        case "SQ":
            return iou / np.maximum(tp, 1)
        case "PQ":
            return iou / np.maximum((true + predicted) / 2, 0.5)
        case "AP":
            return np.array(scores["ap"])
    raise ValueError(f"metric must be P05, recall, RQ, SQ, PQ or AP, not {metric!r}")


def judged(text: str, first: NDArray[Any], second: NDArray[Any], *, metric: str) -> Claim:
    """Does the first score higher, image by image? Only a difference that Wilcoxon's two-sided test tells is one."""
    numbers = f"{metric} {first.mean():.3f} against {second.mean():.3f}"
    if len(first) < FEWEST:
        return Claim(text, "too few images for a test", numbers)
    p_value = float(wilcoxon(first - second).pvalue) if (first != second).any() else 1.0
    verdict = "not told apart" if p_value >= LEVEL else "holds" if first.mean() > second.mean() else "does not hold"
    return Claim(text, verdict, f"{numbers}, p {p_text(p_value)}")


def p_text(value: float) -> str:
    """As = 0.028; small values are only bounded."""
    return "< 0.0001" if value < 1e-4 else f"= {value:.2g}"


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation; of one value the value, of none a dash."""
    if not values:
        return "—"
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f}"


def rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; words to the left, numbers to the right."""
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|", *body]) + "\n"


def verdicts(claims: Iterable[Claim]) -> str:
    """A Markdown table of claims."""
    return "\n".join(["| the thesis says | here | |", "|---|---|---|", *map(str, claims)]) + "\n"


def in_bold(cells: Sequence[str]) -> list[str]:
    """Mark the highest of a column of numbers."""
    values = [float(cell.split()[0]) if cell[0].isdigit() else -1.0 for cell in cells]
    return [f"**{cell}**" if value == max(values) >= 0 else cell for cell, value in zip(cells, values, strict=True)]

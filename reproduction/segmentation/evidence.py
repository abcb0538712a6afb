"""From measurements to statements: means over images and seeds, paired tests, and what they say to a claim."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from seamwise.io.jsonfile import read_json

LEVEL = 0.05
FEWEST = 6  # images for a test: of five even Wilcoxon's smallest p is above the level
RADII = (1, 2, 3, 4, 5, 6, 7)  # of contours, in pixels

CONTOURS = tuple(f"F1@{radius}" for radius in RADII)

Unit = Mapping[str, Any]
Scores = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Claim:
    """What the thesis says, and what the numbers here say to it.

    Attributes
    ----------
    text : str
    verdict : str
    numbers : str
    p_value : float, optional
        Of the test behind the verdict, if there was one.
    """

    text: str
    verdict: str
    numbers: str
    p_value: float | None = None


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

    def images(
        self, loss: str, *path: str, metric: str, seeds: Collection[int] | None = None
    ) -> NDArray[np.float64]:
        """A score of each image, the mean over the seeds; `path` leads to the scores within a measurement."""
        units = [
            unit for seed, unit in self.by_seed(loss).items() if seeds is None or seed in seeds
        ]
        return np.mean([score(within(unit, path), metric) for unit in units], axis=0)

    def means(self, loss: str, *path: str, metric: str) -> list[float]:
        """A score as the mean over the images, for each seed."""
        return [float(score(within(unit, path), metric).mean()) for unit in self.of(loss)]

    def cell(self, loss: str, *path: str, metric: str) -> str:
        """Mean ± standard deviation over the seeds, of the mean over the images; a dash if nothing was measured."""
        return spread(self.means(loss, *path, metric=metric))

    def above(
        self, text: str, first: Sequence[str], second: Sequence[str], *, metric: str = "PQ"
    ) -> Claim:
        """Judge that the first scores higher than the second, each a loss and a path, on the seeds both have."""
        seeds = self.by_seed(first[0]).keys() & self.by_seed(second[0]).keys()
        if not seeds:
            return Claim(text, "not measured", "")
        a, b = (
            self.images(loss, *path, metric=metric, seeds=seeds) for loss, *path in (first, second)
        )
        claim = judged(text, a, b, metric=metric)
        if len(seeds) == 1:
            return claim
        ours, theirs = (
            [self.images(loss, *path, metric=metric, seeds={seed}).mean() for seed in seeds]
            for loss, *path in (first, second)
        )
        higher = np.count_nonzero(np.greater(ours, theirs))
        return replace(claim, numbers=f"{claim.numbers}, higher in {higher} of {len(seeds)} seeds")


def within(unit: Unit, path: Iterable[str]) -> Any:
    """Follow keys into a measurement."""
    for key in path:
        unit = unit[key]
    return unit


def score(scores: Scores, metric: str) -> NDArray[np.float64]:
    """A score of each image, which has true cells, from its counts; 0 where nothing was found, as in `metrics`."""
    true, predicted, tp, iou = (
        np.array(scores[name], float) for name in ("n_true", "n_pred", "tp", "iou")
    )
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
        case _ if metric in CONTOURS:
            return np.array(
                dict(zip(CONTOURS, zip(*scores["f1"], strict=True), strict=True))[metric], float
            )
    raise ValueError(
        f"metric must be P05, recall, RQ, SQ, PQ, AP or one of {', '.join(CONTOURS)}, not {metric!r}"
    )


def pooled(scores: Scores, metric: str) -> float:
    """A score from the counts of all images together."""
    return float(
        score(
            {name: [float(np.sum(scores[name]))] for name in ("n_true", "n_pred", "tp", "iou")},
            metric,
        )[0]
    )


def judged(text: str, first: NDArray[Any], second: NDArray[Any], *, metric: str) -> Claim:
    """Does the first score higher, image by image? Only a difference that Wilcoxon's signed-rank test tells is one.

    Two-sided: each direction gets half the level, so that what decides is the ranks, as in p, and not the means.
    """
    numbers = f"{metric} {first.mean():.3f} against {second.mean():.3f}"
    if len(first) < FEWEST:
        return Claim(text, "too few images for a test", numbers)
    if not (first != second).any():
        return Claim(text, "not told apart", numbers, 1.0)
    higher, lower = (
        float(wilcoxon(first - second, alternative=side).pvalue) for side in ("greater", "less")
    )
    p_value = min(2 * min(higher, lower), 1.0)
    verdict = (
        "not told apart" if p_value >= LEVEL else "holds" if higher < lower else "does not hold"
    )
    return Claim(text, verdict, numbers, p_value)


def decided(text: str, holds: bool, numbers: str) -> Claim:
    """A claim that numbers decide without a test."""
    return Claim(text, "holds" if holds else "does not hold", numbers)


def corrected(claims: Sequence[Claim]) -> list[Claim]:
    """Allow for the number of tests after Holm: what is then no longer significant is not told apart."""
    p_values = np.array([np.nan if claim.p_value is None else claim.p_value for claim in claims])
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]
    factors = np.arange(len(order), 0, -1)
    p_values[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return [
        claim
        if claim.p_value is None
        else replace(claim, p_value=p, verdict=claim.verdict if p < LEVEL else "not told apart")
        for claim, p in zip(claims, p_values.tolist(), strict=True)
    ]


def p_text(value: float) -> str:
    """Two digits; small values are only bounded."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation; of one value the value, of none a dash."""
    if not values:
        return "—"
    text = f"{np.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.{digits}f}"


def rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; words to the left, numbers to the right."""
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return (
        "\n".join(["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|", *body])
        + "\n"
    )


def beside_the_thesis(
    head: Sequence[str],
    ours: Mapping[str, Sequence[str]],
    printed: Mapping[str, Sequence[float]],
    digits: int = 3,
) -> str:
    """A Markdown table with our line of each system, and below it the thesis'."""
    lines: list[Sequence[str]] = []
    for name, cells in ours.items():
        lines += [[name, *cells], ["thesis", *(f"{value:.{digits}f}" for value in printed[name])]]
    return rows(head, lines)


def per_data_set(
    results: Path,
    kind: str,
    sets: Iterable[str],
    part: Callable[[str, Units], Iterable[str]],
    *,
    needs: Iterable[str] = (),
) -> str:
    """What `part` makes of the measurements on each data set, below its name.

    Left out is a data set without any, or without those of a loss in `needs`.
    """
    made: list[str] = []
    for name in sets:
        units = Units.read(results, kind, name)
        if units.content and all(units.of(loss) for loss in needs):
            made += [f"**{name}**", *part(name, units)]
    return "\n\n".join(text for text in made if text)


def verdicts(*families: Sequence[Claim]) -> str:
    """A Markdown table of claims, their p corrected for the number of tests of each family.

    Of ten images the smallest p of Wilcoxon's test is 0.002: in a family of more than 25 nothing could be told apart.
    """
    lines = ["| the thesis says | here | | p |", "|---|---|---|---|"]
    for claim in (claim for family in families for claim in corrected(family)):
        p_value = "" if claim.p_value is None else p_text(claim.p_value)
        lines.append(f"| {claim.text} | **{claim.verdict}** | {claim.numbers} | {p_value} |")
    return "\n".join(lines) + "\n"


def bold_columns(
    names: Iterable[str], columns: Iterable[Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The cells of each system, the highest of each column marked."""
    return dict(zip(names, zip(*map(in_bold, columns), strict=True), strict=True))


def in_bold(cells: Sequence[str]) -> list[str]:
    """Mark the highest of a column of numbers."""
    values = [float(cell.split()[0]) if cell[0].isdigit() else -1.0 for cell in cells]
    return [
        f"**{cell}**" if value == max(values) >= 0 else cell
        for cell, value in zip(cells, values, strict=True)
    ]

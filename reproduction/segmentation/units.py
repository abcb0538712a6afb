"""Measurements of one kind on one data set, read back: means over images and seeds, and claims."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.analysis import Claim, claim_of_pairs, spread_text
from seamwise.io import read_json

RADII = (1, 2, 3, 4, 5, 6, 7)  # of contours, in pixels
CONTOURS = tuple(f"F1@{radius}" for radius in RADII)
BALANCED = {"W³, N / n": "frequency/w3"}  # W³ with its default balance, among the variants

Unit = Mapping[str, Any]
Scores = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Units:
    """Measurements of one kind on one data set; a key holds loss, seed, and perhaps more."""

    content: Mapping[str, Unit]

    @classmethod
    def read(cls, results: Path, kind: str, name: str) -> "Units":
        """Read a file of `study.Results`; no file has no measurements."""
        path = results / f"{kind}-{name}.json"
        return cls(read_json(path)["units"] if path.exists() else {})

    def with_balanced(self, results: Path, name: str) -> "Units":
        """Add the measurements of `BALANCED`, which stand among those of the variants."""
        variants = Units.read(results, "variants", name).content
        keys = tuple(f"{loss}/" for loss in BALANCED.values())
        added = {key: unit for key, unit in variants.items() if key.startswith(keys)}
        return Units({**self.content, **added})

    def under(self, name: str) -> "Units":
        """Return the measurements below a name, such as a variant's, without that name."""
        start = f"{name}/"
        found = {key: unit for key, unit in self.content.items() if key.startswith(start)}
        return Units({key.removeprefix(start): unit for key, unit in found.items()})

    def by_seed(self, loss: str) -> dict[int, Unit]:
        """Return the measurements of a loss, or of a key such as "drop 25 %/j4", by seed."""
        parts = ((key.rpartition("/"), unit) for key, unit in self.content.items())
        return {int(seed): unit for (name, _, seed), unit in parts if name == loss}

    def of(self, loss: str) -> list[Unit]:
        """Return the measurements of a loss as a list."""
        return list(self.by_seed(loss).values())

    def images(
        self, loss: str, *path: str, metric: str, seeds: Collection[int] | None = None
    ) -> NDArray[np.float64]:
        """Return a score of each image, the mean over the seeds; `path` leads to the scores."""
        units = [
            unit for seed, unit in self.by_seed(loss).items() if seeds is None or seed in seeds
        ]
        return np.mean([score(within(unit, path), metric) for unit in units], axis=0)

    def means(self, loss: str, *path: str, metric: str) -> list[float]:
        """Return the mean of a score over the images, for each seed."""
        return [float(score(within(unit, path), metric).mean()) for unit in self.of(loss)]

    def cell(self, loss: str, *path: str, metric: str) -> str:
        """Write mean ± standard deviation over the seeds, or a dash without measurements."""
        return spread_text(self.means(loss, *path, metric=metric))

    def above(
        self, text: str, first: Sequence[str], second: Sequence[str], *, metric: str = "PQ"
    ) -> Claim:
        """Judge that the first (a loss and a path) scores higher, on the seeds both have."""
        seeds = self.by_seed(first[0]).keys() & self.by_seed(second[0]).keys()
        if not seeds:
            return Claim(text, "not measured", "")
        a, b = (
            self.images(loss, *path, metric=metric, seeds=seeds) for loss, *path in (first, second)
        )
        claim = claim_of_pairs(text, a, b, metric=metric)
        if len(seeds) == 1:
            return claim

        def means(loss: str, *path: str) -> list[float]:
            return [self.images(loss, *path, metric=metric, seeds={s}).mean() for s in seeds]

        higher = np.count_nonzero(np.greater(means(*first), means(*second)))
        return replace(claim, numbers=f"{claim.numbers}, higher in {higher} of {len(seeds)} seeds")


def within(unit: Unit, path: Iterable[str]) -> Any:
    """Follow keys into a measurement."""
    for key in path:
        unit = unit[key]
    return unit


def score(scores: Scores, metric: str) -> NDArray[np.float64]:
    """Return a score of each image from its counts; 0 where nothing was found, as in `metrics`."""
    n_true, n_pred, tp, iou = (
        np.array(scores[name], float) for name in ("n_true", "n_pred", "tp", "iou")
    )
    match metric:
        case "P05":
            return tp / np.maximum(n_pred, 1)
        case "recall":
            return tp / np.maximum(n_true, 1)
        case "RQ":
            return tp / np.maximum((n_true + n_pred) / 2, 0.5)
        case "SQ":
            return iou / np.maximum(tp, 1)
        case "PQ":
            return iou / np.maximum((n_true + n_pred) / 2, 0.5)
        case "AP":
            return np.array(scores["ap"])
        case _ if metric in CONTOURS:
            return np.array(
                dict(zip(CONTOURS, zip(*scores["f1"], strict=True), strict=True))[metric], float
            )
    raise ValueError(
        f"metric must be P05, recall, RQ, SQ, PQ, AP or one of {', '.join(CONTOURS)}, not "
        f"{metric!r}"
    )


def pooled(scores: Scores, metric: str) -> float:
    """Return a score from the counts of all images together."""
    return float(
        score(
            {name: [float(np.sum(scores[name]))] for name in ("n_true", "n_pred", "tp", "iou")},
            metric,
        )[0]
    )


def per_data_set(
    results: Path,
    kind: str,
    sets: Iterable[str],
    part: Callable[[str, Units], Iterable[str]],
    *,
    needs: Iterable[str] = (),
) -> str:
    """Write what `part` makes of the measurements on each data set, below its name.

    A data set without any, or without those of a loss in `needs`, is skipped.
    """
    paragraphs: list[str] = []
    for name in sets:
        units = Units.read(results, kind, name)
        if units.content and all(units.of(loss) for loss in needs):
            paragraphs += [f"**{name}**", *part(name, units)]
    return "\n\n".join(text for text in paragraphs if text)

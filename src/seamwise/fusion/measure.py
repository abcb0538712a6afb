"""Score fused pictures on disk against their sources; see `score_files`."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.burst import check_outside
from seamwise.fusion.fused_pairs import DUMMIES, FusedPair
from seamwise.io.atomic import atomic_path, make_folder
from seamwise.io.jsonfile import write_json
from seamwise.io.photo import photo_info, read_photo
from seamwise.metrics.fusion import psnr, q_cb, q_g, q_mi, q_ncie, q_p, q_s, q_te, ssim, to_grey

METRICS: Mapping[str, Callable[..., float]] = {
    "q_mi": q_mi, "q_te": q_te, "q_ncie": q_ncie, "q_g": q_g, "q_p": q_p, "q_s": q_s, "q_cb": q_cb,
}  # fmt: skip
WITH_TRUTH: Mapping[str, Callable[..., float]] = {"ssim": ssim, "psnr": psnr}

Levels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FusionScores:
    """Scores of several methods on the same pairs. Higher is better for all of them.

    Attributes
    ----------
    pairs : tuple of str
    methods : tuple of str
        The two dummies, which return a source unchanged, come last.
    metrics : tuple of str
    values : (pairs, methods, metrics) array
    left_out : tuple of str
        Why each of the other pairs could not be scored, one line each.
    """

    pairs: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]
    left_out: tuple[str, ...] = ()

    @property
    def n_methods(self) -> int:
        """Number of methods, without the dummies."""
        return len(self.methods) - len(DUMMIES)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over the pairs, (methods, metrics); NaN for none."""
        if not self.pairs:
            return np.full(self.values.shape[1:], np.nan)
        return np.asarray(self.values.mean(axis=0))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation over the n pairs with n − 1 below, (methods, metrics); NaN for n < 2 and infinities."""
        if len(self.pairs) < 2:
            return np.full(self.values.shape[1:], np.nan)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.values.std(axis=0, ddof=1))

    @property
    def best(self) -> NDArray[np.bool_]:
        """Where a method has the highest mean of all, the dummies not counted, (methods, metrics)."""
        mean = self.mean
        best: NDArray[np.bool_] = mean == mean[: self.n_methods].max(axis=0, initial=-np.inf)
        best[self.n_methods :] = False
        return best

    @property
    def won_by_a_source(self) -> tuple[str, ...]:
        """Metrics that a dummy has a mean in no lower than that of every method; none without a pair."""
        parts = np.split(self.mean, [self.n_methods])
        by_methods, by_dummies = (part.max(axis=0, initial=-np.inf) for part in parts)
        won = by_dummies >= by_methods
        return tuple(metric for metric, is_won in zip(self.metrics, won, strict=True) if is_won)


def score_files(pairs: Iterable[FusedPair]) -> FusionScores:
    """Score the fused pictures of each pair, and each source as if it were one.

    The seven metrics compare grey pictures: colour is converted by `to_grey`, which rounds to whole levels. 16 bits are
    divided by 257, so that 65535 is 255, and not rounded. With a truth, SSIM and PSNR compare with it all channels.

    Parameters
    ----------
    pairs : iterable of FusedPair
        As `find_fused_pairs` returns them; one at a time is in memory. All name the same methods, in one order, and
        all or none a truth, also those with a fault.

    Returns
    -------
    FusionScores
        A pair with a fault, a file that cannot be read, pictures of different sizes or a picture that a metric refuses
        is left out for every method; there may be no pair left.

    Raises
    ------
    ValueError
        A pair has other methods than the first, or only one of them has a truth.
    """
    names, scored, left_out = [], [], []
    first: FusedPair | None = None
    for pair in pairs:
        first = first or pair
        _check_columns(pair, first)
        try:
            if pair.fault:
                raise ValueError(pair.fault)
            _check_alike(pair)
            scored.append(_score_pair(pair))
        except (ValueError, TypeError, OSError, MemoryError) as error:
            left_out.append(f"{pair.name}: {' '.join(str(error).split())}")
            continue
        names.append(pair.name)
    methods = (*(first.fused if first else ()), *DUMMIES)
    metrics = (*METRICS, *WITH_TRUTH) if first and first.truth else tuple(METRICS)
    values = np.array(scored, np.float64).reshape(len(names), len(methods), len(metrics))
    return FusionScores(tuple(names), methods, metrics, values, tuple(left_out))


def make_results_folder(folder: Path, sources: Sequence[Path]) -> None:
    """Make the folder of results, if it is not there.

    Raises
    ------
    ValueError
        It lies in the folder of sources, where the next run would take the box plots for one.
    OSError
        It cannot be made.
    """
    check_outside(folder, sources)
    make_folder(folder)


def write_scores(folder: Path, scores: FusionScores) -> list[Path]:
    """Write ``scores.csv``, a line for each pair and method, and ``scores.json``, with means and deviations.

    What is no finite number, as the PSNR of a picture without error, is ``inf`` or ``nan`` in the CSV and null in JSON.
    """
    table, numbers = folder / "scores.csv", folder / "scores.json"
    with (
        atomic_path(table) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["pair", "method", *scores.metrics])
        for pair, by_method in zip(scores.pairs, scores.values.tolist(), strict=True):
            writer.writerows(
                [pair, method, *row] for method, row in zip(scores.methods, by_method, strict=True)
            )
    by_pair = {
        pair: _named(scores, of) for pair, of in zip(scores.pairs, scores.values, strict=True)
    }
    content = {
        "mean": _named(scores, scores.mean),
        "std": _named(scores, scores.std),
        "scores": by_pair,
    }
    write_json(numbers, {**content, "left_out": scores.left_out})
    return [table, numbers]


def _named(scores: FusionScores, values: NDArray[np.float64]) -> dict[str, dict[str, float | None]]:
    return {
        method: {
            metric: value if math.isfinite(value) else None
            for metric, value in zip(scores.metrics, row, strict=True)
        }
        for method, row in zip(scores.methods, values.tolist(), strict=True)
    }


def _check_columns(pair: FusedPair, first: FusedPair) -> None:
    found, wanted = ((tuple(one.fused), one.truth is not None) for one in (pair, first))
    if found != wanted:
        shown = [
            f"{one.name} has {', '.join(one.fused) or 'no method'} {'with' if one.truth else 'without'} a truth"
            for one in (first, pair)
        ]
        raise ValueError(
            f"pairs must have the same methods, and all a truth or none, but {', '.join(shown)}: score them apart"
        )


def _check_alike(pair: FusedPair) -> None:
    """Raise ValueError if the pictures differ in size, or in colour where they meet a truth. Reads headers alone."""
    first, *others = [*pair.sources, *pair.fused.values()]
    wanted = photo_info(first).shape[:2]
    for path in others if pair.truth is None else [*others, pair.truth]:
        size = photo_info(path).shape[:2]
        if size != wanted:
            shown = [" × ".join(map(str, shape[::-1])) for shape in (size, wanted)]
            mend = (
                ""
                if path in pair.sources
                else " (`seamwise fuse` keeps it with --no-align or --full-size)"
            )
            raise ValueError(
                f"{path} has {shown[0]} pixels, {first} has {shown[1]}: give all one size{mend}"
            )
    if pair.truth is None:
        return
    colour = len(photo_info(pair.truth).shape) == 3
    for path in (first, *others):
        if (len(photo_info(path).shape) == 3) != colour:
            kinds = ("in colour", "grey") if colour else ("grey", "in colour")
            raise ValueError(
                f"{pair.truth} is {kinds[0]}, {path} is {kinds[1]}: convert one of them first"
            )


def _score_pair(pair: FusedPair) -> list[list[float]]:
    """Return the scores of every method, then of the dummies."""
    sources = [_levels(path) for path in pair.sources]
    grey = [_grey(levels) for levels in sources]
    truth = None if pair.truth is None else _levels(pair.truth)

    def scores_of(path: Path, levels: Levels) -> list[float]:
        as_grey = _grey(levels)
        against = f"against {pair.sources[0]} and {pair.sources[1]}"
        row = [
            _tried(name, metric, path, against, *grey, as_grey) for name, metric in METRICS.items()
        ]
        if truth is not None:
            against = f"against {pair.truth}"
            row += [
                _tried(name, metric, path, against, levels, truth)
                for name, metric in WITH_TRUTH.items()
            ]
        return row

    rows = [scores_of(path, _levels(path)) for path in pair.fused.values()]
    return rows + [
        scores_of(path, levels) for path, levels in zip(pair.sources, sources, strict=True)
    ]


def _tried(
    name: str, metric: Callable[..., float], path: Path, against: str, *pictures: Levels
) -> float:
    try:
        return metric(*pictures)
    except ValueError as error:
        raise ValueError(f"{name} cannot score {path} {against}: {error}") from error


def _levels(path: Path) -> Levels:
    """Read a picture as 0..255, 16 bits as fractions."""
    pixels = read_photo(path).pixels
    if pixels.dtype != np.uint16:
        return pixels
    # the metrics would take it for one of 0..1
    if 0 < pixels.max() <= 257:
        raise ValueError(
            f"{path} is all but black, no value is above 257 of 65535: brighten all pictures of the pair"
        )
    return pixels / 257


def _grey(levels: Levels) -> Levels:
    return to_grey(levels) if levels.ndim == 3 else levels

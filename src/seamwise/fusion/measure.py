"""Score fused pictures on disk against their sources; see `score_files`."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.alignment import Alignment
from seamwise.fusion.burst import check_outside
from seamwise.fusion.frames import pixel_size
from seamwise.fusion.fused_pairs import DUMMIES, FusedPair
from seamwise.fusion.stored_alignment import of_pair, stored_path
from seamwise.io.atomic import make_folder
from seamwise.io.csvfile import write_csv
from seamwise.io.jsonfile import write_json
from seamwise.io.photo import photo_info, read_photo
from seamwise.metrics.fusion import psnr, q_cb, q_g, q_mi, q_ncie, q_p, q_s, q_te, ssim, to_grey
from seamwise.pictures import as_unit, in_dtype

METRICS: Mapping[str, Callable[..., float]] = {
    "q_mi": q_mi, "q_te": q_te, "q_ncie": q_ncie, "q_g": q_g, "q_p": q_p, "q_s": q_s, "q_cb": q_cb,
}  # fmt: skip
"""The scores of a fused picture and its two sources, by their names."""

WITH_TRUTH: Mapping[str, Callable[..., float]] = {"ssim": ssim, "psnr": psnr}
"""The scores of a fused picture and a sharp picture of the scene, by their names."""

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
    skipped : tuple of str
        Why each of the other pairs could not be scored, one line each.
    """

    pairs: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    values: NDArray[np.float64]
    skipped: tuple[str, ...] = ()

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
        """Sample standard deviation over the pairs, (methods, metrics).

        NaN for fewer than two pairs, and where a score is infinite.
        """
        if len(self.pairs) < 2:
            return np.full(self.values.shape[1:], np.nan)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.values.std(axis=0, ddof=1))

    @property
    def best(self) -> NDArray[np.bool_]:
        """Where a method has the highest mean of all methods, dummies aside, (methods, metrics)."""
        mean = self.mean
        best: NDArray[np.bool_] = mean == mean[: self.n_methods].max(axis=0, initial=-np.inf)
        best[self.n_methods :] = False
        return best

    @property
    def won_by_a_source(self) -> tuple[str, ...]:
        """Metrics in which no method has a higher mean than a dummy; none without a pair."""
        methods, dummies = np.split(self.mean, [self.n_methods])
        is_won = dummies.max(axis=0, initial=-np.inf) >= methods.max(axis=0, initial=-np.inf)
        return tuple(metric for metric, won in zip(self.metrics, is_won, strict=True) if won)

    def content(self) -> dict[str, Any]:
        """Return all scores, means, standard deviations and skipped pairs, ready for JSON.

        Numbers that are not finite, such as the PSNR of a picture without error, are None.
        """
        pairs = zip(self.pairs, self.values, strict=True)
        return {
            "mean": self._by_name(self.mean),
            "std": self._by_name(self.std),
            "scores": {pair: self._by_name(values) for pair, values in pairs},
            "skipped": self.skipped,
        }

    def rows(self) -> Iterator[dict[str, str | float]]:
        """Yield the lines of a table by column: one for each pair and method."""
        for pair, by_method in zip(self.pairs, self.values.tolist(), strict=True):
            for method, scores in zip(self.methods, by_method, strict=True):
                yield {
                    "pair": pair,
                    "method": method,
                    **dict(zip(self.metrics, scores, strict=True)),
                }

    def _by_name(self, values: NDArray[np.float64]) -> dict[str, dict[str, float | None]]:
        return {
            method: dict(zip(self.metrics, map(_finite, row), strict=True))
            for method, row in zip(self.methods, values.tolist(), strict=True)
        }


def score_files(pairs: Iterable[FusedPair]) -> FusionScores:
    """Score the fused pictures of each pair, and each source as if it were one.

    The seven metrics compare grey pictures: colour is converted by `to_grey`, which rounds to whole
    levels. 16 bits are divided by 257, so that 65535 is 255, and not rounded. With a truth, SSIM
    and PSNR compare all channels with it.

    If ``x_alignment.json`` lies next to the fused picture x, as `fuse_files` writes it, the sources
    are aligned by it first, and sources and truth are cut like the picture.

    Parameters
    ----------
    pairs : iterable of FusedPair
        As `find_fused_pairs` returns them; one at a time is in memory. All name the same methods,
        in one order, and all or none a truth, also those with a fault.

    Returns
    -------
    FusionScores
        A pair is skipped for every method if it has a fault, a file cannot be read, its pictures
        differ in size or a metric refuses one of them. No pair may be left.

    Raises
    ------
    ValueError
        A pair has other methods than the first, or only one of them has a truth.
    """
    names, scores, skipped = [], [], []
    first: FusedPair | None = None
    for pair in pairs:
        first = first or pair
        _check_columns(pair, first)
        try:
            if pair.fault:
                raise ValueError(pair.fault)
            alignment = of_pair(pair)
            _check_sizes(pair, alignment)
            _check_colours(pair)
            scores.append(_score_pair(pair, alignment))
        except (ValueError, TypeError, OSError, MemoryError) as error:
            skipped.append(f"{pair.name}: {' '.join(str(error).split())}")
            continue
        names.append(pair.name)
    methods = (*(first.fused if first else ()), *DUMMIES)
    metrics = (*METRICS, *WITH_TRUTH) if first and first.truth else tuple(METRICS)
    values = np.array(scores, np.float64).reshape(len(names), len(methods), len(metrics))
    return FusionScores(tuple(names), methods, metrics, values, tuple(skipped))


def make_results_folder(folder: Path, sources: Sequence[Path]) -> None:
    """Make the folder of results unless it exists.

    Raises
    ------
    ValueError
        It lies in the folder of sources, where the next run would take the box plots for a source.
    OSError
        It cannot be made.
    """
    check_outside(folder, sources)
    make_folder(folder)


def write_scores(
    scores: FusionScores, *, json_file: Path | None = None, csv_file: Path | None = None
) -> list[Path]:
    """Write `FusionScores.content` as JSON and `FusionScores.rows` as CSV.

    Returns
    -------
    list of Path
        The files that were written.
    """
    if json_file is not None:
        write_json(json_file, scores.content())
    if csv_file is not None:
        write_csv(csv_file, list(scores.rows()), columns=("pair", "method", *scores.metrics))
    return [path for path in (json_file, csv_file) if path is not None]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _check_columns(pair: FusedPair, first: FusedPair) -> None:
    if (tuple(pair.fused), pair.truth is None) != (tuple(first.fused), first.truth is None):
        raise ValueError(
            f"pairs must have the same methods, and all a truth or none, but {_columns(first)}, "
            f"{_columns(pair)}: score them separately"
        )


def _columns(pair: FusedPair) -> str:
    methods = ", ".join(pair.fused) or "no method"
    return f"{pair.name} has {methods} {'with' if pair.truth else 'without'} a truth"


def _check_sizes(pair: FusedPair, alignment: Alignment | None) -> None:
    """Raise ValueError if the pictures differ in size. Only headers are read."""
    first, *others = pair.sources
    shape = photo_info(first).shape[:2]
    fused_shape = shape
    if alignment is not None and _is_cut(pair, alignment):
        fused_shape = _box_shape(alignment)
    for path in (*others, *pair.fused.values(), *_truths(pair)):
        size = photo_info(path).shape[:2]
        of_fused = path in pair.fused.values()
        allowed = {fused_shape if of_fused else shape}
        if path == pair.truth:
            allowed.add(fused_shape)
        if size not in allowed:
            hint = (
                " (`seamwise fuse` keeps it with --no-align or --full-size, or stores how it was "
                f"cut with --alignment {stored_path(path)})"
            )
            raise ValueError(
                f"{path} has {pixel_size(size)} pixels, {first} has {pixel_size(shape)}: "
                f"give all one size{hint if of_fused else ''}"
            )


def _is_cut(pair: FusedPair, alignment: Alignment) -> bool:
    """Whether the fused pictures have the size of what all aligned frames show."""
    shapes = {photo_info(path).shape[:2] for path in pair.fused.values()}
    return shapes == {_box_shape(alignment)}


def _box_shape(alignment: Alignment) -> tuple[int, int]:
    y0, y1, x0, x1 = alignment.common
    return y1 - y0, x1 - x0


def _check_colours(pair: FusedPair) -> None:
    """Raise ValueError if of truth and pictures some are in colour. Only headers are read."""
    for truth in _truths(pair):
        is_colour = _is_colour(truth)
        for path in (*pair.sources, *pair.fused.values()):
            if _is_colour(path) != is_colour:
                kinds = ("in colour", "grey") if is_colour else ("grey", "in colour")
                raise ValueError(
                    f"{truth} is {kinds[0]}, {path} is {kinds[1]}: convert one of them first"
                )


def _truths(pair: FusedPair) -> tuple[Path, ...]:
    return () if pair.truth is None else (pair.truth,)


def _is_colour(path: Path) -> bool:
    return len(photo_info(path).shape) == 3


def _score_pair(pair: FusedPair, alignment: Alignment | None) -> list[list[float]]:
    """Return the scores of every method, then of the dummies."""
    is_cut = alignment is not None and _is_cut(pair, alignment)
    sources = [
        _levels(path, partial(_aligned, i=i, alignment=alignment, crop=is_cut))
        for i, path in enumerate(pair.sources)
    ]
    grey = [_grey(levels) for levels in sources]
    truth = None if pair.truth is None else _levels(pair.truth)
    if truth is not None and alignment is not None and truth.shape[:2] != sources[0].shape[:2]:
        y0, y1, x0, x1 = alignment.common
        truth = truth[y0:y1, x0:x1]

    def scores_of(path: Path, levels: Levels) -> list[float]:
        pictures = (*grey, _grey(levels))
        against = f"{pair.sources[0]} and {pair.sources[1]}"
        scores = [_score(name, path, against, *pictures) for name in METRICS]
        if truth is not None:
            scores += [_score(name, path, str(pair.truth), levels, truth) for name in WITH_TRUTH]
        return scores

    methods = [scores_of(path, _levels(path)) for path in pair.fused.values()]
    dummies = [scores_of(path, levels) for path, levels in zip(pair.sources, sources, strict=True)]
    return methods + dummies


def _score(name: str, path: Path, against: str, *pictures: Levels) -> float:
    metric = METRICS[name] if name in METRICS else WITH_TRUTH[name]
    try:
        return metric(*pictures)
    except ValueError as error:
        raise ValueError(f"{name} cannot score {path} against {against}: {error}") from error


def _aligned(pixels: Levels, *, i: int, alignment: Alignment | None, crop: bool) -> Levels:
    """Source i of a pair as the fused picture shows it."""
    if alignment is None:
        return pixels
    return in_dtype(alignment.apply(as_unit(pixels), i, crop=crop), pixels.dtype)


def _levels(path: Path, change: Callable[[Levels], Levels] = lambda pixels: pixels) -> Levels:
    """Read a picture as 0..255, 16 bits as fractions, with a change made to its pixels."""
    pixels = change(read_photo(path).pixels)
    if pixels.dtype != np.uint16:
        return pixels
    # the metrics would take it for one of 0..1
    if 0 < pixels.max() <= 257:
        raise ValueError(
            f"{path} is all but black, no value is above 257 of 65535: "
            "brighten all pictures of the pair"
        )
    return pixels / 257


def _grey(levels: Levels) -> Levels:
    return to_grey(levels) if levels.ndim == 3 else levels

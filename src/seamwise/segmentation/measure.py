"""Score label images on disk; see `score_files`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seamwise.io.errors import error_line
from seamwise.io.images import read_labels
from seamwise.io.listing import by_stem, find_labels, stem
from seamwise.io.outcome import amount
from seamwise.io.volume import open_labels
from seamwise.labels import Labels
from seamwise.metrics import (
    DEFAULT_IOUS,
    CellErrors,
    ContourMatching,
    ContourScores,
    Dataset,
    Matching,
    Scores,
    cell_errors,
    contour_scores,
    match_many,
    summarise,
)
from seamwise.segmentation.data import check_complete
from seamwise.segmentation.sanity import looks_like

_HINTS = {
    "binary": "a single number in many pieces; if it is black and white, number its cells first "
    "(Fiji: Analyze Particles; Python: seamwise.labels.connected_components), or they count as one",
    "classes": "a few numbers in many pieces, as classes have; make cells of them first, "
    "with seamwise decode",
    "photograph": "scattered numbers, as in a photograph; give label images, "
    "as `seamwise segment` writes them",
}


@dataclass(frozen=True)
class ScoredPair:
    """A predicted and a true label image on disk."""

    name: str
    predicted: Path
    truth: Path


@dataclass(frozen=True)
class FileScores:
    """Scores of label images on disk.

    Attributes
    ----------
    images : tuple of str
        Names of the images, in the order of their scores.
    matching : Dataset of Matching
    contours : Dataset of ContourMatching, or None
        None without radii.
    hints : tuple of str
        Possible mistakes in the files, a line for each kind.
    skipped : tuple of str
        Pairs that could not be scored, a line for each.
    places : tuple of (ScoredPair, int)
        The files and the time point of each image.
    errors : tuple of CellErrors
        What became of the cells of each image; empty unless asked for.
    """

    images: tuple[str, ...]
    matching: Dataset[Matching, Scores]
    contours: Dataset[ContourMatching, ContourScores] | None
    hints: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    places: tuple[tuple[ScoredPair, int], ...] = ()
    errors: tuple[CellErrors, ...] = ()


@dataclass(frozen=True, eq=False)
class _ImageScores:
    """Scores of one image, or time point."""

    name: str
    place: tuple[ScoredPair, int]
    matching: tuple[Matching, ...]
    contours: tuple[ContourMatching, ...]
    looks: Mapping[Path, str]
    errors: CellErrors | None


def pair_files(predicted: Path, truth: Path) -> tuple[ScoredPair, ...]:
    """Pair two files, or the files of two folders by their stems (``x_masks.tif`` counts as x).

    The overlays that `segment_files` draws next to the labels are skipped.

    Raises
    ------
    ValueError
        Two files of a folder have the same stem.
    FileNotFoundError
        A file does not exist, or a true label image has no prediction: without it the scores would
        look better than they are.
    """
    if predicted.is_file() and truth.is_file():
        return (ScoredPair(stem(truth), predicted, truth),)
    predictions, truths = labels_by_stem(predicted), labels_by_stem(truth)
    check_complete(truths, predictions, f"images in {truth} have no labels in {predicted}")
    return tuple(ScoredPair(name, predictions[name], path) for name, path in truths.items())


def score_files(
    pairs: Iterable[ScoredPair],
    *,
    ious: Sequence[float] = DEFAULT_IOUS,
    radii: Sequence[float] = (),
    list_errors: bool = False,
) -> FileScores:
    """Match every pair at every IoU threshold and score its contours at every radius, in pixels.

    One pair at a time is in memory. Each time point counts as an image, named after the file and
    the time. A pair that cannot be scored is skipped. With `list_errors` also tell what became of
    each cell, see `metrics.cell_errors`.

    Raises
    ------
    OSError, ValueError
        None of the pairs can be scored: what is wrong with the first. Its files differ in size or
        in time points, the prediction has negative labels, or it cannot be read.
    """
    scores: list[_ImageScores] = []
    errors: list[tuple[ScoredPair, Exception]] = []
    for pair in pairs:
        try:
            scores += _score_times(pair, ious, radii, list_errors)
        except (ValueError, OSError) as error:
            errors.append((pair, error))
    if errors and not scores:
        raise errors[0][1]
    looks = {path: look for one in scores for path, look in one.looks.items()}
    return FileScores(
        images=tuple(one.name for one in scores),
        matching=summarise(one.matching for one in scores),
        contours=summarise(one.contours for one in scores) if radii else None,
        hints=_hints(looks),
        skipped=tuple(error_line(pair.predicted, error) for pair, error in errors),
        places=tuple(one.place for one in scores),
        errors=tuple(one.errors for one in scores if one.errors is not None),
    )


def labels_by_stem(folder: Path) -> dict[str, Path]:
    """Label images of a folder by the names of their images: ``x_masks.tif`` counts as x."""
    return by_stem(find_labels(folder), ending="_masks")


def _score_times(
    pair: ScoredPair, ious: Sequence[float], radii: Sequence[float], list_errors: bool
) -> list[_ImageScores]:
    """Score every time point of a pair; nothing of it if one cannot be scored."""
    parts: list[_ImageScores] = []
    for time, (name, truth, predicted) in enumerate(_pairs_of_times(pair)):
        _check_pair(pair, truth, predicted)
        parts.append(
            _ImageScores(
                name,
                (pair, time),
                match_many(truth, predicted, ious=ious),
                contour_scores(truth, predicted, radii=radii) if radii else (),
                {pair.predicted: looks_like(predicted), pair.truth: looks_like(truth)},
                cell_errors(truth, predicted) if list_errors else None,
            )
        )
    return parts


def _pairs_of_times(pair: ScoredPair) -> Iterator[tuple[str, Labels, Labels]]:
    """Yield name, true and predicted labels of every time point of a pair.

    Raises
    ------
    ValueError
        The two differ in time points.
    """
    times, predicted_times = open_labels(pair.truth).times, open_labels(pair.predicted).times
    if times != predicted_times:
        raise ValueError(
            f"{pair.predicted} must have the {amount(times, 'time point')} of {pair.truth}, "
            f"not {predicted_times}: give labels of the same series"
        )
    if times == 1:
        yield pair.name, read_labels(pair.truth), read_labels(pair.predicted)
        return
    for time in range(times):
        name = f"{pair.name}, time {time}"
        yield name, _time_point(pair.truth, time), _time_point(pair.predicted, time)


def _time_point(path: Path, time: int) -> Labels:
    volume = open_labels(path)
    pixels: Labels = volume.read(tuple(slice(0, n) for n in volume.shape), time=time)[0]
    return pixels


def _check_pair(pair: ScoredPair, truth: Labels, predicted: Labels) -> None:
    if truth.shape != predicted.shape:
        raise ValueError(
            f"{pair.predicted} must have the size {truth.shape} of {pair.truth}, "
            f"not {predicted.shape}: give labels of the same image"
        )
    if predicted.min() < 0:
        raise ValueError(
            f"{pair.predicted} has negative labels: set them to 0; only the truth may have "
            "ignored pixels"
        )


def _hints(looks: Mapping[Path, str]) -> tuple[str, ...]:
    hints = []
    for kind, hint in _HINTS.items():
        paths = [path for path, look in looks.items() if look == kind]
        if paths:
            hints.append(f"{len(paths)} of {amount(len(looks), 'file')} (e.g. {paths[0]}): {hint}")
    return tuple(hints)

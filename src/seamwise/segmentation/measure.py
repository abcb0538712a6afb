"""Score label images on disk; see `score_files`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seamwise.io.images import by_stem, find_images, read_labels, stem
from seamwise.metrics import (
    DEFAULT_IOUS,
    ContourMatching,
    DatasetContours,
    DatasetMatching,
    Matching,
    contour_scores,
    match_many,
    summarise_contours,
    summarise_matchings,
)
from seamwise.segmentation.data import check_complete
from seamwise.segmentation.sanity import looks_like

_HINTS = {
    "binary": "a single number in many pieces; if it is black and white, number its cells first (Fiji: Analyze "
    "Particles; Python: seamwise.labels.connected_components), or they count as one",
    "photograph": "scattered numbers, as in a photograph; give label images, as `seamwise segment` writes them",
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
    matching : DatasetMatching
    contours : DatasetContours or None
        None without radii.
    hints : tuple of str
        What seems wrong with the files, a line for each kind.
    """

    matching: DatasetMatching
    contours: DatasetContours | None
    hints: tuple[str, ...]


def pair_files(predicted: Path, truth: Path) -> tuple[ScoredPair, ...]:
    """Pair two files, or the files of two folders by their stems (`x_masks.tif` counts as x).

    The overlays that `batch.segment_files` draws beside the labels are passed over.

    Raises
    ------
    ValueError
        Two files of a folder have the same stem.
    FileNotFoundError
        One of them does not exist, or a true label image has no prediction: leaving it out would make
        the scores look better than they are.
    """
    if predicted.is_file() and truth.is_file():
        return (ScoredPair(stem(truth), predicted, truth),)
    found, wanted = (
        by_stem(
            [
                path
                for path in find_images(folder, masks=True)
                if not stem(path).endswith("_overlay")
            ],
            ending="_masks",
        )
        for folder in (predicted, truth)
    )
    check_complete(wanted, found, f"images in {truth} have no labels in {predicted}")
    return tuple(ScoredPair(name, found[name], path) for name, path in wanted.items())


def score_files(
    pairs: Iterable[ScoredPair],
    *,
    thresholds: Sequence[float] = DEFAULT_IOUS,
    radii: Sequence[float] = (),
) -> FileScores:
    """Match every pair at every IoU threshold and score its contours at every radius, in pixels.

    Each file is read once, and one pair at a time is in memory.

    Raises
    ------
    ValueError
        The two files of a pair differ in size, or a prediction has negative labels; and what `read_labels`
        raises.
    """
    scored = [_score_pair(pair, thresholds, radii) for pair in pairs]
    return FileScores(
        matching=summarise_matchings(matchings for matchings, _, _ in scored),
        contours=summarise_contours(contours for _, contours, _ in scored) if radii else None,
        hints=_hints({path: looks for _, _, both in scored for path, looks in both.items()}),
    )


def _score_pair(
    pair: ScoredPair, thresholds: Sequence[float], radii: Sequence[float]
) -> tuple[tuple[Matching, ...], tuple[ContourMatching, ...], Mapping[Path, str]]:
    true, found = read_labels(pair.truth), read_labels(pair.predicted)
    if true.shape != found.shape:
        raise ValueError(
            f"{pair.predicted} has size {found.shape}, {pair.truth} has {true.shape}: they must be equal"
        )
    if found.min() < 0:
        raise ValueError(
            f"{pair.predicted} has negative labels: only the truth can have ignored pixels"
        )
    contours = contour_scores(true, found, radii=radii) if radii else ()
    looks = {pair.predicted: looks_like(found), pair.truth: looks_like(true)}
    return match_many(true, found, ious=thresholds), contours, looks


def _hints(looks: Mapping[Path, str]) -> tuple[str, ...]:
    odd = {kind: [path for path, seen in looks.items() if seen == kind] for kind in _HINTS}
    return tuple(
        f"{len(paths)} of {len(looks)} files (e.g. {paths[0]}): {_HINTS[kind]}"
        for kind, paths in odd.items()
        if paths
    )

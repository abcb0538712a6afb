"""Score label images on disk; see `score_files`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seamwise.io.images import by_stem, find_images, read_labels, stem
from seamwise.labels import Labels
from seamwise.metrics import DEFAULT_THRESHOLDS, DatasetMatching, match_dataset
from seamwise.segmentation.data import check_complete


@dataclass(frozen=True)
class ScoredPair:
    """A predicted and a true label image on disk."""

    name: str
    predicted: Path
    truth: Path


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
            [path for path in find_images(folder, masks=True) if not stem(path).endswith("_overlay")], ending="_masks"
        )
        for folder in (predicted, truth)
    )
    check_complete(wanted, found, f"images in {truth} have no labels in {predicted}")
    return tuple(ScoredPair(name, found[name], path) for name, path in wanted.items())


def score_files(pairs: Iterable[ScoredPair], *, thresholds: Sequence[float] = DEFAULT_THRESHOLDS) -> DatasetMatching:
    """Match every pair at every IoU threshold; one pair at a time is in memory."""

    def read() -> Iterator[tuple[Labels, Labels]]:
        for pair in pairs:
            true, found = read_labels(pair.truth), read_labels(pair.predicted)
            if true.shape != found.shape:
                raise ValueError(
                    f"{pair.predicted} has size {found.shape}, {pair.truth} has {true.shape}: they must be equal"
                )
            if found.min() < 0:
                raise ValueError(f"{pair.predicted} has negative labels: only the truth can have ignored pixels")
            yield true, found

    return match_dataset(read(), thresholds=thresholds)

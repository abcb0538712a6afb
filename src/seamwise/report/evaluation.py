"""A page about what is wrong with predicted labels; see `evaluation_report`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import check_writable
from seamwise.io.errors import error_line
from seamwise.io.htmlpage import (
    facts,
    figure,
    heading,
    histogram,
    key,
    link,
    paragraph,
    row,
    table,
    write_page,
)
from seamwise.io.listing import by_stem, find_images
from seamwise.io.outcome import amount, plural
from seamwise.io.volume import Volume, open_labels, open_volume
from seamwise.metrics import CellErrors, Matching
from seamwise.report.pictures import VIEW_STYLE, plane_picture, read_plane
from seamwise.segmentation.measure import FileScores, ScoredPair, score_files
from seamwise.types import AnyPath

MOST_PICTURES = 40
"""Images that are shown; the table has all."""

COLOURS = {
    "correct": "#5fcf86",
    "split": "#f2c14e",
    "merged": "#e05ad1",
    "inexact": "#4cc9f0",
    "missed": "#ff5a4f",
    "invented": "#ff9f1c",
}
"""Colour of each kind of cell."""

_MEANING = {
    "correct": "IoU of 0.5 or more with its partner",
    "split": "two predicted cells or more lie in it",
    "merged": "shares a predicted cell with another",
    "inexact": "more than half overlaps, but IoU below 0.5",
    "missed": "no predicted cell",
    "invented": "predicted, but no true cell",
}
_FEWEST = 10  # images of a histogram
_WIDTH = 4  # of outlines: two pictures share a row, which shrinks them to half
_IOUS = (0.5, 0.75, 0.9)
_ERRORS = (ValueError, TypeError, OSError, MemoryError)


@dataclass(frozen=True, eq=False)
class _Scored:
    """One image, or time point, of the report."""

    pair: ScoredPair
    name: str
    time: int
    errors: CellErrors
    matching: tuple[Matching, ...]


@dataclass(frozen=True)
class _Images:
    """The images behind the labels, by name, and how to read them."""

    files: Mapping[str, Path]
    channel: int | Sequence[int] | None
    axes: str | None

    def open(self, path: Path) -> Volume:
        return open_volume(path, axes=self.axes, channel=self.channel)


def evaluation_report(
    pairs: Iterable[ScoredPair],
    page: Path,
    *,
    scores: FileScores | None = None,
    images: AnyPath | None = None,
    channel: int | Sequence[int] | None = None,
    axes: str | None = None,
    note: Callable[[str], object] | None = None,
) -> tuple[str, ...]:
    """Write a page about what became of every true cell: correct, split, merged, missed …

    The page needs no other file and no network. It shows true outlines and, next to them, predicted
    ones, both in the colour of what became of the cell; see `metrics.cell_errors`. For a stack the
    middle slice is shown. The images with the most errors are shown.

    Parameters
    ----------
    pairs : iterable of ScoredPair
        See `segmentation.pair_files`.
    page : Path
        The file to write, such as ``report.html``.
    scores : FileScores, optional
        What `segmentation.score_files` returned for these pairs at its own IoUs with
        ``list_errors=True``, so that no file is read and matched twice.
    images : path, optional
        The images behind the labels: a file, or a folder of files with the same names.
    channel : int or sequence of int, optional
        Which channels of the images to read; the first of them is shown.
    axes : str, optional
        Axes of the images, as in `io.read_image`.
    note : function, optional
        Is called with a line if labels have no image of their name in `images`.

    Returns
    -------
    tuple of str
        What is wrong with the pairs that are skipped, a line each.

    Raises
    ------
    ValueError
        The scores have no errors, or other IoUs.
    OSError
        The page cannot be written.
    """
    check_writable(page)
    pairs = list(pairs)
    backgrounds = {} if images is None else by_stem(find_images(images))
    if len(backgrounds) == len(pairs) == 1:  # whatever their names
        backgrounds = {pairs[0].name: next(iter(backgrounds.values()))}
    missing = [pair.name for pair in pairs if pair.name not in backgrounds]
    if images is not None and missing and note is not None:
        note(
            f"{len(missing)} of {amount(len(pairs), 'label image')} without an image of the same "
            f"name in {images} (e.g. {missing[0]}): on the page their outlines lie on black"
        )
    parts, failures = _score(pairs) if scores is None else (_scored(scores), scores.skipped)
    behind = _Images(backgrounds, channel, axes)
    write_page(page, "Evaluation report", _page(parts, behind, failures))
    return tuple(failures)


def _score(pairs: Iterable[ScoredPair]) -> tuple[list[_Scored], list[str]]:
    """Score pairs one by one; also what is wrong with those that are skipped."""
    parts: list[_Scored] = []
    failures: list[str] = []
    for pair in pairs:
        try:
            parts += _scored(score_files([pair], ious=_IOUS, list_errors=True))
        except _ERRORS as error:
            failures.append(error_line(pair.predicted, error))
    return parts, failures


def _scored(scores: FileScores) -> list[_Scored]:
    levels = {one.iou for one in scores.matching.pooled}
    if len(scores.errors) != len(scores.images) or not levels.issuperset(_IOUS):
        raise ValueError(
            f"scores must hold errors, and the IoUs {', '.join(map(str, _IOUS))}: "
            "call score_files with list_errors=True and its own IoUs"
        )
    each = zip(scores.places, scores.images, scores.errors, scores.matching.per_image, strict=True)
    parts = []
    for (pair, time), name, errors, matching in each:
        shown = tuple(one for one in matching if one.iou in _IOUS)
        parts.append(_Scored(pair, name, time, errors, shown))
    return parts


def _page(parts: Sequence[_Scored], images: _Images, failures: Sequence[str]) -> Iterator[str]:
    yield VIEW_STYLE
    counts = [part.errors.counts() for part in parts]
    total = {plural(len(parts), "image"): len(parts)}
    yield facts({**total, **{name: _sum(counts, name) for name in COLOURS}})
    yield from (paragraph(f"Not shown: {line}") for line in failures)
    yield key({f"{name}: {_MEANING[name]}": colour for name, colour in COLOURS.items()})
    if parts:
        yield heading("Scores")
        yield table(_SCORES, [_scores(parts, i) for i in range(len(_IOUS))])
        values = np.array([part.matching[0].panoptic_quality for part in parts])
        if len(parts) >= _FEWEST:
            label = "panoptic quality at IoU 0.5"
            yield figure(histogram(values, label=label, noun="image"), "Quality of the images.")
    yield heading("Images")
    columns = ["image", "true cells", *COLOURS, "panoptic quality"]
    yield table(columns, [_line(i, part) for i, part in enumerate(parts)])
    shown = sorted(range(len(parts)), key=lambda i: -_wrong(counts[i]))[:MOST_PICTURES]
    if len(shown) < len(parts):
        yield paragraph(f"The {len(shown)} images with the most errors are shown.")
    for i in sorted(shown):
        yield from _image(i, parts[i], images)


_SCORES = ["IoU", "AP", "precision", "recall", "F1", "panoptic quality"]


def _scores(parts: Sequence[_Scored], i: int) -> list[object]:
    pooled = Matching.pool([part.matching[i] for part in parts])
    values = (pooled.accuracy, pooled.precision, pooled.recall, pooled.f1, pooled.panoptic_quality)
    return [pooled.iou, *values]


def _sum(counts: Sequence[Mapping[str, int]], name: str) -> int:
    return sum(count[name] for count in counts)


def _wrong(count: Mapping[str, int]) -> int:
    return sum(count[name] for name in COLOURS if name != "correct")


def _line(i: int, part: _Scored) -> list[object]:
    counts = part.errors.counts()
    true = part.matching[0].n_true
    kinds = [counts[name] for name in COLOURS]
    return [link(part.name, f"image{i}"), true, *kinds, part.matching[0].panoptic_quality]


def _image(i: int, part: _Scored, images: _Images) -> Iterator[str]:
    counts = part.errors.counts()
    yield heading(part.name, anchor=f"image{i}")
    kinds = [f"{counts[name]} {name}" for name in COLOURS if counts[name]]
    yield paragraph(", ".join(kinds) or "no cells", is_note=True)
    path = images.files.get(part.pair.name)
    if path is None and images.files:
        yield paragraph("No image has this name: the outlines lie on black.", is_note=True)
    try:
        yield row(_views(part, None if path is None else images.open(path)))
    except _ERRORS as error:  # the other images are shown
        yield paragraph(f"Not shown: {error_line(path or part.pair.predicted, error)}")


def _views(part: _Scored, image: Volume | None) -> list[str]:
    """The truth and the prediction."""
    views: list[str] = []
    for kind, path, colours in (
        ("truth", part.pair.truth, _true_colours(part.errors)),
        ("prediction", part.pair.predicted, _predicted_colours(part.errors)),
    ):
        labels = open_labels(path)
        if image is not None:
            _check_fit(image, labels)
        plane = read_plane(image, labels, time=part.time)
        name = f"{part.name}, {kind}"
        views.append(
            figure(
                plane_picture(plane, name, colours=colours, marked=colours.wrong, width=_WIDTH),
                kind,
            )
        )
    return views


def _check_fit(image: Volume, labels: Volume) -> None:
    size, expected = (image.times, *image.shape), (labels.times, *labels.shape)
    if size != expected:
        raise ValueError(
            f"{image.path} must have the times and size {expected} of {labels.path}, not {size}: "
            "give the image of these labels"
        )


class _Palette:
    """Colours of labels by what became of them."""

    def __init__(self, kinds: Mapping[str, NDArray[Any]]) -> None:
        self.kinds = kinds

    def __call__(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        colours = np.full((len(labels), 3), 255, np.uint8)
        for name, members in self.kinds.items():
            colours[np.isin(labels, members)] = _rgb(COLOURS[name])
        return colours

    @property
    def wrong(self) -> frozenset[int]:
        """The labels that are not correct."""
        others = [members for name, members in self.kinds.items() if name != "correct"]
        return frozenset(int(label) for members in others for label in members)


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _true_colours(errors: CellErrors) -> _Palette:
    names = ("correct", "split", "merged", "inexact", "missed")
    return _Palette({name: getattr(errors, name) for name in names})


def _predicted_colours(errors: CellErrors) -> _Palette:
    return _Palette(
        {
            "correct": errors.partners,
            "split": errors.pieces,
            "merged": errors.merges,
            "inexact": errors.near_misses,
            "invented": errors.invented,
        }
    )

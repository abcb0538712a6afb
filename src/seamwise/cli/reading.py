"""Annotated images, read behind a progress bar."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from seamwise.cli.progress import Progress

if TYPE_CHECKING:
    from seamwise.segmentation import AnnotatedImage, Pair, Split, TrainSettings


def read_split(
    split: "Split",
    settings: "TrainSettings",
    *,
    channel: int | tuple[int, ...] | None,
    axes: str | None,
    silent: bool = False,
) -> "tuple[list[AnnotatedImage], ...]":
    """Read the images to train on, those to validate on and those to test, each once."""
    parts = (split.training, split.validation, split.test)
    read = read_pairs(
        dict.fromkeys(pair for pairs in parts for pair in pairs),
        silent=silent,
        ndim=settings.ndim,
        rule=settings.normalization,
        channel=channel,
        axes=axes,
        annotation=settings.annotation,
    )
    images = []
    for pairs in parts:
        images.append([read[pair] for pair in pairs])
    return tuple(images)


def read_pairs(
    pairs: "Iterable[Pair]", *, silent: bool = False, **options: Any
) -> "dict[Pair, AnnotatedImage]":
    """Read annotated images behind a bar, and print what seems wrong with them."""
    from seamwise.segmentation import mask_notes, read_pair

    with Progress(silent=silent) as progress:
        read = {pair: read_pair(pair, **options) for pair in progress.track(pairs, "read images")}
        notes = dict.fromkeys(image.note for image in read.values() if image.note)
        for note in (*notes, *mask_notes(list(read.values()))):
            progress.note(note)
    return read

"""Annotated images, read behind a progress bar."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from seamwise.cli.progress import Progress

if TYPE_CHECKING:
    from seamwise.segmentation import AnnotatedImage

Parts = TypeVar("Parts", bound="Sequence[Sequence[AnnotatedImage]]")


def read_behind_bar(
    read: Callable[[Callable[[int, int], object]], Parts], *, silent: bool = False
) -> Parts:
    """Read images in parts behind a bar, and print what seems wrong with them.

    `read` takes the function that it calls after each image, with the number of images that are
    read and of all.
    """
    from seamwise.segmentation import image_notes

    with Progress(silent=silent) as progress:
        task = progress.task("read images")
        parts = read(lambda done, total: task.update(done, total, "read images"))
        for note in image_notes(chain(*parts)):
            progress.note(note)
    return parts

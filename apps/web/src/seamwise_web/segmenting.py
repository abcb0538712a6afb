"""The work that finds the cells of an open image: `Search`, `find_cells`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from seamwise.engine import Lane
from seamwise.segmentation import SegmentOptions, decode_rule, segment_image
from seamwise_web.answers import for_the_page
from seamwise_web.cells import Cells, Maps
from seamwise_web.jobs import Job
from seamwise_web.offers import Shelf
from seamwise_web.pictures import Picture, Place

if TYPE_CHECKING:  # slow to import
    from seamwise.segmentation import Model

BYTES_OF_A_NUMBER = 4  # of labels, and of what a network computes


@dataclass(frozen=True)
class Search:
    """What to look for, and where.

    Attributes
    ----------
    model : str
        Name of the model.
    channel : int
    places : tuple of Place
        Planes, or stacks, of the image.
    diameter : float, optional
        Usual diameter of the cells in pixels.
    """

    model: str
    channel: int
    places: tuple[Place, ...]
    diameter: float | None = None


def find_cells(
    picture: Picture, shelf: Shelf, search: Search, most_bytes: int
) -> Callable[[Job], None]:
    """Return the work that finds cells of an image with a model.

    Parameters
    ----------
    picture : Picture
        It gets the cells when all is done.
    shelf : Shelf
    search : Search
    most_bytes : int
        Of the image with its cells and what the network computed for them.
    """

    def work(job: Job) -> None:
        job.begin("loading the model")
        model = shelf.load(search.model)
        _check_room(picture, search, model, most_bytes)
        count = len(search.places)
        cells = {}
        for number, place in enumerate(search.places):
            which = f", {number + 1} of {count}" if count > 1 else ""

            def tell(share: float, number: int = number, which: str = which) -> None:
                job.begin(f"looking for cells{which}", (number + share) / count)

            cells[place] = _cells_of(picture, place, search, model, tell)
        job.begin("drawing outlines")
        with picture.lock:  # before the lock of the job, so that a cancel never waits for an edit
            job.finish(lambda: picture.keep(cells))

    return work


def _check_room(picture: Picture, search: Search, model: "Model", most_bytes: int) -> None:
    """Raise ValueError if what the network computes would not fit into the memory of the page."""
    pixels = sum(prod(picture.part(place).shape[1:]) for place in search.places)
    maps = model.info.architecture.output_channels
    needed = picture.pixels.nbytes + pixels * BYTES_OF_A_NUMBER * (maps + 1)
    if needed > most_bytes:
        raise ValueError(
            f"that takes {needed / 1e9:.1f} GB of memory, and the page takes "
            f"{most_bytes / 1e9:.1f}: find cells in fewer planes, or use `seamwise segment`"
        )


def _cells_of(
    picture: Picture, place: Place, search: Search, model: "Model", tell: Callable[[float], None]
) -> Cells:
    """Find the cells of a plane, or of a stack; `tell` hears which share is done."""
    image, spacing = picture.part(place)[search.channel], picture.spacing_of(place)
    model = replace(model, lane=Lane(lambda done: tell(min(1.0, done / image.size))))
    options = SegmentOptions(diameter=search.diameter)
    zoom = options.zoom(model.info, spacing)
    prediction = segment_image(image, options, model=model, spacing=spacing)
    parts = [part for part in (prediction.probabilities, prediction.guides) if part is not None]
    caution = for_the_page(prediction.caution)
    if image.min() == image.max():
        caution = "all pixels of this channel are equal: there is nothing to find"
    elif zoom.note:
        caution = f"{for_the_page(zoom.note)}. {caution}".strip(" .")
    rule = decode_rule(model.info, pixels=zoom.pixels)
    maps = Maps(search.model, model.info, search.channel, np.concatenate(parts), rule, caution)
    return Cells(maps, prediction.labels)

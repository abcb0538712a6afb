"""The work that finds the cells of an open image: `find_cells`."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seamwise.engine import Lane
from seamwise.segmentation import SegmentOptions, decode_rule, segment_image
from seamwise_web.answers import for_the_page
from seamwise_web.cells import Cells, Maps
from seamwise_web.jobs import Job
from seamwise_web.offers import Shelf
from seamwise_web.pictures import Picture


def find_cells(
    picture: Picture, shelf: Shelf, name: str, channel: int, diameter: float | None
) -> Callable[[Job], None]:
    """Return the work that finds the cells of an image with a model.

    Parameters
    ----------
    picture : Picture
        It gets the cells when all is done.
    shelf : Shelf
    name : str
        Of the model.
    channel : int
    diameter : float, optional
        Usual diameter of the cells in pixels.
    """

    def work(job: Job) -> None:
        job.begin("loading the model")
        model = shelf.load(name)
        image = picture.channels[channel]
        options = SegmentOptions(diameter=diameter)

        def tell(done: int) -> None:
            job.begin("looking for cells", min(1.0, done / image.size))

        zoom = options.zoom(model.info, picture.spacing)
        prediction = segment_image(
            image,
            options,
            model=replace(model, lane=Lane(tell)),
            spacing=picture.spacing,
        )
        job.begin("drawing outlines")
        parts = [part for part in (prediction.probabilities, prediction.guides) if part is not None]
        caution = for_the_page(prediction.caution)
        if image.min() == image.max():
            caution = "all pixels of this channel are equal: there is nothing to find"
        elif zoom.note:
            caution = f"{for_the_page(zoom.note)}. {caution}".strip(" .")
        maps = Maps(
            name,
            model.info,
            channel,
            np.concatenate(parts),
            decode_rule(model.info, pixels=zoom.pixels),
            caution,
        )
        cells = Cells(maps, prediction.labels)

        def keep() -> None:
            picture.cells = cells

        with picture.lock:  # before the lock of the job, so that a cancel never waits for an edit
            job.finish(keep)

    return work

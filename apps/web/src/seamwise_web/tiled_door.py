"""What the page asks for to look at large images, and for all their cells: `TiledDoor`."""

from functools import partial
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from seamwise_web.answers import (
    Handler,
    RefusalError,
    binary,
    download,
    read_json,
    shown_place,
    whole,
)
from seamwise_web.downloads import csv_file
from seamwise_web.jobs import Jobs
from seamwise_web.offers import Shelf
from seamwise_web.pictures import Limits, Picture, Pictures
from seamwise_web.scratch import scratch_folder
from seamwise_web.tiled import TiledImage, TiledImages
from seamwise_web.whole import WholeSearch, cells_of, find_all_cells


class TiledDoor:
    """The large images, and a method for each kind of request.

    Parameters
    ----------
    pictures : Pictures
        A part that is taken joins them.
    jobs : Jobs
    shelf : Shelf
    limits : Limits
    """

    def __init__(self, pictures: Pictures, jobs: Jobs, shelf: Shelf, limits: Limits) -> None:
        self._pictures, self._limits = pictures, limits
        self._jobs, self._shelf = jobs, shelf
        self.images = TiledImages()

    def close_all(self) -> None:
        """Forget all images and the cells that were found in them."""
        self.images.close_all()

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Return way, path and answer of each kind of request."""
        one = "/api/tiled/{image}"
        where = "{level:int}/{row:int}/{column:int}"
        return [
            ("GET", f"{one}/tiles/{{channel:int}}/{where}", self.tile),
            ("POST", f"{one}/parts", self.part),
            ("POST", f"{one}/segment", self.segment),
            ("GET", f"{one}/cells/{where}", self.cells),
            ("GET", f"{one}/labels.tif", self.labels),
            ("GET", f"{one}/cells.csv", self.table),
        ]

    async def tile(self, request: Request) -> Response:
        """Answer the pixels of a tile of a channel."""
        image, where = self._image(request), _tile_of(request)
        time, z = shown_place(request)
        plane = request.path_params["channel"], time, z

        def read() -> Response:
            pixels, facts = image.tile(*where, plane)
            return binary(pixels.tobytes(), facts)

        return await run_in_threadpool(read)

    async def part(self, request: Request) -> Response:
        """Open a part as an image of its own."""
        image, fields = self._image(request), await read_json(request)
        left, top, width, height = (whole(fields, n) for n in ("left", "top", "width", "height"))
        time, z = shown_place(request)
        rows, columns = slice(top, top + height), slice(left, left + width)

        def read() -> Picture:
            return image.part(rows, columns, time=time, z=z, limits=self._limits)

        picture = await run_in_threadpool(read)
        self._pictures.add(picture)
        return JSONResponse(picture.description())

    async def segment(self, request: Request) -> Response:
        """Begin to look for all cells of an image."""
        image, fields = self._image(request), await read_json(request)
        offer, channel = self._shelf.asked(fields.get("model")), whole(fields, "channel")
        image.pyramid.check((channel, 0, 0))
        is_stack = "Z" in image.levels.lengths
        if (offer.ndim == 3) != is_stack:
            kind = "a stack" if is_stack else "a plane"
            raise RefusalError(400, f"{offer.name} is not for {kind}: choose another model")
        if image.job is not None:
            image.job.cancel()
        search = WholeSearch(offer.name, channel, fields.get("diameter"))
        image.job = self._jobs.add(find_all_cells(image, self._shelf, search))
        return JSONResponse(self._jobs.description(image.job))

    async def cells(self, request: Request) -> Response:
        """Answer the labels of a tile."""
        cells, (time, z) = cells_of(self._image(request)), shown_place(request)
        tile = partial(cells.tile, *_tile_of(request), time=time, z=z)
        return await run_in_threadpool(tile)

    async def labels(self, request: Request) -> Response:
        """Answer the labels of all of an image as a TIFF file."""
        image = self._image(request)
        cells = cells_of(image)
        scratch = scratch_folder()
        path = Path(scratch.name) / "labels.tif"
        try:
            await run_in_threadpool(cells.write_tiff, path)
        except BaseException:
            scratch.cleanup()
            raise
        cells.is_saved = True
        name, done = f"{image.stem}_masks.tif", BackgroundTask(scratch.cleanup)
        return FileResponse(path, media_type="image/tiff", filename=name, background=done)

    async def table(self, request: Request) -> Response:
        """Answer the table of all cells of an image as a CSV file."""
        image = self._image(request)
        cells = cells_of(image)
        content = await run_in_threadpool(lambda: csv_file(cells.table(image.path, image.axes)))
        return download(content, f"{image.stem}_cells.csv", "text/csv; charset=utf-8")

    def _image(self, request: Request) -> TiledImage:
        return self.images.find(request.path_params["image"])


def _tile_of(request: Request) -> tuple[int, int, int]:
    """Level, row and column that a request names."""
    level, row, column = (request.path_params[name] for name in ("level", "row", "column"))
    return level, row, column

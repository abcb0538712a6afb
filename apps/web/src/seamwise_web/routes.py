"""What the page asks for: `Server`, a method for each kind of request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seamwise import __version__
from seamwise_web.answers import RefusalError, binary, download, read_json, whole
from seamwise_web.arrivals import Arrivals
from seamwise_web.cells import Cells
from seamwise_web.compare_door import CompareDoor
from seamwise_web.downloads import csv_file, rows_to_show, tiff_file
from seamwise_web.folder import SUFFIXES, Folder
from seamwise_web.fuse_door import FuseDoor
from seamwise_web.fusing import METHODS
from seamwise_web.jobs import Job, Jobs
from seamwise_web.offers import Offer, Shelf
from seamwise_web.pen import points_of
from seamwise_web.pictures import Limits, Picture, Pictures, pixels_to_show, read_picture
from seamwise_web.segmenting import find_cells
from seamwise_web.train_door import TrainDoor

_LARGEST_NUMBER = 2**32 - 1  # of a cell


@dataclass(frozen=True)
class Page:
    """What a page offers.

    Attributes
    ----------
    token : str
        First part of every address.
    port : int
    offers : mapping of str to Offer
        Models by their names.
    folder : Folder, optional
        Whose images are listed.
    limits : Limits
    """

    token: str
    port: int
    offers: Mapping[str, Offer]
    folder: Folder | None = None
    limits: Limits = Limits()


class Server:
    """What a server knows, and its answers."""

    def __init__(self, page: Page) -> None:
        self._page, self._limits = page, page.limits
        self._pictures = Pictures(page.limits)
        self._offers = dict(page.offers)  # with those that are trained here
        self._shelf = Shelf(self._offers)
        self._arrivals = Arrivals(page.folder, page.limits.upload)
        self.jobs = Jobs()
        self.fuse = FuseDoor(self._arrivals, self.jobs, page.limits)
        self.compare = CompareDoor(self._arrivals, page.limits)
        self.train = TrainDoor(self._pictures, self.jobs, self._shelf, page.limits)

    def close_all(self) -> None:
        """End all work, and remove the files of bursts and trainings."""
        self.jobs.close()
        self.fuse.close_all()
        self.train.close_all()

    def warm_up(self) -> None:
        """Load the first model before the user asks for it."""

        def work(job: Job) -> None:
            self._shelf.load(next(iter(self._page.offers)))
            job.finish(lambda: None)

        self.jobs.add(work)

    async def start(self, request: Request) -> Response:
        """Answer what the page offers."""
        folder = self._page.folder
        return JSONResponse(
            {
                "version": __version__,
                "methods": METHODS,
                "models": [offer.description() for offer in self._page.offers.values()],
                "folder": None if folder is None else folder.name,
                "suffixes": SUFFIXES,
                "largest_upload": self._limits.upload,
            }
        )

    async def list_folder(self, request: Request) -> Response:
        """Answer what lies in a folder below the page's folder."""
        place = request.query_params.get("place", "")
        return JSONResponse(await run_in_threadpool(self._arrivals.folder.list, place))

    async def upload(self, request: Request) -> Response:
        """Open an image that was dropped; its file is removed once it is read."""
        return self._opened(await self._arrivals.dropped(request, self._read))

    async def open_from_folder(self, request: Request) -> Response:
        """Open an image of the page's folder."""
        place = (await read_json(request)).get("place")
        return self._opened(await self._arrivals.of_folder(place, self._read))

    async def picture(self, request: Request) -> Response:
        """Describe an open image."""
        return JSONResponse(self._picture(request).description())

    async def close(self, request: Request) -> Response:
        """Forget an image."""
        self._pictures.close(request.path_params["picture"])
        return JSONResponse({})

    async def channel(self, request: Request) -> Response:
        """Answer the pixels of a channel."""
        picture, number = self._picture(request), request.path_params["channel"]
        _check_channel(picture, number)
        pixels, facts = await run_in_threadpool(pixels_to_show, picture.channels[number])
        return binary(pixels, facts)

    async def segment(self, request: Request) -> Response:
        """Begin to look for the cells of an image."""
        picture, fields = self._picture(request), await read_json(request)
        name, channel = fields.get("model"), whole(fields, "channel")
        if not isinstance(name, str) or name not in self._offers:
            raise RefusalError(400, f"the page has no model {name!r}: choose one of the list")
        _check_channel(picture, channel)
        diameter = fields.get("diameter")
        if picture.job is not None:
            picture.job.cancel()
        picture.job = self.jobs.add(find_cells(picture, self._shelf, name, channel, diameter))
        return JSONResponse(self.jobs.description(picture.job))

    async def job(self, request: Request) -> Response:
        """Describe a job in the queue."""
        return JSONResponse(self.jobs.description(self._job(request)))

    async def cancel(self, request: Request) -> Response:
        """Cancel a job."""
        job = self._job(request)
        job.cancel()
        return JSONResponse(self.jobs.description(job))

    async def labels(self, request: Request) -> Response:
        """Answer the labels of the cells."""
        content, facts = await run_in_threadpool(_labels_of, self._picture(request))
        return binary(content, facts)

    async def decode(self, request: Request) -> Response:
        """Decode with other thresholds; answers the labels."""
        fields = await read_json(request)
        thresholds, size = fields.get("thresholds", {}), whole(fields, "min_size")
        if not isinstance(thresholds, dict):
            raise RefusalError(400, "thresholds must be an object in JSON")
        return await self._labels(request, lambda cells: cells.decode(thresholds, size))

    async def edit(self, request: Request) -> Response:
        """Delete, merge, split or draw cells, undo or redo; answers the labels."""
        fields = await read_json(request)
        action, numbers = fields.get("action"), fields.get("cells", [])
        revision = whole(fields, "revision")  # that the user saw
        if not isinstance(numbers, list) or not all(map(_is_number_of_cell, numbers)):
            raise RefusalError(400, "cells must be a list of the numbers of cells")
        edits: dict[Any, Callable[[Cells], None]] = {
            "delete": lambda cells: cells.delete(numbers),
            "merge": lambda cells: cells.merge(numbers),
            "split": lambda cells: cells.split(points_of(fields)),
            "draw": lambda cells: cells.draw(points_of(fields)),
            "undo": Cells.undo,
            "redo": Cells.redo,
        }
        if not isinstance(action, str) or action not in edits:
            raise RefusalError(400, f"action must be one of {', '.join(edits)}, not {action!r}")
        return await self._labels(request, edits[action], revision)

    async def table(self, request: Request) -> Response:
        """Answer the rows of the table."""
        picture = self._picture(request)
        return await run_in_threadpool(
            lambda: JSONResponse(rows_to_show(picture.table(), picture.corrected().maps.channel))
        )

    async def labels_file(self, request: Request) -> Response:
        """Answer the label image as a TIFF file."""
        picture = self._picture(request)
        content = await run_in_threadpool(_saved, picture)
        return download(content, f"{picture.stem}_masks.tif", "image/tiff")

    async def table_file(self, request: Request) -> Response:
        """Answer the whole table as a CSV file."""
        picture = self._picture(request)
        content = await run_in_threadpool(csv_file, await run_in_threadpool(picture.table))
        return download(content, f"{picture.stem}_cells.csv", "text/csv; charset=utf-8")

    def _read(self, path: Path) -> Picture:
        return read_picture(path, self._limits)

    def _opened(self, picture: Picture) -> Response:
        self._pictures.add(picture)
        return JSONResponse(picture.description())

    async def _labels(
        self, request: Request, change: Callable[[Cells], None], revision: int | None = None
    ) -> Response:
        """Change the cells of an image, and answer its labels."""
        picture = self._picture(request)
        content, facts = await run_in_threadpool(_changed, picture, change, revision)
        return binary(content, facts)

    def _picture(self, request: Request) -> Picture:
        return self._pictures.find(request.path_params["picture"])

    def _job(self, request: Request) -> Job:
        return self.jobs.find(request.path_params["job"])


def _changed(
    picture: Picture, change: Callable[[Cells], None], revision: int | None
) -> tuple[bytes, dict[str, Any]]:
    """Change the cells of an image; return its labels as `_labels_of`.

    Raises
    ------
    RefusalError
        New cells are looked for, which would replace the change; or the cells have another revision
        than the user saw, where a number may be another cell.
    """
    with picture.lock:
        cells = picture.corrected()
        if picture.is_busy:
            raise RefusalError(409, "the cells are looked for again: wait for them, or cancel")
        if revision is not None and revision != cells.revision:
            raise RefusalError(409, "the cells changed in the meantime: look, and try again")
        change(cells)
        return _content_of(cells)


def _labels_of(picture: Picture) -> tuple[bytes, dict[str, Any]]:
    """Return the labels of an image in 16 or 32 bits, and what describes them."""
    with picture.lock:
        return _content_of(picture.corrected())


def _content_of(cells: Cells) -> tuple[bytes, dict[str, Any]]:
    largest = int(cells.labels.max(initial=0))
    bits = 16 if largest < 2**16 else 32
    content = cells.labels.astype(f"<u{bits // 8}").tobytes()
    return content, {"bits": bits, "largest": largest, **cells.description()}


def _saved(picture: Picture) -> bytes:
    """Return the label image as a TIFF file."""
    with picture.lock:
        labels = picture.corrected().save()
    return tiff_file(labels, picture.spacing)


def _check_channel(picture: Picture, channel: int) -> None:
    if channel >= len(picture.channels):
        raise RefusalError(404, f"{picture.name} has no channel {channel}: choose another")


def _is_number_of_cell(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_NUMBER

"""What the page asks for: `Server`, a method for each kind of request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seamwise import __version__
from seamwise_web.answers import RefusalError, axes_of, binary, read_json, shown_place, whole
from seamwise_web.arrivals import Arrivals
from seamwise_web.cells import Cells
from seamwise_web.compare_door import CompareDoor
from seamwise_web.downloads import rows_to_show
from seamwise_web.folder import PHOTOS, SUFFIXES, Folder
from seamwise_web.fuse_door import FuseDoor
from seamwise_web.fusing import METHODS
from seamwise_web.jobs import Job, Jobs
from seamwise_web.offers import Offer, Shelf
from seamwise_web.pen import points_of
from seamwise_web.pictures import Limits, Picture, Pictures, Place
from seamwise_web.reading import open_image, read_picture
from seamwise_web.save_door import SaveDoor
from seamwise_web.scratch import remove_orphans
from seamwise_web.segmenting import Search, find_cells
from seamwise_web.tiled import TiledImage
from seamwise_web.tiled_door import TiledDoor
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
        self.compare = CompareDoor(self._arrivals, self._pictures, page.limits)
        self.save = SaveDoor(self._pictures)
        self.tiled = TiledDoor(self._pictures, self.jobs, self._shelf, page.limits)
        self.train = TrainDoor(self._pictures, self.jobs, self._shelf, page.limits)

    def close_all(self) -> None:
        """End all work, and remove the files of bursts and trainings."""
        self.jobs.close()
        self.fuse.close_all()
        self.train.close_all()
        self.tiled.close_all()

    def warm_up(self) -> None:
        """Remove what killed pages left; load the first model before the user asks for it."""

        def work(job: Job) -> None:
            remove_orphans()
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
                "photos": PHOTOS,
                "largest_upload": self._limits.upload,
            }
        )

    async def list_folder(self, request: Request) -> Response:
        """Answer what lies in a folder below the page's folder."""
        place, photos = (request.query_params.get(name, "") for name in ("place", "photos"))
        folder = self._arrivals.folder
        return JSONResponse(await run_in_threadpool(folder.list, place, photos=bool(photos)))

    async def upload(self, request: Request) -> Response:
        """Open an image that was dropped; its file is removed once it is read."""
        axes = axes_of(request.query_params.get("axes"))
        read = partial(read_picture, limits=self._limits, axes=axes)
        return self._opened(await self._arrivals.dropped(request, read))

    async def open_from_folder(self, request: Request) -> Response:
        """Open an image of the page's folder."""
        fields = await read_json(request)
        read = partial(open_image, limits=self._limits, axes=axes_of(fields.get("axes")))
        return self._opened(await self._arrivals.of_folder(fields.get("place"), read))

    async def picture(self, request: Request) -> Response:
        """Describe an open image."""
        key = request.path_params["picture"]
        images = self.tiled.images if key in self.tiled.images else self._pictures
        return JSONResponse(images.find(key).description())

    async def close(self, request: Request) -> Response:
        """Forget an image."""
        key = request.path_params["picture"]
        self._pictures.close(key)
        self.tiled.images.close(key)
        return JSONResponse({})

    async def set_spacing(self, request: Request) -> Response:
        """Take a pixel size in micrometres, and the distance of slices; null if unknown."""
        picture, fields = self._picture(request), await read_json(request)
        pixel, distance = (_length(fields, name) for name in ("pixel", "slices"))
        if picture.slices and pixel is None and distance is not None:
            raise RefusalError(400, "say how wide a pixel is, too: the distance alone says little")
        depth = () if not picture.slices else (distance or pixel or 0.0,)
        picture.measure_in(None if pixel is None else (*depth, pixel, pixel))
        return JSONResponse(picture.description())

    async def channel(self, request: Request) -> Response:
        """Answer the pixels of a plane of a channel."""
        picture, number = self._picture(request), request.path_params["channel"]
        _check_channel(picture, number)
        time, z = shown_place(request)
        picture.place(time, z)
        pixels, facts = await run_in_threadpool(picture.show.plane, number, time, z)
        return binary(pixels, facts)

    async def segment(self, request: Request) -> Response:
        """Begin to look for the cells of an image: of a place, or everywhere if `all` is true."""
        picture, fields = self._picture(request), await read_json(request)
        offer, channel = self._shelf.asked(fields.get("model")), whole(fields, "channel")
        _check_channel(picture, channel)
        places = _places(picture, offer, fields, shown_place(request))
        search = Search(offer.name, channel, places, fields.get("diameter"))
        if picture.job is not None:
            picture.job.cancel()
        work = find_cells(picture, self._shelf, search, self._limits.nbytes)
        picture.job = self.jobs.add(work)
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
        """Answer the labels of the cells of a plane."""
        content, facts = await run_in_threadpool(
            _labels_of, self._picture(request), *shown_place(request)
        )
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
            "split": lambda cells: cells.split(points_of(fields), shown_place(request)[1]),
            "draw": lambda cells: cells.draw(points_of(fields), shown_place(request)[1]),
            "undo": Cells.undo,
            "redo": Cells.redo,
        }
        if not isinstance(action, str) or action not in edits:
            raise RefusalError(400, f"action must be one of {', '.join(edits)}, not {action!r}")
        return await self._labels(request, edits[action], revision)

    async def table(self, request: Request) -> Response:
        """Answer the rows of the table."""
        picture = self._picture(request)
        place = picture.place(*shown_place(request))

        def rows() -> Response:
            channel = picture.corrected(place).maps.channel
            return JSONResponse(rows_to_show(picture.table(place), channel))

        return await run_in_threadpool(rows)

    def _opened(self, image: Picture | TiledImage) -> Response:
        if isinstance(image, TiledImage):
            self.tiled.images.add(image)
        else:
            self._pictures.add(image)
        return JSONResponse(image.description())

    async def _labels(
        self, request: Request, change: Callable[[Cells], None], revision: int | None = None
    ) -> Response:
        """Change the cells of an image, and answer its labels."""
        picture, shown = self._picture(request), shown_place(request)
        content, facts = await run_in_threadpool(_changed, picture, shown, change, revision)
        return binary(content, facts)

    def _picture(self, request: Request) -> Picture:
        return self._pictures.find(request.path_params["picture"])

    def _job(self, request: Request) -> Job:
        return self.jobs.find(request.path_params["job"])


def _length(fields: dict[str, Any], name: str) -> float | None:
    """A field in micrometres; None if it is not given."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-6 < value < 1e6:
        raise RefusalError(
            400,
            f"{name} must be a number of micrometres between 0.000001 and 1000000, not {value!r}",
        )
    return float(value)


def _places(
    picture: Picture, offer: Offer, fields: dict[str, Any], shown: tuple[int, int]
) -> tuple[Place, ...]:
    """Where a request wants cells to be looked for.

    Raises
    ------
    RefusalError
        The model is for stacks, and the image has none.
    """
    in_planes = offer.ndim == 2
    if not in_planes and not picture.slices:
        raise RefusalError(
            400, f"{offer.name} is for stacks, and {picture.name} has none: choose another model"
        )
    if fields.get("all") is True:
        return tuple(picture.places(in_planes=in_planes))
    time, z = shown
    picture.place(time, z)
    return (Place(time, z if in_planes and picture.slices else -1),)


def _changed(
    picture: Picture,
    shown: tuple[int, int],
    change: Callable[[Cells], None],
    revision: int | None,
) -> tuple[bytes, dict[str, Any]]:
    """Change the cells of a place; return its labels as `_labels_of`.

    Raises
    ------
    RefusalError
        New cells are looked for, which would replace the change; or the cells have another revision
        than the user saw, where a number may be another cell.
    """
    with picture.lock:
        cells = picture.corrected(picture.place(*shown))
        if picture.is_busy:
            raise RefusalError(409, "the cells are looked for again: wait for them, or cancel")
        if revision is not None and revision != cells.revision:
            raise RefusalError(409, "the cells changed in the meantime: look, and try again")
        change(cells)
        return _content_of(picture, shown)


def _labels_of(picture: Picture, time: int, z: int) -> tuple[bytes, dict[str, Any]]:
    """Return the labels of a plane in 16 or 32 bits, and what describes them."""
    with picture.lock:
        return _content_of(picture, (time, z))


def _content_of(picture: Picture, shown: tuple[int, int]) -> tuple[bytes, dict[str, Any]]:
    place = picture.place(*shown)
    cells = picture.corrected(place)
    largest = int(cells.labels.max(initial=0))
    bits = 16 if largest < 2**16 else 32
    content = cells.plane(shown[1]).astype(f"<u{bits // 8}").tobytes()
    facts = {"bits": bits, "largest": largest, "place": [place.time, place.z]}
    elsewhere = {"unsaved_elsewhere": picture.unsaved - cells.unsaved}
    return content, facts | cells.description() | elsewhere


def _check_channel(picture: Picture, channel: int) -> None:
    if channel >= picture.pixels.shape[1]:
        raise RefusalError(404, f"{picture.name} has no channel {channel}: choose another")


def _is_number_of_cell(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_NUMBER

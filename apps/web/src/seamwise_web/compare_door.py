"""What the page asks for to compare label images: `CompareDoor`."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seamwise_web.answers import Handler, RefusalError, binary, read_json, shown_place
from seamwise_web.arrivals import Arrivals
from seamwise_web.comparing import compare
from seamwise_web.label_sets import LabelSet, LabelSets, label_set, read_label_set
from seamwise_web.pictures import Limits, Pictures


class CompareDoor:
    """The open label images, and a method for each kind of request.

    Parameters
    ----------
    arrivals : Arrivals
    pictures : Pictures
        Whose cells can be compared.
    limits : Limits
    """

    def __init__(self, arrivals: Arrivals, pictures: Pictures, limits: Limits) -> None:
        self._arrivals, self._pictures, self._limits = arrivals, pictures, limits
        self._sets = LabelSets(limits)

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Return way, path and answer of each kind of request."""
        one = "/api/labels/{labels}"
        return [
            ("POST", "/api/labels", self.drop),
            ("POST", "/api/labels/places", self.take),
            ("POST", "/api/labels/pictures", self.take_cells),
            ("GET", one, self.labels),
            ("DELETE", one, self.close),
            ("GET", f"{one}/pixels", self.pixels),
            ("POST", "/api/comparisons", self.compare),
        ]

    async def drop(self, request: Request) -> Response:
        """Open a label image that was dropped; its file is removed once it is read."""
        return self._opened(await self._arrivals.dropped(request, self._read))

    async def take(self, request: Request) -> Response:
        """Open a label image of the page's folder."""
        place = (await read_json(request)).get("place")
        return self._opened(await self._arrivals.of_folder(place, self._read))

    async def take_cells(self, request: Request) -> Response:
        """Open the cells of an image of the Segment door, as they are now."""
        key = (await read_json(request)).get("picture")
        if not isinstance(key, str):
            raise RefusalError(400, "picture must be the key of an open image")
        picture = self._pictures.find(key)
        place = picture.place(*shown_place(request))

        def read() -> LabelSet:
            with picture.lock:
                labels = picture.corrected(place).labels.copy()
            return label_set(f"cells of {picture.name_of(place)}", labels)

        return self._opened(await run_in_threadpool(read))

    async def labels(self, request: Request) -> Response:
        """Describe a label image."""
        return JSONResponse(self._sets.find(request.path_params["labels"]).description())

    async def close(self, request: Request) -> Response:
        """Forget a label image."""
        self._sets.close(request.path_params["labels"])
        return JSONResponse({})

    async def pixels(self, request: Request) -> Response:
        """Answer the labels of a slice."""
        labels = self._sets.find(request.path_params["labels"])
        return binary(*await run_in_threadpool(labels.content, shown_place(request)[1]))

    async def compare(self, request: Request) -> Response:
        """Answer scores and errors of predicted labels."""
        fields = await read_json(request)
        true, pred = (self._sets.find(fields.get(side)) for side in ("true", "pred"))
        iou = fields.get("iou", 0.5)
        if isinstance(iou, bool) or not isinstance(iou, int | float):
            raise RefusalError(400, f"iou must be a number above 0, up to 1, not {iou!r}")
        return JSONResponse(await run_in_threadpool(compare, true, pred, iou))

    def _read(self, path: Path) -> LabelSet:
        return read_label_set(path, self._limits)

    def _opened(self, labels: LabelSet) -> Response:
        self._sets.add(labels)
        return JSONResponse(labels.description())

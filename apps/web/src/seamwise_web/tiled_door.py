"""What the page asks for to look at large images: `TiledDoor`."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seamwise_web.answers import Handler, binary, read_json, shown_place, whole
from seamwise_web.pictures import Limits, Picture, Pictures
from seamwise_web.tiled import TiledImage, TiledImages


class TiledDoor:
    """The large images, and a method for each kind of request.

    Parameters
    ----------
    pictures : Pictures
        A part that is taken joins them.
    limits : Limits
    """

    def __init__(self, pictures: Pictures, limits: Limits) -> None:
        self._pictures, self._limits = pictures, limits
        self.images = TiledImages()

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Return way, path and answer of each kind of request."""
        one = "/api/tiled/{image}"
        tile = "tiles/{channel:int}/{level:int}/{row:int}/{column:int}"
        return [("GET", f"{one}/{tile}", self.tile), ("POST", f"{one}/parts", self.part)]

    async def tile(self, request: Request) -> Response:
        """Answer the pixels of a tile of a channel."""
        image = self._image(request)
        channel, *where = (
            request.path_params[name] for name in ("channel", "level", "row", "column")
        )
        time, z = shown_place(request)

        def read() -> Response:
            pixels, facts = image.tile(*where, channel=channel, time=time, z=z)
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

    def _image(self, request: Request) -> TiledImage:
        return self.images.find(request.path_params["image"])

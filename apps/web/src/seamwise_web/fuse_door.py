"""What the page asks for to fuse bursts: `FuseDoor`."""

from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seamwise.fusion import write_depth
from seamwise.io import Photo, read_photo, write_photo
from seamwise_web.answers import Handler, RefusalError, download, read_json, whole
from seamwise_web.arrivals import Arrivals
from seamwise_web.bursts import Bursts, OpenBurst
from seamwise_web.downloads import content_of
from seamwise_web.folder import PHOTOS, SUFFIXES
from seamwise_web.fused import FusedPicture
from seamwise_web.fusing import fuse_open, options_of
from seamwise_web.jobs import Jobs
from seamwise_web.pictures import Limits
from seamwise_web.retouch import stroke_of
from seamwise_web.shown import SMALL, shown_jpeg
from seamwise_web.uploads import checked_name, receive

_KINDS = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


class FuseDoor:
    """The open bursts, and a method for each kind of request.

    Parameters
    ----------
    arrivals : Arrivals
    jobs : Jobs
    limits : Limits
    """

    def __init__(self, arrivals: Arrivals, jobs: Jobs, limits: Limits) -> None:
        self._arrivals, self._jobs = arrivals, jobs
        self._bursts = Bursts(limits)

    def close_all(self) -> None:
        """Forget all bursts and their files."""
        self._bursts.close_all()

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Return way, path and answer of each kind of request."""
        one = "/api/bursts/{burst}"
        frame = f"{one}/frames/{{number:int}}"
        return [
            ("POST", "/api/bursts", self.open),
            ("GET", one, self.burst),
            ("DELETE", one, self.close),
            ("POST", f"{one}/frames", self.drop),
            ("POST", f"{one}/places", self.take),
            ("DELETE", frame, self.remove),
            ("GET", f"{frame}/small.jpg", self.small),
            ("GET", f"{frame}/shown.jpg", self.frame),
            ("POST", f"{one}/fuse", self.fuse),
            ("POST", f"{one}/retouch", self.retouch),
            ("GET", f"{one}/shown.jpg", self.shown),
            ("GET", f"{one}/depth.png", self.depth),
            ("GET", f"{one}/picture{{suffix}}", self.picture),
        ]

    async def open(self, request: Request) -> Response:
        """Begin a burst without frames."""
        return JSONResponse(self._bursts.open().description())

    async def burst(self, request: Request) -> Response:
        """Describe a burst."""
        return JSONResponse(self._burst(request).description())

    async def close(self, request: Request) -> Response:
        """Forget a burst and its files."""
        self._bursts.close(request.path_params["burst"])
        return JSONResponse({})

    async def drop(self, request: Request) -> Response:
        """Add a frame that was dropped."""
        burst = self._burst(request)
        name = request.query_params.get("name", "")
        path = burst.folder / checked_name(name, (*SUFFIXES, *PHOTOS))
        with burst.arriving(path.name):
            try:
                most = min(self._arrivals.largest, burst.room)
                await receive(request, path, most, partial(burst.grow, path.name))
                await self._arrivals.read(path, burst.add, burst.folder)
            finally:
                if path not in burst.frames:
                    path.unlink(missing_ok=True)
        return JSONResponse(burst.description())

    async def take(self, request: Request) -> Response:
        """Add a frame of the page's folder."""
        burst = self._burst(request)
        place = (await read_json(request)).get("place")
        with burst.arriving(str(place).rpartition("/")[2]):
            await self._arrivals.of_folder(place, burst.add, photos=True)
        return JSONResponse(burst.description())

    async def remove(self, request: Request) -> Response:
        """Remove a frame."""
        burst = self._burst(request)
        burst.remove(request.path_params["number"])
        return JSONResponse(burst.description())

    async def small(self, request: Request) -> Response:
        """Answer a small picture of a frame."""
        burst, number = self._burst(request), request.path_params["number"]
        burst.check_number(number)
        path = burst.frames[number]
        photo = await self._arrivals.read(path, _photo, path.parent)
        content = await run_in_threadpool(shown_jpeg, photo.pixels, photo.icc, most=SMALL)
        return Response(content, media_type="image/jpeg")

    async def frame(self, request: Request) -> Response:
        """Answer a frame: as it lies on the fused picture, or as it is before that."""
        burst, number = self._burst(request), request.path_params["number"]
        burst.check_number(number)
        path = burst.frames[number]
        fused = burst.fused
        read = _frame_alone if fused is None else partial(_frame_on_picture, fused, number)
        content = await self._arrivals.read(path, read, path.parent)
        return Response(content, media_type="image/jpeg")

    async def fuse(self, request: Request) -> Response:
        """Begin to fuse a burst."""
        burst, fields = self._burst(request), await read_json(request)
        options = options_of(
            fields.get("method"),
            align=fields.get("align", True),
            moving=fields.get("moving", False),
            skip_bad=fields.get("skip_bad", False),
        )
        with burst.lock:
            if len(burst.frames) < 2:
                raise RefusalError(409, "one frame needs no fusion: add another of the same scene")
            if burst.job is not None:
                burst.job.cancel()
            burst.job = self._jobs.add(fuse_open(burst, options))
        return JSONResponse(self._jobs.description(burst.job))

    async def retouch(self, request: Request) -> Response:
        """Paint from a frame, undo or redo."""
        burst, fields = self._burst(request), await read_json(request)
        fused, action = burst.picture(), fields.get("action")
        if action == "paint":
            stroke, number = stroke_of(fields), whole(fields, "frame")
            burst.check_number(number)
            path = burst.frames[number]
            await self._arrivals.read(path, lambda _: fused.paint(stroke, number), path.parent)
        elif action in ("undo", "redo"):
            await run_in_threadpool(fused.undo if action == "undo" else fused.redo)
        else:
            raise RefusalError(400, f"action must be one of paint, undo, redo, not {action!r}")
        return JSONResponse(burst.description())

    async def shown(self, request: Request) -> Response:
        """Answer the fused picture as the page shows it."""
        fusion = await run_in_threadpool(self._burst(request).picture().painted)
        content = await run_in_threadpool(shown_jpeg, fusion.image, fusion.icc)
        return Response(content, media_type="image/jpeg")

    async def depth(self, request: Request) -> Response:
        """Answer the depth map, as `seamwise fuse --depth-map` writes it."""
        fused = self._burst(request).picture()
        depth = (await run_in_threadpool(fused.painted)).depth
        write = partial(write_depth, depth=depth, count=len(fused.paths))
        content = await run_in_threadpool(content_of, "depth.png", write)
        return download(content, f"{fused.name}_depth.png", "image/png")

    async def picture(self, request: Request) -> Response:
        """Answer the fused picture as a file, with EXIF and colour profile of the first frame."""
        fused, suffix = self._burst(request).picture(), request.path_params["suffix"]
        if suffix not in _KINDS:
            raise RefusalError(404, f"the page writes {', '.join(_KINDS)}, not {suffix}")
        quality = _quality(request.query_params.get("quality", ""))
        content = await run_in_threadpool(_file, fused, suffix, quality)
        fused.save()
        return download(content, fused.name + suffix, _KINDS[suffix])

    def _burst(self, request: Request) -> OpenBurst:
        return self._bursts.find(request.path_params["burst"])


def _photo(path: Path) -> Photo:
    return read_photo(path, transparent=True)


def _frame_alone(path: Path) -> bytes:
    photo = _photo(path)
    return shown_jpeg(photo.pixels, photo.icc)


def _frame_on_picture(fused: FusedPicture, number: int, path: Path) -> bytes:
    return shown_jpeg(fused.frame(number), fused.fusion.icc)


def _quality(text: str) -> int | None:
    """The quality of a JPEG that a request asks for; None for that of the library.

    Raises
    ------
    RefusalError
        It is not a number from 1 to 100.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 100):
        raise RefusalError(400, "quality must be a whole number from 1 to 100")
    return int(text)


def _file(fused: FusedPicture, suffix: str, quality: int | None) -> bytes:
    """The picture in the format of a suffix, as `seamwise fuse` writes it."""
    fusion = fused.painted()
    write = partial(write_photo, pixels=fusion.image, exif=fusion.exif, icc=fusion.icc)
    if quality is not None:
        write = partial(write, quality=quality)
    return content_of(f"picture{suffix}", write)

"""The application that serves the page: `make_application`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from seamwise_web.answers import in_words
from seamwise_web.guard import Guard
from seamwise_web.routes import Page, Server

FILES = Path(__file__).parent / "page"


def make_application(page: Page, *, on_start: Callable[[], None] = lambda: None) -> Starlette:
    """Return the application, with its page and its answers below the token.

    Parameters
    ----------
    page : Page
    on_start : function
        Called when the server is ready.
    """
    server = Server(page)

    @asynccontextmanager
    async def life(application: Starlette) -> AsyncIterator[None]:
        server.warm_up()
        on_start()
        yield
        server.close_all()

    one, job = "/api/pictures/{picture}", "/api/jobs/{job}"
    handlers = [
        ("GET", "/api/start", server.start),
        ("GET", "/api/folder", server.list_folder),
        ("POST", "/api/uploads", server.upload),
        ("POST", "/api/pictures", server.open_from_folder),
        ("GET", one, server.picture),
        ("DELETE", one, server.close),
        ("POST", f"{one}/spacing", server.set_spacing),
        ("GET", f"{one}/channels/{{channel:int}}", server.channel),
        ("POST", f"{one}/segment", server.segment),
        ("GET", f"{one}/labels", server.labels),
        ("POST", f"{one}/decode", server.decode),
        ("POST", f"{one}/edit", server.edit),
        ("GET", f"{one}/table", server.table),
        ("GET", job, server.job),
        ("DELETE", job, server.cancel),
        *server.save.handlers(),
        *server.tiled.handlers(),
        *server.fuse.handlers(),
        *server.compare.handlers(),
        *server.train.handlers(),
    ]
    routes = [Route(path, in_words(handler), methods=[way]) for way, path, handler in handlers]
    files = Mount("/", StaticFiles(directory=FILES, html=True))
    return Starlette(
        routes=[Mount(f"/{page.token}", routes=[*routes, files])],
        middleware=[Middleware(Guard, token=page.token, port=page.port)],
        exception_handlers={HTTPException: _in_words},
        lifespan=life,
    )


async def _in_words(request: Request, error: Exception) -> Response:
    """Answer requests for what does not exist."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": "the page has nothing at this address"}, status)

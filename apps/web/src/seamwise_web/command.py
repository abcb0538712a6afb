"""`seamwise app`."""

import secrets
import webbrowser
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer


def app(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Folder whose images the page lists, with those of the folders in it.",
            show_default="only images that you drop",
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port of the page on this computer.", show_default="a free one"
        ),
    ] = 0,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Model file that the page offers, next to the built-in models; may be repeated.",
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open no browser.")
    ] = False,
) -> None:
    """Open a page in the browser: drop an image, see its cells and correct them."""
    from seamwise_web.application import make_application
    from seamwise_web.folder import open_folder
    from seamwise_web.offers import model_offers
    from seamwise_web.routes import Page
    from seamwise_web.serving import HOST, open_port, serve

    root = None if folder is None else open_folder(folder)
    offers = model_offers(model or ())
    listener = open_port(port)
    token = secrets.token_urlsafe(24)
    address = f"http://{HOST}:{listener.getsockname()[1]}/{token}/"

    def say() -> None:
        typer.echo(f"The page is at {address}\nOnly this computer can open it. Ctrl-C ends it.")
        if not no_browser:
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    page = Page(token, listener.getsockname()[1], offers, root)
    serve(make_application(page, on_start=say), listener)

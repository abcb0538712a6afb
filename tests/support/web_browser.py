"""What the tests in a real browser share: a server, a browser, a tab, pictures to look at."""

import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from seamwise_web.application import make_application
from seamwise_web.folder import open_folder
from seamwise_web.offers import model_offers
from seamwise_web.routes import Page
from seamwise_web.serving import open_port
from support.long_tests import nightly

PICTURES = os.environ.get("SEAMWISE_SCREENSHOTS")  # a folder, to look at the page
SAMPLES = Path(__file__).parents[2] / "src" / "seamwise" / "samples"
has_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
in_browser = [nightly, has_chromium]


@contextmanager
def served(folder):
    """Serve the page of a folder; yields its address."""
    listener = open_port(0)
    port = listener.getsockname()[1]
    page = Page("token", port, model_offers(()), open_folder(folder))
    config = uvicorn.Config(make_application(page), log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/token/"
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        listener.close()
        assert not thread.is_alive(), "the server does not end"


@contextmanager
def browser():
    """Yield a browser."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@contextmanager
def new_tab(chromium, address, **options):
    """Yield a tab at an address; errors in its console fail the test."""
    view = {"viewport": {"width": 1280, "height": 800}, **options}
    context = chromium.new_context(accept_downloads=True, **view)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.extend(faults_in(message)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    page.wait_for_selector("#folder li")
    yield page
    context.close()
    assert errors == []


def faults_in(message):
    """What a message of the console says of a fault of the code; a refused request is none."""
    is_fault = message.type == "error" and not message.text.startswith("Failed to load resource")
    return [message.text] if is_fault else []


def picture(tab, name):
    """Keep a picture of the tab, if somebody wants to look at it."""
    if PICTURES:
        tab.screenshot(path=f"{PICTURES}/{name}.png")


def save(tab, button):
    """Click on a button that saves a file, and return the download."""
    with tab.expect_download() as download:
        tab.click(button)
    return download.value

import time

import numpy as np
import pytest
import tifffile

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from seamwise.io import write_png
from seamwise_web.application import make_application
from seamwise_web.folder import open_folder
from seamwise_web.offers import model_offers
from seamwise_web.pictures import Limits
from seamwise_web.routes import Page
from support.web_browser import browser, served
from support.web_page import ADDRESS, BURSTS, FRAMES, PICTURES, PIXELS, PORT, TOKEN, UPLOAD, drawn

LIMITS = Limits(
    upload=UPLOAD,
    pixels=PIXELS,
    samples=4 * PIXELS,
    pictures=PICTURES,
    bursts=BURSTS,
    frames=FRAMES,
    frame_pixels=PIXELS,
    burst_bytes=2 * UPLOAD,
)


@pytest.fixture(scope="module")
def address(images):
    """The page of a folder, served, for a real browser."""
    with served(images) as place:
        yield place


@pytest.fixture(scope="module")
def chromium():
    with browser() as one:
        yield one


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """A folder with images, and files that lie outside of it."""
    root = tmp_path_factory.mktemp("outside")
    folder = root / "images"
    (folder / "day 1").mkdir(parents=True)
    tifffile.imwrite(
        folder / "cells.tif", drawn(), resolution=(2e4, 2e4), resolutionunit="CENTIMETER"
    )
    colours = np.zeros((40, 50, 3), np.uint8)
    colours[..., 2] = np.arange(50)
    write_png(folder / "day 1" / "blue.png", colours)
    (folder / "notes.txt").write_text("no image")
    tifffile.imwrite(root / "secret.tif", drawn(1))
    (folder / "link.tif").symlink_to(root / "secret.tif")
    (folder / "way").symlink_to(root)
    return folder


@pytest.fixture(scope="session")
def client(images):
    """A browser that knows the token."""
    page = Page(TOKEN, PORT, model_offers(()), open_folder(images), LIMITS)
    with TestClient(make_application(page), base_url=ADDRESS) as browser:
        yield browser


@pytest.fixture(scope="session")
def upload(client, tmp_path_factory):
    """Drop an array as a TIFF file; returns what the page shows of it."""

    def send(pixels, name="x.tif", **options):
        path = tmp_path_factory.mktemp("drop") / name
        tifffile.imwrite(path, pixels, **options)
        answer = client.post("api/uploads", params={"name": name}, content=path.read_bytes())
        assert answer.status_code == 200, answer.text
        return answer.json()

    return send


@pytest.fixture(scope="session")
def wait(client):
    """Wait until a work ends."""

    def until_end(job):
        for _ in range(2400):
            description = client.get(f"api/jobs/{job}").json()
            if description["state"] not in ("waiting", "running"):
                return description
            time.sleep(0.05)
        raise TimeoutError(description)

    return until_end


@pytest.fixture
def cells(client, upload, wait):
    """The key of an image whose cells are found."""
    key = upload(drawn())["picture"]
    job = client.post(f"api/pictures/{key}/segment", json={"model": "nuclei-2d", "channel": 0})
    assert wait(job.json()["job"])["state"] == "done"
    yield key
    client.delete(f"api/pictures/{key}")

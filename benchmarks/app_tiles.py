"""Time and memory of the page with a large OME-Zarr image: `python benchmarks/app_tiles.py`.

It draws an image of 100 megapixels (or `--side`²) with its levels, starts `seamwise app`, and asks
for what the page asks for: the list, the image, the tiles of a screen at each level, and those of
ten screens side by side at full size. Then it finds the cells of a part. The peak of memory is that
of the server (VmHWM).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.io import create_image
from seamwise.synth import crowded_cells

SCREEN = (3, 2)  # tiles of 512 pixels, across and down, at least: 1280 × 800
TILE = 512
Fields = dict[str, Any]


def draw(path: Path, side: int) -> None:
    """Write a crowd of nuclei, block by block."""
    block = crowded_cells((1000, 1000), cells=600, radius=12, rng=0).image
    block = (block / block.max() * 40_000).astype(np.uint16)
    rng = np.random.default_rng(0)
    with create_image(path, (side, side), axes="YX", dtype="uint16", spacing=(0.5, 0.5)) as draft:
        for top in range(0, side, 1000):
            rows = min(1000, side - top)
            noise = rng.integers(0, 500, (rows, side), np.uint16)
            strip = np.tile(block[:rows], (1, -(-side // 1000)))[:, :side] + noise
            draft.write((slice(top, top + rows), slice(0, side)), strip)


class Page:
    """A running page, asked as the browser does."""

    def __init__(self, folder: str) -> None:
        command = [sys.executable, "-m", "seamwise", "app", folder, "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[-1]

    def ask(self, path: str, fields: Fields | None = None) -> bytes:
        """Return the bytes of an answer."""
        body = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(f"{self.address}api/{path}", body)
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
        return content

    def json(self, path: str, fields: Fields | None = None) -> Any:
        """Return the fields of an answer."""
        return json.loads(self.ask(path, fields))

    @property
    def peak(self) -> float:
        """Most memory that the server held so far, in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000

    def wait(self, job: str) -> str:
        """Wait until a job ends; returns how it did."""
        while self.json(f"jobs/{job}")["state"] in ("waiting", "running"):
            time.sleep(0.1)
        return str(self.json(f"jobs/{job}")["state"])


def report(page: Page, what: str, begin: float) -> None:
    """Print a row: the seconds since `begin`, and the peak of the server."""
    print(f"| {what} | {time.perf_counter() - begin:.2f} s | {page.peak:.0f} MB |", flush=True)


def tiles(page: Page, image: Any, level: int, columns: Iterable[int]) -> None:
    """Ask for the tiles of some columns, in the rows of a screen."""
    height, width = image["tiled"]["levels"][level]
    last_row, last_column = (-(-length // TILE) for length in (height, width))
    for row in range(min(SCREEN[1], last_row)):
        for column in columns:
            if column < last_column:
                page.ask(f"tiled/{image['picture']}/tiles/0/{level}/{row}/{column}")


def measure(page: Page, part: tuple[int, int]) -> None:
    """Print the table."""
    print("| what | time | peak of the server |\n|---|---|---|")
    report(page, "started", time.perf_counter())
    begin = time.perf_counter()
    page.json("folder?place=")
    image = page.json("pictures", {"place": "large.ome.zarr"})
    coarsest = len(image["tiled"]["levels"]) - 1
    tiles(page, image, coarsest, range(SCREEN[0]))
    report(page, "list, open, first picture of all of it", begin)
    for level in range(coarsest - 1, -1, -1):
        begin = time.perf_counter()
        tiles(page, image, level, range(SCREEN[0]))
        report(page, f"a screen at 1/{2**level}", begin)
    begin = time.perf_counter()
    for screen in range(10):
        tiles(page, image, 0, range(screen * SCREEN[0], (screen + 1) * SCREEN[0]))
    report(page, "ten screens side by side at full size", begin)
    begin = time.perf_counter()
    width, height = part
    box = {"left": 1000, "top": 1000, "width": width, "height": height}
    picture = page.json(f"tiled/{image['picture']}/parts", box)["picture"]
    report(page, f"took a part of {width} × {height}", begin)
    begin = time.perf_counter()
    fields = {"model": "nuclei-2d", "channel": 0, "all": False}
    state = page.wait(page.json(f"pictures/{picture}/segment", fields)["job"])
    page.ask(f"pictures/{picture}/labels")
    cells = len(page.json(f"pictures/{picture}/table")["x"])
    report(page, f"its {cells} cells and their table ({state})", begin)


def main() -> None:
    """Draw the image, and ask for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument(
        "--part", type=int, nargs=2, default=(1280, 800), metavar=("WIDTH", "HEIGHT")
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder) / "large.ome.zarr", options.side)
        page = Page(folder)
        try:
            measure(page, options.part)
        finally:
            page.process.terminate()
            page.process.wait()


if __name__ == "__main__":
    main()

"""How fast the page is, in a real browser: `python benchmarks/app.py`.

It needs Chromium and playwright (the extra `browser`). For each turn it starts `seamwise app` and
waits for the first answer. Then it drops an image of 1024² pixels on the page, in a new tab each
time, and waits for the outlines; and it moves a slider of one image. `--quick` takes one turn. The
last row counts the packages that the page needs and seamwise does not.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from packaging.requirements import Requirement

from seamwise.synth import crowded_cells

SIDE = 1024
MOVES = (60, 200, 400, 500, 600, 300, 900, 100, 800, 500)  # pixels of the smallest cell

# from the change of the field of files to the frame after the outlines
DROP = """() => {
    performance.mark('dropped');
    const results = document.querySelector('#results');
    const wait = () => requestAnimationFrame(
        results.hidden ? wait : () => performance.measure('outlines', 'dropped')
    );
    wait();
}"""
LISTEN = f"document.querySelector('#file').addEventListener('change', {DROP}, true)"
MOVE = """(value) => {
    const range = document.querySelector('#slider-min_size');
    range.value = value;
    range.dispatchEvent(new Event('input'));
}"""


def draw(path: Path) -> None:
    """Write a crowd of nuclei in 16 bits."""
    image = crowded_cells((SIDE, SIDE), cells=300, radius=18, rng=0).image
    tifffile.imwrite(path, (image / image.max() * 60_000).astype(np.uint16))


@contextmanager
def running() -> Iterator[tuple[str, float]]:
    """Start the page; yields its address, and the seconds until its first answer."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "seamwise", "app", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        urllib.request.urlopen(f"{address}api/start").read()
        yield address, time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait()


def measured(tab: Any, name: str) -> list[float]:
    """Return the seconds of all measures of this name that the page took."""
    script = "(name) => performance.getEntriesByName(name).map(({ duration }) => duration)"
    return [duration / 1000 for duration in tab.evaluate(script, name)]


def settle(tab: Any) -> None:
    """Wait until the table of the cells is measured."""
    tab.wait_for_timeout(400)
    tab.wait_for_selector("#table[aria-busy=false]")


def outlines(tab: Any, image: Path) -> float:
    """Drop an image; returns the seconds until its outlines are drawn."""
    tab.evaluate(LISTEN)
    tab.set_input_files("#file", image)
    tab.wait_for_selector("#results:not([hidden])")
    settle(tab)
    (seconds,) = measured(tab, "outlines")
    return seconds


def slider(tab: Any) -> list[float]:
    """Move a slider of the image that is open; returns the seconds until each picture."""
    for value in MOVES:
        tab.evaluate(MOVE, value)
        settle(tab)
    return measured(tab, "slider to picture")


def needed(package: str) -> set[str]:
    """Return the installed packages that a package needs, itself with them."""
    names: set[str] = set()
    new = [package]
    while new:
        name = new.pop()
        if name in names:
            continue
        names.add(name)
        needs = [Requirement(text) for text in metadata.requires(name) or ()]
        new += [one.name for one in needs if not one.marker or one.marker.evaluate({"extra": ""})]
    return {name.lower().replace("_", "-") for name in names}


def megabytes(package: str) -> float:
    """Return how large the files of an installed package are."""
    files = [Path(str(file.locate())) for file in metadata.files(package) or ()]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def own_megabytes() -> float:
    """Return how large the code and files of the page itself are."""
    import seamwise_web

    folder = Path(seamwise_web.__file__).parent
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def row(what: str, seconds: Sequence[float], goal: str) -> None:
    """Print the median and the range of some times."""
    ends = f"{min(seconds):.2f} to {max(seconds):.2f}"
    print(f"| {what} | {statistics.median(seconds):.3f} s | {ends} | {goal} |", flush=True)


def measure(browser: Any, image: Path, turns: int) -> None:
    """Print the table."""
    print("| what | median | range | goal |\n|---|---|---|---|")
    starts, first, further, moves = [], [], [], []
    for _ in range(turns):
        with running() as (address, seconds):
            starts.append(seconds)
            for times in (first, further):
                tab = browser.new_page(viewport={"width": 1280, "height": 800})
                tab.goto(address)
                tab.wait_for_selector("#model option", state="attached")
                times.append(outlines(tab, image))
                if times is further:
                    moves += slider(tab)
                tab.close()
    row("from the command to the first answer", starts, "2 s")
    row(f"from the drop of {SIDE}² pixels to its outlines, first image", first, "3 s")
    row("the same, next image", further, "3 s")
    row(f"from a slider to the picture, {SIDE}²", moves, "0.15 s")


def main() -> None:
    """Draw an image, and use the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one turn")
    options = parser.parse_args()
    from playwright import sync_api

    with tempfile.TemporaryDirectory() as folder, sync_api.sync_playwright() as playwright:
        image = Path(folder) / "cells.tif"
        draw(image)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        measure(browser, image, 1 if options.quick else options.turns)
        browser.close()
    others = needed("seamwise-web") - needed("seamwise") - {"seamwise-web"}
    size = own_megabytes() + sum(map(megabytes, others))
    print(f"\nBeyond the core: {len(others)} packages and the page, {size:.1f} MB (goal 40 MB)")
    print(", ".join(sorted(others)))


if __name__ == "__main__":
    main()

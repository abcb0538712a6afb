"""Many frames in a burst, and many cells in a volume: time and memory.

python benchmarks/many.py burst           # 20, 60 and 200 frames of 192 × 256 pixels
python benchmarks/many.py cells           # 10⁴, 10⁵ and 10⁶ cells in a volume
python benchmarks/many.py burst --quick   # 5 and 20 frames
python benchmarks/many.py cells --quick   # 10³ and 10⁴ cells

Each row is a process of its own; the peak is all that it held. `burst` fuses PNG frames, each in
focus in a strip of its own, with `focus-burst`. `cells` relabels a volume of cubes of 5³ voxels and
measures it, from OME-Zarr to a table.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seamwise.fusion import FuseOptions, fuse_files
from seamwise.io import read_labels, write_image, write_png
from seamwise.labels import relabel
from seamwise.measure import measure_files, pair_images

HEIGHT, WIDTH = 192, 256
PITCH = 6  # voxels from cell to cell


def draw_burst(folder: Path, count: int) -> None:
    """Frames of one scene, each in focus in a strip of its own."""
    scene = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    scene = cv2.GaussianBlur(scene, (0, 0), 1)
    blurred = cv2.GaussianBlur(scene, (0, 0), 4)
    edges = np.linspace(0, WIDTH, count + 1).astype(int)
    folder.mkdir()
    for number in range(count):
        frame = blurred.copy()
        strip = slice(edges[number], edges[number + 1])
        frame[:, strip] = scene[:, strip]
        write_png(folder / f"{number:04}.png", frame)


def fuse(folder: Path) -> str:
    """Fuse the burst of a folder."""
    frames = sorted((folder / "frames").iterdir())
    options = FuseOptions(model="focus-burst", align=False)
    (outcome,) = fuse_files(frames, folder / "fused.png", options)
    return "failed" if outcome.failed else f"{len(frames)} frames"


def draw_volume(folder: Path, cells: int) -> None:
    """Cubes on a grid in an image of noise; labels that skip every second number."""
    side = round(cells ** (1 / 3))
    numbers = 2 * np.arange(1, side**3 + 1, dtype=np.uint32).reshape((side,) * 3)
    labels = np.kron(numbers, np.ones((PITCH,) * 3, np.uint32))
    for axis in range(3):
        np.moveaxis(labels, axis, 0)[PITCH - 1 :: PITCH] = 0
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    write_image(folder / "image.ome.zarr", image, axes="ZYX", spacing=(1, 1, 1))
    write_image(folder / "labels.ome.zarr", labels, axes="ZYX", spacing=(1, 1, 1), labels=True)


def measure(folder: Path) -> str:
    """Relabel the volume, and measure it."""
    numbers = relabel(read_labels(folder / "labels.ome.zarr"))
    count = int(numbers.max())
    del numbers
    pairs = pair_images(folder / "image.ome.zarr", folder / "labels.ome.zarr")
    (outcome,) = measure_files(pairs, folder / "cells.csv")
    return "failed" if outcome.failed else f"{count} cells"


def work(task: Callable[[Path], str], folder: Path, answers: Any) -> None:
    """Do a task; answer with its words, seconds of the processor, and peak of memory in bytes."""
    start = time.process_time()
    words = task(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answers.send((words, time.process_time() - start, peak))


def row(draw: Callable[[Path], None], task: Callable[[Path], str]) -> tuple[str, float, int]:
    """Draw what is needed, and do a task in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name))
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(task, Path(name), theirs))
        process.start()
        theirs.close()  # the end of the child closes the last copy, so that `recv` ends, too
        try:
            result: tuple[str, float, int] = ours.recv()
        except EOFError:
            process.join()
            sys.exit(
                f"a process ended with code {process.exitcode} before it answered: "
                "see its error above; -9 is a kill, mostly for lack of memory"
            )
        process.join()
    return result


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["burst", "cells"])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.what == "burst":
        sizes = (5, 20) if arguments.quick else (20, 60, 200)
        rows = [(lambda folder, n=n: draw_burst(folder / "frames", n), fuse) for n in sizes]
    else:
        sizes = (10**3, 10**4) if arguments.quick else (10**4, 10**5, 10**6)
        rows = [(lambda folder, n=n: draw_volume(folder, n), measure) for n in sizes]
    for draw, task in rows:
        words, seconds, peak = row(draw, task)
        print(f"{words}: {seconds:.1f} s of the processor, peak {peak / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()

"""Does memory grow from image to image? Many small images through one process.

python benchmarks/soak.py                # 2,000 images of 64 × 64 pixels
python benchmarks/soak.py --images 200

One process segments crops of the sample with `nuclei-2d`, and measures their cells. Every 20 images
it notes the memory that it holds. The slope is that of a line through the last three quarters, in
bytes an image; the first quarter fills the memory that is kept from one image to the next.
"""

import argparse
import gc
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from seamwise.io import read_image
from seamwise.measure import measure_files, pair_images
from seamwise.segmentation import load, segment_files

SIDE = 64
EVERY = 20  # images
BATCH = 100  # images that are measured together
MOST = 1024  # bytes an image that may be gained


def write_crops(folder: Path, count: int) -> list[Path]:
    """Crops of the sample at places drawn by chance, as TIFF."""
    sample = read_image(Path(str(resources.files("seamwise"))) / "samples" / "nuclei.png").data
    rng = np.random.default_rng(0)
    folder.mkdir()
    paths = [folder / f"{number:05}.tif" for number in range(count)]
    for path in paths:
        y, x = rng.integers(0, np.array(sample.shape) - SIDE)
        tifffile.imwrite(path, sample[y : y + SIDE, x : x + SIDE])
    return paths


def slope(images: NDArray[np.float64], held: NDArray[np.float64]) -> float:
    """Bytes an image, of the line through the last three quarters."""
    start = len(images) // 4
    return float(np.polyfit(images[start:], held[start:], 1)[0])


def soak(count: int, folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers of images, and the bytes that the process holds after them."""
    paths = write_crops(folder / "images", count)
    model, process = load("nuclei-2d"), psutil.Process()
    numbers, held = [], []
    for first in range(0, count, BATCH):
        part, labels = paths[first : first + BATCH], folder / "labels"
        for number, _ in enumerate(segment_files(part, labels, model=model), first + 1):
            if number % EVERY == 0:
                gc.collect()
                numbers.append(number)
                held.append(process.memory_info().rss)
        pairs = pair_images(part, [labels / path.name for path in part])
        list(measure_files(pairs, folder / "cells.csv", overwrite=True))
    return np.array(numbers, float), np.array(held, float)


def main() -> None:
    """Print the memory at the start and at the end, and the slope; exit 1 if it is too steep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2000)
    count = parser.parse_args().images
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        numbers, held = soak(count, Path(folder))
    grown = slope(numbers, held)
    quarter = len(held) // 4
    print(
        f"{count} images: {held[quarter] / 1e6:.1f} MB after the first quarter, "
        f"{held[-1] / 1e6:.1f} MB at the end, {grown:+.0f} bytes an image, "
        f"{time.process_time() - start:.0f} s of the processor"
    )
    raise SystemExit(grown > MOST)


if __name__ == "__main__":
    main()

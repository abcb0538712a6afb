"""A folder of small images against the same pixels as one image.

python benchmarks/folder.py [--images 500] [--turns 3] [--quick]

`seamwise segment` runs once for each, in turn. The ratios are medians over the turns; start-up
counts.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from seamwise.synth import crowded_cells

SIDE = 256  # pixels of a small image


def write_images(folder: Path, count: int) -> tuple[Path, Path]:
    """The folder of small images, and the file that holds them all as a mosaic."""
    columns = math.isqrt(count)
    while count % columns:
        columns -= 1
    crowd = crowded_cells((4 * SIDE, 4 * SIDE), cells=500, rng=0).image
    rng = np.random.default_rng(0)
    small, rows = folder / "small", []
    small.mkdir()
    for number in range(count):
        top, left = rng.integers(0, 3 * SIDE, 2)
        image = crowd[top : top + SIDE, left : left + SIDE]
        tifffile.imwrite(small / f"{number:04}.tif", image)
        rows.append(image)
    mosaic = [np.hstack(rows[i : i + columns]) for i in range(0, count, columns)]
    tifffile.imwrite(folder / "one.tif", np.vstack(mosaic))
    return small, folder / "one.tif"


def run(images: Path, output: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of the processor, and peak memory in GB of one command."""
    command = [sys.executable, "-m", "seamwise", "-q", "segment", images, "-o", output]
    begin = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--overwrite"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("seamwise segment failed")
    seconds = time.perf_counter() - begin
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="20 images, one turn")
    options = parser.parse_args()
    count, turns = (20, 1) if options.quick else (options.images, options.turns)
    megapixels = count * SIDE**2 / 1e6
    ratios: list[list[float]] = []
    with tempfile.TemporaryDirectory() as name:
        places = write_images(Path(name), count)
        print("| turn | images | seconds | s/MP | processor seconds | peak, GB |")
        print("|---|---|---|---|---|---|", flush=True)
        for turn in range(turns):
            results = []
            for images, number in zip(places, (count, 1), strict=True):
                seconds, busy, peak = run(images, Path(name) / f"of{number}")
                results.append((seconds, busy))
                pace = seconds / megapixels
                row = f"{number} | {seconds:.1f} | {pace:.2f} | {busy:.1f} | {peak:.2f}"
                print(f"| {turn + 1} | {row} |", flush=True)
            ratios.append([a / b for a, b in zip(*results, strict=True)])
    clock, busy = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"{count} images of {SIDE}² take {clock:.2f} times as long as one ({busy:.2f} of the")
    print(f"processor's time), median of {turns}; required 1.5")


if __name__ == "__main__":
    main()

"""End to end with the shipped model: read, network, decode, write.

It measures throughput, and memory on a large image.

python benchmarks/segment.py            # four files of 2048², throughput against the bare network
python benchmarks/segment.py --large    # one file of 10,000², peak memory (minutes)
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch

from seamwise.segmentation import OutputOptions, load, segment_files
from seamwise.synth import crowded_cells


def write_images(folder: Path, count: int, side: int) -> None:
    patch = crowded_cells((1024, 1024), cells=500, rng=0).image
    repeats = -(-side // len(patch))
    for number in range(count):
        image = np.tile(np.roll(patch, 100 * number, 0), (repeats, repeats))[:side, :side]
        tifffile.imwrite(folder / f"{number}.tif", image)


def throughput(folder: Path, count: int, side: int) -> float:
    """Megapixels per second of all files, read to written, with loading the network.

    Two images may be in work: the time between two reports says nothing.
    """
    begin = time.perf_counter()
    for outcome in segment_files([folder], folder / "out", files=OutputOptions(overwrite=True)):
        assert not outcome.failed, outcome.messages
    return count * side**2 / 1e6 / (time.perf_counter() - begin)


def network_alone() -> float:
    """Megapixels per second of the bare network on a 1024² tile: no run can be faster."""
    model = load("nuclei-2d")
    tile = torch.zeros(1, 1, 1024, 1024)
    times = []
    with torch.inference_mode():
        for _ in range(5):
            begin = time.perf_counter()
            model.runtime.run(tile)
            times.append(time.perf_counter() - begin)
    return 1024**2 / 1e6 / statistics.median(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    count, side = (1, 10_000) if large else (4, 2048)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder, count, side)
        end_to_end = throughput(folder, count, side)
    if large:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{side}² pixels: {end_to_end:.2f} megapixels/s, peak memory {peak:.2f} GiB")
    else:
        bare = network_alone()
        print(f"end to end {end_to_end:.2f} megapixels/s ({count} files of {side}²)")
        print(
            f"network alone {bare:.2f} megapixels/s; "
            f"end to end takes {bare / end_to_end:.2f} times as long"
        )

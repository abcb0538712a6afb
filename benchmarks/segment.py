"""End to end with the shipped model: read, network, decode, write.

It measures throughput, and memory on a large image.

python benchmarks/segment.py            # four files of 2048², against the bare network
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

from seamwise.segmentation import Model, OutputOptions, load, segment_files
from seamwise.synth import crowded_cells

SIDE = 1024  # of the tile of the bare network
TURNS = 5


def write_images(folder: Path, count: int, side: int) -> None:
    patch = crowded_cells((1024, 1024), cells=500, rng=0).image
    repeats = -(-side // len(patch))
    for number in range(count):
        image = np.tile(np.roll(patch, 100 * number, 0), (repeats, repeats))[:side, :side]
        tifffile.imwrite(folder / f"{number}.tif", image)


def seconds(folder: Path, model: Model | None = None) -> float:
    """Seconds of all files, read to written; without a model with its loading.

    Several images may be in work: the time between two reports says nothing.
    """
    begin = time.perf_counter()
    files = OutputOptions(overwrite=True)
    for outcome in segment_files([folder], folder / "out", model=model, files=files):
        assert not outcome.failed, outcome.messages
    return time.perf_counter() - begin


def seconds_per_tile(model: Model, tile: torch.Tensor) -> float:
    """Seconds of the bare network for a tile, the median of five calls: no run can be faster."""
    times = []
    with torch.inference_mode():
        for _ in range(5):
            begin = time.perf_counter()
            model.runtime.run(tile)
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def compare(folder: Path, megapixels: float) -> None:
    """Print how long files take, and the bare network in the same turns."""
    print(f"with loading {megapixels / seconds(folder):.2f} megapixels/s")
    model = load("nuclei-2d")
    image = tifffile.imread(folder / "0.tif")[:SIDE, :SIDE].astype(np.float32)
    tile = torch.from_numpy((image - image.mean()) / image.std())[None, None]
    pairs = []
    for _ in range(1 + TURNS):
        bare = seconds_per_tile(model, tile) * 1e6 / SIDE**2
        pairs.append((seconds(folder, model) / megapixels, bare))
    files_median, bare_median = (
        statistics.median(column) for column in zip(*pairs[1:], strict=True)
    )
    ratio = statistics.median(whole / alone for whole, alone in pairs[1:])
    print(
        f"loaded {1 / files_median:.2f} megapixels/s, network alone {1 / bare_median:.2f}: "
        f"{ratio:.2f} times"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    count, side = (1, 10_000) if large else (4, 2048)
    megapixels = count * side**2 / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder, count, side)
        if large:
            pace = megapixels / seconds(folder)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"{side}² pixels: {pace:.2f} megapixels/s, peak memory {peak:.2f} GiB")
        else:
            compare(folder, megapixels)

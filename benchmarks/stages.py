"""Where the time of `segment` goes, against the size of the image and the number of its cells.

python benchmarks/stages.py [--megapixels 0.25 1 4 16 100] [--plot stages.png] [--quick]

The first table has the seconds per megapixel of each stage for drawn cells, with the default model,
in one process with one thread. The second one decodes what a network that is sure would say of a
lattice of 50 to 100,000 round cells. Times are those of the processor, not of the clock.
"""

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

from seamwise.io import DecodeRule, read_image, write_labels
from seamwise.segmentation import (
    Model,
    as_channels,
    decode_slabs,
    load,
    normalization,
    probability_slabs,
)
from seamwise.synth import crowded_cells

STAGES = ("read", "normalise", "network", "decode", "write")
CELLS = (50, 1_000, 10_000, 100_000)


class Clock:
    """Seconds of the processor since the last lap."""

    def __init__(self) -> None:
        self.begin = time.process_time()

    def lap(self) -> float:
        """Return them, and begin again."""
        now = time.process_time()
        seconds, self.begin = now - self.begin, now
        return seconds


class Timed:
    """Slabs on their way to the decoder, and the seconds that they took to compute."""

    def __init__(self, slabs: Iterable[tuple]) -> None:
        self.slabs, self.seconds = slabs, 0.0

    def __iter__(self) -> Iterator[tuple]:
        slabs = iter(self.slabs)
        while True:
            clock = Clock()
            slab = next(slabs, None)
            self.seconds += clock.lap()
            if slab is None:
                return
            yield slab


def time_stages(megapixels: float, folder: Path, model: Model) -> dict[str, float]:
    """Seconds per megapixel of each stage of a square image."""
    side = round(math.sqrt(megapixels) * 1024)
    patch = crowded_cells((512, 512), cells=120, rng=0).image
    repeats = -(-side // len(patch))
    tifffile.imwrite(folder / "image.tif", np.tile(patch, (repeats, repeats))[:side, :side])
    rule = model.info.decode
    clock, seconds = Clock(), {}
    image = as_channels(read_image(folder / "image.tif"))
    seconds["read"] = clock.lap()
    normalise = normalization(image, model.info.normalization)
    seconds["normalise"] = clock.lap()
    maps = probability_slabs(
        image, model, normalise=normalise, guides=rule.is_guided, offsets=False
    )
    slabs = Timed(maps)
    classes = model.info.architecture.out_channels
    labels = decode_slabs(slabs, image.shape[1:], rule, classes=classes)
    seconds["network"] = slabs.seconds
    seconds["decode"] = clock.lap() - slabs.seconds
    write_labels(folder / "labels.tif", labels)
    seconds["write"] = clock.lap()
    return {stage: s / side**2 * 1e6 for stage, s in seconds.items()}


def sure_maps(side: int, cells: int) -> NDArray[np.float32]:
    """Classes, relief and offsets (0) of a lattice of discs that nearly touch."""
    period = side / math.sqrt(cells)
    place = (np.arange(side) + 0.5) % period - period / 2
    radius = np.hypot(place[:, np.newaxis], place) / (period / 2)
    maps = np.zeros((7, side, side), np.float32)
    maps[1] = np.where(radius < 0.9, 0.95, 0.02)
    maps[0] = 1 - maps[1]
    maps[4] = np.clip(1 - radius, 0, 1)
    return maps


def time_decoding(side: int, cells: int, rule: DecodeRule) -> tuple[int, float]:
    """Cells that come out of a lattice, and seconds per megapixel."""
    maps = sure_maps(side, cells)
    clock = Clock()
    labels = decode_slabs([((slice(side), slice(side)), maps)], (side, side), rule)
    return int(labels.max()), clock.lap() / side**2 * 1e6


def plot(sizes: Sequence[float], rows: Sequence[dict[str, float]], path: Path) -> None:
    """Seconds of each stage against megapixels, both axes logarithmic."""
    from matplotlib.figure import Figure

    axes = Figure(figsize=(7, 4.5), layout="constrained").add_subplot()
    for stage in STAGES:
        seconds = [size * row[stage] for size, row in zip(sizes, rows, strict=True)]
        axes.loglog(sizes, seconds, marker="o", label=stage)
    axes.set(xlabel="megapixels", ylabel="seconds of one core")
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.grid(True, alpha=0.3)
    axes.figure.legend(loc="outside right upper")
    axes.figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="*", default=[0.25, 1, 4, 16, 100])
    parser.add_argument("--plot", type=Path, help="file for a log-log plot")
    parser.add_argument("--quick", action="store_true", help="up to a megapixel")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load("nuclei-2d", device="cpu")
    sizes = [0.25, 1.0] if options.quick else options.megapixels
    rows = []
    with tempfile.TemporaryDirectory() as name:
        time_stages(0.25, Path(name), model)  # the first run of a network takes longer
        for size in sizes:
            rows.append(time_stages(size, Path(name), model))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            stages = ", ".join(f"{stage} {rows[-1][stage]:.3f}" for stage in STAGES)
            over = sum(rows[-1].values()) / rows[-1]["network"]
            if options.plot:
                plot(sizes[: len(rows)], rows, options.plot)
            print(
                f"{size:6g} MP: {stages} s/MP; {over:.2f} x the network; peak {peak:.2f} GB",
                flush=True,
            )
    side = 1024 if options.quick else 2048
    for cells in CELLS[: 3 if options.quick else None]:
        count, pace = time_decoding(side, cells, model.info.decode)
        print(f"{side}², lattice of {cells}: {count} cells, decoding {pace:.3f} s/MP", flush=True)


if __name__ == "__main__":
    main()

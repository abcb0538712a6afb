"""A burst fused by `focus-burst` in each runtime: processor time, clock and peak memory.

Each turn is a command of its own, from its start to the written picture. The runtimes take turns,
so that whatever else the machine does hits all of them. Ratios to torch are medians over the turns.

python benchmarks/burst_runtimes.py                             # 12 frames of 3 megapixels
python benchmarks/burst_runtimes.py --frames 3 --size 520 520   # a first result
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from skimage.data import coffee

from seamwise.io import read_photo, write_photo

RUNTIMES = ("torch", "openvino", "onnx")


def write_frames(folder: Path, frames: int, size: Sequence[int]) -> None:
    """Frames of a shifted picture: what they show does not matter for the time."""
    height, width = size
    tile = np.tile(coffee(), (height // 400 + 1, width // 600 + 1, 1))[:height, :width]
    for number in range(frames):
        write_photo(folder / f"f{number}.jpg", np.roll(tile, 5 * number, 0))


def cost(folder: Path, output: Path, runtime: str) -> tuple[float, float, float]:
    """Seconds of the processor and of the clock, and gigabytes, of one command."""
    command = ["-m", "seamwise", "-q", "fuse", str(folder), "-o", str(output), "--overwrite"]
    options = ["--no-align", "--model", "focus-burst", "--device", "cpu", "--runtime", runtime]
    begin = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, *command, *options], os.environ)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{runtime} failed")
    seconds = usage.ru_utime + usage.ru_stime
    return seconds, time.perf_counter() - begin, usage.ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", type=int, nargs=2, default=(1414, 2121), metavar=("Y", "X"))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--runtimes", nargs="+", default=RUNTIMES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "burst"
        folder.mkdir()
        write_frames(folder, options.frames, options.size)
        outputs = {runtime: Path(name) / f"{runtime}.png" for runtime in options.runtimes}
        costs = {runtime: [] for runtime in options.runtimes}
        for turn in range(options.turns + 1):
            for runtime, output in outputs.items():
                of_turn = cost(folder, output, runtime)
                if turn:  # the first one fills the cache of compiled networks
                    costs[runtime].append(of_turn)
        pictures = {runtime: read_photo(output).pixels for runtime, output in outputs.items()}
    size = " × ".join(map(str, options.size))
    print(f"{options.frames} frames of {size}, medians of {options.turns}\n")
    print("| runtime | processor s | ratio | clock, s | ratio | peak, GB | equal numbers |")
    print("|---|---|---|---|---|---|---|")
    reference = options.runtimes[0]
    for runtime in options.runtimes:
        processor, clock, peak = (list(column) for column in zip(*costs[runtime], strict=True))
        ratios = np.median(np.divide(costs[runtime], costs[reference]), 0)
        equal = (pictures[runtime] == pictures[reference]).mean()
        print(
            f"| {runtime} | {statistics.median(processor):.2f} | {ratios[0]:.2f} "
            f"| {statistics.median(clock):.2f} | {ratios[1]:.2f} "
            f"| {statistics.median(peak):.2f} | {100 * equal:.4f} % |"
        )

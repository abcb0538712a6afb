"""A network in streams: two calls at once, each on half of the cores, against one on all of them.

python benchmarks/streams.py [--sides 256 512 1024] [--turns 5]

The default model alone, in turn; medians. Without OpenVINO or a second core there is one stream.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from seamwise.segmentation import load

PIXELS = 2**22  # of the calls of a turn


def measure(call: Callable, image: np.ndarray, threads: int) -> tuple[float, float]:
    """Seconds by the clock and of the processor for a megapixel."""
    count = max(PIXELS // image.size, threads)
    begin, busy = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(call, [image] * count))
    megapixels = count * image.size / 1e6
    seconds = time.perf_counter() - begin, time.process_time() - busy
    return seconds[0] / megapixels, seconds[1] / megapixels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="*", default=[256, 512, 1024])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    whole = load("nuclei-2d", device="cpu").runtime
    if whole.in_streams is None:
        raise SystemExit(f"{whole.name} with this number of threads has one stream")
    halves = whole.in_streams()
    print("| side | all cores, s/MP | of the processor | halves, s/MP | of the processor | equal |")
    print("|---|---|---|---|---|---|")
    for side in options.sides:
        image = np.random.default_rng(0).random((1, 1, side, side), np.float32)
        is_equal = np.array_equal(whole.logits(image), halves.logits(image))
        turns = []
        for _ in range(options.turns):
            one, two = (measure(r.logits, image, r.streams) for r in (whole, halves))
            turns.append((*one, *two))
        medians = [f"{statistics.median(column):.3f}" for column in zip(*turns, strict=True)]
        print(f"| {side}² | {' | '.join(medians)} | {'yes' if is_equal else 'no'} |", flush=True)


if __name__ == "__main__":
    main()

"""Work on the parts of an array on several cores; see `in_parts`."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

# What one thread works on at a time, so that it stays in the processor's cache.
_PART = 2**17  # bytes


def threads() -> int:
    """Return how many threads to use: OMP_NUM_THREADS, else one for each core.

    One in a process that another process started, such as a loader's worker: its siblings have the
    other cores.
    """
    if multiprocessing.parent_process() is not None:
        return 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else os.cpu_count() or 1


def in_parts(run: Callable[[NDArray[Any]], None], array: NDArray[Any], axis: int) -> None:
    """Call `run` on parts of the array, which hold whole lines along `axis`, by `threads`."""
    others = [other for other in range(array.ndim) if other != axis]
    if array.nbytes <= _PART or not others:
        run(array)
        return
    split = max(others, key=lambda other: array.shape[other])
    rows = max(1, _PART * array.shape[split] // array.nbytes)
    parts = [
        array[(slice(None),) * split + (slice(start, start + rows),)]
        for start in range(0, array.shape[split], rows)
    ]
    if threads() == 1:
        for part in parts:
            run(part)
        return
    with ThreadPoolExecutor(threads()) as pool:
        for _ in pool.map(run, parts):
            pass

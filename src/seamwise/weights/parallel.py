"""Work on the parts of an array on all cores; see `in_parts`."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

# What one thread works on at a time, so that it stays in the processor's cache.
_PART = 2**18  # bytes


def in_parts(run: Callable[[NDArray[Any]], None], array: NDArray[Any], axis: int) -> None:
    """Call `run` on parts of the array, which hold whole lines along `axis`, on all cores."""
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
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(run, parts):
            pass

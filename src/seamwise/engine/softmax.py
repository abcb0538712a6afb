"""Logits to class probabilities in place, see `take_softmax`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**15  # pixels: their logits and one row of sums stay in the cache of a core


def take_softmax(logits: NDArray[np.float32], *, threads: int = 1) -> None:
    """Replace logits `(N, C, *S)` by exp z_c / Σ_k exp z_k, in place.

    Blocks of rows are computed one by one. Each pixel gets the same number whatever the blocks and
    the number of threads are.
    """
    pixels_of_row = int(np.prod(logits.shape[3:]))
    step = max(1, _BLOCK // max(pixels_of_row, 1))
    blocks = [
        image[:, start : start + step]
        for image in logits
        for start in range(0, image.shape[1], step)
    ]
    threads = min(threads, len(blocks))
    if threads < 2:
        for block in blocks:
            _take_softmax(block)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_take_softmax, blocks))


def _take_softmax(logits: NDArray[np.float32]) -> None:
    """The same for one block `(C, *S)`."""
    logits -= logits.max(0)
    np.exp(logits, out=logits)
    logits /= logits.sum(0)

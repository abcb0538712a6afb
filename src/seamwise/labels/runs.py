"""Runs of equal labels along the rows of an image; see `row_runs`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamwise.types import Labels


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of equal labels in scan order; none goes over the end of a row.

    Attributes
    ----------
    labels : (n,) integer array
        The label of each run.
    starts : (n,) int64 array
        Where each begins, as the number of a pixel in scan order.
    lengths : (n,) int64 array
        Pixels of each.
    """

    labels: Labels
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def row_runs(labels: Labels) -> Runs:
    """Split an image into runs of equal labels along its last axis.

    An image of cells has far fewer runs than pixels: what is counted per run is counted fast.

    Examples
    --------
    >>> runs = row_runs(np.array([[0, 7, 7], [7, 0, 0]]))
    >>> runs.labels.tolist(), runs.starts.tolist(), runs.lengths.tolist()
    ([0, 7, 7, 0], [0, 1, 3, 4], [1, 2, 1, 2])
    """
    pixels = labels.reshape(-1)
    is_start = np.ones(pixels.size, bool)
    np.not_equal(pixels[1:], pixels[:-1], out=is_start[1:])
    is_start[:: labels.shape[-1]] = True
    starts = np.flatnonzero(is_start)
    return Runs(pixels[starts], starts, np.diff(starts, append=pixels.size))

"""Percentiles of intensities, see `percentiles`."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def percentiles(
    values: NDArray[Any],
    percents: Sequence[float],
    *,
    method: Literal["linear", "lower"] = "linear",
) -> list[float]:
    """Return `np.percentile` of values; those of 8 and 16 bits are counted, which is faster.

    Parameters
    ----------
    values : (n,) array of any real type, n > 0
    percents : sequence of float in [0, 100]
    method : {"linear", "lower"}
        Between two values the line through them, or the lower one.

    Examples
    --------
    >>> percentiles(np.array([7, 1, 3, 4], np.uint8), [0, 50, 75])
    [1.0, 3.5, 4.75]
    """
    if values.dtype not in (np.uint8, np.uint16):
        return [float(p) for p in np.percentile(values, percents, method=method)]
    ends = np.cumsum(np.bincount(values))
    place = np.asarray(percents) / 100 * (len(values) - 1)
    below = np.floor(place)
    low = np.searchsorted(ends, below, side="right").astype(float)
    if method == "lower":
        return [float(p) for p in low]
    high = np.searchsorted(ends, np.minimum(below + 1, len(values) - 1), side="right")
    share = place - below
    # as NumPy does: from the nearer of the two
    line = np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))
    return [float(p) for p in line]

"""Pixel sizes: check them, and count the pixels that a window needs along each axis."""

from collections.abc import Sequence

import numpy as np


def checked_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the pixel size along each axis, 1 by default, or raise ValueError."""
    steps = (1.0,) * ndim if spacing is None else tuple(float(step) for step in spacing)
    if len(steps) != ndim or not all(0 < step < np.inf for step in steps):
        raise ValueError(f"spacing must be {ndim} positive numbers, one per axis, not {spacing}")
    return steps


def window_reach(radius: int, spacing: Sequence[float]) -> tuple[int, ...]:
    """Pixels along each axis from the middle of a window to its end.

    Along an axis of spacing s these are radius·min(s)/s, rounded (halves up), but at least one, so
    that the neighbour along a thick axis still counts.
    """
    return tuple(max(1, int(radius * min(spacing) / step + 0.5)) for step in spacing)

"""Bursts that lie in one folder, by the time they were taken at: `split_by_time`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from seamwise.io.errors import first_line
from seamwise.io.listing import natural_order
from seamwise.io.photo import photo_info

_PAUSE, _LONGEST = 2.5, 60.0  # seconds: no pause between two bursts is shorter; a longer one is
_LONGER = 4.0  # times the usual time from frame to frame
_FEW, _MANY = 3, 5  # gaps: of these the median is the usual one; so many equal ones are a burst
_MOST = 0.5  # of the gaps: if more are pauses, the fast burst may be the odd one
_ALIKE, _SECOND = 0.25, 1.0  # equal gaps differ by a quarter, or by the second that EXIF counts


def split_by_time(paths: Sequence[Path]) -> list[list[Path]]:
    """Split photographs into bursts where the camera paused.

    A pause is longer than 2.5 s and than 4 times the usual time from frame to frame, or than a
    minute. The usual time is that where the card is fastest: the lowest median of three gaps in a
    row. So photographs taken alone at uneven intervals do not matter. If most gaps are pauses by
    that, the usual time is the median of all gaps instead, provided that each pause is then 4 times
    as long as every gap within a burst.

    A slow burst among fast ones needs six frames whose gaps differ by at most a quarter or a
    second; so six photographs taken alone at such intervals count as a burst. It does not begin
    with the gap behind a burst of a faster pace.

    Parameters
    ----------
    paths : sequence of Path

    Returns
    -------
    list of list of Path
        In the order of time; frames of one time by name. A burst may be one photograph.

    Raises
    ------
    ValueError
        A file cannot be read, or EXIF does not tell when it was taken.
    """
    times = {path: _time(path) for path in paths}
    ordered = sorted(paths, key=lambda path: (times[path], natural_order(path)))
    gaps = [(times[b] - times[a]) / timedelta(seconds=1) for a, b in pairwise(ordered)]
    bursts = [ordered[:1]]
    for path, is_pause in zip(ordered[1:], _pauses(np.array(gaps)), strict=True):
        if is_pause:
            bursts.append([])
        bursts[-1].append(path)
    return bursts


def _pauses(gaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which gaps, in seconds, lie between two bursts."""
    if not len(gaps):
        return np.zeros(0, bool)
    is_long = gaps > _longest_within(gaps)
    is_pause = is_long.copy()
    for first in range(len(gaps) - _MANY + 1):
        run = gaps[first : first + _MANY]
        is_even = run.max() <= _LONGEST and np.ptp(run) <= max(_ALIKE * run.min(), _SECOND)
        if is_even and not _is_slower(gaps, is_long, first):
            is_pause[first : first + _MANY] = False
    return np.asarray(is_pause)


def _longest_within(gaps: NDArray[np.float64]) -> float:
    """The longest gap, in seconds, that is not a pause."""
    usual = np.median(sliding_window_view(gaps, min(_FEW, len(gaps))), axis=1).min()
    bounds = [float(np.clip(_LONGER * u, _PAUSE, _LONGEST)) for u in (usual, np.median(gaps))]
    fast, slow = bounds
    is_long = gaps > slow
    if np.mean(gaps > fast) <= _MOST or not 0 < np.mean(is_long) <= _MOST:
        return fast
    is_apart = gaps[is_long].min() >= _LONGER * gaps[~is_long].max()
    return slow if is_apart else fast


def _is_slower(gaps: NDArray[np.float64], is_long: NDArray[np.bool_], i: int) -> bool:
    """Whether a gap lies behind a burst of a faster pace."""
    return i > 0 and bool(is_long[i] and not is_long[i - 1] and gaps[i] > _LONGER * gaps[i - 1])


def with_headers(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Return the photographs whose headers can be read, and a note for each of the others."""
    whole, notes = [], []
    for path in paths:
        try:
            photo_info(path)
        except (ValueError, OSError) as error:
            notes.append(f"skipped: {first_line(error)}")
        else:
            whole.append(path)
    return whole, notes


def _time(path: Path) -> datetime:
    try:
        text = photo_info(path).time
    except ValueError as error:
        raise ValueError(f"{error}; --skip-bad skips it") from error
    try:
        return datetime.strptime(text, f"%Y:%m:%d %H:%M:%S{'.%f' * ('.' in text)}")
    except ValueError:
        raise ValueError(
            f"{path} does not tell in EXIF when it was taken: split the folder by hand, without "
            "--split-by-time"
        ) from None

"""Bursts that lie in one folder, by the time they were taken at: `split_by_time`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from seamwise.io.errors import first_line
from seamwise.io.listing import natural_order
from seamwise.io.photo import photo_info

_PAUSE, _LONGEST = 2.5, 60.0  # seconds: no pause between two bursts is shorter; a longer one is
_LONGER = 4.0  # times the usual time from frame to frame


def split_by_time(paths: Sequence[Path]) -> list[list[Path]]:
    """Split photographs into bursts where the camera paused.

    A pause is longer than 2.5 s and than 4 times the median time from frame to frame, or than a
    minute.

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
    usual = float(np.median(gaps)) if gaps else 0.0
    pause = min(max(_PAUSE, _LONGER * usual), _LONGEST)
    bursts = [ordered[:1]]
    for path, gap in zip(ordered[1:], gaps, strict=True):
        if gap > pause:
            bursts.append([])
        bursts[-1].append(path)
    return bursts


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

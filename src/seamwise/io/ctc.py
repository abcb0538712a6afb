"""Tracks in the text format of the Cell Tracking Challenge: `write_ctc`, `read_ctc`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path, make_folder
from seamwise.io.images import write_labels
from seamwise.types import Labels

RESULT, TRUTH = "res_track.txt", "man_track.txt"
"""Names of the text file: of a result, and of the truth that the challenge gives."""

_MASK = re.compile(r"(mask|man_track|man_seg|m)(\d+)\.tiff?", re.IGNORECASE)
_RESULT_MASK = re.compile(r"mask\d+\.tif")
_LARGEST = 2**16 - 1


@dataclass(frozen=True)
class CtcTrack:
    """One line of the text file.

    Attributes
    ----------
    label : int
        Of the cell in the masks from frame `begin` to frame `end`.
    begin, end : int
    parent : int
        Label of the track that it comes from; 0 for none.
    """

    label: int
    begin: int
    end: int
    parent: int


def without_gaps(
    times: NDArray[Any], tracks: NDArray[Any], parents: NDArray[Any]
) -> tuple[NDArray[np.int64], tuple[CtcTrack, ...]]:
    """Return the label of each cell, and the tracks, as the format wants them: without gaps.

    A track with a gap becomes two. The first is the parent of the second.

    Parameters
    ----------
    times, tracks, parents : (n,) integer arrays
        Frame, track and parent's track of each cell.

    Examples
    --------
    >>> times, tracks = np.array([0, 1, 3, 3]), np.array([1, 1, 1, 2])
    >>> labels, lines = without_gaps(times, tracks, np.array([0, 0, 0, 1]))
    >>> labels.tolist(), [(line.label, line.begin, line.end, line.parent) for line in lines]
    ([1, 1, 2, 3], [(1, 0, 1, 0), (2, 3, 3, 1), (3, 3, 3, 2)])
    """
    order = np.lexsort((times, tracks))
    labels = np.zeros(len(times), np.int64)
    lines: list[CtcTrack] = []
    last_of: dict[int, int] = {}  # track → label of its last part
    previous: int | None = None
    for row in order.tolist():
        track, time = int(tracks[row]), int(times[row])
        if track == previous and lines[-1].end >= time - 1:
            lines[-1] = replace(lines[-1], end=time)
        else:
            # a parent's number is that of a track until all of them are known
            parent = lines[-1].label if track == previous else -int(parents[row])
            lines.append(CtcTrack(len(lines) + 1, time, time, parent))
        labels[row] = last_of[track] = lines[-1].label
        previous = track
    known = (
        line
        if line.parent >= 0
        else CtcTrack(line.label, line.begin, line.end, last_of[-line.parent])
        for line in lines
    )
    return labels, tuple(known)


def write_ctc(folder: Path, frames: Iterable[Labels], tracks: Sequence[CtcTrack]) -> None:
    """Write ``mask000.tif`` … and, at last, ``res_track.txt`` into a folder, which is made.

    Parameters
    ----------
    folder : Path
        By the custom of the challenge its name ends in ``_RES``. Older files
        ``mask….tif`` in it are replaced or, at the end, removed; other files stay.
    frames : iterable of (*S) integer arrays
        The labels of each frame, as in `tracks`.
    tracks : sequence of CtcTrack

    Raises
    ------
    ValueError
        There are more than 65,535 tracks: the masks have 16 bits.
    OSError
        A file cannot be written.
    """
    if len(tracks) > _LARGEST:
        raise ValueError(
            f"{folder} cannot hold {len(tracks)} tracks: masks of this format have 16 bits, "
            f"{_LARGEST} at most; cut the series"
        )
    make_folder(folder)
    (folder / RESULT).unlink(missing_ok=True)  # while it is missing, the masks may be a mixture
    names = set()
    for number, labels in enumerate(frames):
        names.add(f"mask{number:03}.tif")
        write_labels(folder / f"mask{number:03}.tif", labels.astype(np.uint16))
    for path in folder.glob("mask*.tif"):
        if _RESULT_MASK.fullmatch(path.name) and path.name not in names:
            path.unlink()
    with atomic_path(folder / RESULT) as temporary:
        lines = (f"{one.label} {one.begin} {one.end} {one.parent}\n" for one in tracks)
        temporary.write_text("".join(lines), encoding="ascii")


def read_ctc(folder: Path) -> tuple[list[Path], tuple[CtcTrack, ...]]:
    """Return the masks of a folder in order of time, and its tracks.

    Without a text file, as in folders of mere segmentations, there are no tracks.

    Raises
    ------
    ValueError
        The text file is damaged, there is no mask, one is missing, or two have the same number.
    """
    masks = _masks(folder)
    if not masks:
        raise ValueError(f"{folder} holds no masks: expected mask000.tif, mask001.tif, …")
    numbers = [_number(path) for path in masks]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{folder} holds two masks of one frame: keep one kind of them")
    text = next((folder / name for name in (RESULT, TRUTH) if (folder / name).exists()), None)
    if text is None:
        return masks, ()
    missing = [frame for frame, number in enumerate(numbers) if frame != number]
    if missing:
        raise ValueError(
            f"{folder} has no mask of frame {missing[0]}, but one of frame {max(numbers)}: "
            "copy the missing one"
        )
    try:
        rows = [tuple(map(int, line.split())) for line in text.read_text().splitlines() if line]
        return masks, tuple(CtcTrack(*row) for row in rows)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{text} is damaged: expected four whole numbers in each line") from error


def _masks(folder: Path) -> list[Path]:
    files = [path for path in folder.glob("*.tif*") if _MASK.fullmatch(path.name)]
    return sorted(files, key=_number)


def _number(path: Path) -> int:
    match = _MASK.fullmatch(path.name)
    return int(match[2]) if match else -1

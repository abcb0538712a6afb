"""What was measured in a file: `FileTable`; its tracks: `track_files`, `without_edge`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.ctc import without_gaps, write_ctc
from seamwise.io.listing import stem
from seamwise.io.outcome import amount
from seamwise.io.volume import Volume
from seamwise.labels import Labels
from seamwise.measure.options import MeasureOptions
from seamwise.measure.summary import FieldSize
from seamwise.measure.table import Table, joined
from seamwise.measure.tracks import track_cells


@dataclass(frozen=True, eq=False)
class FileTable:
    """The cells of one image.

    Attributes
    ----------
    image : Path
    cells : Table
        With the columns ``file`` and ``time`` after ``id``.
    fields : tuple of FieldSize
        For each time point.
    notes : tuple of str
    labels : Volume
    spacing : tuple of float or None
        Pixel size in micrometres along each axis.
    """

    image: Path
    cells: Table
    fields: tuple[FieldSize, ...]
    notes: tuple[str, ...]
    labels: Volume
    spacing: tuple[float, ...] | None


def tracks_folder(table: Path) -> Path:
    """Return where the tracks that belong to a table go.

    Examples
    --------
    >>> tracks_folder(Path("out/cells.csv")).name
    'cells_tracks'
    """
    return table.with_name(f"{table.stem}_tracks")


def track_files(
    files: Sequence[FileTable], options: MeasureOptions, folder: Path
) -> tuple[list[FileTable], list[str]]:
    """Link the cells of each series; write its masks and ``res_track.txt``.

    Parameters
    ----------
    files : sequence of FileTable
        Each is a series or, with `options.frames`, each is a frame of one series.
    options : MeasureOptions
    folder : Path
        Gets a folder ``<name>_RES`` for each series.

    Returns
    -------
    files : list of FileTable
        With the columns ``track_id`` and ``parent_track_id``.
    lines : list of str
        For the user.
    """
    series = [list(files)] if options.frames else [[file] for file in files]
    tracked, lines = [], []
    for one in series:
        cells = track_cells(
            joined([file.cells for file in one]),
            max_distance=options.max_distance,
            divisions=options.divisions,
            spacing=one[0].spacing,
        )
        # labels inside of images all have the same name
        place = Path(os.path.abspath(one[0].labels.path)).parent
        name = place.name if options.frames else stem(one[0].image)
        target = folder / f"{name}_RES"
        labels, tracks = without_gaps(cells["time"], cells["track_id"], cells["parent_track_id"])
        write_ctc(target, _frames(one, cells, labels), tracks)
        lines.append(f"{name}: {_counts(cells)} to {target}")
        ends = np.cumsum([len(file.cells) for file in one])
        parts = np.split(np.arange(len(cells)), ends[:-1])
        tracked += [
            replace(file, cells=cells.select(part)) for file, part in zip(one, parts, strict=True)
        ]
    return tracked, lines


def without_edge(files: Sequence[FileTable]) -> tuple[list[FileTable], str]:
    """Drop the cells that touch the edge; return a line for the user, too."""
    inner = [file.cells.select(~file.cells["touches_edge"].astype(bool)) for file in files]
    count = sum(len(file.cells) for file in files) - sum(map(len, inner))
    line = f"at the edge, not in the table: {amount(count, 'cell')}"
    return [replace(file, cells=cells) for file, cells in zip(files, inner, strict=True)], line


def _counts(cells: Table) -> str:
    mothers = np.unique(cells["parent_track_id"])
    tracks = len(np.unique(cells["track_id"]))
    return f"{amount(tracks, 'track')}, {amount(int(np.count_nonzero(mothers)), 'division')}"


def _frames(files: Sequence[FileTable], cells: Table, labels: NDArray[Any]) -> Iterator[Labels]:
    """The labels of each frame by their tracks; a frame that could not be read is empty."""
    places = {
        field.time: (file.labels, place if len(file.fields) > 1 else 0)
        for file in files
        for place, field in enumerate(file.fields)
    }
    shape = files[0].labels.shape
    for time in range(max(places) + 1):
        if time not in places:
            yield np.zeros(shape, np.uint16)
            continue
        volume, place = places[time]
        frame = volume.read(tuple(slice(0, length) for length in volume.shape), time=place)[0]
        rows = np.flatnonzero(cells["time"] == time)
        order = rows[np.argsort(cells["id"][rows])]
        yield _renumbered(frame, cells["id"][order], labels[order])


def _renumbered(frame: Labels, ids: NDArray[Any], numbers: NDArray[Any]) -> Labels:
    """Replace each label by another number; labels that are not among the ids become 0.

    Examples
    --------
    >>> _renumbered(np.array([[0, 7, 9, -1]]), np.array([7]), np.array([3])).tolist()
    [[0, 3, 0, 0]]
    """
    if not len(ids):
        return np.zeros_like(frame)
    places = np.minimum(np.searchsorted(ids, frame), len(ids) - 1)
    renumbered: Labels = np.where(ids[places] == frame, numbers[places], 0)
    return renumbered

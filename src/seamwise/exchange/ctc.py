"""Label images as series of the Cell Tracking Challenge and back; see `io.ctc` for the format."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamwise.io.ctc import RESULT, TRUTH, read_ctc, without_gaps, write_ctc
from seamwise.io.images import read_labels
from seamwise.io.ome_zarr import create_image
from seamwise.io.outcome import amount
from seamwise.io.volume import Volume, open_labels
from seamwise.labels import Labels, smallest_dtype

ENDING = "_RES"
"""How the folder of a result ends."""


def is_series(folder: Path) -> bool:
    """Whether a folder holds tracks in this format."""
    return any((folder / name).is_file() for name in (RESULT, TRUTH))


def export_series(labels: Volume, folder: Path) -> str:
    """Write the time points as masks, and a track for each number; return a line for the user.

    A number stands for the same cell in all time points, as `measure --track` writes them. Nothing
    is known about divisions.
    """
    times, ids = [], []
    for time, frame in enumerate(_frames(labels)):
        numbers = np.unique(frame[frame > 0])
        ids.append(numbers)
        times.append(np.full(len(numbers), time))
    every, frame_of = np.concatenate(ids), np.concatenate(times)
    names, tracks = np.unique(every, return_inverse=True)
    numbers, lines = without_gaps(frame_of, tracks + 1, np.zeros(len(every), np.int64))
    write_ctc(folder, _renumbered(labels, ids, np.split(numbers, _ends(ids))), lines)
    return f"{amount(len(names), 'cell')} in {amount(labels.times, 'frame')} to {folder}"


def import_series(folder: Path, target: Path, *, overwrite: bool) -> str:
    """Write the masks of a folder as one label image, ``.ome.zarr``; return a line for the user.

    Raises
    ------
    ValueError
        Masks differ in size, or the format is damaged.
    """
    masks, _ = read_ctc(folder)
    sizes = {open_labels(path).shape for path in masks}
    if len(sizes) > 1:
        raise ValueError(f"{folder}: its masks have {len(sizes)} sizes: keep those of one series")
    (size,) = sizes
    numbers: set[int] = set()
    for path in masks:
        numbers.update(np.unique(read_labels(path)).tolist())
    with create_image(
        target,
        (len(masks), *size),
        axes="TZYX" if len(size) == 3 else "TYX",
        dtype=smallest_dtype(min(numbers), max(numbers)),
        labels=True,
        overwrite=overwrite,
    ) as draft:
        for time, path in enumerate(masks):
            draft.array[time] = read_labels(path)
    tracks = sum(number > 0 for number in numbers)
    return f"{amount(tracks, 'track')} in {amount(len(masks), 'frame')} to {target}"


def _frames(labels: Volume) -> Iterator[Labels]:
    box = tuple(slice(0, length) for length in labels.shape)
    return (labels.read(box, time=time)[0] for time in range(labels.times))


def _ends(parts: list[Labels]) -> NDArray[np.int64]:
    ends: NDArray[np.int64] = np.cumsum([len(part) for part in parts])[:-1]
    return ends


def _renumbered(labels: Volume, ids: list[Labels], numbers: list[Labels]) -> Iterator[Labels]:
    for frame, known, new in zip(_frames(labels), ids, numbers, strict=True):
        table = np.concatenate([[0], new])
        places = np.searchsorted(known, frame, side="right")
        yield np.where(frame > 0, table[places], 0)

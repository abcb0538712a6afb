"""Colours and sizes of the labels of a label image, for its metadata; see `label_table`."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamwise.labels.colours import colours_of
from seamwise.labels.runs import row_runs

if TYPE_CHECKING:
    import zarr

MOST_LABELS = 10_000
"""With more, viewers choose the colours: the metadata would have megabytes."""

_PIXELS = 2**24  # that are read at once


def label_table(array: "zarr.Array[Any]") -> dict[str, Any]:
    """Return ``colors`` and ``properties`` as OME-Zarr has them; empty with too many labels.

    Each label has the colour that it has in overlays and reports, and its number of pixels, over
    all time points.
    """
    areas: dict[int, int] = {}
    for part in _parts(array):
        runs = row_runs(part)
        numbers, rows = np.unique(runs.labels, return_inverse=True)
        counts = np.bincount(rows, runs.lengths)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if number > 0:
                areas[number] = areas.get(number, 0) + int(count)
        if len(areas) > MOST_LABELS:
            return {}
    numbers = np.array(sorted(areas), np.int64)
    colours = colours_of(numbers).tolist() if len(numbers) else []
    return {
        "colors": [
            {"label-value": number, "rgba": [*colour, 255]}
            for number, colour in zip(numbers.tolist(), colours, strict=True)
        ],
        "properties": [
            {"label-value": number, "pixels": areas[number]} for number in numbers.tolist()
        ],
    }


def _parts(array: "zarr.Array[Any]") -> Iterator[NDArray[Any]]:
    """Whole chunks, several of them along the last axis."""
    size = list(array.chunks)
    size[-1] = max(size[-1], min(array.shape[-1], _PIXELS // max(int(np.prod(size[:-1])), 1)))
    starts = [range(0, n, step) for n, step in zip(array.shape, size, strict=True)]
    for place in itertools.product(*starts):
        box = tuple(slice(a, a + step) for a, step in zip(place, size, strict=True))
        yield np.asarray(array[box])

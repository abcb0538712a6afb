"""What the metadata of a label image tell of its labels: `label_table`, `write_properties`."""

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.jsonfile import read_json, write_json
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


def write_properties(path: Path, ids: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Add numbers to the ``properties`` of a label image, where viewers such as napari show them.

    Earlier numbers of the same names are removed from all labels first; all else stays. Real
    numbers have seven digits, and those that are not finite are skipped.

    Parameters
    ----------
    path : Path
        The folder of the label image.
    ids : (n,) integer array
        Labels.
    columns : mapping of str to (n,) array
        Numbers or booleans.

    Raises
    ------
    ValueError
        There are more than `MOST_LABELS` labels, or the metadata are damaged.
    OSError
        The metadata cannot be written.
    """
    if len(ids) > MOST_LABELS:
        raise ValueError(
            f"{path} has {len(ids)} cells, and its metadata take numbers of {MOST_LABELS:,} at "
            "most: use the table"
        )
    is_new = (path / "zarr.json").is_file()
    file = path / ("zarr.json" if is_new else ".zattrs")
    content = read_json(file)
    try:
        attributes = content["attributes"]["ome"] if is_new else content
        table = attributes.setdefault("image-label", {})
        rows = {int(row["label-value"]): dict(row) for row in table.get("properties", ())}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{file}: image-label must be an object with a list of properties: write it again"
        ) from error
    values = {name: column.tolist() for name, column in columns.items()}
    for row in rows.values():  # also of labels that were not measured this time
        for name in values:
            row.pop(name, None)
    for i, number in enumerate(ids.tolist()):
        row = rows.setdefault(number, {"label-value": number})
        for name, column in values.items():
            value = float(f"{column[i]:.7g}") if isinstance(column[i], float) else column[i]
            if math.isfinite(value):
                row[name] = value
    table["properties"] = [rows[number] for number in sorted(rows)]
    write_json(file, content)

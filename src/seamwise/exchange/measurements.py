"""Numbers of each cell, from a table of `seamwise measure`; see `read_measurements`."""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from seamwise.io.csvfile import harmless
from seamwise.io.listing import SUFFIXES, ZARR, stem

Measurements = Mapping[str, Mapping[tuple[int, str], Mapping[str, float]]]
"""Image without its ending → time point and id of a cell → its numbers by their names."""

_PLACE = ("id", "file", "time")
_TEXTS = (*_PLACE, "neighbour_ids")  # a single neighbour looks like a number
_SWITCHES = {"TRUE": 1.0, "FALSE": 0.0}


def read_measurements(path: Path) -> Measurements:
    """Read the numbers of each cell from a table that `seamwise measure` wrote as CSV.

    TRUE is 1 and FALSE 0. Texts and empty places are skipped.

    Raises
    ------
    ValueError
        The file is not such a table, or has two rows for a cell.
    OSError
        It is missing.
    """
    if path.suffix.lower() != ".csv":
        raise ValueError(f"{path} is not a table in a .csv file: give one of seamwise measure")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _PLACE if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"it has no column {missing[0]}")
            return _by_image(reader)
    except (ValueError, TypeError, csv.Error) as error:
        raise ValueError(
            f"{path} is not a table of cells ({error}): give one of seamwise measure"
        ) from error


def _by_image(rows: Iterable[Mapping[str, str]]) -> Measurements:
    measurements: dict[str, dict[tuple[int, str], Mapping[str, float]]] = {}
    for row in rows:
        if None in row or None in row.values():
            raise ValueError("a row has more or fewer fields than the first")
        cells = measurements.setdefault(_image(row["file"]), {})
        place = int(row["time"]), str(int(row["id"]))
        if place in cells:
            raise ValueError(f"two rows are of cell {place[1]} of {row['file']}, time {place[0]}")
        cells[place] = _numbers(row)
    return measurements


def _image(file: str) -> str:
    """The stem of an image; a field of a plate has no ending, although its name may have dots.

    Examples
    --------
    >>> _image("a01.ome.tif"), _image("2024.05.01_A_3_0")
    ('a01', '2024.05.01_A_3_0')
    """
    if file.startswith("'") and harmless(file[1:]) == file:
        file = file[1:]
    return stem(file) if file.lower().endswith((*SUFFIXES, ZARR)) else file


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    numbers = {name: _number(text) for name, text in row.items() if name not in _TEXTS}
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _number(text: str) -> float:
    """A number of the table; NaN if it is a text or empty.

    Examples
    --------
    >>> _number("0.5"), _number("TRUE"), _number("")
    (0.5, 1.0, nan)
    """
    try:
        return _SWITCHES[text] if text in _SWITCHES else float(text)
    except ValueError:
        return math.nan

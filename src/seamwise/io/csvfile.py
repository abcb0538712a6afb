"""Tables in CSV files, written whole or not at all: `write_csv` by rows, `write_columns`.

Both are UTF-8 with a byte order mark, as Excel expects. A text that a spreadsheet would take for a
formula gets an apostrophe in front.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet would compute


def write_csv(
    path: Path, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] = ()
) -> None:
    """Write one line for each row, below a line of column names.

    Parameters
    ----------
    path : Path
    rows : sequence of mapping
        Values by column. A column that a row lacks is empty in it. Numbers that are not finite are
        ``inf`` or ``nan``.
    columns : sequence of str
        Columns that come first; they are written even if there is no row.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    columns = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8-sig") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(map(harmless, columns))
        writer.writerows(_line(row, columns) for row in rows)


def write_columns(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write one line for each place in the columns, below a line of their names.

    Parameters
    ----------
    path : Path
    columns : mapping of str to (n,) array
        Numbers, booleans (``TRUE``, ``FALSE``) or texts as objects. NaN and what is masked are
        empty places.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    lists = [_cells(column) for column in columns.values()]
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8-sig") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([harmless(name) for name in columns])
        writer.writerows(zip(*lists, strict=True))


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> harmless("=1+1"), harmless("a-1.tif")
    ("'=1+1", 'a-1.tif')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    values = (row.get(name) for name in columns)
    return [harmless(value) if isinstance(value, str) else value for value in values]


def _cells(column: NDArray[Any]) -> list[Any]:
    values = column.tolist()
    if column.dtype.kind == "O":
        return [harmless(str(value)) for value in values]
    if column.dtype.kind == "b":
        return ["TRUE" if value else "FALSE" for value in values]
    if column.dtype.kind == "f":
        return ["" if value != value else value for value in values]
    return list(values)

"""Tables in CSV files, written whole or not at all."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seamwise.io.atomic import atomic_path


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
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)

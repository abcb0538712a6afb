"""Columns of equal length: `Table`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, in order.

    Attributes
    ----------
    columns : mapping of str to (n,) array
        Numbers, booleans, or texts as objects. A number that does not exist is NaN.

    Examples
    --------
    >>> table = Table({"id": np.array([1, 2]), "area_px": np.array([30, 4])})
    >>> len(table), table["area_px"].tolist(), table.select(table["area_px"] > 9)["id"].tolist()
    (2, [30, 4], [1])
    """

    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def select(self, rows: NDArray[Any]) -> "Table":
        """Return some rows, by a mask or by numbers."""
        return Table({name: column[rows] for name, column in self.columns.items()})

    def with_column(self, name: str, column: NDArray[Any]) -> "Table":
        """Return the table with one more column."""
        return Table({**self.columns, name: column})


def joined(tables: Iterable[Table]) -> Table:
    """Put tables below each other; where one lacks a column, numbers are NaN and texts empty."""
    tables = list(tables)
    if len(tables) == 1:
        return tables[0]
    kinds: dict[str, np.dtype[Any]] = {}
    for table in tables:
        for name, column in table.columns.items():
            known = kinds.get(name, column.dtype)
            kinds[name] = np.promote_types(known, column.dtype)
    return Table({name: _stack(tables, name, kind) for name, kind in kinds.items()})


def _stack(tables: list[Table], name: str, kind: np.dtype[Any]) -> NDArray[Any]:
    parts = []
    for table in tables:
        column = table.columns.get(name)
        if column is None:
            is_text = kind.kind == "O"
            column = np.full(len(table), "" if is_text else np.nan, object if is_text else float)
        parts.append(column)
    return np.concatenate(parts)

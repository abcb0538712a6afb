"""Counts and shares of many images and time points; see `summarise`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamwise.measure.positive import channels_of
from seamwise.measure.table import Table

_PER_MM2 = 1e6  # µm²
_NO_TIME = -1


@dataclass(frozen=True)
class FieldSize:
    """How large a measured field is.

    Attributes
    ----------
    file : str
    time : int
    size_um : float
        In µm² or, for a stack, µm³; NaN without a pixel size.
    is_flat : bool
        Whether it is not a stack.
    """

    file: str
    time: int
    size_um: float
    is_flat: bool


def summarise(cells: Table, fields: Sequence[FieldSize], *, positive: str | None = None) -> Table:
    """Count cells for each image and time point, each image, and all images or each time point.

    Parameters
    ----------
    cells : Table
        With the columns ``file`` and ``time``.
    fields : sequence of FieldSize
        Everything that was measured, also where there is no cell.
    positive : str, optional
        A column of booleans.

    Returns
    -------
    Table
        ``scope``: "image and time" if an image has several time points; "image"; with several time
        points "time", else with several images "all". ``file`` and ``time``, empty and masked where
        the row is about several, or there is one time; ``cells``; with `positive` also ``positive``
        and ``positive_share`` (NaN without cells); ``cells_per_mm2`` of flat images (NaN in an
        empty region); median of the area or volume; for each channel the mean over the cells of
        their means.
    """
    scopes = _scopes(fields)
    rows: list[dict[str, object]] = []
    for scope, key_of in scopes.items():
        own: dict[tuple[str, int], list[FieldSize]] = {}
        for field in fields:
            own.setdefault(key_of(field.file, field.time), []).append(field)
        members: dict[tuple[str, int], list[int]] = {key: [] for key in own}
        for row, (file, time) in enumerate(zip(cells["file"], cells["time"], strict=True)):
            members[key_of(file, int(time))].append(row)
        for key, group in own.items():
            part = cells.select(np.array(members[key], np.int64))
            where = {"scope": scope, "file": key[0], "time": key[1]}
            rows.append(where | _numbers(part, group, positive))
    return _as_table(rows)


def _scopes(fields: Sequence[FieldSize]) -> dict[str, Callable[[str, int], tuple[str, int]]]:
    """What rows count; a function of file and time for each kind, equal for what a row pools."""
    files, times = {field.file for field in fields}, {field.time for field in fields}
    scopes: dict[str, Callable[[str, int], tuple[str, int]]] = {}
    if len({(field.file, field.time) for field in fields}) > len(files):
        scopes["image and time"] = lambda file, time: (file, time)
    scopes["image"] = lambda file, time: (file, _NO_TIME)
    if len(times) > 1:
        scopes["time"] = lambda file, time: ("", time)
    elif len(files) > 1:
        scopes["all"] = lambda file, time: ("", _NO_TIME)
    return scopes


def _numbers(cells: Table, fields: Sequence[FieldSize], positive: str | None) -> dict[str, object]:
    numbers: dict[str, object] = {"cells": len(cells)}
    if positive is not None:
        count = int(np.count_nonzero(cells[positive]))
        numbers["positive"] = count
        numbers["positive_share"] = count / len(cells) if len(cells) else np.nan
    if all(field.is_flat for field in fields):
        size = sum(field.size_um for field in fields)
        numbers["cells_per_mm2"] = len(cells) / size * _PER_MM2 if size else np.nan
    for name, column in cells.columns.items():
        if name.startswith(("area_", "volume_")):
            numbers[f"median_{name}"] = _of_finite(np.median, column)
    for channel in channels_of(cells):
        numbers[f"{channel}_mean"] = _of_finite(np.mean, cells[f"{channel}_mean"])
    return numbers


def _of_finite(statistic: Callable[..., np.floating], column: NDArray[np.generic]) -> float:
    values = column.astype(float)
    values = values[np.isfinite(values)]
    return float(statistic(values)) if values.size else np.nan


def _as_table(rows: Sequence[dict[str, object]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, NDArray[np.generic]] = {}
    for name in names:
        values = [row.get(name, np.nan) for row in rows]
        is_text = any(isinstance(value, str) for value in values)
        columns[name] = np.array(values, object if is_text else None)
    columns["time"] = np.ma.masked_equal(columns["time"], _NO_TIME)
    return Table(columns)

"""Measurements of labels as a table for napari: `measure_labels`, `features_of`. Needs no Qt."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seamwise.measure import MeasureOptions, Table, joined, measure

_MOST_ROWS = 1_000_000
STACK, PLANES = "one stack", "each plane by itself"


def measure_labels(
    channels: Sequence[tuple[str, NDArray[Any]]],
    labels: NDArray[Any],
    options: MeasureOptions,
    *,
    spacing: tuple[float, ...] | None,
    by_plane: bool = False,
) -> Table:
    """Measure the cells of labels in channels of the same shape.

    Parameters
    ----------
    channels : sequence of (name, pixels)
        Pixels have the shape of the labels, and any real type; the names are those of columns.
    labels : (Y, X) or (Z, Y, X) integer array
    options : MeasureOptions
        Its names are not used.
    spacing : tuple of float or None
        Micrometres along each axis of the labels.
    by_plane : bool
        The planes are images of their own, such as time points: the table has a column ``plane``.

    Raises
    ------
    ValueError
        Nothing is chosen, shapes differ, or what `measure` raises.
    """
    if not channels:
        raise ValueError("choose at least one image")
    for name, pixels in channels:
        if pixels.shape != labels.shape:
            raise ValueError(
                f"the image {name} has another size than the labels: choose the one they are of"
            )
    options = replace(options, names=tuple(name for name, _ in channels))
    stack = np.stack([np.asarray(pixels) for _, pixels in channels])
    if not by_plane or labels.ndim == 2:
        return measure(stack, labels, options, spacing=spacing)
    tables = []
    for z, plane in enumerate(labels):
        steps = None if spacing is None else spacing[1:]
        table = measure(stack[:, z], plane, options, spacing=steps)
        tables.append(Table({"plane": np.full(len(table), z), **table.columns}))
    return joined(tables)


def column_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of channels for columns, all different.

    Examples
    --------
    >>> column_names(["DAPI", "red channel", "DAPI"])
    ('DAPI', 'red_channel', 'DAPI_2')
    """
    columns: list[str] = []
    for name in names:
        plain = "_".join(name.split()) or "image"
        numbered = (f"{plain}_{number}" for number in count(2))
        columns.append(next(name for name in chain([plain], numbered) if name not in columns))
    return tuple(columns)


def features_of(table: Table) -> pd.DataFrame:
    """Return a table for the features of a labels layer.

    napari's own table takes the number of a row for the label: row 0 is the background, and a label
    without a cell has a row of NaN. Columns of NaN alone, such as µm without a pixel size, are
    dropped. Labels far beyond the number of cells stand in a column
    ``index`` instead.

    Examples
    --------
    >>> features_of(Table({"id": np.array([1, 3]), "area_px": np.array([30, 4])}))
       area_px
    0      NaN
    1     30.0
    2      NaN
    3      4.0
    """
    frame = pd.DataFrame(dict(table.columns))
    answers = frame.select_dtypes(bool).columns
    frame[answers] = frame[answers].astype(int)
    last = int(frame["id"].max()) if len(frame) else 0
    if last > _MOST_ROWS:
        return frame.rename(columns={"id": "index"})
    known = frame.set_index("id").dropna(axis="columns", how="all")
    return known.reindex(range(last + 1)).rename_axis(None)

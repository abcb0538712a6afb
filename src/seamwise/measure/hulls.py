"""Perimeter and convex hull of each cell, by scikit-image's regionprops; see `hulls`."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops

from seamwise.measure.field import Field
from seamwise.measure.survey import Survey


def hulls(field: Field, cells: Survey) -> dict[str, NDArray[np.float64]]:
    """Measure perimeter (2D only), area of the hull and solidity, in pixels, cell by cell.

    Parameters
    ----------
    field : Field
    cells : Survey

    Returns
    -------
    dict of (n,) float64 arrays
        ``perimeter``, ``hull`` and ``solidity`` = area / hull.
    """
    names = ("perimeter", "hull", "solidity") if len(field.shape) == 2 else ("hull", "solidity")
    result = {name: np.full(len(field.ids), np.nan) for name in names}
    last = np.ravel_multi_index(
        tuple((np.maximum(cells.start, 0) // np.array(field.blocks.size)).T), field.blocks.counts
    )
    for block in np.unique(last):
        rows = np.flatnonzero(last == block)
        low, high = cells.start[rows].min(axis=0), cells.stop[rows].max(axis=0)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        ranks = field.ranks(box)
        for row in rows:
            part = tuple(
                slice(int(a - o), int(b - o))
                for a, b, o in zip(cells.start[row], cells.stop[row], low, strict=True)
            )
            for name, value in _measure(ranks[part] == row + 1).items():
                result[name][row] = value
    return result


def _measure(cell: NDArray[np.bool_]) -> dict[str, float]:
    (region,) = regionprops(cell.astype(np.uint8))  # type: ignore[no-untyped-call]
    hull = _hull(region)
    measured: dict[str, float] = {"hull": hull, "solidity": region.area / hull}
    if cell.ndim == 2:
        measured["perimeter"] = float(region.perimeter)
    return measured


def _hull(region: Any) -> float:
    """Pixels of the hull; those of the cell itself if it is too flat to have one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about flat cells
        return float(region.area_convex) or float(region.area)

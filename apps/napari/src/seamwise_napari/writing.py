"""Labels layers as files: label images and outlines. Needs no Qt."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from seamwise.exchange import Outline, trace, write_geojson, write_rois
from seamwise.io import write_labels
from seamwise_napari.layers import spacing_of


def write_label_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write labels as `seamwise segment` does, with their pixel size; return the path.

    `data` is a (Y, X) or (Z, Y, X) integer array with 0 as background; `meta` has the scale and
    the units of the layer.

    Raises
    ------
    ValueError, OSError
        See `io.write_labels`.
    """
    labels = np.asarray(data)
    is_png = Path(path).suffix.lower() == ".png"
    write_labels(path, labels, spacing=None if is_png else _spacing(meta, labels.ndim))
    return [path]


def write_outline_file(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the outlines of cells for QuPath (``.geojson``) or ImageJ (``.zip``).

    `data` is a (Y, X) or (Z, Y, X) integer array with 0 as background. Outlines are in pixels.

    Raises
    ------
    ValueError
        The labels have more than three axes.
    OSError
        The file cannot be written.
    """
    labels = np.asarray(data)
    if labels.ndim not in (2, 3):
        raise ValueError(
            f"outlines are for planes and stacks, not for {labels.ndim} axes: save one time point"
        )
    planes = labels[np.newaxis] if labels.ndim == 2 else labels
    outlines: list[Outline] = []
    for z, plane in enumerate(planes):
        outlines += trace(plane, z=z)
    write = write_geojson if Path(path).suffix.lower() == ".geojson" else write_rois
    write(Path(path), outlines)
    return [path]


def _spacing(meta: dict[str, Any], ndim: int) -> tuple[float, ...] | None:
    """Pixel size of a layer by what napari says about it."""
    scale, units = meta.get("scale"), meta.get("units")
    if scale is None or units is None:
        return None
    return spacing_of(SimpleNamespace(name="", data=None, scale=scale, units=units), ndim)

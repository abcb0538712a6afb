"""Cells for other programs, and a page to look at: `outlines_file`, `report_file`."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamwise import __version__
from seamwise.exchange import export_labels
from seamwise.io import Outcome, write_columns, write_json, write_labels, write_map
from seamwise.measure import Table, pair_images
from seamwise.metrics import cell_doubt, seam_doubt
from seamwise.report import segmentation_report
from seamwise_web.cells import Maps
from seamwise_web.folder import SUFFIXES
from seamwise_web.scratch import scratch_folder


def outlines_file(
    labels: NDArray[Any], kind: Literal["roi", "geojson"], table: Table | None = None
) -> bytes:
    """Return the outlines of cells, as `seamwise export-labels` writes them.

    Parameters
    ----------
    labels : (Y, X) or (Z, Y, X) integer array
    kind : {"roi", "geojson"}
        ROIs of ImageJ in a ZIP, or GeoJSON, which QuPath reads.
    table : Table, optional
        Its numbers become measurements of the outlines, for "geojson".
    """
    with scratch_folder() as scratch:
        path, output = Path(scratch) / "cells.tif", Path(scratch) / "outlines"
        write_labels(path, labels)
        numbers = None
        if table is not None:
            numbers = path.with_suffix(".csv")
            place = {"file": np.full(len(table), path.name), "time": np.zeros(len(table), int)}
            write_columns(numbers, {**table.columns, **place})
        (outcome,) = export_labels(path, output, kind, table=numbers)
        _check(outcome)
        (file,) = output.iterdir()
        return file.read_bytes()


def report_file(
    name: str,
    channel: NDArray[Any],
    labels: NDArray[Any],
    *,
    spacing: tuple[float, ...] | None,
    maps: Maps,
) -> bytes:
    """Return a page about the cells of an image, as `seamwise segment --report` writes it.

    It needs no other file. The seams and cells of which the network was unsure are those of the
    labels as they are now.

    Parameters
    ----------
    name : str
        Of the image.
    channel : (Y, X) or (Z, Y, X) array
        The channel that was segmented.
    labels : integer array of this shape
    spacing : tuple of float, optional
        Micrometres per pixel.
    maps : Maps
        What the network computed.
    """
    with scratch_folder() as scratch:
        folder = Path(scratch)
        image = folder / "image" / (name if name.lower().endswith(SUFFIXES) else f"{name}.tif")
        mask, page = folder / "cells.tif", folder / "report.html"
        image.parent.mkdir()
        write_map(folder / "image.tif", channel.astype(np.float32), spacing=spacing)
        (folder / "image.tif").rename(image)  # the page calls the image by its name
        write_labels(mask, labels, spacing=spacing)
        write_json(folder / "seamwise.json", {"model": maps.model, "seamwise": __version__})
        probabilities = maps.maps[: maps.info.architecture.out_channels]
        doubts = {
            "seams": seam_doubt(probabilities, labels),
            "doubts": cell_doubt(probabilities, labels),
        }
        for kind, numbers in doubts.items():
            (folder / kind).mkdir()
            columns = {key: one for key, one in vars(numbers).items() if one is not None}
            write_columns(folder / kind / f"{_stem(image)}.csv", columns)
        for outcome in segmentation_report(pair_images(image, mask), page):
            _check(outcome)
        return page.read_bytes()


def _stem(image: Path) -> str:
    return image.stem.removesuffix(".ome")


def _check(outcome: Outcome) -> None:
    """Raise ValueError if a file could not be done."""
    if outcome.failed:
        raise ValueError("; ".join(outcome.messages))

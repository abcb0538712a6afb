"""One row per cell of an image: `measure` for arrays, `measure_field` for any field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import Labels, as_labels
from seamwise.labels.spacing import checked_spacing
from seamwise.measure.field import Field, Reader, held, open_field, plan
from seamwise.measure.geometry import Columns, geometry
from seamwise.measure.hulls import hulls
from seamwise.measure.intensities import Intensities, intensities
from seamwise.measure.nuclei import Nuclei, assign_nuclei
from seamwise.measure.options import MeasureOptions
from seamwise.measure.region import in_region
from seamwise.measure.survey import survey
from seamwise.measure.table import Table
from seamwise.measure.zones import Zones


@dataclass(frozen=True, eq=False)
class FieldTable:
    """What was measured in one field.

    Attributes
    ----------
    cells : Table
        A row for each cell.
    pixels : int
        Size of the field, or of the region of interest.
    spacing : tuple of float or None
        Pixel size in micrometres along each axis.
    nuclei_without_cell : int
    """

    cells: Table
    pixels: int
    spacing: tuple[float, ...] | None
    nuclei_without_cell: int = 0


def measure(
    image: NDArray[Any],
    labels: Labels,
    options: MeasureOptions = MeasureOptions(),
    *,
    spacing: Sequence[float] | None = None,
    nuclei: Labels | None = None,
    region: NDArray[Any] | None = None,
) -> Table:
    """Measure every cell of an image: a row for each, with units in the names of the columns.

    Parameters
    ----------
    image : (*S) or (C, *S) array
        Finite integers or real numbers, in two or three axes of space.
    labels : (*S) integer array
        0 background, positive = one number per cell (of any size), negative = ignore.
    options : MeasureOptions
        Its `channel` and `axes` are for files and not used here, nor are `positive` and `frames`;
        see `mark_positive`.
    spacing : sequence of float, optional
        Micrometres per pixel along each axis; `options.spacing` comes first.
    nuclei : (*S) integer array, optional
        A second label image. Each of its objects belongs to the cell with more than half of its
        pixels.
    region : (*S) array, optional
        Only cells with more than half of their pixels where this is not 0 are measured.

    Returns
    -------
    Table
        ``id``; size, place, form and neighbours (`geometry`); with `options.shape` perimeter, hull
        and solidity; with `nuclei` how many, the id and the pixels. For each channel: mean, median,
        sd (divided by the count), min, max, sum; ``background`` and ``mean_corrected`` = mean −
        background; means of ``rim`` and ``inside``, of ``nucleus`` and ``cytoplasm``. Without
        cells, a table with all columns and no row.

    Raises
    ------
    TypeError
        Labels are not of an integer type.
    ValueError
        The shapes do not fit, the image has NaN or infinite pixels, or an option does not fit.

    Examples
    --------
    >>> labels = np.array([[1, 1, 0, 2], [1, 1, 2, 2]])
    >>> image = np.array([[1, 2, 0, 9], [3, 4, 7, 8]])
    >>> table = measure(image, labels, spacing=(0.5, 0.5))
    >>> for name in ("id", "area_px", "area_um2", "neighbours", "shared_border_um", "ch0_mean"):
    ...     print(name, table[name].tolist())
    id [1, 2]
    area_px [4, 3]
    area_um2 [1.0, 0.75]
    neighbours [1, 1]
    shared_border_um [0.5, 0.5]
    ch0_mean [2.5, 8.0]
    """
    image, labels = np.asarray(image), as_labels(labels)
    channels = image[np.newaxis] if image.ndim == labels.ndim else image
    if labels.ndim not in (2, 3) or channels.shape[1:] != labels.shape:
        raise ValueError(
            f"labels must have the shape of the image {image.shape} without its channels, "
            f"with two or three axes, not {labels.shape}: give labels of the same image"
        )
    if 0 in channels.shape:
        raise ValueError(f"image is empty: its shape is {image.shape}; give one with pixels")
    if channels.dtype.kind not in "biuf":
        raise ValueError(f"image must hold integers or real numbers, not {image.dtype}: convert it")
    names = options.channel_names(range(len(channels)))
    steps = options.spacing or spacing
    if steps is not None:
        steps = checked_spacing(steps, labels.ndim)
    blocks = plan(labels.shape, (*(1 for _ in labels.shape[1:]), labels.shape[-1]))
    pixels = channels.view(np.uint8) if channels.dtype == bool else channels
    field = open_field(held(pixels), lambda box: labels[box], len(channels), blocks)
    inner = mask = None
    if nuclei is not None:
        inner_labels = _same_shape(as_labels(nuclei, name="nuclei"), labels, "nuclei")
        inner = open_field(held(pixels), lambda box: inner_labels[box], 0, blocks)
    if region is not None:
        mask = held(_same_shape(np.asarray(region), labels, "region")[np.newaxis])
    return measure_field(field, options, names, steps, nuclei=inner, region=mask).cells


def measure_field(
    field: Field,
    options: MeasureOptions,
    names: Sequence[str],
    spacing: tuple[float, ...] | None,
    *,
    nuclei: Field | None = None,
    region: Reader | None = None,
) -> FieldTable:
    """Measure every cell of a field; see `measure`.

    Parameters
    ----------
    field : Field
    options : MeasureOptions
    names : sequence of str
        Of the channels.
    spacing : tuple of float, optional
    nuclei : Field, optional
        With no channels.
    region : function, optional
        box → `(1, *box)` array.
    """
    cells = survey(field)
    pairs = None if nuclei is None else assign_nuclei(field, nuclei)
    channels = intensities(field, cells, _zones(field, options, spacing), pairs)
    columns: Columns = {"id": field.ids}
    columns |= geometry(field.ids, cells, field.shape, spacing)
    if options.shape:
        columns |= _shape_columns(hulls(field, cells), len(field.shape), spacing)
    if pairs is not None:
        columns |= _nuclei_columns(pairs, cells.area, len(field.shape), spacing)
    columns |= _channel_columns(channels, names, options, has_nuclei=pairs is not None)
    is_row, pixels = np.ones(len(field.ids), bool), int(np.prod(field.shape))
    if region is not None:
        is_row, pixels = in_region(field, region, cells.area)
    if options.exclude_edge:
        is_row &= ~cells.touches_edge(field.shape)
    lost = pairs.without_cell if pairs is not None else 0
    return FieldTable(Table(columns).select(is_row), pixels, spacing, lost)


def _same_shape(array: NDArray[Any], labels: Labels, name: str) -> NDArray[Any]:
    if array.shape != labels.shape:
        raise ValueError(
            f"{name} must have the shape of the labels {labels.shape}, not {array.shape}"
        )
    return array


def _zones(field: Field, options: MeasureOptions, spacing: tuple[float, ...] | None) -> Zones:
    steps = spacing or (1.0,) * len(field.shape)
    return Zones(
        tuple(step / min(steps) for step in steps),
        options.rim.in_steps_of(spacing, name="rim"),
        options.ring_gap.in_steps_of(spacing, name="ring_gap"),
        options.ring.in_steps_of(spacing, name="ring"),
    )


def _shape_columns(
    shapes: dict[str, NDArray[np.float64]], ndim: int, spacing: tuple[float, ...] | None
) -> Columns:
    """Columns of `hulls`; a perimeter in micrometres needs square pixels."""
    steps = np.full(ndim, np.nan) if spacing is None else np.array(spacing)
    hull = "hull_area" if ndim == 2 else "hull_volume"
    columns: Columns = {}
    if "perimeter" in shapes:
        side = steps[0] if np.ptp(steps) == 0 else np.nan
        columns["perimeter_px"] = shapes["perimeter"]
        columns["perimeter_um"] = shapes["perimeter"] * side
    columns[f"{hull}_px"] = shapes["hull"]
    columns[f"{hull}_um{ndim}"] = shapes["hull"] * steps.prod()
    columns["solidity"] = shapes["solidity"]
    return columns


def _nuclei_columns(
    nuclei: Nuclei, area: NDArray[np.int64], ndim: int, spacing: tuple[float, ...] | None
) -> Columns:
    count, largest, pixels = nuclei.per_cell(len(area))
    volume = np.nan if spacing is None else float(np.prod(spacing))
    size = "area" if ndim == 2 else "volume"
    return {
        "nuclei": count,
        "nucleus_id": largest,
        f"nucleus_{size}_px": pixels,
        f"nucleus_{size}_um{ndim}": pixels * volume,
        "nucleus_share": pixels / area,
    }


def _channel_columns(
    measured: Intensities, names: Sequence[str], options: MeasureOptions, *, has_nuclei: bool
) -> Columns:
    columns: Columns = {}
    for i, (name, cell) in enumerate(zip(names, measured.cell, strict=True)):
        for statistic in ("mean", "median", "sd", "min", "max", "sum"):
            columns[f"{name}_{statistic}"] = getattr(cell, statistic)
        if options.ring.value:
            columns[f"{name}_background"] = measured.background[i]
            columns[f"{name}_mean_corrected"] = cell.mean - measured.background[i]
        if options.rim.value:
            columns[f"{name}_rim_mean"] = measured.rim[i]
            columns[f"{name}_inside_mean"] = measured.inside[i]
        if has_nuclei:
            columns[f"{name}_nucleus_mean"] = measured.nucleus[i]
            columns[f"{name}_cytoplasm_mean"] = measured.cytoplasm[i]
    return columns

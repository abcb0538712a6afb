"""Pictures of a table of cells: histogram, scatter, count over time; see `draw_plots`."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path
from seamwise.io.htmlpage import bar_count
from seamwise.measure.options import MeasureOptions
from seamwise.measure.positive import channels_of
from seamwise.measure.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 150
_DOTS = 20_000  # more hide each other
_NEGATIVE, _POSITIVE = "#5b7db1", "#d1495b"
_UNITS = {"px": "pixels", "um": "µm", "um2": "µm²", "um3": "µm³"}


def draw_plots(
    table: Path,
    cells: Table,
    summary: Table,
    options: MeasureOptions,
    threshold: float | None = None,
) -> list[Path]:
    """Draw the cells of a table next to it; return the pictures.

    Parameters
    ----------
    table : Path
        Where the table is; the pictures are ``<stem>_histogram.png`` and so on.
    cells, summary : Table
        As `measure_files` writes them.
    options : MeasureOptions
        Which channel and which value of it made cells positive.
    threshold : float, optional

    Returns
    -------
    list of Path
        The plot over time only exists if there are several time points.
    """
    drawings = {"histogram": _histograms, "scatter": _scatter, "over_time": _over_time}
    paths = []
    for name, draw in drawings.items():
        figure = draw(cells, summary, options, threshold)
        if figure is None:
            continue
        path = table.with_name(f"{table.stem}_{name}.png")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=_DPI)
        paths.append(path)
    return paths


def _histograms(
    cells: Table, summary: Table, options: MeasureOptions, threshold: float | None
) -> "Figure | None":
    """The size, and one value of each channel, with the threshold."""
    value = {options.positive: options.positive_by}
    names = [f"{channel}_{value.get(channel, 'mean')}" for channel in channels_of(cells)]
    columns = [_size_column(cells), *names]
    figure, panels = _panels(len(columns))
    for panel, name in zip(panels, columns, strict=True):
        values = _finite(cells[name])
        panel.hist(values, bar_count(len(values)), color=_NEGATIVE)
        panel.set_xlabel(_label(name))
        panel.set_ylabel("cells")
        if threshold is not None and name == f"{options.positive}_{options.positive_by}":
            panel.axvline(threshold, color=_POSITIVE)
            panel.set_title(f"positive above {threshold:.4g}", color=_POSITIVE, fontsize="medium")
    return figure


def _scatter(
    cells: Table, summary: Table, options: MeasureOptions, threshold: float | None
) -> "Figure | None":
    """Two channels against each other, or size against the only channel."""
    channels = channels_of(cells)
    if not channels:
        return None
    x = f"{channels[0]}_mean" if len(channels) > 1 else _size_column(cells)
    y = f"{channels[1]}_mean" if len(channels) > 1 else f"{channels[0]}_mean"
    rows = np.arange(len(cells))
    if len(rows) > _DOTS:
        rows = np.random.default_rng(0).choice(rows, _DOTS, replace=False)
    shown = cells.select(rows)
    figure, (panel,) = _panels(1)
    column = f"{options.positive}_positive"
    is_positive = shown[column] if column in shown else np.zeros(len(shown), bool)
    for name, part, colour in (
        ("negative", ~is_positive, _NEGATIVE),
        ("positive", is_positive, _POSITIVE),
    ):
        count = int(part.sum())
        panel.scatter(
            shown[x][part], shown[y][part], 8, color=colour, alpha=0.6, linewidths=0,
            label=f"{name} ({count})",
        )  # fmt: skip
    if column in shown:
        panel.legend(frameon=False)
    panel.set_xlabel(_label(x))
    panel.set_ylabel(_label(y))
    return figure


def _over_time(
    cells: Table, summary: Table, options: MeasureOptions, threshold: float | None
) -> "Figure | None":
    """How many cells there are at each time point, and the share of positive ones."""
    rows = summary.select(summary["scope"] == "time")
    if len(rows) < 2:
        return None
    rows = rows.select(np.argsort(rows["time"]))
    from matplotlib.ticker import MaxNLocator  # slow to import, needed only here

    has_share = "positive_share" in rows
    figure, panels = _panels(2 if has_share else 1)
    panels[0].plot(rows["time"], rows["cells"], "o-", color=_NEGATIVE, label="all cells")
    panels[0].set_ylabel("cells")
    if has_share:
        panels[0].plot(rows["time"], rows["positive"], "o-", color=_POSITIVE, label="positive")
        panels[0].legend(frameon=False)
        share = 100 * rows["positive_share"]
        panels[1].plot(rows["time"], share, "o-", color=_POSITIVE, clip_on=False)
        panels[1].set_ylabel("positive cells in %")
        panels[1].set_ylim(0, 100)
    for panel in panels:
        panel.set_xlabel("time point")
        panel.set_ylim(bottom=0)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _panels(count: int) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure  # slow to import, needed only here

    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[count:]:
        panel.set_axis_off()
    return figure, panels[:count]


def _size_column(cells: Table) -> str:
    """Area or volume, in micrometres if any cell has it."""
    names = [name for name in cells.columns if name.startswith(("area_", "volume_"))]
    known = [name for name in names if "_um" in name and np.isfinite(cells[name]).any()]
    return known[0] if known else names[0]


def _label(name: str) -> str:
    """What to write on an axis.

    Examples
    --------
    >>> _label("area_um2"), _label("CD25_mean_corrected")
    ('area in µm²', 'CD25 mean corrected')
    """
    words, _, unit = name.rpartition("_")
    text = f"{words} in {_UNITS[unit]}" if unit in _UNITS else name
    return text.replace("_", " ")


def _finite(column: NDArray[np.generic]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.astype(float)
    return values[np.isfinite(values)]

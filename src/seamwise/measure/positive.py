"""Which cells are positive in a channel; see `mark_positive`."""

import numpy as np
from skimage.filters import threshold_otsu

from seamwise.measure.table import Table
from seamwise.words import CellMean


def mark_positive(
    table: Table, channel: str, *, threshold: float | None = None, by: CellMean = "mean"
) -> tuple[Table, float]:
    """Add the column ``<channel>_positive``: whether the value of a cell is above a threshold.

    Parameters
    ----------
    table : Table
        The cells of all images together: they share the threshold.
    channel : str
        Name of a channel.
    threshold : float, optional
        By default Otsu's, between the two groups of cells that differ most. It always finds two
        groups, also where there is only one.
    by : str
        Which value of the channel decides.

    Returns
    -------
    table : Table
        A cell whose value does not exist is not positive.
    threshold : float
        NaN if there was none and no cell.

    Raises
    ------
    ValueError
        The table has no such channel or value.

    Examples
    --------
    >>> cells = Table({"id": np.arange(4), "ch1_mean": np.array([1.0, 9.0, 2.0, 8.0])})
    >>> marked, threshold = mark_positive(cells, "ch1")
    >>> marked["ch1_positive"].tolist(), 2 <= threshold < 8
    ([False, True, False, True], True)
    """
    column = f"{channel}_{by}"
    if column not in table:
        raise no_channel(channel, channels_of(table), by)
    values = table[column].astype(float)
    finite = values[np.isfinite(values)]
    if threshold is None and finite.size:
        threshold = float(threshold_otsu(finite))  # type: ignore[no-untyped-call]
    threshold = np.nan if threshold is None else threshold
    return table.with_column(f"{channel}_positive", values > threshold), threshold


def channels_of(table: Table) -> list[str]:
    """Return the names of the channels that a table of cells holds.

    Examples
    --------
    >>> channels_of(Table({"id": np.arange(1), "CD25_mean": np.ones(1), "CD25_sum": np.ones(1)}))
    ['CD25']
    """
    return [name.removesuffix("_sum") for name in table.columns if name.endswith("_sum")]


def no_channel(channel: str, names: list[str], by: CellMean) -> ValueError:
    """Return the error that a channel, or this value of it, does not exist."""
    if channel in names:
        return ValueError(f"positive by {by} needs nuclei: give --nuclei, or choose mean")
    return ValueError(f"positive must be one of the channels ({', '.join(names)}), not {channel!r}")

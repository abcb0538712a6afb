"""Pictures of a table of cells."""

import numpy as np
import pytest

from seamwise.measure import MeasureOptions, Table
from seamwise.measure.plots import _histograms


@pytest.mark.parametrize(("cells", "bars"), [(0, 8), (20, 8), (200, 21), (2000, 40)])
def test_a_histogram_of_few_cells_has_few_bars(cells, bars):
    values = np.random.default_rng(0).random(cells)
    table = Table({"area_px": values, "ch0_mean": 3 * values, "ch0_sum": 9 * values})
    figure = _histograms(table, table, MeasureOptions(), None)
    assert [len(panel.patches) for panel in figure.axes] == [bars, bars]

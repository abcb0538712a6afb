"""Draw how scores spread over pairs; see `draw_boxplots`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.measure import FusionScores
from seamwise.io.atomic import atomic_path

_COLUMNS = 4
_DUMMY = "0.6"  # grey


def draw_boxplots(path: Path, scores: FusionScores) -> None:
    """Write a panel for each metric, with a box for each method and a dot for each pair.

    The two dummies are grey.
    A box spans the middle half of the pairs, its line is the median, and the whiskers reach to the
    last pair within 1.5 boxes. Scores that are not finite are skipped.
    """
    from matplotlib.figure import Figure  # slow to import, needed only here

    rows = -(-len(scores.metrics) // _COLUMNS)
    width = max(2.4, 0.5 * len(scores.methods) + 0.8)
    figure = Figure(figsize=(_COLUMNS * width, rows * 2.5 + 0.9), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    colours = [f"C{number}" for number in range(scores.n_methods)]
    colours += [_DUMMY] * (len(scores.methods) - scores.n_methods)
    for number, metric in enumerate(scores.metrics):
        _draw_panel(panels[number], scores.values[:, :, number], colours)
        panels[number].set_title(metric.upper())
        places = range(len(scores.methods))
        panels[number].set_xticks(
            places, scores.methods, rotation=60, ha="right", rotation_mode="anchor"
        )
    for panel in panels[len(scores.metrics) :]:
        panel.remove()
    figure.suptitle(
        f"Scores over {len(scores.pairs)} pair{'s' * (len(scores.pairs) > 1)}; "
        "grey: a source returned as it is"
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw_panel(panel: Any, values: NDArray[np.float64], colours: Sequence[str]) -> None:
    columns = [column[np.isfinite(column)] for column in values.T]
    places = range(len(columns))
    plot = panel.boxplot(columns, positions=places, widths=0.6, patch_artist=True, showfliers=False)
    for box, line, colour in zip(plot["boxes"], plot["medians"], colours, strict=True):
        box.set(facecolor=colour, alpha=0.4, edgecolor="black")
        line.set(color="black", linewidth=1.5)
    for place, column in zip(places, columns, strict=True):
        panel.plot(np.full(len(column), place), column, ".", color="black", ms=5, alpha=0.5)
    panel.grid(axis="y", alpha=0.3)

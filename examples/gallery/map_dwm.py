"""DWM term by term, thesis Figure 11: background fades with its distance from the cells."""

import panels
import sample

from seamwise.labels import semantic_target
from seamwise.weights import balance, distance, dwm

BETA = 30


def main(output=panels.DOCS):
    """Draw the figure."""
    labels = sample.labels()
    target = semantic_target(labels, classes=3)
    away = distance(labels > 0, limit=BETA, spacing=(1, 1))
    fading = 1 - away / BETA
    balanced = balance(labels, target)
    weight = dwm(labels, target, beta=BETA)
    additive = dwm(labels, target, beta=BETA, additive=True)

    figure = panels.new_figure(14, 9)
    grid = figure.add_gridspec(3, 3, height_ratios=(1.25, 1.25, 1))
    panels.show_target(figure.add_subplot(grid[0, 0]), target, "target $h$", cut=True)
    maps = {
        (0, 1): (away, rf"1. $d$, distance to the cells, at most $\beta = {BETA}$"),
        (0, 2): (fading, r"2. fading, $1 - \min(d/\beta, 1)$"),
        (1, 0): (balanced, "3. class balance $b$"),
        (1, 1): (weight, r"4. DWM $= b\,\cdot$ fading $+\,1$"),
        (1, 2): (additive, r"5. additive=True: $b\,+$ fading $+\,1$"),
    }
    for place, (values, title) in maps.items():
        panels.show_map(figure, figure.add_subplot(grid[place]), values, title)
    curves = {"DWM": weight, "additive": additive, "fading": fading}
    panels.show_cut(figure.add_subplot(grid[2, :]), target, curves)
    panels.class_legend(figure)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

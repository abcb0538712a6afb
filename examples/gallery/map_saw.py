"""SAW step by step, thesis Figure 12: contours of narrow cells and notches weigh more."""

import numpy as np
import panels
import sample

from seamwise.labels import inner_contour, semantic_target
from seamwise.weights import (
    balance,
    saw,
    saw_regions,  # cells and notches, as the map itself takes them
    skeletons,
)

# background, cell, notch; contours and skeletons of either
PALETTE = (
    np.array(
        [
            [38, 42, 51],
            [196, 214, 200],
            [205, 208, 228],
            [22, 120, 60],
            [52, 82, 190],
            [214, 60, 40],
        ]
    )
    / 255
)


def parts(labels):
    """Colour cells and concave complement with their contours; the same with their skeletons."""
    regions = saw_regions(labels)
    cell = regions <= labels.max()
    kind = np.where(regions > 0, np.where(cell, 1, 2), 0)
    outlined, thinned = kind.copy(), kind
    outlined[inner_contour(regions)] += 2
    thinned[skeletons(regions)] = 5
    return PALETTE[outlined], PALETTE[thinned]


def main(output=panels.DOCS):
    """Draw the figure."""
    labels = sample.labels()
    target = semantic_target(labels, classes=3)
    balanced = balance(labels, target)
    importance = saw(labels, target, rounds=0) - balanced - 1
    weight = saw(labels, target)
    spread = weight - balanced - 1

    figure = panels.new_figure(14, 9)
    grid = figure.add_gridspec(3, 3, height_ratios=(1.25, 1.25, 1))
    panels.show_target(figure.add_subplot(grid[0, 0]), target, "target $h$", cut=True)
    outlined, thinned = parts(labels)
    panels.show(
        figure.add_subplot(grid[0, 1]),
        outlined,
        "1. contours of cells (green) and notches (blue)",
        cut=True,
    )
    panels.show(figure.add_subplot(grid[0, 2]), thinned, "2. skeletons $K$ of both", cut=True)
    maps = {
        (1, 0): (importance, r"3. $\omega^c = 1 - d_K/\tau$ on the contours"),
        (1, 1): (spread, r"4. $F * \omega^c$, spread inwards"),
        (1, 2): (weight, r"5. SAW = $b + F * \omega^c + 1$"),
    }
    for place, (values, title) in maps.items():
        panels.show_map(figure, figure.add_subplot(grid[place]), values, title)
    curves = {"SAW": weight, r"$F * \omega^c$": spread, "class balance": balanced}
    panels.show_cut(figure.add_subplot(grid[2, :]), target, curves)
    panels.class_legend(figure)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

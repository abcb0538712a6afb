"""The five weight maps of one sample side by side, after the thesis' Figure 13."""

import panels
import sample

from seamwise import weights
from seamwise.labels import semantic_target

MAPS = {
    "BWM": weights.balance,
    "UNET": weights.unet,
    "DWM": weights.dwm,
    "SAW": weights.saw,
    "W³": weights.w3,
}


def main(output=panels.DOCS):
    """Draw the figure."""
    labels, image = sample.labels(), sample.image()
    target = semantic_target(labels, classes=3)
    figure = panels.new_figure(14, 9.6)
    grid = figure.add_gridspec(4, 3, height_ratios=(1.7, 1, 1.7, 1))
    places = [(row, column) for row in (0, 2) for column in range(3)]
    panels.show_target(figure.add_subplot(grid[0, 0]), target, "target", cut=True)
    panels.show_cut(figure.add_subplot(grid[1, 0]), target, {"image": image}, quantity="intensity")
    for (row, column), (name, weigh) in zip(places[1:], MAPS.items(), strict=True):
        values = weigh(labels, target)
        panels.show_map(figure, figure.add_subplot(grid[row, column]), values, name)
        panels.show_cut(figure.add_subplot(grid[row + 1, column]), target, {name: values})
    for axes in figure.axes:
        axes.set_xlabel("")
    panels.class_legend(figure)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

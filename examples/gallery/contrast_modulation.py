"""Touching contrast modulation, thesis Figure 22: stronger (a < 0) or weaker (a > 0) seams."""

import panels
import sample

from seamwise.labels import semantic_target
from seamwise.segmentation import modulate_touching

NAMES = {-1: "a = −1", -0.5: "a = −0.5", 0: "a = 0, the image", 0.5: "a = 0.5", 1: "a = 1"}
AROUND = (slice(30, 76), slice(58, 126))


def main(output=panels.DOCS):
    """Draw the figure."""
    image, target = sample.image(), semantic_target(sample.labels(), classes=3)
    images = {a: modulate_touching(image[None], target, amount=a)[0] for a in NAMES}

    figure = panels.new_figure(15, 5.6)
    grid = figure.add_gridspec(2, len(NAMES), height_ratios=(1, 1.1))
    for column, (a, modulated) in enumerate(images.items()):
        axes = figure.add_subplot(grid[0, column])
        panels.show(axes, modulated[AROUND], NAMES[a], cmap="gray", vmin=0, vmax=1)
        axes.axhline(
            sample.ROW - AROUND[0].start, color="white", linewidth=1, linestyle=(0, (4, 3))
        )
    cut = figure.add_subplot(grid[1, :])
    panels.show_cut(cut, target, {NAMES[a]: images[a] for a in (-1, 0, 1)})
    cut.set(xlim=(AROUND[1].start, AROUND[1].stop), ylabel="intensity")
    panels.class_legend(figure)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

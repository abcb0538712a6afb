"""From labels to classes: numbered cells (thesis Figure 21) and a mask (thesis Figure 10)."""

import numpy as np
import panels
import sample
from scipy import ndimage

from seamwise.labels import binary_target, semantic_target
from seamwise.segmentation import label_colours

CUBE = np.ones((3, 3), bool)


def main(output=panels.DOCS):
    """Draw the figure."""
    labels = sample.labels()
    # a mask whose cells are separated by a line of background, one pixel wide
    line = ndimage.maximum_filter(labels, 3) > labels
    mask = (labels > 0) & ~line
    closed = ndimage.binary_closing(np.pad(mask, 1), CUBE)[1:-1, 1:-1]
    division = ndimage.binary_dilation(closed & ~mask, CUBE)

    figure = panels.new_figure(14, 5.6)
    first, second = figure.subplots(2, 4)
    panels.show(first[0], label_colours(int(labels.max()))[labels], "numbered cells")
    panels.show_target(first[1], semantic_target(labels, classes=2), "2 classes")
    panels.show_target(first[2], semantic_target(labels, classes=3), "3 classes: touching")
    panels.show_target(
        first[3], semantic_target(labels, classes=4, gap_radius=5), "4 classes: gap, radius 5"
    )
    panels.show(second[0], mask, "black-and-white mask", cmap="gray")
    panels.show(second[1], closed, "closed", cmap="gray")
    panels.show(second[2], division, "what closing added, dilated", cmap="gray")
    panels.show_target(second[3], binary_target(mask, classes=3), "3 classes of the mask")
    panels.class_legend(figure, classes=4)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

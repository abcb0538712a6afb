"""A stack of synthetic tissue, the classes that `walls-3d` sees in it, and the cells it finds."""

from dataclasses import replace
from functools import partial

import numpy as np
import panels

from seamwise.metrics import match
from seamwise.segmentation import SegmentOptions, segment_image
from seamwise.synth import CONFOCAL, tissue

SPACING = (2.0, 1.0, 1.0)
DEPTH, ROW = 20, 64


def colours(labels):
    """Draw labels in random colours on black; a number has the same colour in every picture."""
    palette = np.random.default_rng(3).uniform(0.25, 1, (int(labels.max()) + 1, 3))
    palette[0] = 0
    return palette[labels]


def main(output=panels.DOCS):
    """Draw image, classes, predicted and true cells, each in one slice and one cut in depth."""
    drawn = tissue((48, 128, 144), rng=300, cell_size=24, camera=replace(CONFOCAL, spacing=SPACING))
    prediction = segment_image(drawn.image, SegmentOptions(model="walls-3d", spacing=SPACING))
    score = match(drawn.labels, prediction.labels)
    classes = prediction.probabilities.argmax(0)
    figure = panels.new_figure(16, 7.6)
    grid = figure.add_gridspec(2, 4, height_ratios=(128, 96))
    columns = (
        ("slice 20 of 48", drawn.image / np.percentile(drawn.image, 99.8)),
        ("classes", panels.CLASS_COLOURS[classes]),
        (
            f"{score.n_pred} cells found, PQ {score.panoptic_quality:.2f}",
            colours(prediction.labels),
        ),
        (f"{score.n_true} true cells", colours(drawn.labels)),
    )
    draw = partial(panels.show, cmap="gray", vmin=0, vmax=1)
    for column, (title, stack) in enumerate(columns):
        draw(figure.add_subplot(grid[0, column]), stack[DEPTH], title)
        draw(
            figure.add_subplot(grid[1, column]), stack[:, ROW], "along the depth", aspect=SPACING[0]
        )
    panels.class_legend(figure, classes=4)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

"""Intensities of background, cells and touching regions (thesis Figure 9)."""

from importlib import resources
from pathlib import Path

import numpy as np
import panels

from seamwise.analysis import class_histograms
from seamwise.io import read_image, read_labels
from seamwise.labels import CLASS_NAMES, semantic_target
from seamwise.synth import crowded_cells

SAMPLES = Path(str(resources.files("seamwise"))) / "samples"


def main(output=panels.DOCS):
    """Draw the figure."""
    drawn = crowded_cells((256, 320), cells=90, radius=13, border_dimming=0.35, rng=3)
    real = (
        read_image(SAMPLES / "nuclei.png").data,
        read_labels(SAMPLES / "nuclei-mask.tif"),
    )
    figure = panels.new_figure(14, 7.6)
    grid = figure.subplots(2, 3, width_ratios=(1, 1, 1.5))
    for row, (name, image, labels) in zip(
        grid, (("drawn cells", drawn.image, drawn.labels), ("nuclei", *real)), strict=True
    ):
        target = semantic_target(labels, classes=3)
        low, high = np.percentile(image, (1, 99.8))
        panels.show(row[0], image, name, cmap="gray", vmin=low, vmax=high)
        panels.show_target(row[1], target, "3 classes")
        histograms = class_histograms([(image, target)])
        show_curves(row[2], histograms)
    panels.class_legend(figure)
    return panels.save(figure, output, __file__)


def show_curves(axes, histograms):
    """Plot a curve for each class, and say how much each pair has in common."""
    middle = (histograms.edges[1:] + histograms.edges[:-1]) / 2
    for number, density in zip(histograms.classes, histograms.density, strict=True):
        axes.plot(middle, density, color=panels.CLASS_COLOURS[number], linewidth=2)
        axes.fill_between(middle, density, color=panels.CLASS_COLOURS[number], alpha=0.15)
    lines = [
        f"{CLASS_NAMES[one]} and {CLASS_NAMES[other]}: {share:.2f}"
        for (one, other), share in histograms.overlaps().items()
    ]
    text = "overlap\n" + "\n".join(lines)
    axes.text(0.98, 0.96, text, transform=axes.transAxes, ha="right", va="top")
    axes.set(xlabel="intensity: 0 is the 1st percentile, 1 the 99.8th", ylabel="share of the class")
    axes.set_ylim(0, 0.2)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main(**panels.options(__doc__))

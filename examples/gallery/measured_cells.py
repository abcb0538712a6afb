"""A table of cells: each nucleus in the colour of its brightness, and the plots of two columns."""

from importlib import resources
from pathlib import Path

import numpy as np
import panels

from seamwise.io import read_image, read_labels
from seamwise.measure import mark_positive, measure
from seamwise.segmentation import overlay

SAMPLES = Path(str(resources.files("seamwise"))) / "samples"
COLOURS = {False: "#5b7db1", True: "#d1495b"}


def main(output=panels.DOCS):
    """Draw the figure."""
    image, labels = (
        read_image(SAMPLES / "nuclei.png").data,
        read_labels(SAMPLES / "nuclei-mask.tif"),
    )
    cells, threshold = mark_positive(measure(image, labels), "ch0", by="mean_corrected")
    positive = cells["ch0_positive"]
    brightness = np.full(labels.max() + 1, np.nan)
    brightness[cells["id"]] = cells["ch0_mean_corrected"]

    figure = panels.new_figure(14, 7.6)
    first, second = figure.subplots(2, 3, height_ratios=(1.25, 1))[:, :3]
    panels.show(first[0], overlay(image, labels), f"{len(cells)} nuclei and their outlines")
    drawn = panels.show(first[1], brightness[labels], "ch0_mean_corrected", cmap="viridis")
    figure.colorbar(drawn, ax=first[1], fraction=0.046, pad=0.02)
    shown = np.array([[1, 1, 1], [0.36, 0.49, 0.69], [0.82, 0.29, 0.36]])
    kind = np.zeros(len(brightness), int)
    kind[cells["id"]] = 1 + positive
    panels.show(first[2], shown[kind[labels]], f"{positive.sum()} positive nuclei")
    second[0].hist(cells["area_px"], 20, color=COLOURS[False])
    second[0].set(xlabel="area_px", ylabel="cells")
    second[1].hist(cells["ch0_mean_corrected"], 20, color=COLOURS[False])
    second[1].axvline(threshold, color=COLOURS[True], label="Otsu's threshold")
    second[1].set(xlabel="ch0_mean_corrected", ylabel="cells")
    second[1].legend(frameon=False)
    for is_positive, colour in COLOURS.items():
        part = cells.select(positive == is_positive)
        second[2].scatter(part["area_px"], part["ch0_mean_corrected"], 14, color=colour)
    second[2].set(xlabel="area_px", ylabel="ch0_mean_corrected")
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

"""Cells as outlines for Fiji and QuPath, and back: the files of `export-labels`, drawn."""

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import panels

from seamwise.exchange import export_labels, import_labels, read_geojson, read_rois
from seamwise.io import read_image, read_labels, write_labels
from seamwise.segmentation import label_colours, segment, stretch

SAMPLE = Path(str(resources.files("seamwise"))) / "samples" / "nuclei.png"
AROUND = (slice(160, 208), slice(172, 236))  # rows and columns of the close-up


def exchanged(labels):
    """The outlines of both files, and the label image that is made from the GeoJSON file."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_labels(folder / "nuclei.tif", labels)
        for form in ("roi", "geojson"):
            list(export_labels(folder / "nuclei.tif", folder / form, form))
        rois, _ = read_rois(folder / "roi" / "nuclei_rois.zip")
        polygons, _ = read_geojson(folder / "geojson" / "nuclei.geojson")
        files = [folder / "geojson" / "nuclei.geojson"]
        list(import_labels(files, folder / "again", images=SAMPLE))
        return rois, polygons, read_labels(folder / "again" / "nuclei.tif")


def draw(axes, outlines, *, colour, marker="", numbers=False):
    """Draw every ring; corners lie between the pixels, whose middles matplotlib counts."""
    for outline in outlines:
        for ring in outline.rings:
            x, y = np.vstack([ring, ring[:1]]).T - 0.5
            axes.plot(x, y, color=colour, linewidth=1.2, marker=marker, markersize=3)
        if numbers:
            x, y = outline.rings[0].mean(0) - 0.5
            axes.text(x, y, outline.name, color=colour, ha="center", va="center", fontsize=8)


def main(output=panels.DOCS):
    """Draw the figure."""
    image = read_image(SAMPLE).data
    labels = segment(image, device="cpu", keep_probabilities=False).labels
    rois, polygons, again = exchanged(labels)
    colours = label_colours(int(labels.max()))

    figure = panels.new_figure(14, 4.6)
    whole, close, back = figure.subplots(1, 3)
    grey = stretch(image)
    panels.show(whole, grey, f"nuclei_rois.zip: {len(rois)} ROIs", cmap="gray")
    draw(whole, rois, colour="#ffe119", numbers=True)
    panels.show(close, grey, "nuclei.geojson, close up", cmap="gray")
    draw(close, polygons, colour="#3cd0ff", marker=".")
    rows, columns = AROUND
    close.set(xlim=(columns.start, columns.stop), ylim=(rows.stop, rows.start))
    differ = int((again != labels).sum())
    panels.show(back, colours[again], f"import-labels: {differ} of {labels.size:,} pixels differ")
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

"""Two thresholds that suit a network better than the arg max: what `seamwise tune` looks for.

Trains a small network with the loss W³ on drawn cells: a minute. The thresholds are chosen on 16
other scenes; the cells are those of one more scene, and the PQ that of eight. These chose nothing.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import panels
from probability_maps import scene, trained

from seamwise.io import read_image
from seamwise.metrics import match, match_dataset
from seamwise.segmentation import load, overlay, segment, tune
from seamwise.segmentation.choose import plot_surface

TUNED = range(8, 24)
SCORED = (7, *range(24, 31))


def cells_of(number, model, rule):
    """Return the cells that the network finds in a scene."""
    return segment(scene(number).image, model=model, decode=rule, keep_probabilities=False).labels


def main(output=panels.DOCS, quick=False):
    """Draw the figure."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = trained("w3", 2 if quick else 200, folder / "run")
        model = load(path, device="cpu", runtime="torch")
        tuning = tune([scene(number) for number in TUNED], model)
        plot_surface(folder / "surface.png", tuning)
        surface = np.moveaxis(read_image(folder / "surface.png").data, 0, -1)
    rules = {"arg max": "argmax", "the best pair": tuning.rule.with_name("threshold")}
    figure = panels.new_figure(15, 5.5)
    first, *others = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
    panels.show(first, surface, "seamwise tune --plot surface.png")
    for axes, (title, rule) in zip(others, rules.items(), strict=True):
        pairs = [(scene(number).labels, cells_of(number, model, rule)) for number in SCORED]
        pooled = match_dataset(pairs, ious=(0.5,)).pooled[0].panoptic_quality
        truth, labels = pairs[0]
        result = match(truth, labels)
        text = f"{title}: {result.tp} right, {result.fp} false, {result.fn} missed"
        panels.show(axes, overlay(scene(SCORED[0]).image, labels), text)
        axes.set_xlabel(f"PQ of {len(pairs)} new scenes {pooled:.2f}")
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__, quick=True))

"""Three networks that differ by their seed, and the model that `seamwise combine` makes of them.

Trains three small networks on drawn cells: two minutes. They see the same scenes in another order,
from other first weights.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import panels
from probability_maps import scene, trained

from seamwise.metrics import match
from seamwise.segmentation import combine, overlay, segment

SEEDS = (0, 1, 2)


def main(output=panels.DOCS, quick=False):
    """Draw the figure."""
    test = scene(7)
    with TemporaryDirectory() as name:
        folder = Path(name)
        models = {
            f"seed {seed}": trained("w3", 2 if quick else 150, folder / f"{seed}", seed=seed)
            for seed in SEEDS
        }
        combine(list(models.values()), folder / "combined.safetensors")
        models["combined"] = folder / "combined.safetensors"
        results = {
            title: segment(test.image, model=path, device="cpu") for title, path in models.items()
        }
    figure = panels.new_figure(14, 7)
    above, below = figure.subplots(2, len(results))
    for column, (title, prediction) in enumerate(results.items()):
        result = match(test.labels, prediction.labels)
        classes = np.moveaxis(prediction.probabilities, 0, -1) @ panels.CLASS_COLOURS[:3]
        panels.show(above[column], classes.clip(0, 1), title)
        text = f"{result.tp} right, {result.fp} false, {result.fn} missed"
        panels.show(below[column], overlay(test.image, prediction.labels), text)
    panels.class_legend(figure)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__, quick=True))

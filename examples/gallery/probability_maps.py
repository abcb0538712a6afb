"""Five losses on the same crops, thesis Figures 28 to 30: their probabilities and their cells.

Trains five small networks on synthetic cells, with the same first weights and the same crops: some
minutes. It shows how each loss draws seams; it is not a comparison of how good they are.
"""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import panels

from seamwise.io import NormalizationRule, make_folder
from seamwise.metrics import match
from seamwise.segmentation import (
    AnnotatedImage,
    TrainSettings,
    normalization,
    overlay,
    segment,
    stretch,
    train,
)
from seamwise.synth import Camera, crowded_cells

LOSSES = {"saw": "SAW", "w3": "W³", "unet": "UNET", "bwm": "BWM", "lsmax": "LSMAX"}


@cache
def scene(seed):
    """Draw crowded cells as an annotated image."""
    drawn = crowded_cells(
        (144, 144),
        cells=36,
        rng=seed,
        radius=11,
        cluster=20,
        border_dimming=0.4,
        camera=Camera(psf_sigma=1.6, photons=100),
    )
    image = drawn.image[np.newaxis].astype(np.float32)
    return AnnotatedImage(
        f"{seed}", normalization(image, NormalizationRule())(image), drawn.labels.astype(np.int32)
    )


def trained(loss, steps, folder, *, seed=0):
    """Train a network with the loss on six scenes; return its model file in the folder."""
    settings = TrainSettings(
        loss=loss,
        width=8,
        depth=3,
        crop=96,
        batch_size=4,
        steps=steps,
        validate_every=steps,
        optimizer="adamw",
        learning_rate=3e-3,
        schedule="cosine",
        average=0.95,
        seed=seed,
    )
    images = [scene(number) for number in range(6)]
    make_folder(folder)
    return train(images, [scene(6)], settings, output=Path(folder), device="cpu")


def main(output=panels.DOCS, quick=False):
    """Draw the figure."""
    test = scene(7)
    figure = panels.new_figure(16, 6.2)
    above, below = figure.subplots(2, 1 + len(LOSSES))
    panels.show(above[0], stretch(test.image[0]), "image", cmap="gray")
    panels.show(below[0], overlay(test.image, test.labels), f"{test.labels.max()} cells drawn")
    for column, (loss, title) in enumerate(LOSSES.items(), start=1):
        with tempfile.TemporaryDirectory() as folder:
            model = trained(loss, 2 if quick else 200, folder)
            prediction = segment(test.image, model=model, device="cpu")
        found = match(test.labels, prediction.labels)
        # background red, cell green, touching blue, as in the thesis
        panels.show(above[column], np.moveaxis(prediction.probabilities, 0, -1), title)
        panels.show(
            below[column],
            overlay(test.image, prediction.labels),
            f"{found.tp} right, {found.fp} false",
        )
    figure.supxlabel(
        "above: probability of background (red), cell (green), touching (blue) · "
        "below: cells by arg max"
    )
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__, quick=True))

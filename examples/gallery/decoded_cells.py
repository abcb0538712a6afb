"""One set of probabilities, decoded in three ways: what `seamwise decode` changes."""

from importlib import resources
from pathlib import Path

import numpy as np
import panels

from seamwise.io import DecodeRule, read_image, read_labels
from seamwise.metrics import match
from seamwise.segmentation import (
    as_channels,
    class_probabilities,
    decode_whole,
    load,
    overlay,
)

SAMPLES = Path(str(resources.files("seamwise"))) / "samples"
AROUND = (slice(140, 256), slice(110, 256))  # rows and columns that are shown


def main(output=panels.DOCS):
    """Draw the figure."""
    image = as_channels(read_image(SAMPLES / "nuclei.png"))
    truth = read_labels(SAMPLES / "nuclei-mask.tif")
    model = load("nuclei-2d", device="cpu", runtime="torch")
    maps = class_probabilities(image, model, guides=True)
    own = model.info.decode
    pair = {"touching": 0.1, "cell": 0.6}
    rules = {
        "relief, the rule of nuclei-2d": own,
        "arg max": own.model_copy(update={"rule": "argmax"}),
        "threshold 0.1, 0.6": DecodeRule(
            rule="threshold", threshold=pair, min_size=own.min_size, min_core=own.min_core
        ),
    }
    figure = panels.new_figure(15, 4.2)
    first, *others = figure.subplots(1, 1 + len(rules))
    classes = np.moveaxis(maps[:4], 0, -1) @ panels.CLASS_COLOURS
    panels.show(first, classes[AROUND].clip(0, 1), "probabilities of the classes")
    for axes, (name, rule) in zip(others, rules.items(), strict=True):
        labels = decode_whole(maps if rule.is_guided else maps[:4], rule)
        result = match(truth, labels)
        text = f"{name}\n{result.tp} right, {result.fp} false, {result.fn} missed"
        panels.show(axes, overlay(image[0][AROUND], labels[AROUND]), text)
    panels.class_legend(figure, classes=4)
    return panels.save(figure, output, __file__)


if __name__ == "__main__":
    main(**panels.options(__doc__))

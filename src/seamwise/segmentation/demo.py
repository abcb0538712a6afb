"""A first look: a real and a drawn image, segmented, scored and drawn; see `demo`."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path
from seamwise.io.images import read_image, read_labels, write_labels, write_png
from seamwise.labels import Labels
from seamwise.metrics import Matching, match
from seamwise.segmentation.overlay import label_colours, overlay, stretch
from seamwise.segmentation.predict import Prediction, load, segment
from seamwise.synth import crowded_cells

_SAMPLES = Path(str(resources.files("seamwise"))) / "samples"


@dataclass(frozen=True)
class Demo:
    """The scores of a real image and of a drawn one, and the files that were written."""

    real: Matching
    drawn: Matching
    files: tuple[Path, ...]


def demo(output: Path, *, model: str | Path = "nuclei-2d", seed: int = 7) -> Demo:
    """Segment a real image of nuclei and a drawn image of crowded cells, and score both.

    Writes ``image.png``, ``labels.tif``, ``overlay.png`` and ``demo.png`` of the real image to an
    existing folder, and ``drawn.png`` of the other.

    The real image is one of the 64 that no shipped model was trained on: see `samples/README.md`.
    """
    network = load(model)
    image = read_image(_SAMPLES / "nuclei.png").data
    truth = read_labels(_SAMPLES / "nuclei-mask.tif")
    names = ("image.png", "labels.tif", "overlay.png", "demo.png", "drawn.png")
    files = tuple(output / name for name in names)
    prediction = segment(image, model=network)
    write_png(files[0], image)  # as it is: whoever segments it finds the same cells
    write_labels(files[1], prediction.labels)
    write_png(files[2], overlay(image, prediction.labels))
    real = _draw(files[3], image, truth, prediction)
    scene = crowded_cells((320, 320), cells=60, rng=seed)
    drawn = _draw(files[4], scene.image, scene.labels, segment(scene.image, model=network))
    return Demo(real, drawn, files)


def _draw(path: Path, image: NDArray[Any], truth: Labels, prediction: Prediction) -> Matching:
    """Draw image, classes, cells and truth, and return the score."""
    from matplotlib.figure import Figure  # slow to import, needed only here

    matching = match(truth, prediction.labels)
    panels: list[tuple[str, NDArray[Any]]] = [
        ("image", np.repeat(stretch(image)[..., np.newaxis], 3, axis=2)),
        ("cell (green), touching (red), gap (blue)", _classes_as_colours(prediction)),
        (f"{prediction.labels.max()} cells found", overlay(image, prediction.labels)),
        (f"{truth.max()} cells in truth", label_colours(int(truth.max()))[truth]),
    ]
    figure = Figure(figsize=(16, 4.5), layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    figure.suptitle(
        f"at IoU ≥ 0.5: {matching.tp} correct, {matching.fp} false, {matching.fn} missed, "
        f"PQ {matching.panoptic_quality:.2f}"
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
    return matching


def _classes_as_colours(prediction: Prediction) -> NDArray[np.float32]:
    """Cell green, touching red, gap blue, each as bright as its probability."""
    assert prediction.probabilities is not None
    _, cell, touching, gap = prediction.probabilities
    return np.stack([touching, cell, gap], axis=-1)

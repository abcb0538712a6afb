"""A first look: an image of crowded cells, segmented, scored and drawn; see `demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path
from seamwise.io.images import write_labels, write_png
from seamwise.metrics import Matching, match
from seamwise.segmentation.overlay import colours, overlay, stretch
from seamwise.segmentation.predict import Model, Prediction, segment
from seamwise.synth import SyntheticImage, crowded_cells


@dataclass(frozen=True)
class Demo:
    """The scores of the demo, and the files that it wrote."""

    matching: Matching
    files: tuple[Path, ...]


def demo(output: Path, *, model: str | Path | Model = "nuclei-2d", seed: int = 7) -> Demo:
    """Draw an image of crowded cells, segment it, and score it against the exact labels.

    Writes ``image.png``, ``labels.tif``, ``overlay.png`` and ``demo.png`` to an existing folder.
    """
    scene = crowded_cells((320, 320), cells=60, rng=seed)
    prediction = segment(scene.image, model=model)
    matching = match(scene.labels, prediction.labels)
    files = tuple(output / name for name in ("image.png", "labels.tif", "overlay.png", "demo.png"))
    write_png(files[0], stretch(scene.image))
    write_labels(files[1], prediction.labels)
    write_png(files[2], overlay(scene.image, prediction.labels))
    _draw(files[3], scene, prediction, matching)
    return Demo(matching, files)


def _draw(path: Path, scene: SyntheticImage, prediction: Prediction, matching: Matching) -> None:
    from matplotlib.figure import Figure  # slow to import, needed only here

    panels: list[tuple[str, NDArray[Any]]] = [
        ("image", np.repeat(stretch(scene.image)[..., np.newaxis], 3, axis=2)),
        ("cell (green), touching (red), gap (blue)", _classes_as_colours(prediction)),
        (f"{prediction.labels.max()} cells found", overlay(scene.image, prediction.labels)),
        (f"{scene.labels.max()} cells in truth", colours(int(scene.labels.max()))[scene.labels]),
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


def _classes_as_colours(prediction: Prediction) -> NDArray[np.float32]:
    """Cell green, touching red, gap blue, each as bright as its probability."""
    assert prediction.probabilities is not None
    _, cell, touching, gap = prediction.probabilities
    return np.stack([touching, cell, gap], axis=-1)

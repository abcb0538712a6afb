"""Sample data: nuclei of a microscope, a drawn stack, a drawn focus burst. Needs no Qt."""

from dataclasses import replace
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from seamwise.io import read_image, read_labels
from seamwise.synth import CONFOCAL, draw_scene, drawn_picture, focus_burst
from seamwise.synth import nuclei as draw_nuclei

LayerData = tuple[Any, dict[str, Any], str]
_SAMPLES = files("seamwise") / "samples"


def nuclei() -> list[LayerData]:
    """Return a real image of nuclei, which no shipped model was trained on, and its annotation."""
    with as_file(_SAMPLES / "nuclei.png") as path:
        image = read_image(path).data
    with as_file(_SAMPLES / "nuclei-mask.tif") as path:
        labels = read_labels(path)
    return [
        (image, {"name": "nuclei"}, "image"),
        (labels, {"name": "annotation", "visible": False}, "labels"),
    ]


def drawn_stack() -> list[LayerData]:
    """Draw a small stack of nuclei with voxels of 1 × 0.5 × 0.5 µm, and its exact labels."""
    camera = replace(CONFOCAL, spacing=(2.0, 1.0, 1.0))
    drawn = draw_nuclei((24, 128, 128), cells=24, rng=4, camera=camera)
    place = {"scale": (1.0, 0.5, 0.5), "units": ("µm", "µm", "µm")}
    truth = {"name": "drawn cells", "visible": False, **place}
    return [
        (drawn.image, {"name": "drawn stack", **place}, "image"),
        (drawn.labels, truth, "labels"),
    ]


def drawn_burst() -> list[LayerData]:
    """Draw six pictures of a scene, focused from near to far."""
    scene = draw_scene((360, 480), _texture, surfaces=0, hairs=0, rng=3)
    burst = focus_burst(scene, np.linspace(0, 1, 6).tolist(), blur=9)
    frames = [np.round(255 * frame).astype(np.uint8) for frame in burst.frames]
    return [(np.stack(frames), {"name": "drawn burst", "rgb": True}, "image")]


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Any:
    return drawn_picture(shape, rng=rng)

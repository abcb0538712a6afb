"""Pictures like those of the thesis' chapters 3 to 5, on made-up cells: docs/thesis-gallery.md.

python reproduction/segmentation/gallery.py [-o docs/images/thesis] [--runs runs/gallery] [--quick]

The thesis' T-cells are not public. Small networks (width 8) are trained for 200 steps on six
made-up scenes, one for each loss, from the same first weights and on the same crops, and kept in
--runs. The pictures show what to look for. They do not compare how good the losses are. Each file
holds, as a text, its titles and what it was drawn from: so a picture of an earlier state is seen.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy import ndimage

from seamwise import __version__
from seamwise.io import DecodeRule, NormalizationRule, Provenance
from seamwise.labels import semantic_target
from seamwise.metrics import match
from seamwise.segmentation import (
    AnnotatedImage,
    TrainSettings,
    as_model_input,
    class_probabilities,
    decode_whole,
    load,
    normalization,
    overlay,
    stretch,
    train,
)
from seamwise.segmentation.choose import combine, tune, with_pair
from seamwise.synth import Camera, crowded_cells, degrade_annotation
from study import HERE, command

OUTPUT = HERE.parents[1] / "docs" / "images" / "thesis"
SCENES, TUNED_ON = range(6), range(6, 8)
TESTS = (8, 9, 10, 11)
CLASSES = ("background", "cell", "touching")
COMBINED = ("bwm", "unet", "w3")
TITLES = {
    "unet2": "UNET2", "unet3": "UNET3", "fl": "FL", "dwm": "DWM", "saw": "SAW", "lsmax": "LSMAX",
    "bwm": "BWM", "unet": "UNET", "w3": "W³", "comb": "COMB", "j3": "J3", "j4": "J4", "dsc": "Dice",
}  # fmt: skip
HALF, SMALLER = "half-of-the-cells", "2-pixels-smaller"  # poor annotations
POOR = {HALF: {"drop": 0.5}, SMALLER: {"erode": 2}}
STEPS = 200
RECORD = "seamwise"  # the name of the text in a file

Picture = NDArray[Any]


@cache
def scene(seed: int, *, radius: float = 11, dimming: float = 0.4) -> AnnotatedImage:
    """Draw crowded cells."""
    drawn = crowded_cells(
        (144, 144), cells=36, rng=seed, radius=radius, cluster=20, border_dimming=dimming,
        camera=Camera(psf_sigma=1.6, photons=100),
    )  # fmt: skip
    image = drawn.image[np.newaxis].astype(np.float32)
    labels = drawn.labels.astype(np.int32)
    return AnnotatedImage(f"{seed}", normalization(image, NormalizationRule())(image), labels)


def poor(image: AnnotatedImage, damage: str) -> AnnotatedImage:
    """Return an image with poor annotations."""
    return replace(image, labels=degrade_annotation(image.labels, rng=0, **POOR[damage]))


def settings(loss: str, steps: int) -> TrainSettings:
    """Return the settings of a network."""
    return TrainSettings(
        loss=loss, width=8, depth=3, crop=96, batch_size=4, steps=steps, validate_every=steps,
        optimizer="adamw", learning_rate=3e-3, schedule="cosine", average=0.95,
    )  # fmt: skip


def provenance(steps: int = STEPS) -> Provenance:
    """Return what the pictures depend on: the settings of all networks, and the scenes."""
    options = {name: v for name, v in asdict(settings("j4", steps)).items() if name != "loss"}
    scenes = [scene(number) for number in (*SCENES, *TUNED_ON, *TESTS)]
    return Provenance(
        {
            "version": __version__,
            "settings": options,
            "poor": POOR,
            "cells": [int(image.labels.max()) for image in scenes],
            "covered": [round(float((image.labels > 0).mean()), 2) for image in scenes],
            "intensity": [round(float(image.image.mean()), 2) for image in scenes],
        }
    )


@dataclass(frozen=True)
class Networks:
    """Small networks, trained when they are first asked for."""

    folder: Path
    steps: int

    def model(self, loss: str, damage: str = "") -> Path:
        """Return the file of a network, trained if it is missing."""
        options = settings("ce3" if loss == "comb" else loss, self.steps)
        name = "-".join(part for part in (loss, damage, key_of(options)) if part)
        model = self.folder / name / "model.safetensors"
        if model.exists():
            return model
        model.parent.mkdir(parents=True, exist_ok=True)
        if loss == "comb":
            combine([self.model(member) for member in COMBINED], model)
            return model
        images = [scene(number) for number in SCENES]
        if damage:
            images = [poor(image, damage) for image in images]
        print(f"training {name}", flush=True)
        return train(
            images, [scene(TUNED_ON[0])], options, output=model.parent, device="cpu",
            resume=(model.parent / "checkpoint.pt").exists(),
        )  # fmt: skip


def key_of(options: TrainSettings) -> str:
    """Name settings, so that networks of other settings are not taken."""
    return hashlib.sha256(repr(options).encode()).hexdigest()[:8]


def maps(image: AnnotatedImage, path: Path) -> Picture:
    """Return the probabilities of the classes by the network of a file."""
    model = load(path, device="cpu")
    return class_probabilities(as_model_input(image.image, model.info), model)


@cache
def tuned_rule(path: Path, kind: Literal["threshold", "watershed"]) -> DecodeRule:
    """Return the best pair of thresholds of a network on scenes of their own."""
    model = load(path, device="cpu")
    best = tune([scene(number) for number in TUNED_ON], model, decode=kind).best
    return with_pair(model.info.decode, kind, best.thresholds)


def cells(image: AnnotatedImage, path: Path, decode: str = "MAP") -> Picture:
    """Return the cells by arg max, or by tuned thresholds (TH) or a tuned watershed (WT)."""
    model = load(path, device="cpu")
    match decode:
        case "TH":
            rule = tuned_rule(path, "threshold")
        case "WT":
            rule = tuned_rule(path, "watershed")
        case _:
            rule = model.info.decode
    return decode_whole(maps(image, path), rule)


def in_colour(probabilities: Picture) -> Picture:
    """Background red, cell green, touching blue as in the thesis; the fourth class, gap, white."""
    colours = probabilities[:3] + probabilities[3:].sum(axis=0)
    return np.moveaxis(np.clip(colours, 0, 1), 0, -1)


def show(axes: Axes, picture: Picture, title: str = "") -> None:
    """Show a picture without axes."""
    axes.imshow(picture, cmap="gray", interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def show_cells(axes: Axes, image: AnnotatedImage, labels: Picture, title: str) -> None:
    """Show outlines, with how many are right."""
    matching = match(image.labels, labels)
    show(axes, overlay(image.image, labels), f"{title}: {matching.tp} right, {matching.fp} false")


def show_truth(axes: Axes, image: AnnotatedImage) -> None:
    """Show the true outlines."""
    show(axes, overlay(image.image, image.labels), f"truth, {image.labels.max()} cells")


def show_image(axes: Axes, image: AnnotatedImage, title: str = "image") -> None:
    """Show the intensities."""
    show(axes, stretch(image.image[0]), title)


def grid(rows: int, columns: int) -> tuple[Figure, NDArray[Any]]:
    """Return a figure and its panels."""
    figure = Figure(figsize=(2.3 * columns, 2.55 * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def maps_and_cells(
    networks: Networks, losses: Sequence[str], *, decode: str = "MAP", damage: str = ""
) -> Figure:
    """Draw image and truth, and for each loss probabilities above its cells."""
    image = scene(TESTS[0])
    figure, panels = grid(2, 1 + len(losses))
    show_image(panels[0, 0], image)
    show_truth(panels[1, 0], image)
    for (above, below), loss in zip(panels[:, 1:].T, losses, strict=True):
        model = networks.model(loss, damage)
        show(above, in_colour(maps(image, model)), TITLES[loss])
        show_cells(below, image, cells(image, model, decode), decode)
    return figure


def on_scenes(
    networks: Networks, losses: Sequence[str], *, decode: str = "MAP", damage: str = ""
) -> Figure:
    """Draw the cells of each loss on four scenes, a row for each."""
    figure, panels = grid(len(TESTS), 1 + len(losses))
    for row, number in zip(panels, TESTS, strict=True):
        image = scene(number)
        show_truth(row[0], image)
        for panel, loss in zip(row[1:], losses, strict=True):
            labels = cells(image, networks.model(loss, damage), decode)
            show_cells(panel, image, labels, f"{TITLES[loss]}, {decode}")
    return figure


def fig17(networks: Networks) -> Figure:
    """Contours of the five systems of chapter 3, by thresholds."""
    return on_scenes(networks, ("unet2", "unet3", "fl", "dwm", "saw"), decode="TH")


def fig18(networks: Networks) -> Figure:
    """Image, annotation, probabilities and cells of DWM."""
    image, model = scene(TESTS[1]), networks.model("dwm")
    figure, panels = grid(1, 4)
    show_image(panels[0, 0], image)
    show_truth(panels[0, 1], image)
    show(panels[0, 2], in_colour(maps(image, model)), "DWM: probabilities")
    show_cells(panels[0, 3], image, cells(image, model, "TH"), "TH")
    return figure


def fig20(networks: Networks) -> Figure:
    """Poor annotations, and what a network learns from them."""
    training, image = scene(SCENES[0]), scene(TESTS[0])
    figure, panels = grid(2, 4)
    for row, damage in zip(panels, POOR, strict=True):
        labels = poor(training, damage).labels
        show(row[0], overlay(training.image, training.labels), "a training image, whole")
        show(row[1], overlay(training.image, labels), f"annotated: {damage.replace('-', ' ')}")
        show_truth(row[2], image)
        show_cells(row[3], image, cells(image, networks.model("j4", damage)), "J4 from these")
    return figure


def fig25(networks: Networks) -> Figure:
    """Probabilities of BWM class by class, and cells by arg max and by watershed."""
    image, model = scene(TESTS[0]), networks.model("bwm")
    probabilities = maps(image, model)
    figure, panels = grid(2, 4)
    show_image(panels[0, 0], image)
    show(panels[0, 1], in_colour(probabilities), "BWM: probabilities")
    show_cells(panels[0, 2], image, cells(image, model), "MAP")
    show_cells(panels[0, 3], image, cells(image, model, "WT"), "WT")
    show_truth(panels[1, 0], image)
    for panel, name, values in zip(panels[1, 1:], CLASSES, probabilities, strict=True):
        show(panel, values, f"probability of {name}")
    return figure


def fig27(networks: Networks) -> Figure:
    """The systems of chapter 4, by watershed."""
    return maps_and_cells(networks, ("lsmax", "bwm", "unet", "w3", "comb"), decode="WT")


def fig28(networks: Networks) -> Figure:
    """W³ on cells that are larger than, and of another kind than, those of the training."""
    others = {
        "as in training": scene(TESTS[0]),
        "larger": scene(TESTS[1], radius=16),
        "smaller": scene(TESTS[1], radius=7),
        "no dark seams": scene(TESTS[0], dimming=0.0),
    }
    figure, panels = grid(2, len(others))
    model = networks.model("w3")
    for (above, below), (name, image) in zip(panels.T, others.items(), strict=True):
        show_image(above, image, name)
        show_cells(below, image, cells(image, model, "WT"), "W³, WT")
    return figure


def fig29(networks: Networks) -> Figure:
    """The ideal map, and those of SAW and W³."""
    image = scene(TESTS[1])
    ideal = np.eye(3)[semantic_target(image.labels, classes=3, touching_radius=2)]
    figure, panels = grid(2, 3)
    show(panels[0, 0], ideal, "ideal map")
    show_truth(panels[1, 0], image)
    for (above, below), loss in zip(panels[:, 1:].T, ("saw", "w3"), strict=True):
        model = networks.model(loss)
        show(above, in_colour(maps(image, model)), TITLES[loss])
        show_cells(below, image, cells(image, model, "WT"), "WT")
    return figure


def fig30(networks: Networks) -> Figure:
    """Confusion between the classes, by arg max."""
    return maps_and_cells(networks, ("lsmax", "unet", "bwm", "w3"))


def fig31(networks: Networks) -> Figure:
    """W³ from half of the cells and from all, on four scenes."""
    figure, panels = grid(len(TESTS), 3)
    for row, number in zip(panels, TESTS, strict=True):
        image = scene(number)
        show_truth(row[0], image)
        half, whole = networks.model("w3", HALF), networks.model("w3")
        show_cells(row[1], image, cells(image, half, "WT"), "from half, WT")
        show_cells(row[2], image, cells(image, whole, "WT"), "from all, WT")
    return figure


def fig36(networks: Networks) -> Figure:
    """J3 and J4 on kinds of images that they have and have not seen."""
    kinds = {
        "as in training": scene(TESTS[0]),
        "larger": scene(TESTS[1], radius=16),
        "no dark seams": scene(TESTS[0], dimming=0.0),
        "blurred": replace(blurred := scene(TESTS[1]), image=smooth(blurred.image)),
    }
    figure, panels = grid(len(kinds), 5)
    for row, (name, image) in zip(panels, kinds.items(), strict=True):
        show_image(row[0], image, name)
        for pair, loss in ((row[1:3], "j3"), (row[3:5], "j4")):
            model = networks.model(loss)
            show(pair[0], in_colour(maps(image, model)), TITLES[loss])
            show_cells(pair[1], image, cells(image, model), "MAP")
    return figure


def smooth(image: Picture) -> Picture:
    """Blur an image by two pixels."""
    blurred: Picture = ndimage.gaussian_filter(image, (0, 2, 2))
    return blurred


def fig39(networks: Networks) -> Figure:
    """J3, J4 and Dice trained on half of the cells, on four scenes."""
    return on_scenes(networks, ("j3", "j4", "dsc"), damage=HALF)


FIGURES: Mapping[str, Callable[[Networks], Figure]] = {
    figure.__name__: figure
    for figure in (
        fig17, fig18, fig20, fig25, fig27, fig28, fig29, fig30, fig31, fig36, fig39,
    )
}  # fmt: skip


def record_of(figure: Figure, made_from: Provenance) -> str:
    """Write what a picture was drawn from, and the titles of its panels, as JSON."""
    titles = [axes.get_title() for axes in figure.axes]
    return json.dumps({"made_by": made_from.record(), "titles": titles})


def read_record(path: Path) -> dict[str, Any]:
    """Read what `record_of` wrote into a picture; {} for a file without it."""
    with Image.open(path) as picture:
        return dict(json.loads(picture.info.get(RECORD, "{}")))


def save(figure: Figure, path: Path, made_from: Provenance) -> None:
    """Write a picture of 256 colours, which is less than half as large, with its record."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=80)
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    text = PngInfo()
    text.add_text(RECORD, record_of(figure, made_from))
    picture.save(path, optimize=True, pnginfo=text)
    print(path, flush=True)


def main() -> None:
    """Train what is missing, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--runs", type=Path, default=Path("runs/gallery"))
    parser.add_argument("--figures", nargs="+", default=list(FIGURES), choices=list(FIGURES))
    parser.add_argument("--quick", action="store_true", help="one step, into quick/: does it run?")
    arguments = parser.parse_args()
    output = arguments.output / "quick" if arguments.quick else arguments.output
    output.mkdir(parents=True, exist_ok=True)
    networks = Networks(arguments.runs, 1 if arguments.quick else STEPS)
    made_from = provenance(networks.steps)
    for name in arguments.figures:
        save(FIGURES[name](networks), output / f"{name}.png", made_from)


if __name__ == "__main__":
    command(main)

"""Does it help to enhance a noisy stack before segmentation? The thesis' Figures 38 and 40.

python reproduction/segmentation/fig38_40.py [-o reproduction/segmentation/results] [--quick]

The thesis' stacks of meristems are not public: made-up tissue with stained walls instead, with few
photons, segmented by walls-3d as it is and after each filter. Counts how many cells are found at
IoU 0.5. Writes fig38_40-tissue.json and fig38_40.png, where the cells of one stack are seen in
its middle slice and from the side.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from gallery import RECORD, record_of
from seamwise.analysis import Claim, markdown_table, verdict_table
from seamwise.io import Provenance, SegmentationInfo, file_sha256, model_path, read_json, write_json
from seamwise.metrics import match
from seamwise.segmentation import SegmentOptions, segment_image
from seamwise.synth import CONFOCAL, SyntheticImage, tissue
from study import HERE, command
from units import Units

MODEL = "walls-3d"
NAME, SCENE = "fig38_40", "tissue"
SHAPE, CELL_SIZE, SPACING = (32, 96, 96), 20.0, (2.0, 1.0, 1.0)
STACKS = 8
PHOTONS = {"clear": 100.0, "noisy": 2.0}
AS_IT_IS = "as it is"

Stack = NDArray[Any]
ENHANCEMENTS: dict[str, Callable[[Stack], Stack]] = {
    AS_IT_IS: lambda image: image,
    "Gaussian, σ 1": lambda image: ndimage.gaussian_filter(image, (0.5, 1, 1)),
    "median of 3": lambda image: ndimage.median_filter(image, 3),
}

TITLES = {
    AS_IT_IS: "no filter, middle slice",
    "Gaussian, σ 1": "Gaussian, σ 1 unit",
    "median of 3": "median of 3 × 3 × 3 voxels",
}


def draw_stack(number: int, photons: float) -> SyntheticImage:
    """Draw tissue; a number has the same cells at every noise."""
    camera = replace(CONFOCAL, spacing=SPACING, photons=photons)
    return tissue(SHAPE, rng=700 + number, cell_size=CELL_SIZE, camera=camera)


def find_cells(image: Stack) -> Stack:
    """Return the cells that the model finds."""
    return segment_image(image, SegmentOptions(model=MODEL, spacing=SPACING)).labels


def measure(stacks: int) -> dict[str, dict[str, list[float]]]:
    """Return counts of each stack, by noise and enhancement, as `Units` reads them."""
    units: dict[str, dict[str, list[float]]] = {}
    for noise, photons in PHOTONS.items():
        for number in range(stacks):
            drawn = draw_stack(number, photons)
            for name, enhance in ENHANCEMENTS.items():
                matching = match(drawn.labels, find_cells(enhance(drawn.image)))
                unit = units.setdefault(f"{noise}/{name}/0", {})
                counts = {"n_true": matching.n_true, "n_pred": matching.n_pred, "tp": matching.tp}
                counts["iou"] = round(matching.mean_matched_score * matching.tp, 4)
                for key, value in counts.items():
                    unit.setdefault(key, []).append(value)
        print(f"{noise} done", flush=True)
    return units


def table(units: Units) -> str:
    """Write recall and PQ, means over the stacks."""
    lines = []
    for noise in PHOTONS:
        for name in ENHANCEMENTS:
            loss = f"{noise}/{name}"
            (unit,) = units.of(loss)
            n_found, n_true = int(sum(unit["tp"])), int(sum(unit["n_true"]))
            quality = units.cell(loss, metric="PQ")
            lines.append(
                [f"{noise}, {name}", f"{n_found} of {n_true}", f"{n_found / n_true:.2f}", quality]
            )
    return markdown_table(["", "cells found", "share", "PQ"], lines)


def claims(units: Units) -> list[Claim]:
    """Judge each filter on noisy stacks."""
    own = f"noisy/{AS_IT_IS}"
    filters = [name for name in ENHANCEMENTS if name != AS_IT_IS]
    return [units.above(f"{name} helps in noise", (f"noisy/{name}",), (own,)) for name in filters]


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report; its picture is drawn by `main`."""
    units = Units.read(results, NAME, SCENE)
    if not units.content:
        return ""
    picture = f"![a noisy stack, enhanced, and the cells found in it](images/thesis/{NAME}.png)"
    return f"{table(units)}\n{verdict_table(claims(units))}\n{picture}\n"


def draw(path: Path, made_from: Provenance) -> None:
    """Draw a noisy stack and its cells before and after, in a middle slice and from the side."""
    drawn = draw_stack(0, PHOTONS["noisy"])
    figure = Figure(figsize=(13, 3.2 * len(ENHANCEMENTS)), layout="constrained")
    panels = figure.subplots(len(ENHANCEMENTS), 4)
    colours = np.random.default_rng(3).uniform(0.25, 1, (1000, 3))
    colours[0] = 0
    middle, row = SHAPE[0] // 2, SHAPE[1] // 2
    for line, (name, enhance) in zip(panels, ENHANCEMENTS.items(), strict=True):
        image = enhance(drawn.image)
        labels = find_cells(image)
        matching = match(drawn.labels, labels)
        bright = float(np.percentile(image, 99.8))
        line[0].imshow(image[middle], cmap="gray", vmax=bright)
        line[0].set_title(TITLES[name])
        line[1].imshow(image[:, row], cmap="gray", vmax=bright, aspect=SPACING[0])
        line[1].set_title("the same, from the side")
        line[2].imshow(colours[labels[middle]])
        line[2].set_title(f"in the whole stack {matching.tp} of {matching.n_true} found")
        line[3].imshow(colours[labels[:, row]], aspect=SPACING[0])
        line[3].set_title("the same, from the side")
    for panel in panels.flat:
        panel.set_axis_off()
    figure.savefig(path, dpi=80, metadata={RECORD: record_of(figure, made_from)})


def provenance(stacks: int) -> Provenance:
    """Return what the counts depend on."""
    model = file_sha256(model_path(MODEL, SegmentationInfo))
    drawn = {"shape": SHAPE, "cell_size": CELL_SIZE, "spacing": SPACING, "photons": PHOTONS}
    return Provenance(
        {"model_sha256": model, "stacks": stacks, "enhancements": list(ENHANCEMENTS), **drawn}
    )


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results")
    parser.add_argument("--pictures", type=Path, default=HERE.parents[1] / "docs/images/thesis")
    parser.add_argument("--quick", action="store_true", help="one stack, into quick/: does it run?")
    arguments = parser.parse_args()
    output, pictures = arguments.output, arguments.pictures
    if arguments.quick:
        output, pictures = output / "quick", output / "quick"
    for folder in (output, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    stacks = 1 if arguments.quick else STACKS
    path, made_from = output / f"{NAME}-{SCENE}.json", provenance(stacks)
    if path.exists() and (difference := made_from.difference(read_json(path).get("made_by", {}))):
        raise ValueError(f"{path} was {difference}: it is kept, give another folder with -o")
    units = measure(stacks)
    write_json(path, {"made_by": made_from.record(), "units": units})
    draw(pictures / f"{NAME}.png", made_from)
    print(table(Units(units)))


if __name__ == "__main__":
    command(main)

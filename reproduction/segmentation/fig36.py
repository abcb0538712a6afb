"""J3 and J4 on the Cell Tracking Challenge's HeLa cells: the thesis' Figure 36 and Table 7.

python reproduction/segmentation/fig36.py CTC [--sets dic_hela hela] [--quick]

CTC is a folder that holds DIC-C2DH-HeLa or Fluo-N2DL-HeLa as they are downloaded from
https://celltrackingchallenge.net/2d-datasets (training data: 01, 01_GT, 02, 02_GT). Series 01
trains, series 02 is scored. Writes instances-….json, fig36.md, and fig36-….png: image,
probabilities and cells of the first test frame.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import measures
from gallery import in_colour
from seamwise.analysis import markdown_table
from seamwise.segmentation import as_model_input, class_probabilities, overlay, stretch
from study import HERE, Study, command, merge, read_protocol
from units import Units

LOSSES = {"J3": "j3", "J4": "j4"}
METRICS = ("RQ", "SQ", "PQ")
PRINTED = {"dic_hela": {"J3": (0.8950, 0.8547, 0.7633), "J4": (0.8884, 0.8833, 0.7841)}}
SETS: dict[str, dict[str, Any]] = {
    "dic_hela": {
        "folder": "DIC-C2DH-HeLa",
        "test_series": "02",
        "validation_every": 4,
        "training": {"steps": 600, "batch_size": 4, "crop": 256, "min_size": 200},
    },
    "hela": {
        "folder": "Fluo-N2DL-HeLa",
        "test_series": "02",
        "validation_every": 4,
        "training": {"steps": 600, "batch_size": 4, "crop": 256, "min_size": 20},
    },
}
QUICK = {"most": {"training": 2, "validation": 1, "test": 2},
         "training": {"steps": 2, "batch_size": 1, "crop": 64}}  # fmt: skip


def study_of(arguments: argparse.Namespace) -> Study:
    """Return the study's protocol with the two sets in it."""
    protocol = merge(read_protocol(), {"sets": SETS})
    output, runs = arguments.output, arguments.runs
    if arguments.quick:
        sets = dict.fromkeys(SETS, QUICK)
        protocol = merge(merge(protocol, protocol["quick"]), {"sets": sets})
        output, runs = output / "quick", runs / "quick"
    for folder in (output, runs):
        folder.mkdir(parents=True, exist_ok=True)
    return Study(protocol, arguments.data, runs, output, arguments.device)


def draw(study: Study, name: str, path: Path) -> None:
    """Draw the first test frame: image, and probabilities and cells of each loss."""
    image = study.data_set(name).test[0]
    figure = Figure(figsize=(15, 6.4), layout="constrained")
    panels = figure.subplots(2, 1 + len(LOSSES))
    panels[0, 0].imshow(stretch(image.image[0]), cmap="gray")
    panels[1, 0].imshow(overlay(image.image, image.labels))
    panels[0, 0].set_title(f"{name}, {image.name}")
    panels[1, 0].set_title("annotated")
    for column, (title, loss) in enumerate(LOSSES.items(), start=1):
        model = measures.network(study, name, loss, 0)
        probabilities = class_probabilities(as_model_input(image.image, model.info), model)
        labels = measures.cells(image, model, {"MAP": model.info.decode})["MAP"]
        panels[0, column].imshow(in_colour(probabilities))
        panels[1, column].imshow(overlay(image.image, labels))
        panels[0, column].set_title(f"{title}: probabilities")
        panels[1, column].set_title(f"{title}: cells by arg max")
    for panel in panels.flat:
        panel.set_axis_off()
    figure.savefig(path, dpi=80)


def table(results: Path, names: Sequence[str]) -> str:
    """Write RQ, SQ and PQ by arg max, next to the thesis' numbers."""
    lines = []
    for name in names:
        units = Units.read(results, "instances", name)
        for title, loss in LOSSES.items():
            cells = [units.cell(loss, "MAP", metric=metric) for metric in METRICS]
            lines.append([f"{title} on {name}", *cells])
            if name in PRINTED:
                lines.append(["thesis", *(f"{value:.3f}" for value in PRINTED[name][title])])
    return markdown_table(["by arg max", *METRICS], lines)


def main() -> None:
    """Train, score, write and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduction"))
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="two steps, into quick/: does it run?")
    arguments = parser.parse_args()
    study = study_of(arguments)
    for name in arguments.sets:
        for loss in LOSSES.values():
            measures.instances(study, name, loss, 0)
        draw(study, name, study.results / f"fig36-{name}.png")
    text = table(study.results, arguments.sets)
    (study.results / "fig36.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    command(main)

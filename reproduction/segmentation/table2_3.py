"""Contours and detection of chapter 3's systems: the thesis' Tables 2 and 3.

python reproduction/segmentation/table2_3.py ../shared/data [--sets usiigaci] [--seeds 0] [--quick]

Thresholded maps, the pair of thresholds tuned on validation images; contour F1 by radius, and
precision, recall and F1 of cells at IoU 0.5, on some training images and on the test images. The
same run measures the fields of view of Figure 15 (fig15.py). --lines trains on masks as chapter 3
has them, black and white with lines of background between the cells (Algorithm 1); what is scored
is the same.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

from scipy import ndimage

import measures
from seamwise.analysis import (
    Claim,
    bold_columns,
    spread_text,
    table_with_reference,
    verdict_table,
)
from seamwise.labels import connected_components
from seamwise.segmentation import AnnotatedImage
from study import DataSet, Study, Variant, command
from units import CONTOURS, RADII, Units, per_data_set, pooled

SETS = ("usiigaci", "dsb2018")
SYSTEMS = {"UNET2": "unet2", "UNET3": "unet", "FL": "fl", "DWM": "dwm", "SAW": "saw"}

PARTS = {"training": "training", "testing": "1.0X"}
PRINTED_F1 = {  # radii 2 to 7
    "training": {
        "UNET2": (0.7995, 0.8762, 0.8936, 0.9053, 0.9109, 0.9137),
        "UNET3": (0.7997, 0.8896, 0.9087, 0.9244, 0.9320, 0.9356),
        "FL": (0.7559, 0.8557, 0.8821, 0.9007, 0.9087, 0.9125),
        "DWM": (0.8285, 0.9139, 0.9333, 0.9484, 0.9546, 0.9578),
        "SAW": (0.8392, 0.9183, 0.9353, 0.9485, 0.9544, 0.9573),
    },
    "testing": {
        "UNET2": (0.6158, 0.7116, 0.7368, 0.7627, 0.7721, 0.7828),
        "UNET3": (0.6529, 0.7505, 0.7770, 0.8021, 0.8158, 0.8238),
        "FL": (0.5434, 0.6566, 0.6958, 0.7263, 0.7414, 0.7505),
        "DWM": (0.6749, 0.7847, 0.8156, 0.8398, 0.8531, 0.8604),
        "SAW": (0.7332, 0.8298, 0.8499, 0.8699, 0.8800, 0.8860),
    },
}
PRINTED_DETECTION = {  # precision, recall, F1
    "training": {
        "UNET2": (0.6506, 0.4187, 0.5096),
        "UNET3": (0.7553, 0.6457, 0.6962),
        "FL": (0.7276, 0.4076, 0.5225),
        "DWM": (0.8514, 0.7191, 0.7797),
        "SAW": (0.8218, 0.8567, 0.8389),
    },
    "testing": {
        "UNET2": (0.5546, 0.2311, 0.3262),
        "UNET3": (0.7013, 0.3717, 0.4858),
        "FL": (0.6076, 0.2071, 0.3089),
        "DWM": (0.7046, 0.5195, 0.5980),
        "SAW": (0.8113, 0.6713, 0.7347),
    },
}
LINES = "lines"  # before the losses in the names of measurements
ORDER = ("SAW", "DWM", "UNET3", "UNET2", "FL")  # on the testing set, by contours and by cells


def with_lines(image: AnnotatedImage) -> AnnotatedImage:
    """Return an image with the mask of chapter 3: pieces between lines of background.

    A line is as wide as a pixel, on the side of the cell with the lower number.
    """
    labels = image.labels
    is_line = ndimage.maximum_filter(labels, 3) > labels
    pieces = connected_components((labels > 0) & ~is_line)
    return replace(image, name=f"{image.name}-{LINES}", labels=pieces)


def black_and_white(data: DataSet) -> Variant:
    """Return networks that learn from masks with lines; thresholds and scores use the cells."""
    training = tuple(map(with_lines, data.training))
    return Variant("instances", LINES, {"annotation": "binary"}, training)


def contour_table(units: Units, images: str) -> str:
    """Write Table 2, our row and the thesis'; its radii begin at 2, ours at 1."""
    systems = {name: loss for name, loss in SYSTEMS.items() if units.of(loss)}

    def column(metric: str) -> list[str]:
        return [units.cell(loss, PARTS[images], metric=metric) for loss in systems.values()]

    columns = [column(f1) for f1 in CONTOURS[1:]]
    head = [f"{images}, radius", *(str(radius) for radius in RADII[1:])]
    return table_with_reference(head, bold_columns(systems, columns), PRINTED_F1[images])


def detection_table(units: Units, images: str) -> str:
    """Write Table 3, our row and the thesis', pooled: its F1 follows from precision and recall."""
    systems = {name: loss for name, loss in SYSTEMS.items() if units.of(loss)}

    def cell(loss: str, metric: str) -> str:
        return spread_text([pooled(unit[PARTS[images]], metric) for unit in units.of(loss)])

    def column(metric: str) -> list[str]:
        return [cell(loss, metric) for loss in systems.values()]

    columns = [column(metric) for metric in ("P05", "recall", "RQ")]
    head = [images, "precision", "recall", "F1"]
    return table_with_reference(head, bold_columns(systems, columns), PRINTED_DETECTION[images])


def claims(units: Units) -> list[Claim]:
    """Judge the order of the systems on the test images, by contours and by cells."""
    part = PARTS["testing"]
    return [
        units.above(
            f"{better} > {worse}, {words}",
            (SYSTEMS[better], part),
            (SYSTEMS[worse], part),
            metric=metric,
        )
        for better, worse in pairwise(ORDER)
        for words, metric in (
            ("contours at radius 2", "F1@2"),
            ("contours at radius 7", "F1@7"),
            ("cells", "RQ"),
        )
    ]


def masks_claims(units: Units) -> list[Claim]:
    """Judge whether numbered cells teach more than lines between them do."""
    part = PARTS["testing"]
    return [
        units.above(
            f"(not in the thesis) numbered cells > lines, {name}, {words}",
            (loss, part),
            (f"{LINES}/{loss}", part),
            metric=metric,
        )
        for name, loss in SYSTEMS.items()
        for words, metric in (("contours at radius 2", "F1@2"), ("cells", "RQ"))
    ]


def part(name: str, units: Units) -> Iterable[str]:
    """Write tables and verdicts of a data set, by the numbered cells and by masks with lines."""

    def tables(those: Units) -> Iterable[str]:
        return (make(those, part) for make in (contour_table, detection_table) for part in PARTS)

    yield from tables(units)
    yield verdict_table(claims(units))
    lines = units.under(LINES)
    if lines.content:
        yield f"**{name}, black-and-white masks with lines (Algorithm 1)**"
        yield from tables(lines)
        yield verdict_table(claims(lines), masks_claims(units))


def section(results: Path, pictures: Path) -> str:
    """Write the part of the report."""
    return per_data_set(results, "contours", SETS, part, needs=SYSTEMS.values())


def main() -> None:
    """Measure what is missing."""
    option = {"action": "store_true", "help": "train on black-and-white masks with lines"}
    study, arguments = Study.from_command(__doc__, sets=SETS, options={"--lines": option})
    for seed, name, loss in product(arguments.seeds, arguments.sets, SYSTEMS.values()):
        if arguments.lines:
            measures.contours(study, name, loss, seed, black_and_white(study.data_set(name)))
        else:
            measures.contours(study, name, loss, seed)
            measures.touching(study, name, loss, seed)


if __name__ == "__main__":
    command(main)

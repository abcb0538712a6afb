"""Which flags of `segment --report` find cells that are wrong, and cells that are two.

python benchmarks/cell_flags.py ../shared/data/dsb2018/train --images selection
python benchmarks/cell_flags.py ../shared/data/dsb2018/train --images report

nuclei-2d segments images that it was not trained on: the 40 of the selection, which chose the
limits of the flags, or the 64 of the report, which chose nothing. A cell is wrong if no true cell
has an IoU above 0.5 with it. It is two if it has more than half of two true cells or more.

The first table tells how often a wrong cell has a higher value than another one: mean entropy and
valley of a cell, the mean disagreement of mirror images (of a run with flips), and the most
doubtful seam of a cell. The second has the cells that the flags name. `--json FILE` keeps both.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nuclei_scores import pairs_of
from result_files import add_json, write_result
from seam_doubt import auc, spread
from seamwise.io import read_image, read_labels
from seamwise.labels import Labels
from seamwise.metrics import CellDoubts, cell_doubt, seam_doubt
from seamwise.segmentation import (
    Model,
    Pair,
    Prediction,
    SegmentOptions,
    as_channels,
    load,
    segment_image,
)

LIMITS = {
    "entropy": (0.15, 0.2, 0.25, 0.3, 0.35),
    "disagreement": (0.01, 0.015, 0.02, 0.03),
    "valley": (0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8),
}

MEASURES = {
    "entropy": "mean entropy of the cell",
    "disagreement": "mean disagreement of the mirror images",
    "valley": "valley in the cell",
    "worst seam, entropy": "highest entropy of its seams",
    "worst seam, cell_probability": "highest probability of cell of its seams",
}
PASSES = ("one pass", "mirror images")
FLAGS = (("entropy", 0.25), ("entropy", 0.3), ("disagreement", 0.02), ("valley", 0.2))
"""Limits whose cells the page counts."""


@dataclass(frozen=True)
class Judged:
    """Cells of some images: measures by their names, and what is true of them."""

    values: dict[str, NDArray[np.float64]]
    is_wrong: NDArray[np.bool_]
    is_two: NDArray[np.bool_]


def judged(truth: Labels, prediction: Prediction) -> Judged:
    """Judge the cells of an image."""
    assert prediction.probabilities is not None
    doubts = cell_doubt(
        prediction.probabilities, prediction.labels, disagreement=prediction.disagreement
    )
    values = {"entropy": doubts.entropy, "valley": doubts.valley}
    if doubts.disagreement is not None:
        values["disagreement"] = doubts.disagreement
    seams = seam_doubt(prediction.probabilities, prediction.labels)
    for name in ("entropy", "cell_probability"):
        values[f"worst seam, {name}"] = worst_seam(doubts, seams, getattr(seams, name))
    return Judged(values, *faults(truth, prediction.labels, doubts.cell))


def worst_seam(doubts: CellDoubts, seams: Any, doubt: NDArray[Any]) -> NDArray[np.float64]:
    """The highest doubt along the seams of each cell; 0 for a cell that touches none."""
    worst = np.zeros(int(doubts.cell.max(initial=0)) + 1)
    for side in (seams.cell, seams.neighbour):
        np.maximum.at(worst, side.astype(int), doubt)
    return worst[doubts.cell]


def faults(
    truth: Labels, labels: Labels, cells: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each cell is wrong, and whether it is two."""
    count = int(labels.max(initial=0)) + 1
    is_cell = labels > 0
    own, true = labels[is_cell].astype(int), np.maximum(truth[is_cell], 0).astype(int)
    pairs, pixels = np.unique([own, true], axis=1, return_counts=True)
    pairs, pixels = pairs[:, pairs[1] > 0], pixels[pairs[1] > 0]
    sizes = np.bincount(labels.ravel(), minlength=count)
    true_sizes = np.bincount(np.maximum(truth, 0).ravel())
    iou = pixels / (sizes[pairs[0]] + true_sizes[pairs[1]] - pixels)
    is_right = np.bincount(pairs[0][iou > 0.5], minlength=count) > 0
    holds = np.bincount(pairs[0][2 * pixels > true_sizes[pairs[1]]], minlength=count)
    return ~is_right[cells], holds[cells] >= 2


def joined(parts: list[Judged]) -> Judged:
    """Join the cells of all images."""
    values = {}
    for name in parts[0].values:
        values[name] = np.concatenate([part.values[name] for part in parts])
    return Judged(
        values,
        np.concatenate([part.is_wrong for part in parts]),
        np.concatenate([part.is_two for part in parts]),
    )


def judge(cells: Judged) -> dict[str, Any]:
    """How the measures order the cells, and what the limits name."""
    truths = {"wrong": cells.is_wrong, "two": cells.is_two, "bad": cells.is_wrong | cells.is_two}
    orders = {}
    for name, values in cells.values.items():
        orders[name] = {
            key: {"order": auc(values, truths[key]), "spread": spread(values, truths[key])}
            for key in ("wrong", "two")
        }
    flags = []
    for name, limits in LIMITS.items():
        for limit in limits if name in cells.values else ():
            named = cells.values[name] >= limit
            counts = {key: int(is_so[named].sum()) for key, is_so in truths.items()}
            flags.append({"name": name, "limit": limit, "cells": int(named.sum()), **counts})
    totals = {key: int(is_so.sum()) for key, is_so in truths.items()}
    return {"cells": len(cells.is_wrong), **totals, "orders": orders, "flags": flags}


def order_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table of measures, with one pass and with mirror images."""
    passes = content["one pass"]["orders"], content["mirror images"]["orders"]
    yield (
        "| measure | wrong, one pass | wrong, mirror images | two, one pass | two, mirror images |"
    )
    yield "|---|---|---|---|---|"
    for name in MEASURES:
        cells = [
            percent(orders[name][key]) if name in orders else ""
            for key in ("wrong", "two")
            for orders in passes
        ]
        yield f"| {MEASURES[name]} | {' | '.join(cells)} |"


def percent(row: Mapping[str, float]) -> str:
    """Write the share of pairs in the right order and its spread."""
    return f"{100 * row['order']:.1f} ± {100 * row['spread']:.1f} %"


def flag_table(*contents: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table of what flags name, in each set of images."""
    yield "| flag | images | cells | named | wrong | two | two or wrong |"
    yield "|---|---|---|---|---|---|---|"
    for limit, content, passes in product(FLAGS, contents, PASSES):
        judged = content[passes]
        for flag in judged["flags"]:
            if (flag["name"], flag["limit"]) == limit:
                wrong, two = (f"{flag[key]} of {judged[key]}" for key in ("wrong", "two"))
                yield (
                    f"| {limit[0]} ≥ {limit[1]:g}, {passes} | {content['images']} "
                    f"| {judged['cells']:,} | {flag['cells']} | {wrong} | {two} | {flag['bad']} |"
                )


def segmented(image: NDArray[Any], model: Model, *, flips: bool) -> Prediction:
    """Segment an image, once or in its mirror images."""
    return segment_image(image, SegmentOptions(flips=flips), model=model, disagreement=flips)


def measure(pairs: Sequence[Pair], *, flips: bool) -> dict[str, Any]:
    """Segment all images, and judge their cells."""
    model = load("nuclei-2d", device="cpu", runtime="torch")
    parts = []
    for pair in pairs:
        prediction = segmented(as_channels(read_image(pair.images[0])), model, flips=flips)
        parts.append(judged(read_labels(pair.labels), prediction))
    return judge(joined(parts))


def main() -> None:
    """Segment all images without and with flips, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", choices=("selection", "report"), default="selection")
    add_json(parser)
    options = parser.parse_args()
    pairs = pairs_of(options.folder, options.images)
    content: dict[str, Any] = {"images": options.images}
    for passes, flips in zip(PASSES, (False, True), strict=True):
        content[passes] = measure(pairs, flips=flips)
    print(*order_table(content), "", *flag_table(content), sep="\n")
    write_result(options.json, content, models=["nuclei-2d"])


if __name__ == "__main__":
    main()

r"""Scores of models of phase contrast on images of one look, by images and by all of them.

python benchmarks/phase_scores.py ../shared/data/usiigaci/train --images selection \
    --model phase-2d [--decode relief] [--gap background] [--flips] [--json FILE]

`selection`: the four images of recipes/phase_2d.py that no run was trained on, for every choice.
`large`, `small`: all images of one look, for a model that was trained on the other.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nuclei_scores import predictions, scored, script_parser, table
from result_files import add_json, write_result
from seamwise.metrics import match
from seamwise.segmentation import Pair, find_pairs

LARGE = (*range(1, 13), 17, 18, *range(21, 30))  # as in recipes/phase_2d.py
SELECTION = (20, 34, 39, 44)


def pairs_of(folder: Path, images: str) -> list[Pair]:
    """Pairs of images and masks of the selection, or of one look."""
    split = find_pairs(folder)
    pairs = sorted((*split.training, *split.validation), key=lambda pair: pair.name)
    small = [number for number in range(1, 46) if number not in LARGE]
    numbers = {"large": LARGE, "small": small, "selection": SELECTION}[images]
    names = {f"usi{number:02}" for number in numbers}
    return [pair for pair in pairs if pair.name in names]


def measure(pairs: Sequence[Pair], options: argparse.Namespace) -> dict[str, Any]:
    """Scores of each image, and of all."""
    results = list(predictions(pairs, options))
    images = {}
    for pair, (labels_true, labels_pred) in zip(pairs, results, strict=True):
        score = match(labels_true, labels_pred)
        counts = {"tp": score.tp, "fp": score.fp, "fn": score.fn}
        images[pair.name] = {"ap": score.accuracy, **counts}
    return {"images": images, **scored(results)}


def image_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table of images."""
    yield "| image | AP, IoU ≥ 0.5 | TP | FP | FN |"
    yield "|---|---|---|---|---|"
    for name, row in content["images"].items():
        yield f"| {name} | {row['ap']:.3f} | {row['tp']} | {row['fp']} | {row['fn']} |"


if __name__ == "__main__":
    parser = script_parser(__doc__, ("selection", "large", "small"), model="phase-2d")
    add_json(parser)
    options = parser.parse_args()
    content = measure(pairs_of(options.folder, options.images), options)
    print(*image_table(content), "", *table(content), sep="\n")
    write_result(options.json, content, models=[options.model])

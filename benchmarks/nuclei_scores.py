r"""Scores of nuclei models on images that no training of the recipe sees, or on training images.

python benchmarks/nuclei_scores.py ../shared/data/dsb2018/train --images selection \
    --model nuclei-2d [--gap background] [--decode relief] [--flips] [--json FILE]

`selection`: the 40 images of recipes/nuclei-2d-selection.txt, for every choice.
`report`: every 7th image by name, 64 in all, for the numbers of a model card and for nothing else.
`training`: every 7th of the images for training: what a network has learned, not what it is worth.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from result_files import add_json, write_result
from seamwise.io import read_image, read_labels
from seamwise.labels import Labels
from seamwise.metrics import match_dataset
from seamwise.segmentation import Pair, as_channels, find_pairs, load, segment

SELECTION = Path(__file__).parents[1] / "recipes" / "nuclei-2d-selection.txt"
IOUS = (0.5, 0.6, 0.7, 0.8, 0.9)


def pairs_of(folder: Path, images: str) -> list[Pair]:
    split = find_pairs(folder)
    if images == "report":
        return list(split.validation)
    names = set(SELECTION.read_text().split())
    if images == "training":
        return [pair for pair in split.training if pair.name not in names][::7]
    return [pair for pair in split.training if pair.name in names]


def predictions(pairs: list[Pair], options: argparse.Namespace) -> Iterator[tuple[Labels, Labels]]:
    model = load(options.model, device="cpu", runtime=options.runtime)
    rule = model.info.decode
    if options.gap:
        rule = rule.model_copy(update={"gap": options.gap})
    if options.decode:
        rule = rule.with_name(options.decode)
    for pair in pairs:
        image = as_channels(read_image(pair.images[0]))
        result = segment(
            image, model=model, decode=rule, flips=options.flips, keep_probabilities=False
        )
        yield read_labels(pair.labels).astype(np.int32), result.labels


def script_parser(text: str, images: tuple[str, ...], *, model: str) -> argparse.ArgumentParser:
    """Return a parser for a script with this docstring, and one of these sets of images."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", choices=images, default=images[0])
    parser.add_argument("--model", default=model)
    parser.add_argument("--gap", choices=("second", "background"))
    parser.add_argument("--decode")
    parser.add_argument("--flips", action="store_true")
    parser.add_argument("--runtime", default="torch")
    return parser


def scored(results: Iterable[tuple[Labels, Labels]]) -> dict[str, Any]:
    """Scores of true and predicted labels at each IoU."""
    scores = match_dataset(results, ious=IOUS)
    rows = []
    for mean, pooled in zip(scores.mean, scores.pooled, strict=True):
        ap = {"ap": mean.accuracy, "ap_pooled": pooled.accuracy, "pq": pooled.panoptic_quality}
        rows.append({"iou": mean.iou, **ap, "tp": pooled.tp, "fp": pooled.fp, "fn": pooled.fn})
    return {"scores": rows}


def table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table."""
    yield "| IoU ≥ | AP, mean of images | AP, pooled | PQ, pooled | TP | FP | FN |"
    yield "|---|---|---|---|---|---|---|"
    for row in content["scores"]:
        yield (
            f"| {row['iou']:.1f} | {row['ap']:.3f} | {row['ap_pooled']:.3f} | {row['pq']:.3f} "
            f"| {row['tp']} | {row['fp']} | {row['fn']} |"
        )


def ap_table(int8: Mapping[str, Any], float32: Mapping[str, Any]) -> Iterator[str]:
    """Write the mean AP of the same images in 8-bit integers and in float32."""
    ious = " | ".join(f"{row['iou']:.1f}" for row in int8["scores"])
    yield f"| AP, mean of images, at IoU | {ious} |"
    yield "|---" * (len(int8["scores"]) + 1) + "|"
    names = (
        "in 8-bit integers and bfloat16, as installed by `make`",
        "the same, computed in float32",
    )
    for name, content in zip(names, (int8, float32), strict=True):
        scores = " | ".join(f"{row['ap']:.3f}" for row in content["scores"])
        yield f"| {name} | {scores} |"


if __name__ == "__main__":
    parser = script_parser(__doc__, ("selection", "report", "training"), model="nuclei-2d")
    add_json(parser)
    options = parser.parse_args()
    content = scored(predictions(pairs_of(options.folder, options.images), options))
    print(*table(content), sep="\n")
    write_result(options.json, content, models=[options.model])

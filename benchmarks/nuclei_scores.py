r"""Scores of nuclei models on images that no training of the recipe sees, or on training images.

python benchmarks/nuclei_scores.py ../shared/data/dsb2018/train --images selection \
    --model nuclei-2d [--gap background] [--decode relief] [--flips]

`selection`: the 40 images of recipes/nuclei-2d-selection.txt, for every choice.
`report`: every 7th image by name, 64 in all, for the numbers of a model card and for nothing else.
`training`: every 7th of the images for training: what a network has learned, not what it is worth.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

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


def arguments(text: str, images: tuple[str, ...], *, model: str) -> argparse.Namespace:
    """Read the arguments of a script with this docstring, for one of these sets of images."""
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
    return parser.parse_args()


def print_scores(results: Iterable[tuple[Labels, Labels]]) -> None:
    """Print the scores of true and predicted labels as a table."""
    scores = match_dataset(results, ious=IOUS)
    print("| IoU ≥ | AP, mean of images | AP, pooled | PQ, pooled | TP | FP | FN |")
    print("|---|---|---|---|---|---|---|")
    for mean, pooled in zip(scores.mean, scores.pooled, strict=True):
        print(
            f"| {mean.iou:.1f} | {mean.accuracy:.3f} | {pooled.accuracy:.3f} "
            f"| {pooled.panoptic_quality:.3f} | {pooled.tp} | {pooled.fp} | {pooled.fn} |"
        )


if __name__ == "__main__":
    options = arguments(__doc__, ("selection", "report", "training"), model="nuclei-2d")
    print_scores(predictions(pairs_of(options.folder, options.images), options))

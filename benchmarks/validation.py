"""Scores of a model on the held-out images of its training folder.

python benchmarks/validation.py ../shared/data/dsb2018/train [--model nuclei-2d] [--flips]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seamwise.io import read_image, read_labels
from seamwise.labels import Labels
from seamwise.metrics import match_dataset
from seamwise.segmentation import as_channels, find_pairs, load, segment


def predictions(folder: Path, name: str, *, flips: bool) -> Iterator[tuple[Labels, Labels]]:
    model = load(name)
    for pair in find_pairs(folder).validation:
        image = as_channels(read_image(pair.images[0]))
        result = segment(image, model=model, flips=flips, keep_probabilities=False)
        yield read_labels(pair.labels).astype(np.int32), result.labels


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="nuclei-2d")
    parser.add_argument("--flips", action="store_true")
    options = parser.parse_args()
    pairs = predictions(options.folder, options.model, flips=options.flips)
    scores = match_dataset(pairs, ious=(0.5, 0.7, 0.9))
    print(
        "| IoU ≥ | AP, mean of images | AP, pooled | PQ, mean of images | PQ, pooled "
        "| TP | FP | FN |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for mean, pooled in zip(scores.mean, scores.pooled, strict=True):
        print(
            f"| {mean.iou:.1f} | {mean.accuracy:.3f} | {pooled.accuracy:.3f} "
            f"| {mean.panoptic_quality:.3f} "
            f"| {pooled.panoptic_quality:.3f} | {pooled.tp} | {pooled.fp} | {pooled.fn} |"
        )

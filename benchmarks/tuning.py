"""Does the search for thresholds find what trying every pair finds, and what does it cost?

python benchmarks/tuning.py ../shared/data/dsb2018/train [--decode watershed --background-as mask]
python benchmarks/tuning.py ../shared/data/dsb2018/train --quick    # a part of images and grid

Tunes on the selection images (recipes/nuclei-2d-selection.txt), then decodes every pair of the grid
and compares the two. Also shows
how much of the gain is luck: the best pair of some random images is scored on the others. `--model`
takes a shipped model or a model file.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nuclei_scores import pairs_of
from seamwise.io import DecodeRule
from seamwise.metrics import match
from seamwise.segmentation import (
    AnnotatedImage,
    class_probabilities,
    decode_whole,
    identity_normalization,
    load,
    read_pair,
    tune,
)
from seamwise.segmentation.choose import GRID, with_pair

DRAWS = 200

Sample = tuple[NDArray[np.float32], NDArray[np.int32]]  # probabilities, true labels


def counts(rule: DecodeRule, samples: list[Sample]) -> NDArray[np.float64]:
    """Return (images, 2): sum of matched IoU, and TP + FP/2 + FN/2."""
    matchings = [
        match(labels, decode_whole(probabilities, rule)) for probabilities, labels in samples
    ]
    return np.array([(m.mean_matched_score * m.tp, m.tp + m.fp / 2 + m.fn / 2) for m in matchings])


def pooled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the PQ of all images together; (…, images, 2) → (…)."""
    total = table.sum(-2)
    return total[..., 0] / total[..., 1]


def luck(
    tables: NDArray[np.float64], argmax: NDArray[np.float64], count: int
) -> tuple[float, float, float]:
    """Return mean gains of the best pair of `count` images over arg max, and the share of losses.

    The first gain is on the images that choose the pair, the second and the losses are on the
    others.
    """
    rng = np.random.default_rng(0)
    draws = [np.split(rng.permutation(len(argmax)), [count]) for _ in range(DRAWS)]
    gains = []
    for tuned, others in draws:
        best = pooled(tables[:, tuned]).argmax()
        gains.append(
            [pooled(tables[best, part]) - pooled(argmax[part]) for part in (tuned, others)]
        )
    inside, outside = np.transpose(gains)
    return float(inside.mean()), float(outside.mean()), float((outside < 0).mean())


def read(folder: Path, model_name: str, count: int | None) -> list[AnnotatedImage]:
    model = load(model_name)
    pairs = pairs_of(folder, "selection")[:count]
    return [read_pair(pair, ndim=model.net.ndim, rule=model.info.normalization) for pair in pairs]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="nuclei-2d")
    parser.add_argument("--decode", choices=("threshold", "watershed"), default="threshold")
    parser.add_argument("--background-as", choices=("marker", "mask"), default="marker")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    model = load(options.model)
    images = read(options.folder, options.model, 12 if options.quick else None)
    begin = time.perf_counter()
    # annotated images are normalised already
    as_it_is = identity_normalization(1)
    predictions = [class_probabilities(image.image, model, normalise=as_it_is) for image in images]
    network = time.perf_counter() - begin
    begin = time.perf_counter()
    tuning = tune(images, model, decode=options.decode, background_as=options.background_as)
    searching = time.perf_counter() - begin - network
    grid = GRID[::4] if options.quick else GRID

    samples = [
        (p, image.labels) for p, image in zip(predictions, images, strict=True) if p is not None
    ]
    rules = [
        with_pair(model.info.decode, options.decode, pair, options.background_as)
        for pair in product(grid, grid)
    ]
    begin = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        tables = np.array(list(threads.map(partial(counts, samples=samples), rules)))
    exhaustive = time.perf_counter() - begin
    argmax = counts(model.info.decode.with_name("argmax"), samples)

    megapixels = sum(image.labels.size for image in images) / 1e6
    print(
        f"{len(images)} images, {megapixels:.1f} megapixels; "
        f"one pass of the network {network:.0f} s"
    )
    print(f"{tuning}")
    print(f"search: {len(tuning.trials)} pairs decoded, {searching:.0f} s")
    print(
        f"every pair of {len(grid)}²: {len(rules)} decoded, {exhaustive:.0f} s, "
        f"best PQ {pooled(tables).max():.4f}"
    )
    print(f"the search missed {pooled(tables).max() - tuning.best.panoptic_quality:+.4f}")
    for count in (n for n in (4, 8, 16, 32) if n < len(images)):
        inside, outside, worse = luck(tables, argmax, count)
        print(
            f"chosen on {count} images: {inside:+.4f} PQ against arg max on these, "
            f"{outside:+.4f} on the others (a loss in {worse:.0%} of {DRAWS} draws)"
        )

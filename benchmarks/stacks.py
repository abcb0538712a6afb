r"""Scores of a model for stacks on real stacks, next to a watershed without any model.

python benchmarks/stacks.py nuclei --model nuclei-3d \
    --stack IMAGE.tif MASK.tif 0.284,0.127,0.127 [--rows 0.6,1]
python benchmarks/stacks.py walls --model walls-3d --stack IMAGE.tif MASK.tif 0.235,0.15,0.15
python benchmarks/stacks.py walls --model walls-3d --simulated 200-207
python benchmarks/stacks.py nuclei --model nuclei-3d --simulated 200-207
python benchmarks/stacks.py walls --model walls-3d --noise

`--rows` scores a part of the rows only: all cells of the image are found, then both label images
are cut. `--least` skips true cells of a real stack with fewer voxels, such as crumbs that the
border of a crop cuts off; what is found there is not false. The watershed for nuclei floods the
distance to the background, which Otsu's threshold of the smoothed image gives. The one for walls
floods the smoothed image from its lowest places.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from seamwise.io import read_image, read_labels
from seamwise.labels import IGNORE, Labels, relabel
from seamwise.metrics import match_dataset
from seamwise.segmentation import SegmentOptions, load, segment_image

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
from drawn_stacks import draw_nuclei
from tissue_stacks import SPACING, draw, without_slivers

IOUS = (0.5, 0.6, 0.7)
# chosen on the stacks themselves: the best of 1, 2, 3 pixels and of three depths of a valley
SMOOTH = {"nuclei": 3.0, "walls": 0.5}
VALLEY = {"nuclei": 2.0, "walls": 0.02}
LEAST = 100  # voxels of a nucleus

Stack = tuple[np.ndarray, Labels, tuple[float, ...]]


def flooded_nuclei(image: np.ndarray, spacing: tuple[float, ...]) -> Labels:
    """Otsu's threshold, then a watershed of the distance to the background."""
    steps = np.array(spacing) / spacing[-1]
    smooth = ndimage.gaussian_filter(image.astype(np.float32), SMOOTH["nuclei"] / steps)
    inside = smooth > threshold_otsu(smooth)
    distance = ndimage.distance_transform_edt(inside, sampling=steps)
    distance = ndimage.gaussian_filter(distance, 1 / steps)
    seeds, _ = ndimage.label(h_maxima(distance, VALLEY["nuclei"]), np.ones((3, 3, 3)))
    labels = watershed(-distance, seeds, mask=inside)
    labels[np.isin(labels, np.flatnonzero(np.bincount(labels.ravel()) < LEAST))] = 0
    return relabel(labels)


def flooded_walls(image: np.ndarray, spacing: tuple[float, ...]) -> Labels:
    """A watershed of the light itself, from its lowest places."""
    steps = np.array(spacing) / spacing[-1]
    smooth = ndimage.gaussian_filter(image.astype(np.float32), SMOOTH["walls"] / steps)
    smooth /= np.percentile(image, 99.8)
    seeds, _ = ndimage.label(h_maxima(-smooth, VALLEY["walls"]), np.ones((3, 3, 3)))
    return relabel(watershed(smooth, seeds))


FLOODED = {"nuclei": flooded_nuclei, "walls": flooded_walls}


def cut(labels: Labels, rows: tuple[float, float]) -> Labels:
    """Rows from one share of the image to another."""
    low, high = (round(share * labels.shape[1]) for share in rows)
    return relabel(labels[:, low:high].astype(np.int32))


def stacks_of(options: argparse.Namespace) -> list[Stack]:
    """Image, labels and voxel size of each stack."""
    stacks: list[Stack] = []
    for image, mask, spacing in options.stack:
        size = tuple(float(part) for part in spacing.split(","))
        labels = without_crumbs(read_labels(Path(mask)), options.least)
        stacks.append((read_image(Path(image)).data, labels, size))
    if options.simulated:
        first, last = map(int, options.simulated.split("-"))
        for seed in range(first, last + 1):
            stacks.append(simulated_stack(seed, options.kind))
    return stacks


def without_crumbs(labels: Labels, least: int) -> Labels:
    """The labels, with −1 for cells of fewer voxels than `least`."""
    numbers = relabel(labels).astype(np.int32)
    is_small = np.bincount(numbers[numbers > 0], minlength=numbers.max() + 1) < least
    is_small[0] = False
    return np.where(is_small[np.maximum(numbers, 0)], IGNORE, numbers)


def simulated_stack(seed: int, kind: str) -> Stack:
    """A stack of tissue of the recipe of `walls-3d`, or of nuclei of that of `nuclei-3d`."""
    if kind == "walls":
        drawn = draw(seed)
        return drawn.image, without_slivers(drawn.labels), SPACING
    drawn, step = draw_nuclei(seed)
    return drawn.image, drawn.labels, (step, 1.0, 1.0)


def noise_stacks() -> Iterator[tuple[str, np.ndarray, tuple[float, ...]]]:
    """Stacks of pure noise: what they are, the image, the voxel size."""
    rng = np.random.default_rng(1)
    for number in range(4):
        shape = (24 + 10 * number, 64 + 30 * number, 64 + 30 * number)
        step = float(1 + number)
        yield f"normal, {shape}", rng.normal(1000, 30, shape).astype(np.uint16), (1.0, 1.0, 1.0)
        counts = rng.poisson(2 * number + 1, shape).astype(np.uint16)
        yield f"Poisson, {shape}", counts, (1.0, 1.0, 1.0)
        image = rng.normal(1000, 30, shape).astype(np.uint16)
        yield f"normal, {shape}, steps of {step:g}", image, (step, 1.0, 1.0)
        for sigma in (1, 2, 4):
            smooth = 1000 + 300 * ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
            yield f"normal, {shape}, smooth {sigma}", smooth.astype(np.uint16), (1.0, 1.0, 1.0)


def print_noise(names: list[str]) -> None:
    """Print what is found in noise."""
    print("| model | noise | cells | line |")
    print("|---|---|---|---|")
    for name in names:
        model = load(name)
        for kind, image, spacing in noise_stacks():
            found = segment_image(image, SegmentOptions(spacing=spacing), model=model)
            print(f"| {name} | {kind} | {found.labels.max()} | {found.caution} |", flush=True)


def row(name: str, pairs: list[tuple[Labels, Labels]]) -> str:
    """A row of the table."""
    scores = match_dataset(pairs, ious=IOUS)
    means = " | ".join(f"{mean.accuracy:.3f}" for mean in scores.mean)
    pooled = scores.pooled[0]
    counts = f"{pooled.tp} | {pooled.fp} | {pooled.fn}"
    return f"| {name} | {means} | {pooled.panoptic_quality:.3f} | {counts} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("nuclei", "walls"))
    parser.add_argument("--model", nargs="+", required=True)
    parser.add_argument(
        "--stack", nargs=3, action="append", default=[], metavar=("IMAGE", "MASK", "Z,Y,X")
    )
    parser.add_argument("--simulated", help="seeds of simulated stacks, such as 200-207")
    parser.add_argument("--rows", default="0,1", help="shares of the rows to score")
    parser.add_argument("--least", type=int, default=0, help="voxels of a true cell that counts")
    parser.add_argument("--flips", action="store_true")
    parser.add_argument("--noise", action="store_true", help="what is found in pure noise")
    options = parser.parse_args()
    if options.noise:
        print_noise(options.model)
        return
    low, high = map(float, options.rows.split(","))
    stacks = stacks_of(options)
    print("| | AP .5 | AP .6 | AP .7 | PQ | TP | FP | FN |")
    print("|---|---|---|---|---|---|---|---|")
    truth = [cut(labels, (low, high)) for _, labels, _ in stacks]
    for name in options.model:
        model = load(name)
        cells = []
        for image, _, spacing in stacks:
            how = SegmentOptions(flips=options.flips, spacing=spacing)
            result = segment_image(image, how, model=model, keep_probabilities=False)
            cells.append(cut(result.labels, (low, high)))
        print(row(name, list(zip(truth, cells, strict=True))), flush=True)
    flood = FLOODED[options.kind]
    cells = [cut(flood(image, spacing), (low, high)) for image, _, spacing in stacks]
    print(row("watershed", list(zip(truth, cells, strict=True))))


if __name__ == "__main__":
    main()

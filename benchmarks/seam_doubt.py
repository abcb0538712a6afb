"""What the probability of cell along a seam tells: how many seams cut through one true cell.

python benchmarks/seam_doubt.py ../shared/data/dsb2018/train

nuclei-2d segments every 7th image of the folder by name: it was not trained on these. A seam is
wrong if both of its cells have more than half of their pixels in the same true cell.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamwise.io import read_image, read_labels
from seamwise.labels import Labels
from seamwise.metrics import seam_doubt
from seamwise.segmentation import as_channels, find_pairs, load, segment

DOUBTFUL_SEAM = 0.05  # as in the reports


def owner_of(predicted: Labels, truth: Labels) -> dict[int, int]:
    """The true cell that holds more than half of each predicted cell."""
    is_cell = predicted > 0
    pairs, counts = np.unique([predicted[is_cell], truth[is_cell]], axis=1, return_counts=True)
    sizes = np.bincount(predicted[is_cell])
    return {
        int(cell): int(owner)
        for (cell, owner), count in zip(pairs.T, counts, strict=True)
        if owner > 0 and 2 * count > sizes[cell]
    }


def auc(values: NDArray[np.floating], is_wrong: NDArray[np.bool_]) -> float:
    """Share of pairs, a wrong seam and another, in which the wrong one has the higher value."""
    wrong, right = values[is_wrong][:, np.newaxis], values[~is_wrong]
    return float(((wrong > right) + 0.5 * (wrong == right)).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    pairs = find_pairs(parser.parse_args().folder).validation
    model = load("nuclei-2d", device="cpu")
    chance, entropy, wrong = [], [], []
    for pair in pairs:
        result = segment(as_channels(read_image(pair.images[0])), model=model)
        owner = owner_of(result.labels, read_labels(pair.labels))
        assert result.probabilities is not None
        seams = seam_doubt(result.probabilities, result.labels)
        chance += seams.cell_probability.tolist()
        entropy += seams.entropy.tolist()
        for cell, neighbour in zip(seams.cell.tolist(), seams.neighbour.tolist(), strict=True):
            wrong.append(owner.get(cell) is not None and owner.get(cell) == owner.get(neighbour))
    is_wrong, is_doubtful = np.array(wrong), np.array(chance) >= DOUBTFUL_SEAM
    print(f"{len(pairs)} images, {len(is_wrong)} seams, {is_wrong.sum()} cut through one true cell")
    print(
        f"probability of cell of {DOUBTFUL_SEAM:.0%} or more: {is_doubtful.mean():.1%} of the "
        f"seams; {is_wrong[is_doubtful].mean():.1%} of them are wrong, of all seams "
        f"{is_wrong.mean():.1%}; these are {is_doubtful[is_wrong].mean():.1%} of the wrong ones"
    )
    for name, values in (("probability of cell", chance), ("entropy", entropy)):
        print(f"{name}: {auc(np.array(values), is_wrong):.1%} of pairs in the right order")

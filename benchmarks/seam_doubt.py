"""What tells that a seam cuts through one true cell: probability, entropy, or mirror images.

python benchmarks/seam_doubt.py ../shared/data/dsb2018/train --images selection
python benchmarks/seam_doubt.py ../shared/data/dsb2018/train --images report --measures own

nuclei-2d segments images that it was not trained on: the 40 of the selection, for every choice, or
the 64 of the report. A seam is wrong if both of its cells have more than half of their pixels in
the same true cell. With --measures all an image is segmented in its four mirror images, too:

- deviation: of the probability of cell over the mirrors, mean along the seam;
- merged: the share of the mirrors in which both cells have more than half of their pixels in one.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nuclei_scores import pairs_of
from seamwise.io import read_image, read_labels
from seamwise.labels import Labels
from seamwise.metrics import seam_doubt
from seamwise.segmentation import Model, as_channels, load, segment

DOUBTFUL_SEAM = 0.05  # as in the reports
MIRRORS = ((1,), (2,), (1, 2))


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


def spread(values: NDArray[np.floating], is_wrong: NDArray[np.bool_]) -> float:
    """Standard deviation of `auc` over 200 draws of the seams, with repetition."""
    rng, results = np.random.default_rng(0), []
    for _ in range(200):
        drawn = rng.integers(len(values), size=len(values))
        if 0 < is_wrong[drawn].sum() < len(drawn):
            results.append(auc(values[drawn], is_wrong[drawn]))
    return float(np.std(results))


def mirrored(image: NDArray[Any], model: Model) -> Iterator[tuple[Labels, NDArray[np.float32]]]:
    """Cells and probabilities from each mirror image, as the image lies."""
    for axes in MIRRORS:
        result = segment(np.ascontiguousarray(np.flip(image, axes)), model=model)
        assert result.probabilities is not None
        yield (
            np.flip(result.labels, [axis - 1 for axis in axes]),
            np.flip(result.probabilities, axes),
        )


def same(owner: dict[int, int], seams: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether both cells of each seam lie in one other cell."""
    return np.array(
        [owner.get(one) is not None and owner.get(one) == owner.get(two) for one, two in seams],
        bool,
    )


def measured(image: NDArray[Any], truth: Labels, model: Model, *, mirrors: bool) -> Any:
    """Measures of each seam of an image by their names, and whether the seam is wrong."""
    result = segment(image, model=model)
    assert result.probabilities is not None
    seams = seam_doubt(result.probabilities, result.labels)
    pairs = np.stack([seams.cell, seams.neighbour], axis=1).astype(int)
    values = {"probability of cell": seams.cell_probability, "entropy": seams.entropy}
    if mirrors:
        others = list(mirrored(image, model))
        chances = np.stack([result.probabilities[1], *(maps[1] for _, maps in others)])
        for name, plane in (("deviation", chances.std(0)), ("mean of mirrors", chances.mean(0))):
            values[name] = seam_doubt(np.stack([1 - plane, plane]), result.labels).cell_probability
        votes = [same(owner_of(result.labels, labels), pairs) for labels, _ in others]
        values["merged"] = np.mean(votes, axis=0)
        values["merged, then probability"] = values["merged"] + values["probability of cell"] / 100
    return values, same(owner_of(result.labels, truth), pairs)


def main() -> None:
    """Measure the seams of all images, and print how well each measure orders them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", choices=("selection", "report"), default="selection")
    parser.add_argument("--measures", choices=("own", "all"), default="all")
    options = parser.parse_args()
    pairs = pairs_of(options.folder, options.images)
    model = load("nuclei-2d", device="cpu")
    parts = [
        measured(
            as_channels(read_image(pair.images[0])),
            read_labels(pair.labels),
            model,
            mirrors=options.measures == "all",
        )
        for pair in pairs
    ]
    is_wrong = np.concatenate([wrong for _, wrong in parts])
    print(f"{len(pairs)} images, {len(is_wrong)} seams, {is_wrong.sum()} cut through one true cell")
    chance = np.concatenate([values["probability of cell"] for values, _ in parts])
    count = int((chance >= DOUBTFUL_SEAM).sum())
    print(f"{count} seams have a probability of cell of {DOUBTFUL_SEAM:.0%} or more")
    print(f"| measure | pairs in the right order | wrong among the {count} highest |")
    print("|---|---|---|")
    for name in parts[0][0]:
        values = np.concatenate([part[name] for part, _ in parts])
        highest = np.argsort(-values, kind="stable")[:count]
        order = f"{auc(values, is_wrong):.1%} ± {spread(values, is_wrong):.1%}"
        print(f"| {name} | {order} | {is_wrong[highest].sum()} of {is_wrong.sum()} |")


if __name__ == "__main__":
    main()

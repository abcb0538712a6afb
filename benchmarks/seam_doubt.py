"""What tells that a seam cuts through one true cell: probability, entropy, or mirror images.

python benchmarks/seam_doubt.py ../shared/data/dsb2018/train --images selection
python benchmarks/seam_doubt.py ../shared/data/dsb2018/train --images report --measures own

nuclei-2d segments images that it was not trained on: the 40 of the selection, for every choice, or
the 64 of the report. A seam is wrong if both of its cells have more than half of their pixels in
the same true cell. `--json FILE` keeps the figures. With --measures all an image is segmented in
its four mirror images, too:

- deviation: of the probability of cell over the mirrors, mean along the seam;
- merged: the share of the mirrors in which both cells have more than half of their pixels in one.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nuclei_scores import pairs_of
from result_files import add_json, write_result
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


def judge(parts: list[Any]) -> dict[str, Any]:
    """How well each measure orders the seams of all images, and what the limit names."""
    is_wrong = np.concatenate([wrong for _, wrong in parts])
    chance = np.concatenate([values["probability of cell"] for values, _ in parts])
    is_doubtful = chance >= DOUBTFUL_SEAM
    count = int(is_doubtful.sum())
    orders = {}
    for name in parts[0][0]:
        values = np.concatenate([part[name] for part, _ in parts])
        highest = np.argsort(-values, kind="stable")[:count]
        order = {"order": auc(values, is_wrong), "spread": spread(values, is_wrong)}
        orders[name] = {**order, "wrong_of_highest": int(is_wrong[highest].sum())}
    seams = {"all": {"seams": len(is_wrong), "wrong": int(is_wrong.sum())}}
    seams["doubtful"] = {"seams": count, "wrong": int(is_wrong[is_doubtful].sum())}
    return {"images": len(parts), "seams": seams, "orders": orders}


def seam_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table of wrong seams."""
    names = {
        "all": "all",
        "doubtful": f"probability of cell of {DOUBTFUL_SEAM:.0%} or more".replace("%", " %"),
    }
    yield f"| {content['images']} images | seams | wrong | share |"
    yield "|---|---|---|---|"
    for key, name in names.items():
        seams, wrong = content["seams"][key]["seams"], content["seams"][key]["wrong"]
        yield f"| {name} | {seams} | {wrong} | {100 * wrong / seams:.1f} % |"


def order_table(content: Mapping[str, Any]) -> Iterator[str]:
    """Write the lines of the table of measures."""
    count, wrong = content["seams"]["doubtful"]["seams"], content["seams"]["all"]["wrong"]
    yield f"| measure | pairs in the right order | wrong among the {count} highest |"
    yield "|---|---|---|"
    for name, row in content["orders"].items():
        order = f"{100 * row['order']:.0f} ± {100 * row['spread']:.0f} %"
        yield f"| {name} | {order} | {row['wrong_of_highest']} of {wrong} |"


def main() -> None:
    """Measure the seams of all images, and print how well each measure orders them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", choices=("selection", "report"), default="selection")
    parser.add_argument("--measures", choices=("own", "all"), default="all")
    add_json(parser)
    options = parser.parse_args()
    model = load("nuclei-2d", device="cpu")
    parts = [
        measured(
            as_channels(read_image(pair.images[0])),
            read_labels(pair.labels),
            model,
            mirrors=options.measures == "all",
        )
        for pair in pairs_of(options.folder, options.images)
    ]
    content = judge(parts)
    print(*seam_table(content), "", *order_table(content), sep="\n")
    write_result(options.json, content, models=["nuclei-2d"])


if __name__ == "__main__":
    main()

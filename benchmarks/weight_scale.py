"""How much the mean of a weight map differs from crop to crop, with and without `counts`.

python benchmarks/weight_scale.py

Takes 100 crops of 64² pixels from the scenes of examples/plain_torch.py.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seamwise.labels import Labels
from seamwise.segmentation import TargetAndWeight, count_classes, mean_weight
from seamwise.words import MapName

CROPS, SIDE = 100, 64
MAPS: tuple[MapName, ...] = ("balance", "unet", "w3")


def extent(crops: Sequence[Labels], transform: TargetAndWeight) -> str:
    """The lowest and the highest mean weight of the crops."""
    means = [mean_weight([crop], transform) for crop in crops]
    return f"{min(means):.2f} to {max(means):.2f}"


def main() -> None:
    """Print the lowest and the highest mean weight of the crops for each map."""
    sys.path.append(str(Path(__file__).parents[1] / "examples"))
    from plain_torch import scene

    scenes = [scene(seed)[1] for seed in range(8)]
    rng = np.random.default_rng(0)
    crops = []
    for _ in range(CROPS):
        labels = scenes[rng.integers(len(scenes))]
        y, x = rng.integers(0, np.array(labels.shape) - SIDE + 1)
        crops.append(labels[y : y + SIDE, x : x + SIDE])
    print("| map | alone | with counts |\n|---|---|---|")
    for name in MAPS:
        alone = TargetAndWeight(map=name)
        counted = replace(alone, counts=count_classes(scenes, alone))
        print(f"| {name} | {extent(crops, alone)} | {extent(crops, counted)} |")


if __name__ == "__main__":
    main()

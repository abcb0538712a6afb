"""Choose how softly a trained focus network selects, and write it into its model file.

python recipes/soften.py runs/focus-seg/model.safetensors DATA -o focus-seg.safetensors

Tries a grid of temperatures and smoothings (see `seamwise.fusion.fuse_pair`) and chooses those with
the highest mean PSNR on pairs with matte edges and the blur of a lens. Each validation picture of
the training gives one pair. The weights do not change. DATA is the folder of the training.
"""

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from seamwise.fusion import Model, Simulation, find_pictures, fuse_pair, load, make_pair
from seamwise.io import FusionInfo, check_model_output, load_model, save_model
from seamwise.metrics.fusion import psnr
from seamwise.synth import FocusPair

TEMPERATURES = (1.0, 1.5, 2.0)
SMOOTHINGS = (0.0, 1.0, 2.0, 3.0)  # σ, pixels
SIMULATIONS = {"matte": Simulation(matte=1.0, disc=1.0), "hard": Simulation()}


def validation_pairs(info: FusionInfo, data: Path, simulation: Simulation) -> list[FocusPair]:
    """Return a pair from each validation picture of the training."""
    named = {picture.name: picture for picture in find_pictures(data)}
    missing = [name for name in info.training["validation_images"] if name not in named]
    if missing:
        raise SystemExit(
            f"{data} lacks {len(missing)} validation pictures of the model, e.g. {missing[0]}: "
            "give the folder of the training"
        )
    return [
        make_pair(
            named[name], crop=None, simulation=simulation, rng=np.random.default_rng((2, number))
        )
        for number, name in enumerate(info.training["validation_images"])
    ]


def softened(info: FusionInfo, temperature: float, smoothing: float) -> FusionInfo:
    """Return the description of the same weights with another temperature and smoothing."""
    return info.model_copy(update={"temperature": temperature, "smoothing": smoothing})


def mean_psnr(model: Model, pairs: list[FocusPair]) -> float:
    """Return the PSNR of the fused pictures against the sharp ones in dB, mean over the pairs."""
    fused = (np.clip(fuse_pair(pair.a, pair.b, model=model).image, 0, 1) for pair in pairs)
    truths = (pair.truth for pair in pairs)
    scores = [psnr(255 * image, 255 * truth) for image, truth in zip(fused, truths, strict=True)]
    return float(np.mean(scores))


def main(path: Path, data: Path, output: Path) -> FusionInfo:
    """Score the grid and write the model with its best point."""
    check_model_output(output, members=[path])
    weights, info = load_model(path, FusionInfo)
    model = load(path)
    pairs = {
        kind: validation_pairs(info, data, simulation) for kind, simulation in SIMULATIONS.items()
    }
    scores = {}
    for grid in itertools.product(TEMPERATURES, SMOOTHINGS):
        candidate = replace(model, info=softened(info, *grid))
        scores[grid] = {kind: mean_psnr(candidate, of_kind) for kind, of_kind in pairs.items()}
        print(f"temperature {grid[0]}, smoothing {grid[1]}: {scores[grid]}", flush=True)
    best = max(scores, key=lambda grid: scores[grid]["matte"])
    record = {"psnr": scores[best], "psnr_before": scores[TEMPERATURES[0], SMOOTHINGS[0]]}
    training = {**info.training, "softened": record}
    info = softened(info, *best).model_copy(update={"training": training})
    stored_as = getattr(torch, info.training["settings"]["stored_as"])
    save_model(output, weights, info, stored_as=stored_as)
    return info


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    chosen = main(options.model, options.data, options.output)
    print(f"temperature {chosen.temperature}, smoothing {chosen.smoothing}: {options.output}")

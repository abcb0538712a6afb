"""Choose how softly a trained focus network selects, and write it into its model file.

python recipes/soften.py runs/focus-seg/model.safetensors DATA -o focus-seg.safetensors

Of the temperatures and smoothings on a grid (see `seamwise.fusion.fuse_pair`), takes those with the highest mean PSNR
on pairs with matte edges and a lens's blur, one from each picture that the training validated on. The weights stay as
they are. DATA and the pictures are those of the training.
"""

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from seamwise.fusion import Model, Simulation, find_pictures, fuse_pair, load, make_pair
from seamwise.io.models import FusionInfo, check_model_output, load_model, save_model
from seamwise.metrics.fusion import psnr
from seamwise.synth import FocusPair

TEMPERATURES = (1.0, 1.5, 2.0)
SMOOTHINGS = (0.0, 1.0, 2.0, 3.0)  # σ, pixels
SIMULATIONS = {"matte": Simulation(matte=1.0, disc=1.0), "hard": Simulation()}


def validation_pairs(info: FusionInfo, data: Path, simulation: Simulation) -> list[FocusPair]:
    """One pair from each picture that the training validated on."""
    named = {picture.name: picture for picture in find_pictures(data)}
    missing = [name for name in info.training["validation_images"] if name not in named]
    if missing:
        raise SystemExit(
            f"{data} lacks {len(missing)} pictures that the model was validated on, like {missing[0]}"
        )
    return [
        make_pair(
            named[name], crop=None, simulation=simulation, rng=np.random.default_rng((2, number))
        )
        for number, name in enumerate(info.training["validation_images"])
    ]


def softened(info: FusionInfo, temperature: float, smoothing: float) -> FusionInfo:
    """The description of the same weights with another rule."""
    return info.model_copy(update={"temperature": temperature, "smoothing": smoothing})


def mean_psnr(model: Model, pairs: list[FocusPair]) -> float:
    """PSNR against the sharp pictures in dB, mean over the pairs."""
    fused = (np.clip(fuse_pair(pair.a, pair.b, model=model).image, 0, 1) for pair in pairs)
    return float(
        np.mean(
            [psnr(255 * image, 255 * pair.truth) for image, pair in zip(fused, pairs, strict=True)]
        )
    )


def main(path: Path, data: Path, output: Path) -> FusionInfo:
    """Try the grid, and write the model with the best of it."""
    check_model_output(output, members=[path])
    weights, info = load_model(path, FusionInfo)
    model = load(path)
    pairs = {
        kind: validation_pairs(info, data, simulation) for kind, simulation in SIMULATIONS.items()
    }
    found = {}
    for grid in itertools.product(TEMPERATURES, SMOOTHINGS):
        chosen = replace(model, info=softened(info, *grid))
        found[grid] = {kind: mean_psnr(chosen, of_kind) for kind, of_kind in pairs.items()}
        print(f"temperature {grid[0]}, smoothing {grid[1]}: {found[grid]}", flush=True)
    best = max(found, key=lambda grid: found[grid]["matte"])
    made = {"softened": {"psnr": found[best], "psnr_before": found[TEMPERATURES[0], SMOOTHINGS[0]]}}
    info = softened(info, *best).model_copy(update={"training": {**info.training, **made}})
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
    given = parser.parse_args()
    made = main(given.model, given.data, given.output)
    print(f"temperature {made.temperature}, smoothing {made.smoothing}: {given.output}")

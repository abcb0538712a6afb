"""Noisy pairs of different focus: fused and denoised at once, or one after the other.

python benchmarks/denoising.py ../shared/data/fusion/bsds500 [--quick] [--methods …]
    PSNR on made-up pairs whose noise has a standard deviation of 0.02, 0.05 and 0.1

A method is a name that `seamwise fuse` knows, or a model file. NAME+nlm also filters the fused
picture by scikit-image's non-local means, nlm+NAME filters both frames before. The filter is told
the true noise. Of three strengths of the filter the best is printed, for each noise by itself.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from fusion import as_levels, methods, pairs
from seamwise.fusion import Simulation, fuse
from seamwise.metrics.fusion import psnr
from seamwise.synth import FocusPair

LEVELS = (0.02, 0.05, 0.1)
STRENGTHS = (0.6, 0.8, 1.0)  # of the filter, in units of the noise
COUNT = 12
# half of them with hard edges, as the thesis has them, half with a lens's blur
SIMULATION = Simulation(matte=0.5, disc=0.5)
METHODS = [
    "focus-seg",
    "focus-burst",
    "gff",
    "focus-seg+nlm",
    "nlm+focus-seg",
    "gff+nlm",
]


def noisy(pair: FocusPair, level: float, number: int) -> list[NDArray[np.uint8]]:
    """Return both sources with noise, in 8 bits."""
    rng = np.random.default_rng((2, number, round(1000 * level)))
    return [
        as_levels(np.clip(x + level * rng.standard_normal(x.shape, np.float32), 0, 1))
        for x in (pair.a, pair.b)
    ]


def filtered(picture: NDArray[np.uint8], level: float, strength: float) -> NDArray[np.uint8]:
    """Return a picture after non-local means."""
    values = denoise_nl_means(
        picture / np.float32(255),
        patch_size=5,
        patch_distance=6,
        h=strength * level,
        sigma=level,
        fast_mode=True,
        channel_axis=-1,
    )
    return as_levels(np.clip(values, 0, 1))


def scores(
    name: str, model: Any, frames: list[NDArray[np.uint8]], truth: NDArray[np.uint8], level: float
) -> list[float]:
    """Return the PSNR for each strength of the filter; the same three times without one."""
    if name.startswith("nlm+"):
        values = []
        for strength in STRENGTHS:
            quiet = [filtered(frame, level, strength) for frame in frames]
            values.append(psnr(fuse(quiet, model=model).image, truth))
        return values
    fused = fuse(frames, model=model).image
    if name.endswith("+nlm"):
        return [psnr(filtered(fused, level, strength), truth) for strength in STRENGTHS]
    return [psnr(fused, truth)] * len(STRENGTHS)


def main(data: Path, names: Sequence[str], quick: bool) -> None:
    """Print a row for each method."""
    drawn = pairs(data, SIMULATION, COUNT // 4 if quick else COUNT)
    print(f"\n{len(drawn)} pairs, PSNR, dB\n")
    print("| | " + " | ".join(f"σ = {level}" for level in LEVELS) + " |")
    print("|---" * (1 + len(LEVELS)) + "|")
    for name in names:
        (model,) = methods([name.removeprefix("nlm+").removesuffix("+nlm")]).values()
        columns = []
        for level in LEVELS:
            rows = [
                scores(name, model, noisy(pair, level, number), as_levels(pair.truth), level)
                for number, pair in enumerate(drawn)
            ]
            columns.append(f"{np.mean(rows, 0).max():.2f}")
        print(f"| {name} | " + " | ".join(columns) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    main(given.data, given.methods, given.quick)

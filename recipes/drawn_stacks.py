"""The simulated stacks of `nuclei-3d` and `walls-3d`: random nuclei, random tissue."""

from dataclasses import replace

import numpy as np

from seamwise.synth import CONFOCAL, Medium, Nucleus, SyntheticImage, nuclei, tissue


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A random number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_nuclei(seed: int) -> tuple[SyntheticImage, float]:
    """A stack of random nuclei in a random medium, and how far its slices are apart."""
    rng = np.random.default_rng((1, seed))
    step = float(rng.choice([1.0, rng.uniform(0.7, 1.4), rng.uniform(1.4, 2.5)]))
    shape = (round(56 / step), 88, 88)
    radius = log_uniform(rng, max(3.3, 1.05 * step), 12)
    fill = log_uniform(rng, 0.015, 0.45)
    lowest = log_uniform(rng, 0.1, 0.8)
    across = rng.uniform(0.4, 1.2)
    along = across * rng.uniform(1.5, 4)
    drawn = nuclei(
        shape,
        cells=max(2, round(fill * 56 * 88 * 88 / (4.19 * radius**3))),
        rng=rng,
        cluster=log_uniform(rng, 1, 12),
        nucleus=Nucleus(
            radius=radius,
            radius_spread=rng.uniform(0.03, 0.35),
            irregularity=rng.uniform(0.02, 0.35),
            brightness=(lowest, 1.0),
            texture=rng.uniform(0, 0.5),
            spots=rng.choice([0.0, rng.uniform(0, 1)]),
            hollow=rng.choice([0.0, 0.0, rng.uniform(0, 0.8)]),
        ),
        medium=Medium(
            haze=log_uniform(rng, 0.005, 0.5) * min(1, 2 * lowest + 0.2),
            sheets=rng.choice([0.0, 0.0, rng.uniform(0, 1.5)]),
            attenuation=log_uniform(rng, 60, 800),
            scatter=log_uniform(rng, 80, 2000),
        ),
        camera=replace(
            CONFOCAL,
            psf_sigma=(along, across, across),
            background=rng.uniform(0, 0.1),
            photons=log_uniform(rng, 25, 400),
            read_noise=rng.uniform(0, 2),
            spacing=(step, 1.0, 1.0),
        ),
    )
    return drawn, step


def draw_walls(seed: int) -> tuple[SyntheticImage, float]:
    """A stack of random tissue with stained walls, and how far its slices are apart."""
    rng = np.random.default_rng((2, seed))
    step = float(rng.choice([1.0, rng.uniform(0.7, 1.4), rng.uniform(1.4, 2.2)]))
    size = log_uniform(rng, 8.5, 26)
    across = rng.uniform(0.3, 1.2)
    along = across * rng.uniform(1.2, 3)
    drawn = tissue(
        (round(56 / step), 88, 88),
        rng=rng,
        cell_size=size,
        size_spread=rng.uniform(0.05, 0.45),
        irregularity=rng.uniform(0.1, 0.4),
        bend=rng.uniform(0, 0.15),
        filling=rng.choice([0.5, 0.8, 1.0, 1.0]),
        gaps=rng.choice([0.0, 0.03]),
        wall=log_uniform(rng, max(0.4, min(step, 1) / 4), min(2.2, size / 5)),
        faint=rng.uniform(0.1, 0.85),
        cytoplasm=log_uniform(rng, 0.02, 0.4),
        texture=rng.uniform(0.1, 0.5),
        attenuation=log_uniform(rng, 40, 400),
        camera=replace(
            CONFOCAL,
            psf_sigma=(along, across, across),
            photons=log_uniform(rng, 12, 400),
            spacing=(step, 1.0, 1.0),
        ),
    )
    return drawn, step


DRAWINGS = {"nuclei": draw_nuclei, "walls": draw_walls}

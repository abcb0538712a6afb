"""Fusing and filtering at once: the thesis' section 6.3.8 and its Figure 55.

python reproduction/fig55.py ../shared/data/fusion/bsds500 -o results [--steps 1500] [--noise 0.1]
python reproduction/fig55.py ../shared/data/fusion/bsds500 -o results --quick

Trains HF-Reg with NPS6 on pairs whose sources carry Gaussian noise of random strength, while the truth has none. Then
fuses pairs from pictures that were left out, at four strengths: with that network (as painted, without Near), with
guided filtering, with focus-seg, and with guided filtering of sources that non-local means have filtered, each told the
true strength. Writes fig55.json, fig55.md and fig55.png; goes on where it was stopped.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from skimage.restoration import denoise_nl_means

from seamwise.fusion import FusionSettings, Simulation, find_pictures, fuse, fuse_pair, load, split, train
from seamwise.fusion.train import fixed_pairs
from seamwise.io.jsonfile import write_json
from seamwise.metrics import fusion as metrics
from seamwise.synth import FocusPair

STRENGTHS = (0.0, 0.02, 0.05, 0.1)  # standard deviation, intensities 0..1
TEST = 20  # pictures
Method = Callable[[FocusPair, float], np.ndarray]


def settings(given: argparse.Namespace) -> FusionSettings:
    size = {"steps": 4, "crop": 32, "width": 4} if given.quick else {"steps": given.steps, "crop": 160, "width": 16}
    return FusionSettings(
        network="picture", batch_size=4, norm="none", schedule="cosine", warmup=20, average=0.99,
        validate_every=max(1, size["steps"] // 5), simulation=Simulation(noise=given.noise, shapes=0.3), **size,
    )  # fmt: skip


def trained(given: argparse.Namespace) -> Path:
    """Train the network, or go on with it."""
    folder = given.output / "fig55-network"
    folder.mkdir(parents=True, exist_ok=True)
    parts = split(find_pictures(given.data), hold_out_every=12, leave_out_every=4)
    resume = (folder / "checkpoint.pt").exists()

    def report(progress):
        if progress.step % 50 == 0:
            print(f"step {progress.step}, loss {progress.loss:.4f}", flush=True)

    return train(parts.training, parts.validation, settings(given), output=folder, resume=resume, report=report)


def methods(model: Path) -> dict[str, Method]:
    network = load(model)

    def filtered_first(pair: FocusPair, strength: float) -> np.ndarray:
        if strength == 0:
            return fuse([pair.a, pair.b], model="gff").image
        quiet = [
            denoise_nl_means(x, patch_size=5, patch_distance=6, h=0.8 * strength, sigma=strength, channel_axis=2)
            for x in (pair.a, pair.b)
        ]
        return fuse([np.clip(x, 0, 1).astype(np.float32) for x in quiet], model="gff").image

    return {
        "HF-Reg trained with noise": lambda pair, _: fuse_pair(pair.a, pair.b, model=network, near=False).image,
        "gff": lambda pair, _: fuse([pair.a, pair.b], model="gff").image,
        "focus-seg": lambda pair, _: fuse([pair.a, pair.b], model="focus-seg").image,
        "non-local means, then gff": filtered_first,
    }


def noisy(pair: FocusPair, strength: float, seed: int) -> FocusPair:
    rng = np.random.default_rng(seed)
    a, b = (np.clip(x + strength * rng.standard_normal(x.shape), 0, 1).astype(np.float32) for x in (pair.a, pair.b))
    return replace(pair, a=a, b=b)


def measure(pairs: list[FocusPair], chosen: dict[str, Method]) -> dict[str, list[dict[str, float]]]:
    """Mean PSNR and SSIM against the sharp picture without noise, by method, at each strength."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for strength in STRENGTHS:
        sources = [noisy(pair, strength, number) for number, pair in enumerate(pairs)]
        for name, method in chosen.items():
            fused = [method(pair, strength) * 255 for pair in sources]
            scores = [
                (metrics.psnr(image, 255 * pair.truth), metrics.ssim(image, 255 * pair.truth))
                for image, pair in zip(fused, sources, strict=True)
            ]
            peak, similar = np.mean(scores, axis=0)
            results[name].append({"noise": strength, "psnr": float(peak), "ssim": float(similar)})
        print(f"noise {strength} done", flush=True)
    return results


def table(results: dict[str, list[dict[str, float]]]) -> str:
    header = "| | " + " | ".join(f"σ = {strength}" for strength in STRENGTHS) + " |"
    lines = ["PSNR in dB and SSIM against the sharp picture without noise.", "", header, "|---" * 5 + "|"]
    for name, rows in results.items():
        lines.append(f"| {name} | " + " | ".join(f"{row['psnr']:.1f}, {row['ssim']:.3f}" for row in rows) + " |")
    return "\n".join([*lines, "", verdict(results)]) + "\n"


def verdict(results: dict[str, list[dict[str, float]]]) -> str:
    own, *others = results
    better = {
        name: [
            s for s, mine, its in zip(STRENGTHS, results[own], results[name], strict=True) if mine["psnr"] > its["psnr"]
        ]
        for name in others
    }
    told = "; ".join(
        f"than {name} at σ = {', '.join(map(str, strengths))}" if strengths else f"than {name} nowhere"
        for name, strengths in better.items()
    )
    holds = all(STRENGTHS[-1] in better[name] for name in ("gff", "focus-seg"))
    return f"{'Holds' if holds else 'Does not hold'}: one network fuses and filters. Its PSNR is higher {told}."


def draw(pair: FocusPair, chosen: dict[str, Method], output: Path) -> None:
    strength = STRENGTHS[-1]
    source = noisy(pair, strength, 0)
    shown = {"A": source.a, "B": source.b, **{name: method(source, strength) for name, method in chosen.items()}}
    shown["truth"] = pair.truth
    figure = Figure(figsize=(16, 6.6), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, image) in zip(panels, shown.items(), strict=False):
        panel.imshow(np.clip(image, 0, 1))
        panel.set_title(f"{name}, {metrics.psnr(255 * np.clip(image, 0, 1), 255 * pair.truth):.1f} dB", fontsize=10)
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("results"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--noise", type=float, default=0.1, help="largest standard deviation, intensities 0..1")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    model = trained(given)
    left_out = split(find_pictures(given.data), hold_out_every=12, leave_out_every=4).left_out
    pairs = list(fixed_pairs(left_out[: 2 if given.quick else TEST], settings(given)))
    chosen = methods(model)
    results = measure(pairs, chosen)
    write_json(given.output / "fig55.json", {"steps": settings(given).steps, "noise": given.noise, "methods": results})
    text = table(results)
    (given.output / "fig55.md").write_text(text)
    draw(pairs[0], chosen, given.output / "fig55.png")
    print("\n" + text)

"""Fusing and filtering at once: the thesis' section 6.3.8 and its Figure 55.

python reproduction/fusion/fig55.py ../shared/data/fusion/bsds500 -o results [--noise 0.1]
python reproduction/fusion/fig55.py ../shared/data/fusion/bsds500 -o results --quick

Trains HF-Reg with NPS6, from the weights of focus-reg on (the thesis: 500 epochs from random ones),
on pairs whose sources carry Gaussian noise of random strength, while the truth has none, and takes
the last weights. Then fuses pairs from held-out pictures, at four strengths: with that network (as
painted, without Near), with guided filtering, with focus-seg, and with guided filtering of sources
that non-local means have filtered, each told the true strength. Writes fig55.json, fig55.md and
fig55.png. It resumes where it was stopped, in one folder for each choice of --steps and --noise.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from seamwise.analysis import markdown_table
from seamwise.fusion import (
    FusionSettings,
    PictureSplit,
    Simulation,
    fixed_pairs,
    fuse,
    fuse_pair,
    load,
    pictures_sha256,
    train,
)
from seamwise.io import Provenance
from seamwise.metrics import fusion as metrics
from seamwise.synth import FocusPair
from stored import (
    check_stored,
    command,
    provenance_of,
    script_parser,
    split_pictures,
    store,
)

STRENGTHS = (0.0, 0.02, 0.05, 0.1)  # standard deviation, intensities 0..1
TEST = 20  # pictures
RIVALS = {
    "fusing alone": ("gff", "focus-seg"),
    "filtering before fusing": ("non-local means, then gff",),
}
Method = Callable[[FocusPair, float], np.ndarray]
Results = Mapping[str, Sequence[Mapping[str, float]]]


def settings(arguments: argparse.Namespace) -> FusionSettings:
    full_size = {"steps": arguments.steps, "crop": 160, "width": 16, "start": "focus-reg"}
    size = {"steps": 4, "crop": 32, "width": 4} if arguments.quick else full_size
    return FusionSettings(
        network="picture", batch_size=4, norm="none", schedule="cosine", warmup=20, average=0.99,
        validate_every=size["steps"],  # its pairs have no noise, so it cannot choose
        simulation=Simulation(noise=arguments.noise, shapes=0.3), **size,
    )  # fmt: skip


def provenance(arguments: argparse.Namespace, parts: PictureSplit) -> Provenance:
    """Return what the scores depend on; `parts` holds the pictures that are scored as its tests."""
    options = settings(arguments)
    start = [options.start] if options.start else []
    pictures = [*parts.training, *parts.validation, *parts.test]
    return provenance_of(
        {name: name for name in start},
        **asdict(options),
        strengths=STRENGTHS,
        pairs=len(parts.test),
        data_sha256=pictures_sha256(pictures),
    )


def train_model(arguments: argparse.Namespace, parts: PictureSplit) -> Path:
    """Train the network, or resume."""
    size = "quick" if arguments.quick else f"steps{arguments.steps}"
    folder = arguments.output / f"fig55-{size}-noise{arguments.noise:g}"
    folder.mkdir(parents=True, exist_ok=True)
    resume = (folder / "checkpoint.pt").exists()

    def report(progress):
        if progress.step % 50 == 0:
            print(f"step {progress.step}, loss {progress.loss:.4f}", flush=True)

    try:
        return train(
            parts.training,
            parts.validation,
            settings(arguments),
            output=folder,
            resume=resume,
            report=report,
        )
    except (ValueError, OSError) as error:
        raise ValueError(f"{folder}: {error}") from error


def methods(model: Path) -> dict[str, Method]:
    network = load(model)

    def filter_then_fuse(pair: FocusPair, strength: float) -> np.ndarray:
        if strength == 0:
            return fuse([pair.a, pair.b], model="gff").image
        quiet = [
            denoise_nl_means(
                x, patch_size=5, patch_distance=6, h=0.8 * strength, sigma=strength, channel_axis=2
            )
            for x in (pair.a, pair.b)
        ]
        return fuse([np.clip(x, 0, 1).astype(np.float32) for x in quiet], model="gff").image

    return {
        "HF-Reg trained with noise": lambda pair, _: (
            fuse_pair(pair.a, pair.b, model=network, nearest=False).image
        ),
        "gff": lambda pair, _: fuse([pair.a, pair.b], model="gff").image,
        "focus-seg": lambda pair, _: fuse([pair.a, pair.b], model="focus-seg").image,
        "non-local means, then gff": filter_then_fuse,
    }


def noisy(pair: FocusPair, strength: float, seed: int) -> FocusPair:
    rng = np.random.default_rng(seed)
    a, b = (
        np.clip(x + strength * rng.standard_normal(x.shape), 0, 1).astype(np.float32)
        for x in (pair.a, pair.b)
    )
    return replace(pair, a=a, b=b)


def measure(pairs: list[FocusPair], fusers: dict[str, Method]) -> Results:
    """Return mean PSNR and SSIM against the sharp picture, by method, at each strength of noise."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in fusers}
    for strength in STRENGTHS:
        sources = [noisy(pair, strength, number) for number, pair in enumerate(pairs)]
        for name, method in fusers.items():
            fused = [method(pair, strength) * 255 for pair in sources]
            scores = [
                (metrics.psnr(image, 255 * pair.truth), metrics.ssim(image, 255 * pair.truth))
                for image, pair in zip(fused, sources, strict=True)
            ]
            peak, similarity = np.mean(scores, axis=0)
            results[name].append(
                {"noise": strength, "psnr": float(peak), "ssim": float(similarity)}
            )
        print(f"noise {strength} done", flush=True)
    return results


def table(results: Results) -> str:
    """Write PSNR and SSIM at each strength of noise."""

    def cell(row: Mapping[str, float]) -> str:
        return f"{row['psnr']:.1f}, {row['ssim']:.3f}"

    lines = [[name, *map(cell, rows)] for name, rows in results.items()]
    head = ["PSNR in dB, SSIM", *(f"σ = {strength}" for strength in STRENGTHS)]
    return markdown_table(head, lines)


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claims."""
    margins = content["margins"]
    lines = "\n".join(verdict(margins[rival], rival) for rival in RIVALS)
    return f"{table(content['methods'])}\n{lines}\n"


def margins_over(results: Results, rival: str) -> list[float]:
    """Return by how much the PSNR of the network, which comes first, is above the best rival's."""

    def of_strengths(rows: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
        return np.array([row["psnr"] for row in rows])

    psnr = {name: of_strengths(rows) for name, rows in results.items()}
    network = next(iter(psnr.values()))
    best = np.max([psnr[name] for name in RIVALS[rival]], axis=0)
    return [float(margin) for margin in network - best]


def judge(margins: Sequence[float]) -> str:
    """Judge whether the network is ahead wherever there is noise."""
    ahead = [s for s, by in zip(STRENGTHS, margins, strict=True) if s > 0 and by > 0]
    if len(ahead) == len(STRENGTHS) - 1:
        return "**holds wherever there is noise**"
    if ahead:
        return f"**holds only at σ = {', '.join(map(str, ahead))}**"
    return "**does not hold at any strength of noise**"


def verdict(margins: Sequence[float], rival: str) -> str:
    """Write the verdict against a rival, and where the network is behind."""
    pairs = zip(STRENGTHS, margins, strict=True)
    behind = [f"σ = {strength} (by {-by:.1f} dB)" for strength, by in pairs if by <= 0]
    where = ", ".join(behind) or "no strength"
    return f"- The network's PSNR is higher than by {rival}: {judge(margins)}; lower at {where}."


def draw(pair: FocusPair, fusers: dict[str, Method], output: Path) -> None:
    strength = STRENGTHS[-1]
    source = noisy(pair, strength, 0)
    pictures = {
        "A": source.a,
        "B": source.b,
        **{name: method(source, strength) for name, method in fusers.items()},
    }
    pictures["truth"] = pair.truth
    figure = Figure(figsize=(16, 6.6), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, image) in zip(panels, pictures.items(), strict=False):
        panel.imshow(np.clip(image, 0, 1))
        level = (
            ""
            if name == "truth"
            else f", {metrics.psnr(255 * np.clip(image, 0, 1), 255 * pair.truth):.1f} dB"
        )
        panel.set_title(name + level, fontsize=10)
    figure.savefig(output, dpi=80)


def main() -> None:
    parser = script_parser(__doc__, "four steps; files are called fig55-quick…")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument(
        "--noise", type=float, default=0.1, help="largest standard deviation, intensities 0..1"
    )
    arguments = parser.parse_args()
    stem = arguments.output / ("fig55-quick" if arguments.quick else "fig55")
    parts = split_pictures(arguments.data)
    parts = replace(parts, test=parts.test[: 2 if arguments.quick else TEST])
    made_from = provenance(arguments, parts)
    check_stored(stem.with_suffix(".json"), made_from)
    model = train_model(arguments, parts)
    pairs = list(fixed_pairs(parts.test, settings(arguments)))
    fusers = methods(model)
    results = measure(pairs, fusers)
    margins = {rival: margins_over(results, rival) for rival in RIVALS}
    content = {"methods": results, "margins": margins}
    store(stem.with_suffix(".json"), made_from, content)
    text = table(results) if arguments.quick else section(content)
    stem.with_suffix(".md").write_text(text, encoding="utf-8")
    draw(pairs[0], fusers, stem.with_suffix(".png"))
    print("\n" + text)


if __name__ == "__main__":
    command(main)

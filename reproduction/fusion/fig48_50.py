"""L1, L2 and NPS6 from the same start: the thesis' section 6.3.3 and its Figures 48 to 50.

python reproduction/fusion/fig48_50.py ../shared/data/fusion/bsds500 -o results [--quick]
python reproduction/fusion/fig48_50.py ../shared/data/fusion/bsds500 --steps 800 --norm batch

Trains HF-Reg with the loss of thesis (6.4), whose φ is |d|, d² or tanh(3|d|), from three seeds.
First weights, batches and all else are the same for the three losses of a seed. Measures the mean
L1 error and SSIM of the raw output (without Near) on pairs from pictures that no training saw.
Writes fig48_50.json, fig48_50.md and fig48_50.png. It resumes where it was stopped, in one folder
for each choice of options.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seamwise.analysis import markdown_table, spread_text
from seamwise.fusion import (
    FusionSettings,
    PictureSplit,
    fixed_pairs,
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
    holds,
    provenance_of,
    script_parser,
    split_pictures,
    store,
)

LOSSES = {"l1": "L1", "l2": "L2", "nps": "NPS6"}
TEST = 20  # pictures
SEEDS = (0, 1, 2)
DEFAULTS = {"steps": 400, "width": 16, "norm": "none", "learning_rate": 1e-3, "points": 10}


def settings(loss: str, arguments: argparse.Namespace, seed: int = 0) -> FusionSettings:
    steps, points = (6, 3) if arguments.quick else (arguments.steps, arguments.points)
    if points < 1 or steps % points:
        raise ValueError(f"--steps must be a multiple of --points, not {steps} and {points}")
    return FusionSettings(
        network="picture", loss=loss, steps=steps, batch_size=4,
        crop=32 if arguments.quick else 160,
        width=2 if arguments.quick else arguments.width, norm=arguments.norm,
        learning_rate=arguments.learning_rate, warmup=0,
        average=0.9, seed=seed, validate_every=steps // points, snapshot_every=steps // points,
        symmetric=False,  # the thesis' network learns it from both orders
    )  # fmt: skip


def seeds_of(arguments: argparse.Namespace) -> tuple[int, ...]:
    return SEEDS[:1] if arguments.quick else SEEDS


def stem(arguments: argparse.Namespace) -> str:
    return "fig48_50-quick" if arguments.quick else "fig48_50"


def provenance(arguments: argparse.Namespace, parts: PictureSplit) -> Provenance:
    """Return what the errors depend on; `parts` holds the pictures that are scored as its tests."""
    options = asdict(settings("nps", arguments))
    for varied in ("loss", "seed"):
        del options[varied]
    pictures = [*parts.training, *parts.validation, *parts.test]
    return provenance_of(
        {},
        losses=list(LOSSES),
        seeds=list(seeds_of(arguments)),
        pairs=len(parts.test),
        data_sha256=pictures_sha256(pictures),
        **options,
    )


def run(loss: str, seed: int, arguments: argparse.Namespace, parts: PictureSplit) -> Path:
    """Train with one loss from one seed, or resume; return the folder of its snapshots."""
    other = [
        f"-{name}{getattr(arguments, name)}"
        for name, value in DEFAULTS.items()
        if getattr(arguments, name) != value
    ]
    if seed:
        other.append(f"-seed{seed}")
    folder = arguments.output / f"{stem(arguments)}-{loss}{''.join(other)}"
    folder.mkdir(parents=True, exist_ok=True)
    resume = (folder / "checkpoint.pt").exists()
    for stale in folder.glob("snapshot-*") if not resume else ():
        stale.unlink()

    def report(progress):
        if progress.step % 20 == 0:
            step = f"step {progress.step} of {options.steps}"
            print(f"{loss}, seed {seed}: {step}, loss {progress.loss:.4f}", flush=True)

    try:
        options = settings(loss, arguments, seed)
        train(
            parts.training, parts.validation, options, output=folder, resume=resume, report=report
        )
    except (ValueError, OSError) as error:
        raise ValueError(f"{folder}: {error}") from error
    return folder


def scores(folder: Path, pairs: Sequence[FocusPair]) -> list[dict[str, Any]]:
    """Return mean L1 error and SSIM at each snapshot."""
    rows = []
    for path in sorted(folder.glob("snapshot-*.safetensors"), key=step_of):
        model = load(path)
        errors, similarities = [], []
        for pair in pairs:
            image = fuse_pair(pair.a, pair.b, model=model, nearest=False).image
            errors.append(np.abs(pair.truth - image).mean())
            similarities.append(float(metrics.ssim(image * 255, pair.truth * 255)))
        row = {"l1": float(np.mean(errors)), "ssim": float(np.mean(similarities))}
        rows.append({"step": step_of(path), **row, "each_ssim": similarities})
    return rows


def step_of(snapshot: Path) -> int:
    """Return the step of a snapshot by its name."""
    return int(snapshot.stem.split("-")[1])


def plot_errors(axes: Axes, results: Mapping[str, Any], mean: float) -> None:
    """Plot Fig. 49: the error over the steps, next to that of the mean of both sources."""
    for number, (loss, seeds) in enumerate(results.items()):
        for rows in seeds:
            steps = [row["step"] for row in rows]
            errors = [row["l1"] for row in rows]
            label = LOSSES[loss] if rows is seeds[0] else None
            axes.semilogy(steps, errors, "o-", ms=3, lw=1, color=f"C{number}", label=label)
    axes.axhline(mean, color="0.6", ls="--", label="mean of both sources")
    axes.set(
        xlabel="step",
        ylabel="mean L1 error of the raw output",
        title="Fig. 49: error on held-out pairs",
    )
    axes.legend()


def draw_errors(content: Mapping[str, Any], path: Path) -> None:
    """Draw Fig. 49 alone."""
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    plot_errors(figure.subplots(), content["losses"], content["mean_of_sources_l1"])
    figure.savefig(path, dpi=90)


def draw(
    results: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    folders: dict[str, Path],
    pair,
    mean: float,
    output: Path,
) -> None:
    """Draw Fig. 49 (error over steps), SSIM at the end, and Fig. 48 (one pair at four moments)."""
    figure = Figure(figsize=(13, 11), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    left, right = upper.subplots(1, 2)
    plot_errors(left, results, mean)
    right.boxplot(
        [seeds[0][-1]["each_ssim"] for seeds in results.values()],
        tick_labels=list(LOSSES.values()),
    )
    right.set(ylabel="SSIM", title="SSIM at the end, seed 0")
    steps = [row["step"] for row in next(iter(results.values()))[0]]
    panel_steps = [steps[i] for i in np.linspace(0, len(steps) - 1, 4).round().astype(int)]
    for row, (loss, folder) in zip(lower.subplots(3, 5), folders.items(), strict=True):
        for panel, step in zip(row, panel_steps, strict=False):
            model = load(folder / f"snapshot-{step}.safetensors")
            panel.imshow(fuse_pair(pair.a, pair.b, model=model, nearest=False).image)
            panel.set_title(f"{LOSSES[loss]}, step {step}", fontsize=9)
        row[-1].imshow(pair.truth)
        row[-1].set_title("truth", fontsize=9)
        for panel in row:
            panel.set_axis_off()
    figure.savefig(output, dpi=90)


def at_end(seeds: Sequence[Sequence[Mapping[str, float]]], name: str) -> list[float]:
    """Return the error or the SSIM at the last snapshot of each seed."""
    return [rows[-1][name] for rows in seeds]


def table(content: Mapping[str, Any]) -> str:
    """Write the end of the trainings, mean ± standard deviation over the seeds."""
    mean = content["mean_of_sources_l1"]
    lines = [
        [LOSSES[loss], spread_text(at_end(seeds, "l1"), 4), spread_text(at_end(seeds, "ssim"), 4)]
        for loss, seeds in content["losses"].items()
    ]
    lines.append(["mean of both sources", f"{mean:.4f}", ""])
    return markdown_table(["φ", f"L1 error after {content['steps']} steps", "SSIM"], lines)


def least_errors(results: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> list[str]:
    """Return the loss with the least error at the end, for each seed."""
    errors = zip(*(at_end(seeds, "l1") for seeds in results.values()), strict=True)
    return [min(zip(each, results, strict=True))[1] for each in errors]


def has_halved(rows: Sequence[Mapping[str, float]]) -> bool:
    """Tell whether the error at the end is less than half of that at the first snapshot."""
    return rows[-1]["l1"] < rows[0]["l1"] / 2


def verdict(results: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> str:
    """Write what the errors say to the thesis, which prints curves and no numbers."""
    best = least_errors(results)
    leaders = ", ".join(f"{LOSSES[loss]} in {count}" for loss, count in Counter(best).items())
    text = (
        f"That NPS6 converges best {holds(set(best) == {'nps'})}: of {len(best)} seeds, "
        f"{leaders} with the least error."
    )
    if len(next(iter(results.values()))[0]) < 2:
        return f"{text}\n"
    falls = [LOSSES[loss] for loss, seeds in results.items() if all(map(has_halved, seeds))]
    return (
        f"{text} In every seed the error has fallen to less than half of that at the first "
        f"snapshot with {', '.join(falls) or 'none'}.\n"
    )


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claim."""
    return f"{table(content)}\n{verdict(content['losses'])}"


def measure(arguments: argparse.Namespace) -> None:
    """Train with each loss from each seed, measure, write and draw."""
    path = arguments.output / f"{stem(arguments)}.json"
    parts = split_pictures(arguments.data)
    parts = replace(parts, test=parts.test[: 2 if arguments.quick else TEST])
    made_from = provenance(arguments, parts)
    check_stored(path, made_from)
    folders: dict[str, list[Path]] = {loss: [] for loss in LOSSES}
    for seed, loss in product(seeds_of(arguments), LOSSES):
        folders[loss].append(run(loss, seed, arguments, parts))
    options = settings("nps", arguments)
    pairs = list(fixed_pairs(parts.test, options))
    results: dict[str, list[list[dict[str, Any]]]] = {}
    for loss, of_seeds in folders.items():
        results[loss] = [scores(folder, pairs) for folder in of_seeds]
    mean = float(np.mean([np.abs((pair.a + pair.b) / 2 - pair.truth).mean() for pair in pairs]))
    content = {"steps": options.steps, "mean_of_sources_l1": mean, "losses": results}
    store(path, made_from, content)
    text = table(content) if arguments.quick else section(content)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    of_first_seed = {loss: of_seeds[0] for loss, of_seeds in folders.items()}
    draw(results, of_first_seed, pairs[0], mean, path.with_suffix(".png"))
    print("\n" + text)


def main() -> None:
    parser = script_parser(__doc__, "six steps; files are called fig48_50-quick…")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--norm", choices=["none", "batch"])
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--points", type=int, help="snapshots that are measured")
    parser.set_defaults(**DEFAULTS)
    measure(parser.parse_args())


if __name__ == "__main__":
    command(main)

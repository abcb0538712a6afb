"""L1, L2 and NPS6 from the same start: the thesis' section 6.3.3 and its Figures 48 to 50.

python reproduction/fusion/fig48_50.py ../shared/data/fusion/bsds500 -o results [--quick]
python reproduction/fusion/fig48_50.py ../shared/data/fusion/bsds500 --steps 800 --norm batch

Trains HF-Reg three times with the loss of thesis (6.4), whose φ is |d|, d² or tanh(3|d|). First
weights, batches and all else are the same. Measures the mean L1 error and SSIM of the raw output
(without Near) on pairs from pictures that no training saw. Writes fig48_50.json, fig48_50.md and
fig48_50.png. It resumes where it was stopped, in one folder for each choice of options.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seamwise.analysis import markdown_table
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
DEFAULTS = {"steps": 400, "width": 16, "norm": "none", "learning_rate": 1e-3, "points": 10}


def settings(loss: str, arguments: argparse.Namespace) -> FusionSettings:
    steps, points = (6, 3) if arguments.quick else (arguments.steps, arguments.points)
    if points < 1 or steps % points:
        raise ValueError(f"--steps must be a multiple of --points, not {steps} and {points}")
    return FusionSettings(
        network="picture", loss=loss, steps=steps, batch_size=4,
        crop=32 if arguments.quick else 160,
        width=2 if arguments.quick else arguments.width, norm=arguments.norm,
        learning_rate=arguments.learning_rate, warmup=0,
        average=0.9, validate_every=steps // points, snapshot_every=steps // points,
        symmetric=False,  # the thesis' network learns it from both orders
    )  # fmt: skip


def stem(arguments: argparse.Namespace) -> str:
    return "fig48_50-quick" if arguments.quick else "fig48_50"


def provenance(arguments: argparse.Namespace, parts: PictureSplit) -> Provenance:
    """Return what the errors depend on; `parts` holds the pictures that are scored as its tests."""
    options = {name: v for name, v in asdict(settings("nps", arguments)).items() if name != "loss"}
    pictures = [*parts.training, *parts.validation, *parts.test]
    return provenance_of(
        {},
        losses=list(LOSSES),
        pairs=len(parts.test),
        data_sha256=pictures_sha256(pictures),
        **options,
    )


def run(loss: str, arguments: argparse.Namespace, parts: PictureSplit) -> Path:
    """Train with one loss, or resume; return the folder of its snapshots."""
    other = [
        f"-{name}{getattr(arguments, name)}"
        for name, value in DEFAULTS.items()
        if getattr(arguments, name) != value
    ]
    folder = arguments.output / f"{stem(arguments)}-{loss}{''.join(other)}"
    folder.mkdir(parents=True, exist_ok=True)
    resume = (folder / "checkpoint.pt").exists()
    for stale in folder.glob("snapshot-*") if not resume else ():
        stale.unlink()

    def report(progress):
        if progress.step % 20 == 0:
            print(
                f"{loss}: step {progress.step} of {options.steps}, loss {progress.loss:.4f}",
                flush=True,
            )

    try:
        options = settings(loss, arguments)
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
    for loss, rows in results.items():
        steps = [row["step"] for row in rows]
        errors = [row["l1"] for row in rows]
        axes.semilogy(steps, errors, "o-", ms=3, label=LOSSES[loss])
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
    results: dict[str, list[dict[str, float]]],
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
        [rows[-1]["each_ssim"] for rows in results.values()], tick_labels=list(LOSSES.values())
    )
    right.set(ylabel="SSIM", title="SSIM at the end")
    steps = [row["step"] for row in next(iter(results.values()))]
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


def table(content: Mapping[str, Any]) -> str:
    """Write the end of each training."""
    mean = content["mean_of_sources_l1"]
    lines = [
        [LOSSES[loss], f"{rows[-1]['l1']:.4f}", f"{rows[-1]['ssim']:.4f}"]
        for loss, rows in content["losses"].items()
    ]
    lines.append(["mean of both sources", f"{mean:.4f}", ""])
    return markdown_table(["φ", f"L1 error after {content['steps']} steps", "SSIM"], lines)


def least_error(results: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return the loss with the least error at the end."""
    return min(results, key=lambda loss: results[loss][-1]["l1"])


def verdict(results: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Write what the errors say to the thesis, which prints curves and no numbers."""
    best = least_error(results)
    text = f"That NPS6 converges best {holds(best == 'nps')}: {LOSSES[best]} has the least error."
    if min(map(len, results.values())) < 2:
        return f"{text}\n"
    falls = [LOSSES[loss] for loss, rows in results.items() if rows[-1]["l1"] < rows[0]["l1"] / 2]
    return (
        f"{text} The error has fallen to less than half of that at the first snapshot with "
        f"{', '.join(falls) or 'none'}.\n"
    )


def section(content: Mapping[str, Any]) -> str:
    """Write the table, and what it says to the claim."""
    return f"{table(content)}\n{verdict(content['losses'])}"


def measure(arguments: argparse.Namespace) -> None:
    """Train three times, measure, write and draw."""
    path = arguments.output / f"{stem(arguments)}.json"
    parts = split_pictures(arguments.data)
    parts = replace(parts, test=parts.test[: 2 if arguments.quick else TEST])
    made_from = provenance(arguments, parts)
    check_stored(path, made_from)
    folders = {loss: run(loss, arguments, parts) for loss in LOSSES}
    options = settings("nps", arguments)
    pairs = list(fixed_pairs(parts.test, options))
    results = {loss: scores(folder, pairs) for loss, folder in folders.items()}
    mean = float(np.mean([np.abs((pair.a + pair.b) / 2 - pair.truth).mean() for pair in pairs]))
    content = {"steps": options.steps, "mean_of_sources_l1": mean, "losses": results}
    store(path, made_from, content)
    text = table(content) if arguments.quick else section(content)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    draw(results, folders, pairs[0], mean, path.with_suffix(".png"))
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

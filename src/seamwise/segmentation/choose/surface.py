"""A picture of how good each pair of thresholds is; see `plot_surface`."""

from pathlib import Path

import numpy as np

from seamwise.io.atomic import atomic_path
from seamwise.io.outcome import amount
from seamwise.segmentation.choose.tune import THRESHOLD_NAMES, Tuning

_SYMBOLS = {
    ("threshold", "touching"): "γ₂",
    ("threshold", "cell"): "γ₁",
    ("watershed", "background"): "τ₀",
    ("watershed", "cell"): "τ₁",
}
_VISIBLE_LOSS = 0.1  # PQ below the best that still has a colour of its own in the plot


def plot_surface(path: Path, tuning: Tuning) -> None:
    """Draw PQ over the two thresholds as PNG.

    The surface is interpolated between the trials, which are dots. The best one is a star; a line
    shows where PQ equals that of the arg max. The colours span 0.1 below the best: the exact height
    far from the optimum matters little.
    """
    from matplotlib.figure import Figure  # slow to import, needed only here

    best, argmax = tuning.best.panoptic_quality, tuning.argmax_panoptic_quality
    height = [trial.panoptic_quality for trial in tuning.trials]
    # the cell threshold is along x for both decoders
    y, x = zip(*(trial.thresholds for trial in tuning.trials), strict=True)
    best_y, best_x = tuning.best.thresholds
    figure = Figure(figsize=(6.6, 5.4), layout="constrained")
    axes = figure.subplots()
    levels = np.linspace(max(best - _VISIBLE_LOSS, 0), max(best, 0.001), 21)
    surface = axes.tricontourf(x, y, height, levels=levels, cmap="viridis", extend="min")
    if min(height) < argmax < best:
        axes.tricontour(x, y, height, levels=[argmax], colors="white", linewidths=1.2)
        axes.plot([], [], color="0.6", lw=1.2, label=f"as good as arg max, {argmax:.3f}")
    axes.plot(
        x,
        y,
        ".",
        color="black",
        ms=3,
        clip_on=False,
        label=f"{len(height)} pairs decoded and scored",
    )
    axes.plot(
        best_x, best_y, "*", color="red", markeredgecolor="white", ms=16, label=f"best, {best:.3f}"
    )
    names = [
        f"{name} threshold {_SYMBOLS[tuning.decode, name]}"
        for name in THRESHOLD_NAMES[tuning.decode]
    ]
    axes.set(xlabel=names[1], ylabel=names[0], aspect="equal", xlim=(0, 1), ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize="small")
    label = f"PQ at IoU 0.5, pooled over {amount(len(tuning.images), 'image')}"
    figure.colorbar(surface, ax=axes, label=label, format="%.3f", ticks=levels[::4])
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)

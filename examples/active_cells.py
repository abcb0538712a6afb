"""Count active cells over time (thesis Figure 8), on a simulated series with known truth.

Cells move, divide and become active; the second channel shows the marker of active ones. They are
segmented with the built-in model, measured and tracked. Otsu's threshold tells which are active.
The script prints how far the share of active cells is from the truth, and draws it.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from seamwise.measure import MeasureOptions, joined, mark_positive, measure, track_cells
from seamwise.segmentation import load, overlay, segment
from seamwise.synth import time_lapse

BLUE, RED = "#5b7db1", "#d1495b"


def measured(series):
    """Segment and measure every frame; return the table of all cells and the labels."""
    model = load("nuclei-2d")
    options = MeasureOptions(names=("cell", "marker"))
    tables, frames = [], []
    for time, image in enumerate(series.image):
        labels = segment(image[0], model=model, keep_probabilities=False).labels
        cells = measure(image, labels, options)
        tables.append(cells.with_column("time", np.full(len(cells), time)))
        frames.append(labels)
    return joined(tables), frames


def counts_of(series):
    """True numbers of cells and of active cells in each frame."""
    frames = [np.unique(labels[labels > 0]) for labels in series.labels]
    active = [series.active[time][tracks].sum() for time, tracks in enumerate(frames)]
    return np.array([len(tracks) for tracks in frames]), np.array(active)


def draw(path, series, frames, cells, shares):
    """Draw three frames with outlines and marker, and the share of active cells over time."""
    figure = Figure(figsize=(14, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 5, width_ratios=(1, 1, 1, 0.1, 1.7))
    top = np.percentile(series.image[:, 1], 99.8)
    for column, time in enumerate((0, len(frames) // 2, len(frames) - 1)):
        body = overlay(series.image[time, 0], frames[time])
        marker = np.clip(series.image[time, 1] / top, 0, 1)
        for row, (picture, name) in enumerate(((body, "cells"), (marker, "marker"))):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1 if row else None)
            axes.set_title(f"{name}, time {time}")
            axes.set_xticks([])
            axes.set_yticks([])
    axes = figure.add_subplot(grid[0, 4])
    axes.hist(np.log10(cells["marker_mean"]), 40, color=BLUE)
    axes.set(xlabel="logarithm of the mean marker", ylabel="cells")
    curve = figure.add_subplot(grid[1, 4])
    for share, colour, name in zip(shares, ("black", RED), ("truth", "measured"), strict=True):
        curve.plot(100 * share, color=colour, marker="o", markersize=3, label=name)
    curve.set(xlabel="time point", ylabel="active cells in %", ylim=(0, None))
    curve.legend(frameon=False)
    for one in (axes, curve):
        one.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def main(output, frames):
    """Run everything."""
    series = time_lapse((300, 360), frames=frames, cells=70, rng=8, radius=11, activation=0.06)
    cells, labels = measured(series)
    marker = cells.with_column("marker_mean", np.log(cells["marker_mean"]))
    is_active = mark_positive(marker, "marker")[0]["marker_positive"]
    tracked = track_cells(cells)
    number = np.bincount(cells["time"], minlength=frames)
    active = np.bincount(cells["time"], is_active, minlength=frames)
    true_number, true_active = counts_of(series)
    shares = true_active / true_number, active / number
    error = 100 * np.abs(shares[0] - shares[1])
    print(f"cells: {number.sum()} measured, {true_number.sum()} true")
    print(f"tracks: {len(np.unique(tracked['track_id']))} measured, {len(series.parents)} true")
    print(f"share of active cells: off by {error.mean():.2f} points, {error.max():.2f} at most")
    path = output / "active_cells.png"
    draw(path, series, labels, cells, shares)
    print(f"wrote {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("."), help="folder of the picture")
    parser.add_argument("--frames", type=int, default=24, help="time points to draw")
    options = parser.parse_args()
    main(options.output, options.frames)

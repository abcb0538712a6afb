"""Which links of `track_cells` are right, on simulated series with known truth.

python benchmarks/tracking.py
"""

import numpy as np
from numpy.typing import NDArray

from seamwise.measure import MeasureOptions, Table, Width, joined, measure, track_cells
from seamwise.synth import TimeLapse, time_lapse

SETTINGS = ((0.1, 0.0), (0.2, 0.03), (0.4, 0.01))
"""Speed in radii for each frame, chance of a division."""


def measured(series: TimeLapse) -> Table:
    parts = []
    for time, labels in enumerate(series.labels):
        cells = measure(labels * 0, labels, MeasureOptions(ring=Width(0), rim=Width(0)))
        parts.append(cells.with_column("time", np.full(len(cells), time)))
    return joined(parts)


def links(
    times: NDArray[np.integer], tracks: NDArray[np.integer], parents: NDArray[np.integer]
) -> set[tuple[int, int]]:
    """Pairs of rows: a cell and the same cell, or its mother, before."""
    pairs: set[tuple[int, int]] = set()
    last: dict[int, int] = {}
    for row in np.argsort(times, kind="stable").tolist():
        track, parent = int(tracks[row]), int(parents[row])
        if track in last or parent in last:
            pairs.add((last.get(track, last.get(parent, -1)), row))
        last[track] = row
    return pairs


if __name__ == "__main__":
    for speed, divisions in SETTINGS:
        for seed in range(3):
            series = time_lapse(
                (300, 390), frames=20, cells=80, rng=seed, radius=10, speed=speed,
                divisions=divisions,
            )  # fmt: skip
            cells = measured(series)
            mothers = np.array([series.parents[number] for number in cells["id"].tolist()])
            true = links(cells["time"], cells["id"], mothers)
            tracked = track_cells(cells)
            ours = links(cells["time"], tracked["track_id"], tracked["parent_track_id"])
            counts = np.bincount(cells["time"])
            print(
                f"speed {speed}, divisions {divisions}, seed {seed}: {counts.min()} to "
                f"{counts.max()} cells in {len(counts)} frames; of {len(true)} true links "
                f"{len(true & ours) / len(true):.2%} are found, of {len(ours)} links "
                f"{len(true & ours) / len(ours):.2%} are right"
            )

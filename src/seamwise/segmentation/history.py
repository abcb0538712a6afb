"""The log of a training run, as numbers and as a picture."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from seamwise.io.atomic import atomic_path

_SMOOTHING = 50  # steps


@dataclass(frozen=True)
class Progress:
    """One line of the log: a step, and the validation scores where the step was validated."""

    step: int
    loss: float
    learning_rate: float
    seconds: float
    panoptic_quality: float | None = None
    average_precision: float | None = None


def write_log(path: Path, history: Sequence[Progress]) -> None:
    """Write the log as CSV, one line per step; scores are empty where the step was not validated."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        names = [field.name for field in fields(Progress)]
        writer.writerow(names)
        writer.writerows([getattr(progress, name) for name in names] for progress in history)


def plot_curve(path: Path, history: Sequence[Progress]) -> None:
    """Draw loss (left axis, running mean) and validation scores (right axis) over the steps as PNG."""
    from matplotlib.figure import Figure  # slow to import, needed only here

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.subplots()
    steps = [progress.step for progress in history]
    left.plot(steps, _running_mean([progress.loss for progress in history]), color="0.55", label="loss")
    left.set_xlabel("step")
    left.set_ylabel(f"training loss (mean of {_SMOOTHING} steps)")
    left.set_ylim(bottom=0)
    right = left.twinx()
    validated = [progress for progress in history if progress.panoptic_quality is not None]
    at = [progress.step for progress in validated]
    quality = [progress.panoptic_quality or 0.0 for progress in validated]
    precision = [progress.average_precision or 0.0 for progress in validated]
    right.plot(at, quality, "o-", color="C0", ms=3, label="PQ, pooled")
    right.plot(at, precision, "s-", color="C1", ms=3, label="AP, mean of images")
    right.set_ylabel("validation, IoU ≥ 0.5")
    right.set_ylim(0, 1)
    right.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _running_mean(values: Sequence[float]) -> list[float]:
    return [
        sum(window) / len(window) for window in (values[max(0, i - _SMOOTHING + 1) : i + 1] for i in range(len(values)))
    ]

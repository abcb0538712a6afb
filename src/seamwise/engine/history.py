"""The log of a training run, as numbers and as a picture."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seamwise.io.atomic import atomic_path

_SMOOTHING = 50  # steps, at most a tenth of the run
_FEW_VALIDATIONS = 3  # so few have no scale of their own
_SLOW = 5  # the first steps of a process read files, start workers and choose kernels
_FEWEST_STEPS = 10  # steps until their mean time is a fair guess
_NAMES = ("step", "loss", "learning_rate", "seconds")


@dataclass(frozen=True)
class TrainProgress:
    """One line of the log.

    Attributes
    ----------
    step : int
        Number of the step, from 1.
    loss, learning_rate : float
    seconds : float
        Time since the run began, without interruptions.
    scores : mapping
        Validation scores by name, where the step was validated. The first one chooses the best
        model.
    seconds_left : float, optional
        Estimated time to the last step; None until enough steps were timed. Not in the log.
    """

    step: int
    loss: float
    learning_rate: float
    seconds: float
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds_left: float | None = None


def seconds_left(history: Sequence[TrainProgress], *, first: int, steps: int) -> float | None:
    """Estimate how long the rest of a run takes.

    Parameters
    ----------
    history : sequence of TrainProgress
        A line for each step so far.
    first : int
        Number of lines from an earlier process.
    steps : int
        Length of the run.

    Returns
    -------
    float or None
        In seconds. The first 5 steps of a process do not count; None until 10 more are done.
    """
    steps_timed = len(history) - first - _SLOW
    if steps_timed < _FEWEST_STEPS:
        return None
    pace = (history[-1].seconds - history[-1 - steps_timed].seconds) / steps_timed
    return pace * (steps - history[-1].step)


def write_log(path: Path, history: Sequence[TrainProgress]) -> None:
    """Write the log as CSV, a line for each step; a step without validation has empty scores."""
    scores = _score_names(history)
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_NAMES, *scores])
        for line in history:
            writer.writerow(
                [getattr(line, name) for name in _NAMES]
                + [line.scores.get(name, "") for name in scores]
            )


def read_log(path: Path) -> list[TrainProgress]:
    """Read what `write_log` wrote."""
    with open(path, newline="") as file:
        return [_progress(line) for line in csv.DictReader(file)]


def _progress(line: Mapping[str, str]) -> TrainProgress:
    """A line of the log."""
    numbers = {name: float(line[name]) for name in _NAMES[1:]}
    scores = {name: float(text) for name, text in line.items() if text and name not in _NAMES}
    return TrainProgress(step=int(line["step"]), **numbers, scores=scores)


def plot_curve(path: Path, history: Sequence[TrainProgress]) -> None:
    """Draw the loss (running mean), and below it each validation score, over the steps as PNG."""
    from matplotlib.figure import Figure  # slow to import, needed only here

    scores = _score_names(history)
    figure = Figure(figsize=(8, 3 + 1.5 * len(scores)), layout="constrained")
    panels = figure.subplots(
        1 + len(scores),
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": [2] + [1] * len(scores)},
    )[:, 0]
    window = max(1, min(_SMOOTHING, len(history) // 10))
    losses = _running_mean([progress.loss for progress in history], window)
    panels[0].plot([progress.step for progress in history], losses, color="0.4")
    mean = f"\n(mean of {window} steps)" if window > 1 else ""
    panels[0].set_ylabel(f"training loss{mean}")
    panels[0].set_ylim(bottom=0)
    validations = [progress for progress in history if progress.scores]
    for number, name in enumerate(scores):
        values = [progress.scores[name] for progress in validations]
        panel = panels[1 + number]
        panel.plot(
            [progress.step for progress in validations], values, "o-", color=f"C{number}", ms=3
        )
        panel.set_ylabel(name.replace("_", "\n"))
        if len(values) < _FEW_VALIDATIONS:
            panel.set_ylim(min(0, *values), 1.1 * max(1, *values))
    for panel in panels:
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("step")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _score_names(history: Sequence[TrainProgress]) -> list[str]:
    return list(dict.fromkeys(name for progress in history for name in progress.scores))


def _running_mean(values: Sequence[float], width: int) -> list[float]:
    windows = (values[max(0, i - width + 1) : i + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]

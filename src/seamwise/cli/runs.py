"""Training runs: how far they are, and what Ctrl-C does."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from seamwise.cli.errors import fail
from seamwise.cli.progress import Progress

if TYPE_CHECKING:
    from seamwise.engine.history import TrainProgress
    from seamwise.engine.loop import Report


@contextmanager
def stop_on_interrupt() -> Iterator[list[bool]]:
    """Yield a list that the first Ctrl-C fills, so that no step is cut; a second acts as usual."""
    stopped: list[bool] = []

    def handler(number: int, frame: FrameType | None) -> None:
        stopped.append(True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def training_progress(output: Path, steps: int, scores: str, *, silent: bool) -> "Iterator[Report]":
    """Yield a report that shows how a training run goes; Ctrl-C ends the run after a checkpoint.

    Parameters
    ----------
    output : Path
        Folder of the run.
    steps : int
    scores : str
        Format of the validation scores.
    silent : bool
        Print nothing, as in all but one of several processes.
    """
    with Progress(silent=silent) as progress, stop_on_interrupt() as stopped:
        task = progress.task("train", steps, timed=False)
        last = ""
        is_announced = False

        def report(step: "TrainProgress") -> bool:
            nonlocal last, is_announced
            if step.scores:
                last = ", " + scores.format(**step.scores)
                progress.note(f"step {step.step}: loss {step.loss:.3f}{last}")
            left = step.seconds_left
            task.update(step.step, steps, f"loss {step.loss:.3f}{last}", left=left)
            if left is not None and not is_announced:
                is_announced = True
                if left > 60:
                    progress.note(f"about {left / 60:.0f} minutes left; Ctrl-C writes a checkpoint")
            return not stopped

        yield report
    if stopped and not silent:
        fail(f"interrupted; the checkpoint is in {output}. Use --resume to continue", code=130)

"""Progress bars, and what Ctrl-C does."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from seamwise.cli.errors import fail, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from seamwise.engine.history import TrainProgress
    from seamwise.engine.loop import Report
    from seamwise.io.outcome import Outcome
    from seamwise.segmentation import BlockProgress


@contextmanager
def progress_bar(quiet: bool = False) -> "Iterator[Bar]":
    """A progress bar; messages go past it. Without a terminal there is no bar, only messages."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    console = Console(stderr=True, quiet=quiet, soft_wrap=True, markup=False, highlight=False)
    # messages go past the bar; without a terminal there is no bar, only messages
    with Progress(*columns, console=console) as bar:
        yield bar


def follow_files(
    bar: "Bar", outcomes: "Iterator[Outcome]", verb: str, done: str, nothing: str
) -> NoReturn:
    """Show what becomes of many files, and exit with 1 if some failed."""
    failed = total = 0
    job = bar.add_task(verb, total=None)
    for outcome in outcomes:
        bar.update(job, total=outcome.total, advance=1, description=outcome.path.name)
        for message in outcome.messages:
            bar.console.print(message)
        failed += outcome.failed
        total = outcome.total
    bar.stop()
    say(
        (done if failed < total else nothing)
        + (f"; {failed} of {total} files failed" if failed else "")
    )
    raise typer.Exit(1 if failed else 0)


def block_progress(bar: "Bar") -> "Callable[[BlockProgress], None]":
    """A second bar, for the blocks of one stage after another; without a terminal, a line for each stage."""
    job: TaskID | None = None
    stage = ""

    def report(progress: "BlockProgress") -> None:
        nonlocal job, stage
        job = bar.add_task("") if job is None else job
        if progress.stage != stage and not bar.console.is_terminal:
            bar.console.print(f"{progress.stage}: {progress.total} blocks")
        stage = progress.stage
        bar.update(
            job, description=f"blocks: {stage}", completed=progress.done, total=progress.total
        )

    return report


@contextmanager
def stop_on_interrupt() -> Iterator[list[bool]]:
    """The first Ctrl-C fills the list, so that a step is never cut in the middle; the second is as usual."""
    stopped: list[bool] = []

    def handler(*_: Any) -> None:
        stopped.append(True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def training_progress(output: Path, steps: int, scores: str, *, quiet: bool) -> "Iterator[Report]":
    """Show how a training run goes; Ctrl-C ends it after a checkpoint. All but one of several processes are quiet."""
    with progress_bar(quiet) as bar, stop_on_interrupt() as stopped:
        job: TaskID | None = None
        last = ""
        timed = False

        def report(progress: "TrainProgress") -> bool:
            nonlocal job, last, timed
            job = bar.add_task("train", total=steps) if job is None else job
            if progress.scores:
                last = ", " + scores.format(**progress.scores)
                bar.console.print(f"step {progress.step}: loss {progress.loss:.3f}{last}")
            left = progress.seconds_left
            if left is not None and not timed and left > 60:
                bar.console.print(
                    f"about {left / 60:.0f} minutes to go; Ctrl-C writes a checkpoint"
                )
            timed = left is not None
            bar.update(job, completed=progress.step, description=f"loss {progress.loss:.3f}{last}")
            return not stopped

        yield report
    if stopped and not quiet:
        fail(f"interrupted; go on with --resume, the checkpoint is in {output}", code=130)

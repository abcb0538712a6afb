"""Progress bars on a terminal, and lines of a log elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import typer

from seamwise.cli.messages import Verbosity, escape_breaks, record, say, verbosity

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from seamwise.engine import StageProgress
    from seamwise.io import Outcome

LOG_SECONDS = 30  # between two lines about the same task in a log

AnyItem = TypeVar("AnyItem")


class Pace:
    """How long a task still takes. The first update does not count: it also loads models.

    Examples
    --------
    >>> pace = Pace()
    >>> [pace.left(done, of=10, at=seconds) for done, seconds in ((1, 60.0), (2, 61.0), (3, 62.0))]
    [None, 8.0, 7.0]
    """

    def __init__(self) -> None:
        self._start: tuple[int, float] | None = None

    def left(self, done: int, *, of: int, at: float) -> float | None:
        """Return the seconds that are left, or None if the pace is not known yet.

        Parameters
        ----------
        done, of : int
            Number of steps that are done, and of all steps.
        at : float
            Time of this update in seconds, on any clock.
        """
        if self._start is None or done <= self._start[0]:
            self._start = (done, at)
            return None
        steps, seconds = done - self._start[0], at - self._start[1]
        return seconds / steps * (of - done)


class Task:
    """One bar of a `Progress`.

    Parameters
    ----------
    progress : Progress
    bar : TaskID, optional
        The bar; None if there are no bars.
    timed : bool
        Estimate the time that is left; otherwise `update` is told.
    """

    def __init__(self, progress: "Progress", bar: "TaskID | None", *, timed: bool) -> None:
        self._progress, self._bar, self._timed = progress, bar, timed
        self._pace = Pace()
        self._logged = time.monotonic()

    def restart(self) -> Self:
        """Begin another task with the same bar."""
        self._pace = Pace()
        return self

    def update(
        self, done: int, total: int | None, description: str, *, left: float | None = None
    ) -> None:
        """Show how far the task is; `left` is the time in seconds that is left, if known."""
        clock = time.monotonic()
        if self._timed and total is not None:
            left = self._pace.left(done, of=total, at=clock)
        self._progress.show(self._bar, description, done, total, time_left(left))
        if not self._progress.has_bars and clock - self._logged >= LOG_SECONDS:
            self._logged = clock
            amount = f"{done} of {total}" if total else str(done)
            words = (description, amount, time_left(left))
            self._progress.note(", ".join(word for word in words if word))


class Progress:
    """Bars on a terminal. Elsewhere, as in a log, a line every half minute.

    Parameters
    ----------
    silent : bool
        Print nothing at all, as in all but one of several processes.
    """

    def __init__(self, *, silent: bool = False) -> None:
        from rich.console import Console

        self._silent = silent
        self._console = Console(
            stderr=True, quiet=silent, soft_wrap=True, markup=False, highlight=False
        )
        self.has_bars = not silent and verbosity() > Verbosity.QUIET and self._console.is_terminal
        self._bars = _bars(self._console) if self.has_bars else None

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()

    def task(self, description: str, total: int | None = None, *, timed: bool = True) -> Task:
        """Begin a task; see `Task` for `timed`."""
        if self._bars is None:
            return Task(self, None, timed=timed)
        return Task(self, self._bars.add_task(description, total=total, left=""), timed=timed)

    def show(
        self, bar: "TaskID | None", description: str, done: int, total: int | None, left: str
    ) -> None:
        """Redraw a bar."""
        if self._bars is not None and bar is not None:
            description = escape_breaks(description)
            self._bars.update(bar, description=description, completed=done, total=total, left=left)

    def track(self, items: Iterable[AnyItem], description: str) -> Iterator[AnyItem]:
        """Yield the items and show how many are done."""
        items = list(items)
        task = self.task(description, len(items))
        for number, item in enumerate(items, 1):
            yield item
            task.update(number, len(items), description)

    def note(self, text: str) -> None:
        """Print a note above the bars, unless quiet."""
        text = escape_breaks(text)
        record(text)
        if verbosity() > Verbosity.QUIET:
            self._console.print(text)

    def error(self, text: str) -> None:
        """Print above the bars what went wrong, also if quiet."""
        text = escape_breaks(text)
        record(text)
        self._console.print(text)

    def detail(self, text: str) -> None:
        """Print above the bars if verbose."""
        text = escape_breaks(text)
        record(text)
        if verbosity() == Verbosity.VERBOSE:
            self._console.print(text)


@dataclass
class Earlier:
    """What earlier steps on the same files have reported, so that it is reported once.

    Attributes
    ----------
    failures : set of Path
        Files that failed.
    lines : set of str
        Messages about the others.
    """

    failures: set[Path] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)


def follow_files(
    progress: Progress,
    outcomes: "Iterable[Outcome]",
    verb: str,
    *,
    done: str,
    nothing: str,
    earlier: Earlier | None = None,
) -> NoReturn:
    """Show what becomes of many files; end with exit code 1 if some failed.

    Work that follows on the same files hands on `earlier`, so that nothing is reported again.

    Parameters
    ----------
    progress : Progress
    outcomes : iterable of Outcome
    verb : str
        What is done to each file.
    done, nothing : str
        What to say at the end, and what if every file failed.
    earlier : Earlier, optional
        Of earlier steps; what this one reports is added. A file that failed has no labels, which is
        known. Any other fault of it is new.
    """
    from seamwise.io import amount

    task = progress.task(verb)
    earlier = earlier or Earlier()
    failures, lines = frozenset(earlier.failures), frozenset(earlier.lines)
    n_failed = n_new = total = 0
    start = time.perf_counter()
    for number, outcome in enumerate(outcomes, 1):
        total = outcome.total
        is_known = outcome.failed and outcome.path in failures and _lacks_labels(outcome)
        n_failed += outcome.failed
        n_new += outcome.failed and not is_known
        task.update(number, total, outcome.path.name)
        if outcome.failed:
            earlier.failures.add(outcome.path)
        else:
            earlier.lines.update(outcome.messages)
            new = tuple(line for line in outcome.messages if line not in lines)
            outcome = replace(outcome, messages=new)
        if not is_known:
            tell(progress, outcome)
        progress.detail(f"{outcome.path.name}: {time.perf_counter() - start:.2f} seconds")
        start = time.perf_counter()
    progress.stop()
    summary = done if n_failed < total else nothing
    say(f"{summary}; {n_failed} of {amount(total, 'file')} failed" if n_new else summary)
    raise typer.Exit(1 if n_failed else 0)


def _lacks_labels(outcome: "Outcome") -> bool:
    return all("has no labels" in message for message in outcome.messages)


def tell(progress: Progress, outcome: "Outcome") -> None:
    """Print the messages of an outcome; those of a failure also if quiet."""
    for message in outcome.messages:
        (progress.error if outcome.failed else progress.note)(message)


def block_progress(progress: Progress) -> "Callable[[StageProgress], None]":
    """Return a report that shows one bar for the blocks of one stage after another.

    Without bars it prints a line for each stage.
    """
    from seamwise.io import amount

    task: Task | None = None
    stage = ""

    def report(block: "StageProgress") -> None:
        nonlocal task, stage
        if task is None or block.stage != stage:
            if not progress.has_bars:
                progress.note(f"{block.stage}: {amount(block.total, 'block')}")
            task = progress.task("blocks") if task is None else task.restart()
        stage = block.stage
        task.update(block.done, block.total, f"blocks: {stage}")

    return report


def _bars(console: Any) -> "RichProgress":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
    )


def time_left(seconds: float | None) -> str:
    """Return for example ``1:02:03 left``.

    Examples
    --------
    >>> time_left(3723.4), time_left(None)
    ('1:02:03 left', '')
    """
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left"

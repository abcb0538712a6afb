"""Training runs: how far they are, and what Ctrl-C does."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from seamwise.cli.errors import fail
from seamwise.cli.progress import Progress

if TYPE_CHECKING:
    from seamwise.engine import RunSettings, TrainProgress
    from seamwise.words import LoggerName

    Report = Callable[[TrainProgress], bool | None]

AnySettings = TypeVar("AnySettings", bound="RunSettings")


@contextmanager
def stop_on_interrupt() -> Iterator[list[bool]]:
    """Yield a list that the first Ctrl-C fills, so that no step is cut; a second acts as usual."""
    interrupts: list[bool] = []

    def handler(number: int, frame: FrameType | None) -> None:
        interrupts.append(True)
        signal.signal(signal.SIGINT, old_handler)

    old_handler = signal.signal(signal.SIGINT, handler)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, old_handler)


@contextmanager
def no_empty_folder(output: Path) -> Iterator[None]:
    """If the block fails, remove the folders on this path that it made and left empty."""
    missing = [folder for folder in (output, *output.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # a folder that holds something stays, as do those around it
            for folder in missing:
                folder.rmdir()
        raise


def begin_run(
    kind: "type[AnySettings]",
    settings: Path | None,
    output: Path,
    *,
    resume: bool,
    defaults: "Mapping[str, object] | None" = None,
    **options: object,
) -> "tuple[AnySettings, bool]":
    """Read the settings of a training and make its folder.

    Parameters
    ----------
    kind : class
        As for `engine.settings.read_settings`.
    settings : Path, optional
        File of settings.
    output : Path
        Folder of the run.
    resume : bool
    defaults : mapping, optional
        As for `engine.settings.read_settings`.
    **options
        Settings of the command line, by name.

    Returns
    -------
    settings : instance of kind
    silent : bool
        Whether this process prints nothing: all but the first of several.
    """
    from seamwise.engine import check_output, is_first_process, read_settings
    from seamwise.io import make_folder

    run = read_settings(kind, settings, options, defaults=defaults)
    make_folder(output)
    check_output(output, resume=resume)
    return run, not is_first_process(run.processes)


@contextmanager
def _logged(logger: "LoggerName | None", output: Path) -> "Iterator[Report]":
    """Yield a report to a logger, which is closed at the end; without one it does nothing."""
    if logger is None:
        yield lambda step: None
        return
    from seamwise.engine import log_to, open_logger

    opened = open_logger(logger, output)
    try:
        yield log_to(opened)
    except BaseException:
        opened.finalize("failed")
        raise
    opened.finalize("success")


@contextmanager
def training_progress(
    output: Path,
    steps: int,
    scores: str,
    *,
    silent: bool,
    logger: "LoggerName | None" = None,
) -> "Iterator[Report]":
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
    logger : str, optional
        Where else the progress goes: see `engine.open_logger`.
    """
    with (
        _logged(None if silent else logger, output) as log,
        Progress(silent=silent) as progress,
        stop_on_interrupt() as interrupts,
    ):
        task = progress.task("train", steps, timed=False)
        last = ""
        is_announced = False

        def report(step: "TrainProgress") -> bool:
            nonlocal last, is_announced
            log(step)
            if step.scores:
                last = ", " + scores.format(**step.scores)
                progress.note(f"step {step.step}: loss {step.loss:.3f}{last}")
            left = step.seconds_left
            task.update(step.step, steps, f"loss {step.loss:.3f}{last}", left=left)
            if left is not None and not is_announced:
                is_announced = True
                if left > 60:
                    progress.note(f"about {left / 60:.0f} minutes left; Ctrl-C writes a checkpoint")
            return not interrupts

        yield report
    if interrupts and not silent:
        fail(f"interrupted; the checkpoint is in {output}. Use --resume to continue", code=130)

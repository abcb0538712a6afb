"""What is printed: results always, notes unless ``--quiet``, details with ``--verbose``.

All of it goes into the file of ``--log``, whatever is printed.
"""

import inspect
import logging
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from seamwise import __version__
from seamwise.cli.logfile import open_log

_PACKAGES = ("torch", "openvino", "numpy", "scipy", "scikit-image", "tifffile", "zarr")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # control characters, ends of lines

_log = logging.getLogger("seamwise")
_log.setLevel(logging.INFO)
_log.propagate = False
_log.addHandler(logging.NullHandler())  # else errors go to standard error once more


class Verbosity(IntEnum):
    """How much is printed."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


_verbosity: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity.NORMAL)

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only results and errors.", show_default=False)
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also print versions, device and timing.", show_default=False
    ),
]
Log = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Add to this log all messages of the work, with the time, versions, errors in full.",
        show_default="not written",
    ),
]


def verbosity() -> Verbosity:
    """Return how much the running command prints."""
    return _verbosity.get()


def set_verbosity(*, quiet: bool, verbose: bool) -> None:
    """Begin a command that prints as much as its options say.

    Raises
    ------
    ValueError
        Both options are set.
    """
    if quiet and verbose:
        raise ValueError("--quiet and --verbose contradict each other: give one of them")
    loud = Verbosity.VERBOSE if verbose else Verbosity.NORMAL
    _verbosity.set(Verbosity.QUIET if quiet else loud)


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Add the messages of the block, and the error that ends it, to a file; None: to no file.

    Raises as `open_log`.
    """
    if path is None:
        yield
        return
    log_file = open_log(path, _log)
    record(escape_breaks(shlex.join(["seamwise", *sys.argv[1:]])))
    try:
        yield
    except typer.Exit as end:
        record(f"exit code {end.exit_code}")
        raise
    except BaseException:
        _log.exception("stopped")
        raise
    finally:
        log_file.close()


def record(text: str) -> None:
    """Add a text to the file of ``--log``."""
    _log.info("%s", text)


def escape_breaks(text: str) -> str:
    """Return a line without line breaks and control characters, which names of files may hold.

    Examples
    --------
    >>> print(escape_breaks("a\\nb.tif"))
    a\\nb.tif
    """
    return _BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def print_result(text: str) -> None:
    """Print what the command is for, on standard output."""
    record(text)
    typer.echo(text)


def say(text: str) -> None:
    """Print what was done, unless quiet."""
    text = escape_breaks(text)
    record(text)
    if verbosity() > Verbosity.QUIET:
        typer.echo(text)


def warn(text: str) -> None:
    """Print a note on standard error, unless quiet."""
    text = escape_breaks(text)
    record(text)
    if verbosity() > Verbosity.QUIET:
        typer.echo(text, err=True)


def detail(text: str) -> None:
    """Print on standard error if verbose."""
    text = escape_breaks(text)
    record(text)
    if verbosity() == Verbosity.VERBOSE:
        typer.echo(text, err=True)


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options ``-q``, ``-v`` and ``--log``."""

    @wraps(command)
    def run(*, quiet: bool, verbose: bool, log: Path | None, **options: Any) -> None:
        if quiet or verbose:  # else what was said before the command's name holds
            set_verbosity(quiet=quiet, verbose=verbose)
        with logging_to(log):
            if log is not None or verbosity() == Verbosity.VERBOSE:
                _print_environment(options.get("device"))
            start = time.perf_counter()
            try:
                command(**options)
            finally:
                detail(f"took {time.perf_counter() - start:.1f} seconds")

    extra = {"quiet": Quiet, "verbose": Verbose, "log": Log}
    signature = inspect.signature(command)
    keyword = inspect.Parameter.KEYWORD_ONLY
    defaults = {"quiet": False, "verbose": False, "log": None}
    switches = [
        inspect.Parameter(name, keyword, default=defaults[name], annotation=kind)
        for name, kind in extra.items()
    ]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *switches]
    )
    run.__annotations__ = {**command.__annotations__, **extra}
    return run


def _print_environment(device: str | None) -> None:
    """Print versions; also the device if the command computes on one."""
    python, cores = platform.python_version(), os.cpu_count()
    detail(f"seamwise {__version__}, Python {python}, {platform.platform()}, {cores} cores")
    detail(", ".join(f"{name} {_version_of(name)}" for name in _PACKAGES))
    if device is not None:
        from seamwise.engine import choose_device, choose_precision, describe_runtime

        torch_device = choose_device(device)
        precision = str(choose_precision(torch_device)).removeprefix("torch.")
        detail(f"device {torch_device}, computing in {precision}")
        detail(f"runtime auto is {describe_runtime(torch_device)}")


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"

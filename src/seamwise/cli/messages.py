"""What is printed: results always, notes unless ``--quiet``, details with ``--verbose``."""

import inspect
import os
import platform
import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from seamwise import __version__

_PACKAGES = ("torch", "openvino", "numpy", "scipy", "scikit-image", "tifffile", "zarr")


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


def print_result(text: str) -> None:
    """Print what the command is for, on standard output."""
    typer.echo(text)


def say(text: str) -> None:
    """Print what was done, unless quiet."""
    if verbosity() > Verbosity.QUIET:
        typer.echo(text)


def warn(text: str) -> None:
    """Print a note on standard error, unless quiet."""
    if verbosity() > Verbosity.QUIET:
        typer.echo(text, err=True)


def detail(text: str) -> None:
    """Print on standard error if verbose."""
    if verbosity() == Verbosity.VERBOSE:
        typer.echo(text, err=True)


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options ``-q`` and ``-v``; verbose, it prints its time."""

    @wraps(command)
    def run(*, quiet: bool, verbose: bool, **options: Any) -> None:
        if quiet or verbose:  # else what was said before the command's name holds
            set_verbosity(quiet=quiet, verbose=verbose)
        if verbosity() == Verbosity.VERBOSE:
            _print_environment(options.get("device"))
        start = time.perf_counter()
        try:
            command(**options)
        finally:
            detail(f"took {time.perf_counter() - start:.1f} seconds")

    extra = {"quiet": Quiet, "verbose": Verbose}
    signature = inspect.signature(command)
    keyword = inspect.Parameter.KEYWORD_ONLY
    switches = [
        inspect.Parameter(name, keyword, default=False, annotation=kind)
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

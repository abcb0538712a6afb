"""Commands of packages of their own, which join through entry points: see `find_command`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from seamwise.cli.messages import with_verbosity

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "seamwise.commands"
"""Entry points with a function each; its options are declared as those of the other commands."""


@dataclass(frozen=True)
class Package:
    """A package of this repository that brings a command.

    Attributes
    ----------
    name : str
    folder : str
        In the repository.
    panel : str
        Group of commands in the help.
    summary : str
        What the command does, for the help.
    """

    name: str
    folder: str
    panel: str
    summary: str


PACKAGES = {
    "app": Package(
        "seamwise-web",
        "apps/web",
        "Segment",
        "Open a page in the browser: drop an image, see its cells and correct them.",
    ),
    "nnunet-trainers": Package(
        "seamwise-nnunet",
        "apps/nnunet",
        "Exchange",
        "Print the folder in which nnU-Net finds trainers with our losses and weight maps.",
    ),
}
"""By the name of the command."""


def find_command(name: str) -> Any:
    """Return the command of a package by its name; None if no package is known for it.

    Raises
    ------
    ValueError
        The package is not installed, or not completely.
    """
    entries = _entries(name)
    if entries:
        try:
            function = entries[0].load()
        except Exception as error:  # foreign code: whatever fails at its import
            raise ValueError(f"{name} cannot start ({error}): {_remedy(name)}") from error
        return _as_command(name, function)
    if name in PACKAGES:
        raise ValueError(f"{name} needs the package {PACKAGES[name].name}: {_remedy(name)}")
    return None


def _entries(name: str) -> "list[EntryPoint]":
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP, name=name))


def _remedy(name: str) -> str:
    """How to install the package of a command."""
    if name in PACKAGES:
        return f"in the folder of seamwise type `pip install ./{PACKAGES[name].folder}`"
    return "install its package again"


def _as_command(name: str, function: Callable[..., None]) -> Any:
    group = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    group.command(name)(with_verbosity(function))
    return typer.main.get_command(group)

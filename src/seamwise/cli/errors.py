"""Errors that a user can fix become one line and an exit code; see `Commands`."""

import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from seamwise.cli.packages import PACKAGES, find_command

# click's own class, or that of the copy of click that newer versions of typer bring along
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

_NEW_NAMES = {
    ("fuse", "--near"): "--nearest",
    ("fuse", "--no-near"): "--no-nearest",
}
"""New names of options, by command and old name."""


class Commands(TyperGroup):
    """The commands; what a user can fix is reported in one line instead of a traceback."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one list of commands for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            group = getattr(command, "rich_help_panel", "Commands")
            summary = " ".join((command.help or "").partition("\n\n")[0].split())
            groups.setdefault(group, []).append((name, summary))
        for name, package in PACKAGES.items():
            groups.setdefault(package.panel, []).append((name, package.summary))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, also that of a package of its own."""
        return super().get_command(ctx, cmd_name) or find_command(cmd_name)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the options that stand before the command's name."""
        _check_words(arguments[1])
        try:
            return super().make_context(*arguments, **options)
        except _UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                raise
            fail(_usage_line(error))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            fail(_usage_line(error))
        except KeyboardInterrupt:
            fail(
                "interrupted; all files that were written are complete. "
                "Run the same command again to resume",
                code=130,
            )
        except BrokenPipeError:  # whoever read our output, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (ValueError, TypeError, OSError) as error:
            fail(one_line(error))
        except (MemoryError, RuntimeError) as error:
            # torch raises a RuntimeError if memory is used up, on the CPU and on GPUs
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            fail(f"not enough memory ({one_line(error)}): use smaller tiles, crops or networks")


def _check_words(words: Sequence[str]) -> None:
    """Refuse an empty word: as a path it would mean the current folder."""
    for before, word in pairwise(["", *words]):
        if not word or (word.startswith("--") and word.endswith("=")):
            name = word.rstrip("=") or (before if before.startswith("-") else "an argument")
            fail(f"{name} is empty: give a value (is a variable of the shell not set?)")


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def fail(text: str, *, code: int = 2) -> NoReturn:
    """Print what went wrong and end with an exit code."""
    typer.echo(f"seamwise: {text}", err=True)
    raise typer.Exit(code)


def _usage_line(error: Any) -> str:
    """Return in one line why the command line cannot be understood."""
    context = error.ctx
    command = context.info_name if context else "seamwise"
    look = f"see `{context.command_path} --help`" if context else "see `seamwise --help`"
    kind = type(error).__name__
    if kind == "NoSuchOption":
        return _unknown_option(command, error.option_name, context, look)
    parameter = getattr(error, "param", None)
    if parameter is None:
        text = one_line(error).rstrip(".")
        text = text[:1].lower() + text[1:]
        return text if text.endswith("?") else f"{text}: {look}"
    is_option = parameter.opts[0].startswith("-")
    name = max(parameter.opts, key=len) if is_option else parameter.metavar or parameter.name
    if kind == "MissingParameter":
        return f"{command} needs {name}: {look}"
    return f"{name} {_expectation(one_line(error).rstrip('.'))}"


def _unknown_option(command: str, option: str, context: Any, look: str) -> str:
    if (command, option) in _NEW_NAMES:
        return f"option {option} of {command} is now {_NEW_NAMES[command, option]}"
    parameters = context.command.params if context else []
    options = [name for one in parameters for name in (*one.opts, *one.secondary_opts)]
    closest = get_close_matches(option, options, n=1)
    advice = f"did you mean {closest[0]}?" if closest else look
    return f"{command} has no option {option}: {advice}"


def _expectation(message: str) -> str:
    """Put typer's message in our words: ``must be …, not …``.

    Examples
    --------
    >>> _expectation("Value error, 'x' is not one of 'a', 'b', 'c'")
    "must be a, b or c, not 'x'"
    >>> _expectation("Input should be a valid integer, unable to parse string as an integer")
    'must be a valid integer'
    """
    message = message.removeprefix("Value error, ")
    choice = re.fullmatch(r"(.*) is not one of (.*)", message)
    if choice:
        *words, last = re.findall(r"'([^']*)'", choice[2])
        return f"must be {', '.join(words)} or {last}, not {choice[1]}"
    kind = re.fullmatch(r"Input should be ([^,]*)(, unable .*)?", message)
    return f"must be {kind[1]}" if kind else f"is wrong: {message}"

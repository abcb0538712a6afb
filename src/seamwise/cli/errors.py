"""Errors that a user can fix become one line and an exit code."""

import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """Turns what a user can mend into one line and an exit code, instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail(
                "interrupted; what is written is whole: run the same command again to go on",
                code=130,
            )
        except BrokenPipeError:  # whoever read our output, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except MemoryError as error:
            fail(f"not enough memory ({one_line(error)}): use smaller tiles, crops or networks")
        except (ValueError, TypeError, OSError) as error:
            fail(one_line(error))
        except (
            RuntimeError
        ) as error:  # how torch says that memory is used up, on the CPU and on GPUs
            if "memory" not in str(error):
                raise
            fail(f"not enough memory ({one_line(error)}): use smaller tiles, crops or networks")


def one_line(error: BaseException) -> str:
    """The message of an error, without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def say(text: str) -> None:
    """Print a result."""
    typer.echo(text)


def fail(text: str, *, code: int = 2) -> NoReturn:
    """Print what went wrong and end with an exit code."""
    typer.echo(f"seamwise: {text}", err=True)
    raise typer.Exit(code)

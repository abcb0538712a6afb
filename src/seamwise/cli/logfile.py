"""The file of ``--log``: see `open_log`."""

import logging
import re
import sys
from contextlib import suppress
from pathlib import Path

import typer

_BEGINNING = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} seamwise ")
_LENGTH = 33  # bytes of the beginning


class LogFile(logging.FileHandler):
    """A file that messages are added to. If it cannot be written, one line says so, and it ends.

    Parameters
    ----------
    path : Path
    log : Logger
        The log whose messages are added.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        # names of files may hold bytes that are not UTF-8
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._path, self._log = path, log
        log.addHandler(self)

    def handleError(self, record: logging.LogRecord) -> None:
        """End the log if the disk is full, for example; the command continues."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._log.removeHandler(self)
        reason = error.strerror or error
        text = f"--log cannot write {self._path} ({reason}): the log ends, the command continues"
        typer.echo(text, err=True)

    def close(self) -> None:
        """Close the file; what the disk did not take was reported when it was written."""
        self._log.removeHandler(self)
        with suppress(OSError):
            super().close()


def open_log(path: Path, log: logging.Logger) -> LogFile:
    """Add the messages of a log to a file: a new one, an empty one or an earlier log.

    Raises
    ------
    ValueError
        The file holds something else.
    OSError
        The file cannot be written.
    """
    try:
        if path.is_file() and not _is_log(path):
            raise ValueError(f"--log adds to logs only, and {path} is none: give another file")
        return LogFile(path, log)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"--log cannot write {path} ({reason}): give another file") from error


def _is_log(path: Path) -> bool:
    """Return whether a file is empty or begins as a log does."""
    with path.open("rb") as file:
        beginning = file.read(_LENGTH)
    return not beginning or _BEGINNING.fullmatch(beginning) is not None

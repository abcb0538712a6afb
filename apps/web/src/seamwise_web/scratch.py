"""Temporary folders of the page: `scratch_folder`, and `remove_orphans` of programs that died."""

import errno
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_HOST = re.sub(r"\W", "_", socket.gethostname())[:40]

_VARIABLE = "TEMP" if os.name == "nt" else "TMPDIR"
_ELSEWHERE = f"start the page with the variable {_VARIABLE} naming another folder"
_REASONS = {
    errno.ENOSPC: f"the disk is full: free some space, or {_ELSEWHERE}",
    errno.EMFILE: "too many files are open: close other tabs of the page, or start it again",
}


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a new temporary folder, whose name tells the computer and the process.

    Raises
    ------
    OSError
        It cannot be made, with the `errno` of the system: the disk is full, too many files are
        open, or no temporary folder can be written.
    """
    prefix = f"seamwise-{_HOST}-{os.getpid()}-"
    try:
        return tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        why = _REASONS.get(error.errno or 0, f"no folder can be written: {_ELSEWHERE}")
        failure = OSError(f"no temporary file can be written, as {why}")
        failure.errno = error.errno
        raise failure from error


def remove_orphans() -> int:
    """Remove the temporary folders of pages on this computer that were killed; return how many.

    The folders of a process that lives stay, and those of another user.
    """
    name = re.compile(rf"seamwise-{re.escape(_HOST)}-(\d+)-\w+")
    root = Path(tempfile.gettempdir())
    matches = [(path, name.fullmatch(path.name)) for path in root.glob("seamwise-*")]
    orphans = [
        path
        for path, match in matches
        if match and not psutil.pid_exists(int(match[1])) and not path.is_symlink()
    ]
    for path in orphans:
        shutil.rmtree(path, ignore_errors=True)
    return sum(not path.exists() for path in orphans)

"""One process at a time at the same work: see `locked`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seamwise.io.atomic import check_writable


@contextmanager
def locked(path: Path, *, name: str) -> Iterator[None]:
    """Hold the lock of a file while the block runs; the file is made for it and removed at the end.

    A process that ends loses its locks, however it ends: a file that was left behind locks nothing. Where there are no
    such locks (on Windows, on some network disks) nothing is locked.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What the block writes, for the message.

    Raises
    ------
    BlockingIOError
        Another process, or another block of this one, holds it.
    OSError
        The file cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.lock"
    >>> with locked(path, name="x"):
    ...     path.exists()
    True
    >>> path.exists()
    False
    """
    if sys.platform == "win32":
        yield
        return
    check_writable(path)
    file = _acquired(path, name)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _acquired(path: Path, name: str) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file)
        except BlockingIOError:
            os.close(file)
            raise BlockingIOError(
                f"another process is writing {name}: wait for it, or choose another output"
            ) from None
        # whoever held it may have removed the file before it was locked here
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)


def _lock(file: int) -> None:
    import fcntl  # not on Windows

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a network disk without locks
        return

"""One process at a time at the same work: see `lock_file`."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout, UnixFileLock

from seamwise.io.atomic import check_writable

_PATIENCE = 0.2  # seconds: whoever removes the file at the end of its work needs far less


@contextmanager
def lock_file(path: Path, *, name: str, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of a file while the block runs; the file is removed at the end.

    A process that ends loses its locks, however it ends: a file that stays behind locks nothing.
    On a disk without locks, the file itself is the lock if it can be; else nothing is locked.

    Parameters
    ----------
    path : Path
        The file; it is created for this.
    name : str
        What the block writes, for the message.
    patience : float
        Seconds to wait for the lock.

    Raises
    ------
    BlockingIOError
        Another process, or another block of this one, holds the lock; or the file is of another
        user, or a link.
    OSError
        The file cannot be created.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.lock"
    >>> with lock_file(path, name="x"):
    ...     path.exists()
    True
    >>> path.exists()
    False
    """
    check_writable(path)
    # a block that began in one thread may end in another
    lock = FileLock(path, timeout=patience, thread_local=False, mode=0o666)  # less what umask takes
    try:
        with warnings.catch_warnings():  # where it falls back to a file that exists or does not
            warnings.simplefilter("ignore")
            lock.acquire(poll_interval=0.02)
    except Timeout:
        raise BlockingIOError(
            f"another process is writing {name}: wait for it, or choose another output"
        ) from None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.ELOOP):
            raise BlockingIOError(
                f"{path} is of another user, or a link: wait until {name or 'its work'} is "
                "written; if nothing writes there, delete it"
            ) from None
        try:  # a network disk without locks
            yield
        finally:
            path.unlink(missing_ok=True)
        return
    try:
        yield
    finally:
        if isinstance(lock, UnixFileLock):  # the other kinds remove their file themselves
            path.unlink(missing_ok=True)
        lock.release()

"""Files that appear whole or not at all: see `atomic_path`."""

import errno
import os
import secrets
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

if sys.platform != "win32":  # on Windows the files of killed processes stay
    import fcntl

_REMEDIES = {
    errno.ENOSPC: "no space is left on the disk; free some or write to another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or write to another folder",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions",
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "its folder is a file; choose another folder",
    errno.ENAMETOOLONG: "the file name is too long; choose a shorter one",
}


_LONGEST_NAME = 255  # bytes


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file next to `path` that takes its place once the block has ended well.

    The temporary file is hidden, lies in the same folder and has the same suffix. When the block
    ends it is flushed to the disk and renamed over `path` in one step. On any error (also Ctrl-C)
    it is removed and an older file at `path` stays as it was. One that a killed process left is
    removed when `path` is written again. A symbolic link is followed, not replaced. No folder is
    created.

    Parameters
    ----------
    path : str or path-like
        The file to write. The block must only write to the path it is given.

    Raises
    ------
    OSError
        The file cannot be written; the message names `path` and what to do.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("whole")
    ...     target.exists()
    False
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    target, temporary = _places(path)
    try:
        # created here, not by tempfile, so that the file's permissions follow the user's umask
        with temporary.open("xb") as stream:
            if not lock_stream(stream):
                stream.close()  # Windows does not rename an open file
            _remove_leftovers(target)
            yield temporary
            _flush(temporary)
            os.replace(temporary, target)
    except OSError as error:
        _remove(temporary)
        if error.filename not in (None, str(temporary)):
            raise
        raise _explain(error, path) from error
    except BaseException:
        _remove(temporary)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check before the work that `atomic_path` could begin to write there; leaves nothing behind.

    It also removes what killed processes left of the file.

    Raises
    ------
    OSError
        As `atomic_path`.
    """
    target, temporary = _places(Path(path))
    try:
        temporary.open("xb").close()
        _remove_leftovers(target)
    except OSError as error:
        raise _explain(error, Path(path)) from error
    finally:
        _remove(temporary)


def has_long_name(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file's name is longer than file systems allow."""
    return len(os.fsencode(os.path.basename(path))) > _LONGEST_NAME


def remove_file(path: Path) -> None:
    """Remove a file if it exists; one whose name is too long does not."""
    if not has_long_name(path):
        path.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and its parents; do nothing if it exists.

    Raises
    ------
    OSError
        It cannot be made, for example because a file of that name exists.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError as error:
        raise FileExistsError(
            f"cannot make the folder {path}: a file of that name exists; choose another"
        ) from error
    except OSError as error:
        raise _explain(error, Path(path)) from error


def _places(path: Path) -> tuple[Path, Path]:
    """Where the file goes in the end, and the temporary file that comes first."""
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"cannot write {path}: it is a folder; give a file name")
    if mode and not stat.S_ISREG(mode):
        raise OSError(f"cannot write {path}: it is a device or a pipe; give a file name")
    target = Path(os.path.realpath(path))
    return target, target.with_name(f"{_prefix(target)}{secrets.token_hex(6)}{_suffix(target)}")


def _mode(path: Path) -> int:
    """Return what kind of file it is, 0 if none; asked once, as another process may remove it."""
    try:
        return path.stat().st_mode
    except OSError:  # whoever writes there will learn why
        return 0


def _prefix(target: Path) -> str:
    """How the names of all temporary files of a target begin; short for a long name too."""
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def _suffix(target: Path) -> str:
    return "".join(target.suffixes[-2:])


def lock_stream(stream: IO[bytes]) -> bool:
    """Mark a temporary file as in use, until it is closed or the process dies; False if it is."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the disk knows no locks
        return False
    return True


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote the target."""
    if sys.platform == "win32":
        return
    with suppress(OSError):  # a folder that cannot be listed
        for name in os.listdir(target.parent):
            if name.startswith(_prefix(target)) and name.endswith(_suffix(target)):
                _remove_unlocked(target.with_name(name))


def _remove_unlocked(path: Path) -> None:
    with suppress(OSError), path.open("rb") as stream:
        if lock_stream(stream):
            path.unlink()


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # the folder itself is gone or closed to us; the first error tells more than this one
        return


def _explain(error: OSError, path: Path) -> OSError:
    reason = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
    if error.errno == errno.ENOENT and Path(error.filename or path).parent.is_dir():  # as in /proc
        reason = "its folder takes no new files; choose another"
    explanation = type(error)(f"cannot write {path}: {reason}")
    explanation.errno = error.errno
    # or pickle drops it, and another process does not notice a full disk
    vars(explanation)["errno"] = error.errno
    return explanation

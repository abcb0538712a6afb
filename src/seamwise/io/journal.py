"""Several files that appear together; a journal tells which of them a killed process left.

See `draft`, `unfinished` and `clear_finished`.
"""

import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seamwise.io.atomic import atomic_path, lock_stream, make_folder
from seamwise.io.jsonfile import read_json, write_json

_LOCK, _JOURNAL = ".lock", ".journal.json"


@contextmanager
def draft(main: Path) -> Iterator[Path]:
    """Yield a hidden folder whose files take their places next to `main` once the block ends well.

    `main` is moved last. If the block fails, the folder is removed, and what was there stays as it
    was. A process that is killed while the files move leaves the folder with a journal of them.
    The next one finds the files by `unfinished`, and may replace them. Errors name the final
    places.

    Parameters
    ----------
    main : Path
        The most important of the files; the hidden folder lies next to it.

    Raises
    ------
    OSError
        The folder cannot be made, or a file cannot take its place.

    Examples
    --------
    >>> import tempfile
    >>> picture = Path(tempfile.mkdtemp()) / "x.png"
    >>> with draft(picture) as folder:
    ...     _ = (folder / "x.png").write_text("picture")
    ...     _ = (folder / "x_depth.png").write_text("map")
    ...     picture.exists()
    False
    >>> sorted(path.name for path in picture.parent.iterdir())
    ['x.png', 'x_depth.png']
    """
    _remove_unnoted(_leftovers(main))
    folder = main.with_name(_prefix(main) + secrets.token_hex(6))
    try:
        make_folder(folder)
        with (folder / _LOCK).open("xb") as stream:
            lock_stream(stream)
            yield folder
            _move(folder, main)
    except (OSError, ValueError) as error:
        _name_places(error, folder, main)
        raise
    finally:
        _remove(folder)
    for folder in _leftovers(main):
        _remove(folder)


def unfinished(main: Path) -> frozenset[Path]:
    """Return the files that killed processes moved, `main` among them if it was the last.

    Only files that nobody has changed since then, and none of a process that still runs. A journal
    that cannot be read names none. On Windows there are none.
    """
    leftovers = _leftovers(main)
    _remove_unnoted(leftovers)
    return frozenset(path for folder in leftovers for path in _noted(folder, main))


def clear_finished(main: Path) -> None:
    """Remove what a killed process left after the last file, `main`, had taken its place.

    If somebody has changed `main` since then, the hidden folder stays; the next `draft` removes it.
    """
    leftovers = _leftovers(main)
    _remove_unnoted(leftovers)
    for folder in leftovers:
        if main in _noted(folder, main):
            _remove(folder)


def _remove_unnoted(folders: Iterable[Path]) -> None:
    """Remove those without a journal: all their files have moved, or none."""
    for folder in folders:
        if not (folder / _JOURNAL).exists():
            _remove(folder)


def _noted(folder: Path, main: Path) -> Iterator[Path]:
    try:
        marks = read_json(folder / _JOURNAL).get("files")
    except (ValueError, OSError):
        return
    for name, mark in marks.items() if isinstance(marks, dict) else ():
        is_plain = name == Path(name).name and name not in ("", "..")
        if is_plain and main.with_name(name).is_file() and _mark(main.with_name(name)) == mark:
            yield main.with_name(name)


def _move(folder: Path, main: Path) -> None:
    files = [path for path in folder.iterdir() if path.name not in (_LOCK, _JOURNAL)]
    files.sort(key=lambda path: (path.name == main.name, path.name))
    for file in files:
        target = main.with_name(file.name)
        if target.is_dir() and not file.is_dir():
            raise IsADirectoryError(f"cannot write {target}: it is a folder; move it")
    write_json(folder / _JOURNAL, {"files": {file.name: _mark(file) for file in files}})
    for file in files:
        _place(file, main.with_name(file.name))


def _place(file: Path, target: Path) -> None:
    if file.is_dir():
        target = Path(os.path.realpath(target))
        if target.exists():
            shutil.move(target, file.with_name(f".old-{file.name}"))
        shutil.move(file, target)
    elif target.is_symlink():  # it may lead to another disk
        with atomic_path(target) as temporary:
            shutil.copy2(file, temporary)
    else:
        os.replace(file, target)


def _mark(path: Path) -> list[int]:
    """What tells whether a file has changed; it moves with the file."""
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _leftovers(main: Path) -> list[Path]:
    """The folders of processes that were killed."""
    try:
        names = os.listdir(main.parent)
    except OSError:
        return []
    folders = [main.with_name(name) for name in names if name.startswith(_prefix(main))]
    return [folder for folder in folders if _is_free(folder)]


def _remove(folder: Path) -> None:
    """Remove a folder, then its journal, then its lock: each state on the way is known."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (_LOCK, _JOURNAL):
                path.unlink()
        (folder / _JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_free(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("rb") as stream:
            return lock_stream(stream)
    except FileNotFoundError:
        with suppress(OSError):
            folder.rmdir()  # its process was killed between the lock and the folder
        return False
    except OSError:
        return False


def _prefix(main: Path) -> str:
    """How the names of the hidden folders begin; short for a long name too."""
    return f".{zlib.crc32(os.fsencode(main.name)):08x}.draft-"


def _name_places(error: OSError | ValueError, folder: Path, main: Path) -> None:
    """Let the message name the final places of the files, not those in the hidden folder."""
    if len(error.args) == 1 and str(folder) in str(error):
        message = str(error).replace(f"{folder}{os.sep}", f"{main.parent}{os.sep}")
        error.args = (message.replace(str(folder), str(main)),)

"""Compiled networks kept for the next start, in a folder of the user's; see `cached`."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_path

from seamwise.io.atomic import atomic_path

FOLDER_VARIABLE = "SEAMWISE_CACHE"
"""Environment variable that names another folder."""

MOST = 32
"""Files kept; the oldest go."""

_DIGEST = hashlib.sha256().digest_size

Compiled = TypeVar("Compiled")


def cache_folder() -> Path:
    """Return the folder: that of the variable SEAMWISE_CACHE, or the system's for this user."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_cache_path("seamwise", appauthor=False) / "networks"


def cache_key(*parts: bytes) -> str:
    """Return a name for what these parts decide: equal for equal parts, else different."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def cached(
    key: str,
    make: Callable[[], Compiled],
    *,
    write: Callable[[Compiled], bytes],
    read: Callable[[bytes], Compiled],
) -> Compiled:
    """Return what a file of the cache holds, or make it and keep it in a file.

    A file that is damaged, or that `read` cannot use, is made again. Processes may do the same at
    the same time: a file appears whole. A folder that cannot be read or written does not matter.

    Parameters
    ----------
    key : str
        Name of the file, from all that decides its content: see `cache_key`.
    make : function
        Makes it if no file has it.
    write, read : function
        To bytes and back.

    Raises
    ------
    Exception
        Those of `make`.
    """
    path = cache_folder() / key
    content = _content(path)
    if content is not None:
        # whatever a runtime raises for bytes that it does not take, it is made again
        with suppress(Exception):
            return read(content)
    made = make()
    with suppress(Exception):
        _keep(path, write(made))
    return made


def _content(path: Path) -> bytes | None:
    """The content of a file that begins with its digest; None if it is missing or damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    return content if hashlib.sha256(content).digest() == digest else None


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(hashlib.sha256(content).digest() + content)
    files = [file for file in path.parent.iterdir() if not file.name.startswith(".")]
    for file in sorted(files, key=lambda file: file.stat().st_mtime)[:-MOST]:
        file.unlink(missing_ok=True)

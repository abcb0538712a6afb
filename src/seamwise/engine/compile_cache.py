"""Compiled networks kept for the next start, in a folder of the user's; see `from_cache`."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from seamwise.io.atomic import atomic_path
from seamwise.io.cache import shrink, user_cache

LIMIT = 250_000_000
"""Bytes of all files; those go first that were not used for the longest time."""

_DIGEST = hashlib.sha256().digest_size

Network = TypeVar("Network")


def cache_folder() -> Path:
    """Return the folder: in that of the variable SEAMWISE_CACHE, or in the system's for this user.

    Raises
    ------
    OSError
        The user has no folder.
    """
    return user_cache("networks")


def cache_key(*parts: bytes) -> str:
    """Return a name for what these parts decide: equal for equal parts, else different."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def from_cache(
    key: str,
    make: Callable[[], Network],
    *,
    write: Callable[[Network], bytes],
    read: Callable[[bytes], Network],
) -> Network:
    """Return what a file of the cache holds, or make it and keep it in a file.

    A file that is damaged, that belongs to another key or that `read` cannot use is rebuilt.
    Processes may do the same at the same time: a file appears whole. A folder that cannot be read
    or written does not matter.

    Parameters
    ----------
    key : str
        Name of the file, from all that decides its content: what `cache_key` returns.
    make : function
        Makes it if no file has it.
    write, read : function
        To bytes and back.

    Raises
    ------
    Exception
        Those of `make`.
    """
    content = _content(key)
    if content is not None:
        # whatever a runtime raises for bytes that it does not take, it is made again
        with suppress(Exception):
            return read(content)
    network = make()
    with suppress(Exception):
        _keep(key, write(network))
    return network


def _content(key: str) -> bytes | None:
    """The content of a file that begins with its digest; None if it is missing or damaged."""
    try:
        path = cache_folder() / key
        file_bytes = path.read_bytes()
    except OSError:
        return None
    digest, content = file_bytes[:_DIGEST], file_bytes[_DIGEST:]
    if _digest(key, content) != digest:
        return None
    with suppress(OSError):
        os.utime(path)
    return content


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + content).digest()


def _keep(key: str, content: bytes) -> None:
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_path(folder / key) as temporary:
        temporary.write_bytes(_digest(key, content) + content)
    shrink(folder, LIMIT)

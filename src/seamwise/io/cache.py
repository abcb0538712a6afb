"""A folder of the user's for files that can be made again; see `user_cache`."""

import os
import re
from pathlib import Path

from platformdirs import user_cache_path

FOLDER_VARIABLE = "SEAMWISE_CACHE"
"""Environment variable that names another folder."""


def user_cache(part: str) -> Path:
    """Return the folder of one kind of files: in that of SEAMWISE_CACHE, or in the system's.

    Raises
    ------
    OSError
        The user has no folder.
    """
    variable = os.environ.get(FOLDER_VARIABLE)
    try:
        folder = Path(variable) if variable else user_cache_path("seamwise", appauthor=False)
    except RuntimeError as error:
        raise OSError(f"no folder for a cache: {error}") from error
    if not folder.is_absolute():
        raise OSError(f"the folder {folder} for a cache is not absolute")
    return folder / part


def shrink(folder: Path, limit: int, *, suffix: str = "") -> None:
    """Delete the files that were not used for the longest time, until the others fit a limit.

    Parameters
    ----------
    folder : Path
    limit : int
        Bytes of all files. The one that was used last stays.
    suffix : str
        Of the names, behind a sha256: other files stay, whatever lies there.
    """
    names = re.compile("[0-9a-f]{64}" + re.escape(suffix))
    files = [path for path in folder.iterdir() if names.fullmatch(path.name) and path.is_file()]
    used = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in files)[::-1]
    total = 0
    for number, (_, size, path) in enumerate(used):
        total += size
        if total > limit and number > 0:
            path.unlink(missing_ok=True)

"""A folder of the user's for files that can be made again; see `user_cache`."""

import os
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

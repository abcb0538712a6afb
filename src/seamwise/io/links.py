"""Where a path leads in the end: see `real_path`."""

import os
from pathlib import Path


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a file, with symbolic links followed; it need not exist.

    A link that leads to itself raises nothing, unlike in `Path.resolve` before Python 3.13: whoever
    opens the file hears of it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     link = Path(folder) / "loop.tif"
    ...     link.symlink_to("loop.tif")
    ...     real_path(link).name
    'loop.tif'
    """
    return Path(os.path.realpath(path))

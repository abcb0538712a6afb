"""Where a path leads in the end, and which paths are one: `real_path`, `one_place`."""

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


def one_place(path: str | os.PathLike[str]) -> str:
    """Return a text that is equal for all paths of one file, which need not exist.

    The disks of Windows and macOS know no difference between ``A.tif`` and ``a.tif``.
    """
    place = real_path(path)
    return str(place).casefold() if _ignores_case(place.parent) else str(place)


def _ignores_case(folder: Path) -> bool:
    """Whether a name in other case is the same place, as far as the folder and its parents tell.

    The first that exists and has a letter in its name decides.
    """
    for place in (folder, *folder.parents):
        name = place.name.swapcase()
        if name != place.name and place.exists():
            other = place.with_name(name)
            return other.exists() and other.samefile(place)
    return False

"""Whether a file that another file names lies in its folder: `is_inside`."""

from pathlib import PurePosixPath, PureWindowsPath


def is_inside(name: str) -> bool:
    r"""Tell whether a relative path stays in its folder, on every system.

    Examples
    --------
    >>> is_inside("A/1"), is_inside("../A"), is_inside("/A"), is_inside("C:\\A")
    (True, False, False, False)
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return not (path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive)

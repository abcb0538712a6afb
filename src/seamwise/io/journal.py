"""Several files that belong together: a journal tells which of them a killed process wrote.

See `journal` and `unfinished`.
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seamwise.io.jsonfile import read_json, write_json


@contextmanager
def journal(main: Path, files: Iterable[Path]) -> Iterator[None]:
    """Keep a hidden file with the names of the files that the block writes, until it ends.

    An exception removes the journal too: the block tidies up by itself. Only a process that is
    killed leaves it. The next one finds the names by `unfinished`, and may replace those files.

    Parameters
    ----------
    main : Path
        The most important of the files; the journal lies in its folder.
    files : iterable of Path
        All of them. Those in other folders are not noted.

    Examples
    --------
    >>> import tempfile
    >>> picture = Path(tempfile.mkdtemp()) / "x.png"
    >>> with journal(picture, [picture, picture.with_name("x_depth.png")]):
    ...     [path.name for path in sorted(unfinished(picture))]
    ['x.png', 'x_depth.png']
    >>> unfinished(picture)
    frozenset()
    """
    place = _place(main)
    names = sorted({path.name for path in files if path.parent == main.parent})
    write_json(place, {"unfinished": names})
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


def unfinished(main: Path) -> frozenset[Path]:
    """Return the files that a killed process was about to write together with `main`.

    A journal that cannot be read names none.
    """
    place = _place(main)
    if not place.exists():
        return frozenset()
    try:
        names = read_json(place).get("unfinished")
    except (ValueError, OSError):
        return frozenset()
    names = names if isinstance(names, list) else []
    plain = (name for name in names if _is_plain(name))
    return frozenset(main.with_name(name) for name in plain)


def _is_plain(name: object) -> bool:
    """Whether this is the name of a file, not a way to another folder."""
    return isinstance(name, str) and name == Path(name).name and name not in ("", "..")


def _place(main: Path) -> Path:
    """Where the journal lies; its name is short for a long name too."""
    return main.with_name(f".{zlib.crc32(os.fsencode(main.name)):08x}.unfinished")

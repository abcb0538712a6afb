"""What becomes of each of many files; see `Outcome`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What became of one of `total` files; `messages` are for the user."""

    path: Path
    total: int
    failed: bool = False
    messages: tuple[str, ...] = ()


def naming(path: Path, error: Exception) -> str:
    """Return the error in one line that names the file.

    Examples
    --------
    >>> naming(Path("a.png"), ValueError("it is empty"))
    'a.png: it is empty'
    """
    message = " ".join(str(error).split())
    return message if str(path) in message else f"{path}: {message}"

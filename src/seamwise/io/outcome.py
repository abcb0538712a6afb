"""What becomes of each of many files: see `Outcome`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What became of one of `total` files.

    Attributes
    ----------
    path : Path
        The file.
    total : int
        How many files there are.
    failed : bool
        Whether it could not be processed.
    messages : tuple of str
        What the user should know, a line each.
    """

    path: Path
    total: int
    failed: bool = False
    messages: tuple[str, ...] = ()

"""What becomes of each of many files: see `Outcome`; numbers in messages: see `amount`."""

from collections.abc import Iterable
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


def amount(counts: int | Iterable[int], noun: str) -> str:
    """Return a number with its noun, which gets an s unless the number is 1.

    Several numbers, such as those of time points, are joined.

    Examples
    --------
    >>> amount(1, "cell"), amount(0, "cell"), amount([1], "cell"), amount([1, 1], "cell")
    ('1 cell', '0 cells', '1 cell', '1 + 1 cells')
    """
    numbers = [*counts] if isinstance(counts, Iterable) else [counts]
    words = plural(numbers[0] if len(numbers) == 1 else 2, noun)
    return f"{' + '.join(map(str, numbers))} {words}"


def plural(count: int, noun: str) -> str:
    """Return a noun as it stands below a number.

    Examples
    --------
    >>> plural(1, "cell"), plural(3, "cell")
    ('cell', 'cells')
    """
    return noun if count == 1 else f"{noun}s"

"""What a number, a switch or a path among options may be; each comes back as plain Python.

Options are recorded with results as JSON, which knows no numpy numbers.
"""

from collections.abc import Hashable
from math import inf
from numbers import Integral, Real
from os import PathLike, fspath
from sys import float_info
from typing import Any

LARGEST = 2**63 - 1  # what 64 bits hold: libraries fail with more, each in its own way


def whole_number(name: str, value: Any, least: int | None = None, largest: int = LARGEST) -> int:
    """Return a whole number of any type as an int, or raise ValueError.

    Examples
    --------
    >>> whole_number("tile", 512.0, 1)
    512
    >>> whole_number("tile", float("nan"), 1)
    Traceback (most recent call last):
    ...
    ValueError: tile must be a whole number, not nan
    >>> whole_number("workers", 2000, 1, 1024)
    Traceback (most recent call last):
    ...
    ValueError: workers must be 1024 or less, not 2000
    """
    number = _real(value)
    if number is None or number in (inf, -inf) or number != int(number):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    if least is not None and number < least:
        raise ValueError(f"{name} must be {least} or more, not {value}")
    if number > largest:
        raise ValueError(f"{name} must be {largest} or less, not {value}")
    return int(number)


def positive_number(name: str, value: Any) -> float:
    """Return a positive, finite number of any type as a float, or raise ValueError."""
    number = _real(value)
    if number is None or not 0 < number <= float_info.max:
        raise ValueError(f"{name} must be a positive number, not {value!r}")
    return float(number)


def switch(name: str, value: Any) -> bool:
    """Return whether an option is on, or raise ValueError if it is neither on nor off."""
    if not (isinstance(value, Hashable) and value in (0, 1)):  # numpy's True too; no array
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def check_path(name: str, value: Any) -> None:
    """Raise ValueError unless a value is a text or a path."""
    if not isinstance(value, str | PathLike) or not isinstance(fspath(value), str):
        raise ValueError(f"{name} must be a name or a path, not {value!r}")


def _real(value: Any) -> float | int | None:
    """A value as a plain number; None if it is none, NaN, or a yes or no."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    return None if number != number else number

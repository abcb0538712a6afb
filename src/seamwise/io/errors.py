"""Errors of files in one line that names the file.

See `unreadable`, `error_line`, `first_line` and `expected`.
"""

import re
from pathlib import Path

_NO_NUMBER = re.compile(r"(?:invalid literal for int|could not convert string to float)[^:]*: (.*)")
_BYTES = re.compile(r"""[:,;]?\s*(?:\w+=)?\bb(['"])(?:\\.|(?!\1).)*\1""")
_REASON_LENGTH = 200  # characters

WRONG_FIELDS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,  # int(1e999)
    RecursionError,
)
"""What reading the fields of a JSON file raises if it has others."""


class DamagedError(ValueError):
    """A part of an image cannot be decoded; the other parts can, if the image is read in parts."""


class UnsupportedError(Exception):
    """A file is whole but of a kind that cannot be read; readers turn it into `unreadable`."""


def unreadable(path: Path, kind: str, error: Exception) -> Exception:
    """Return the error to raise in place of any that a decoder met.

    Examples
    --------
    >>> unreadable(Path("x.tif"), "TIFF", EOFError())
    ValueError('cannot read x.tif as TIFF: EOFError; is it complete?')
    """
    if isinstance(error, MemoryError):
        return MemoryError(
            f"{path} does not fit into the memory of this machine: cut it into parts"
        )
    remedy = "" if isinstance(error, UnsupportedError) else "; is it complete?"
    return ValueError(f"cannot read {path} as {kind}: {first_line(error)}{remedy}")


def first_line(error: Exception) -> str:
    """Return the first line of what a library says, or the kind of error if it says nothing.

    A key that is missing, or a word in place of a number, is told in plain words. Bytes that a
    decoder prints are removed.

    Examples
    --------
    >>> first_line(RuntimeError("no such device\\nException raised from ..."))
    'no such device'
    >>> first_line(EOFError())
    'EOFError'
    >>> first_line(ValueError("not a TIFF file: header=b'hell'"))
    'not a TIFF file'
    >>> first_line(KeyError("pages"))
    "a part is missing ('pages')"
    >>> first_line(ValueError("invalid literal for int() with base 10: 'abc'"))
    "'abc' where a number must be"
    >>> first_line(IndexError("list index out of range"))
    'list index out of range'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = _BYTES.sub("", lines[0])[:_REASON_LENGTH] or type(error).__name__
    if no_number := _NO_NUMBER.match(line):
        return f"{no_number[1]} where a number must be"
    return f"a part is missing ({line})" if isinstance(error, KeyError) else line


def error_line(path: Path, error: Exception) -> str:
    """Return an error in one line that names the file.

    Examples
    --------
    >>> error_line(Path("a.png"), ValueError("it is empty"))
    'a.png: it is empty'
    """
    message = " ".join(str(error).split())
    return message if str(path) in message else f"{path}: {message}"


def expected(message: str) -> str:
    """Put what pydantic says of a wrong value in plain words: ``must be …``.

    Examples
    --------
    >>> expected("Input should be a valid integer, unable to parse string as an integer")
    'must be a whole number'
    >>> expected("Input should be a valid array")
    'must be an array'
    >>> expected("Input should be greater than 0")
    'must be greater than 0'
    >>> expected("Value error, it needs two numbers")
    'it needs two numbers'
    """
    message = message.removeprefix("Value error, ").split(", unable", 1)[0]
    message = re.sub(r"^Input should be", "must be", message)
    message = message.replace("a valid integer", "a whole number")
    return re.sub(r"\ba valid (?=[aeiou])", "an ", message).replace("a valid ", "a ")

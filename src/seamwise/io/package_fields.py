"""Fields of the description of a package, checked: `Refusal`, `text`, `entries`, `mapping`."""

from collections.abc import Mapping
from typing import Any

_LONGEST = 60  # characters of a value in a message
_LARGEST = 1e30  # float32 holds it


class Refusal(Exception):
    """Why a package cannot be used, behind its name."""


def shown(value: object) -> str:
    """Return a value as a message shows it.

    A list or mapping is named by its type only: a short YAML file can stand for an endless one.
    """
    if isinstance(value, list | tuple | dict):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    line = " ".join(str(value).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a field that has fields; an error if it is missing or something else."""
    value = parent.get(key)
    if not isinstance(value, dict):
        raise _wrong(parent, key, "fields with names")
    for name in value:
        if not isinstance(name, str):
            raise Refusal(f"is damaged: its {key} has the field {shown(name)}: expected a name")
    return value


def entries(parent: Mapping[str, Any], key: str, *, optional: bool = False) -> list[dict[str, Any]]:
    """Return a field that is a list of mappings; empty if it is missing and `optional`."""
    value = parent.get(key)
    if value is None and optional:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise _wrong(parent, key, "a list of entries with fields")
    return value


def text(parent: Mapping[str, Any], key: str) -> str:
    """Return a field that is text."""
    value = parent.get(key)
    if not isinstance(value, str):
        raise _wrong(parent, key, "text")
    return value


def texts(parent: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a field that is a list of text, one at least."""
    value = parent.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise _wrong(parent, key, "a list of names")
    return tuple(value)


def number(parent: Mapping[str, Any], key: str, default: float) -> float:
    """Return a field that is a finite number."""
    return numbers(parent, key, default, count=1)[0]


def numbers(
    parent: Mapping[str, Any], key: str, default: float, *, count: int
) -> tuple[float, ...]:
    """Return a field that is one finite number, or a list of `count`; always `count` numbers."""
    value = parent.get(key, default)
    several = value if isinstance(value, list) else [value] * count
    words = f"a number or a list of {count}" if count > 1 else "a number"
    if len(several) != count or not all(_is_number(one) for one in several):
        raise _wrong(parent, key, words)
    return tuple(float(one) for one in several)


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -_LARGEST <= value <= _LARGEST


def _wrong(parent: Mapping[str, Any], key: str, expected: str) -> Refusal:
    if key not in parent:
        return Refusal(f"is damaged: its description lacks {key}")
    return Refusal(
        f"is damaged: its description has {key} {shown(parent[key])}: expected {expected}"
    )

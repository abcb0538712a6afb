"""Frozen dataclasses of arrays in files: see `save_arrays` and `load_arrays`."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path

Arrays = TypeVar("Arrays")


def save_arrays(path: Path, content: Any) -> None:
    """Write a dataclass to an ``.npz`` file, whole or not at all.

    Parameters
    ----------
    path : Path
        A name ending in .npz.
    content : dataclass
        Its fields are arrays, integers, tuples of arrays, and such dataclasses.

    Raises
    ------
    TypeError
        A field holds something else; names the field.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Row:
    ...     length: int
    ...     parts: tuple[np.ndarray, ...]
    >>> path = Path(tempfile.mkdtemp()) / "row.npz"
    >>> save_arrays(path, Row(2, (np.array([1]), np.array([2, 3]))))
    >>> load_arrays(path, Row)
    Row(length=2, parts=(array([1]), array([2, 3])))
    """
    entries: Any = dict(_flatten(content, ""))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **entries)


def load_arrays(path: Path, kind: type[Arrays]) -> Arrays:
    """Read a dataclass `kind` that `save_arrays` wrote; runs no code from the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    KeyError
        It holds another dataclass.
    """
    with np.load(path, allow_pickle=False) as arrays:
        value: Arrays = _build(kind, arrays, "")
    return value


def _flatten(value: Any, name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name and value of every array, nested ones as ``outer.inner``."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _flatten(getattr(value, field.name), f"{name}.{field.name}".lstrip("."))
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _flatten(item, f"{name}.{i}")
    elif isinstance(value, np.ndarray | int | np.integer):
        yield name, np.asarray(value)
    else:
        raise TypeError(
            f"{name} must be an array, an integer or a tuple of arrays, not {type(value).__name__}"
        )


def _build(kind: Any, arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    if is_dataclass(kind):
        hints, build = get_type_hints(kind), kind if isinstance(kind, type) else type(kind)
        parts = {
            f.name: _build(hints[f.name], arrays, f"{name}.{f.name}".lstrip("."))
            for f in fields(kind)
        }
        return build(**parts)
    if get_origin(kind) is tuple:
        count = sum(key.rpartition(".")[0] == name for key in arrays)
        return tuple(arrays[f"{name}.{i}"] for i in range(count))
    return int(arrays[name]) if kind is int else arrays[name]

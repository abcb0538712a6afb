"""A value that every process opens for itself: see `PerProcess`."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """Something that is opened when it is first needed, and again in a process that it is sent to.

    Only the function and its arguments travel, never what was opened. Two of them are equal if
    these are.

    Parameters
    ----------
    open_value : callable
        Opens the value; a function of a module, so that it can be pickled.
    *arguments
        Its arguments.

    Examples
    --------
    >>> import pickle
    >>> numbers = PerProcess(list, range(3))
    >>> numbers.value is numbers.value
    True
    >>> copy = pickle.loads(pickle.dumps(numbers))
    >>> copy == numbers, copy.value is numbers.value
    (True, False)
    """

    def __init__(self, open_value: Callable[..., Value], *arguments: Any) -> None:
        self._open, self._arguments = open_value, arguments
        self._opened: list[Value] = []

    @property
    def value(self) -> Value:
        """What was opened; opens it first if this process has not yet done so."""
        if not self._opened:
            self._opened.append(self._open(*self._arguments))
        return self._opened[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PerProcess):
            return NotImplemented
        return (self._open, self._arguments) == (other._open, other._arguments)

    def __hash__(self) -> int:
        return hash((self._open, self._arguments))

    def __reduce__(self) -> tuple[type["PerProcess[Value]"], tuple[Any, ...]]:
        return PerProcess, (self._open, *self._arguments)

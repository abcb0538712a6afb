"""Changes of labels that can be undone: `History`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_BYTES = 200_000_000  # of all changes of an image together
_MOST = 200

Labels = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Change:
    """Pixels that changed.

    Attributes
    ----------
    places : (n,) uint32 array
        Numbers of the pixels, row by row.
    before, after : (n,) uint32 array
        Their labels.
    rules : pair
        How the cells were decoded before and after.
    is_decoding : bool
        Whether the thresholds changed; else a person corrected cells.
    """

    places: NDArray[np.uint32]
    before: Labels
    after: Labels
    rules: tuple[Any, Any]
    is_decoding: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes that it occupies."""
        return self.places.nbytes + self.before.nbytes + self.after.nbytes


def change_between(
    before: Labels, after: Labels, rules: tuple[Any, Any], *, is_decoding: bool = False
) -> Change:
    """Return the change from one label image to another of the same shape."""
    places = np.flatnonzero(before != after).astype(np.uint32)
    return Change(places, before.ravel()[places], after.ravel()[places], rules, is_decoding)


class History:
    """Changes that were made, and those that were undone and can be made again."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._undone: list[Change] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return bool(self._undone)

    @property
    def corrections(self) -> int:
        """How many corrections by a person are in force."""
        return sum(not change.is_decoding for change in self._done)

    @property
    def ends_in_decoding(self) -> bool:
        """Whether the last change was one of the thresholds."""
        return bool(self._done) and self._done[-1].is_decoding

    def add(self, change: Change) -> None:
        """Remember a change; forget those that were undone, and the oldest if they fill up."""
        self._done.append(change)
        self._undone.clear()
        while len(self._done) > 1 and (
            len(self._done) > _MOST or sum(one.nbytes for one in self._done) > _MOST_BYTES
        ):
            del self._done[0]

    def undo(self, labels: Labels) -> Any:
        """Take the last change back, in place; return the rule from before it."""
        change = self._done.pop()
        self._undone.append(change)
        np.put(labels, change.places, change.before)
        return change.rules[0]

    def redo(self, labels: Labels) -> Any:
        """Make the change again that was undone last, in place; return the rule after it."""
        change = self._undone.pop()
        self._done.append(change)
        np.put(labels, change.places, change.after)
        return change.rules[1]

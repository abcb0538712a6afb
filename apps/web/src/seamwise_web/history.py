"""Changes of labels that can be undone: `History`."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_BYTES = 200_000_000  # of all changes of an image together
_MOST = 200

Labels = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Change:
    """What differs between two label images: before XOR after, in the box that holds it.

    Attributes
    ----------
    box : tuple of slice
        One for each axis.
    bits : bytes
        Compressed: labels are constant along rows, so that a change of all pixels is small too.
    rules : pair
        How the cells were decoded before and after.
    is_decoding : bool
        Whether the thresholds changed; else a person corrected cells.
    """

    box: tuple[slice, ...]
    bits: bytes
    rules: tuple[Any, Any]
    is_decoding: bool = False

    def turn(self, labels: Labels) -> None:
        """Make the change in place, or take it back: both are the same."""
        part = labels[self.box]
        part ^= np.frombuffer(zlib.decompress(self.bits), np.uint32).reshape(part.shape)


def change_between(
    before: Labels, after: Labels, rules: tuple[Any, Any], *, is_decoding: bool = False
) -> Change:
    """Return the change from one label image to another of the same shape."""
    differs = before != after
    box = tuple(_extent(differs, axis) for axis in range(differs.ndim))
    bits = before[box] ^ after[box]
    return Change(box, zlib.compress(bits.tobytes(), 1), rules, is_decoding)


def _extent(mask: NDArray[np.bool_], axis: int) -> slice:
    """From the first true value along an axis to the last; empty if none is."""
    others = tuple(one for one in range(mask.ndim) if one != axis)
    places = np.flatnonzero(mask.any(axis=others))
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0)


class History:
    """Changes that were made, and those that were undone and can be made again."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._lost = 0  # corrections in force that can no longer be undone

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
        """How many corrections by a person are in force: those since the last decoding."""
        count = 0
        for change in reversed(self._done):
            if change.is_decoding:
                return count
            count += 1
        return count + self._lost

    @property
    def ends_in_decoding(self) -> bool:
        """Whether the last change was one of the thresholds."""
        return bool(self._done) and self._done[-1].is_decoding

    def add(self, change: Change) -> None:
        """Remember a change; forget those that were undone, and the oldest if they fill up."""
        self._done.append(change)
        self._undone.clear()
        while len(self._done) > 1 and (
            len(self._done) > _MOST or sum(len(one.bits) for one in self._done) > _MOST_BYTES
        ):
            self._lost = 0 if self._done.pop(0).is_decoding else self._lost + 1

    def undo(self, labels: Labels) -> Change:
        """Take the last change back, in place, and return it."""
        change = self._done.pop()
        self._undone.append(change)
        change.turn(labels)
        return change

    def redo(self, labels: Labels) -> Change:
        """Make the change again that was undone last, in place, and return it."""
        change = self._undone.pop()
        self._done.append(change)
        change.turn(labels)
        return change

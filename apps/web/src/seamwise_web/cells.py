"""The cells of an image that a person corrects: `Cells`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import DecodeRule, SegmentationInfo
from seamwise.segmentation import decode_rule, decode_whole, rule_with, sliders_of
from seamwise_web.history import History, Labels, change_between
from seamwise_web.pen import Points, draw, split

_revisions = count(1)  # of all images: a later one is larger, after a new search too


@dataclass(frozen=True, eq=False)
class Maps:
    """What a network computed for an image.

    Attributes
    ----------
    model : str
        Name of the model.
    info : SegmentationInfo
    channel : int
    maps : (C, *S) float32 array
        Class probabilities, and guides behind them if the rule needs them.
    rule : DecodeRule
        How the model decodes them, for the pixels of the image.
    caution : str
        Why the image may not fit the model; empty if nothing speaks against it.
    """

    model: str
    info: SegmentationInfo
    channel: int
    maps: NDArray[np.float32]
    rule: DecodeRule
    caution: str


class Cells:
    """Labels of an image, decoded from the maps of a network and corrected by hand.

    A cell keeps its number until thresholds change.

    Parameters
    ----------
    maps : Maps
    labels : (Y, X) or (Z, Y, X) integer array
        What the model's own rule makes of the maps.

    Attributes
    ----------
    revision : int
        Of the labels; each change raises it, and no two images share one.
    numbering : int
        Revision at which the cells got their numbers.
    """

    def __init__(self, maps: Maps, labels: NDArray[Any]) -> None:
        self.maps, self.rule = maps, maps.rule
        self.labels: Labels = labels.astype(np.uint32)
        self.revision = self.numbering = next(_revisions)
        self._saved = 0
        self._history = History()

    @property
    def nbytes(self) -> int:
        """Bytes of the labels, and of what the network computed."""
        return self.maps.maps.nbytes + self.labels.nbytes

    @property
    def unsaved(self) -> int:
        """How many corrections would be lost: those in force, or 0 if the labels were saved."""
        return 0 if self._saved == self.revision else self._history.corrections

    def save(self) -> Labels:
        """Return a copy of the labels for a file; the corrections count as saved."""
        self._saved = self.revision
        return self.labels.copy()

    def decode(self, thresholds: dict[str, Any], min_size: int) -> None:
        """Decode again with other thresholds.

        Corrections are dropped; `undo` brings them back. Several decodings in a row are one step.

        Raises
        ------
        ValueError
            A threshold is out of range.
        """
        changed = rule_with(self.maps.rule, thresholds)
        rule = decode_rule(self.maps.info, changed, min_size)
        labels = decode_whole(self.maps.maps, rule).astype(np.uint32)
        if self._history.ends_in_decoding:
            self.rule = self._history.undo(self.labels).rules[0]
        self._change(labels, rule, is_decoding=True)

    def delete(self, numbers: Sequence[int]) -> None:
        """Remove cells."""
        labels = self.labels.copy()
        labels[self._mask(numbers)] = 0
        self._change(labels, self.rule)

    def merge(self, numbers: Sequence[int]) -> None:
        """Give cells the lowest of their numbers.

        Raises
        ------
        ValueError
            Fewer than two cells are chosen.
        """
        if len(set(numbers)) < 2:
            raise ValueError("choose at least two cells to merge")
        labels = self.labels.copy()
        labels[self._mask(numbers)] = min(numbers)
        self._change(labels, self.rule)

    def plane(self, z: int) -> Labels:
        """Return the labels of a slice; all of a plane, for which `z` does not count."""
        return self.labels[z] if self.labels.ndim == 3 else self.labels

    def split(self, points: Points, z: int) -> None:
        """Cut the cell that a line crosses, in one slice; see `pen.split`."""
        self._draw(split, points, z)

    def draw(self, points: Points, z: int) -> None:
        """Add a cell inside of an outline, in one slice; see `pen.draw`."""
        self._draw(draw, points, z)

    def undo(self) -> None:
        """Take the last change back, if there is one."""
        if self._history.can_undo:
            change = self._history.undo(self.labels)
            self._revise(change.rules[0], is_decoding=change.is_decoding)

    def redo(self) -> None:
        """Make the change again that was undone last, if there is one."""
        if self._history.can_redo:
            change = self._history.redo(self.labels)
            self._revise(change.rules[1], is_decoding=change.is_decoding)

    def description(self) -> dict[str, Any]:
        """Return what the page shows next to the labels."""
        return {
            "model": self.maps.model,
            "channel": self.maps.channel,
            "caution": self.maps.caution,
            "revision": self.revision,
            "numbering": self.numbering,
            "sliders": [asdict(slider) for slider in sliders_of(self.rule)],
            "defaults": [asdict(slider) for slider in sliders_of(self.maps.rule)],
            "can_undo": self._history.can_undo,
            "can_redo": self._history.can_redo,
            "corrections": self._history.corrections,
            "unsaved": self.unsaved,
        }

    def _draw(self, pen: Callable[[Labels, Points, int], Labels], points: Points, z: int) -> None:
        plane = pen(self.plane(z), points, int(self.labels.max()) + 1)
        labels = self.labels.copy()
        labels[z if labels.ndim == 3 else ...] = plane
        self._change(labels, self.rule)

    def _mask(self, numbers: Sequence[int]) -> NDArray[np.bool_]:
        """The pixels of cells, which must exist."""
        mask = np.isin(self.labels, np.array(numbers, np.uint32))
        lost = set(numbers) - set(np.unique(self.labels[mask]).tolist())
        if lost or not numbers:
            raise ValueError(f"cell {min(lost)} does not exist" if lost else "choose a cell first")
        return mask

    def _change(self, labels: Labels, rule: DecodeRule, *, is_decoding: bool = False) -> None:
        rules = (self.rule, rule)
        self._history.add(change_between(self.labels, labels, rules, is_decoding=is_decoding))
        self.labels = labels
        self._revise(rule, is_decoding=is_decoding)

    def _revise(self, rule: DecodeRule, *, is_decoding: bool) -> None:
        self.rule, self.revision = rule, next(_revisions)
        if is_decoding:
            self.numbering = self.revision

"""The label images that are open to be compared: `LabelSet` and `LabelSets`."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import count_samples, read_labels
from seamwise_web.answers import RefusalError
from seamwise_web.pictures import Limits
from seamwise_web.reading import check_no_links


@dataclass(frozen=True, eq=False)
class LabelSet:
    """A label image.

    Attributes
    ----------
    name : str
        Of the file.
    labels : (Y, X) or (Z, Y, X) int32 array
        Cells 1..n; 0 is background, and what was negative is −1.
    ids : (n + 1,) integer array
        What the file calls cell i; 0 for the background.
    key : str
    """

    name: str
    labels: NDArray[np.int32]
    ids: NDArray[Any]
    key: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def description(self) -> dict[str, Any]:
        """Return what the page shows of it."""
        *depth, height, width = self.labels.shape
        sizes = {"width": width, "height": height, "slices": sum(depth)}
        return {"labels": self.key, "name": self.name, **sizes, "cells": len(self.ids) - 1}

    def content(self, z: int) -> tuple[bytes, dict[str, Any]]:
        """Return the labels of a slice in 16 or 32 bits, little-endian, and what describes them.

        `z` does not count for a plane.

        Raises
        ------
        RefusalError
            The slice does not exist.
        """
        is_stack = self.labels.ndim == 3
        if is_stack and z >= len(self.labels):
            raise RefusalError(404, f"{self.name} has no slice {z + 1}: choose another")
        plane = self.labels[z] if is_stack else self.labels
        cells = len(self.ids) - 1
        bits = 16 if cells < 2**16 else 32
        shown = np.maximum(plane, 0).astype(f"<u{bits // 8}")
        return shown.tobytes(), {"bits": bits, "largest": cells}


class LabelSets:
    """The open label images; the oldest is closed when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sets: OrderedDict[str, LabelSet] = OrderedDict()

    def add(self, labels: LabelSet) -> None:
        """Keep a label image open."""
        self._sets[labels.key] = labels
        while len(self._sets) > self._limits.label_sets:
            self._sets.popitem(last=False)

    def find(self, key: object) -> LabelSet:
        """Return a label image by its key.

        Raises
        ------
        RefusalError
            It is not open.
        """
        if not isinstance(key, str) or key not in self._sets:
            raise RefusalError(404, "these labels were closed: open them again")
        self._sets.move_to_end(key)
        return self._sets[key]

    def close(self, key: str) -> None:
        """Forget a label image."""
        self._sets.pop(key, None)


def read_label_set(path: Path, limits: Limits) -> LabelSet:
    """Read the labels of a plane or stack.

    Raises
    ------
    ValueError, OSError
        The file is not a label image.
    RefusalError
        It is too large, or has a part that is a link.
    """
    check_no_links(path)
    if count_samples(path) > limits.pixels:
        most = limits.pixels // 1_000_000
        raise RefusalError(
            413, f"{path.name} has more than {most} million pixels: `seamwise evaluate` takes it"
        )
    return label_set(path.name, read_labels(path))


def label_set(name: str, labels: NDArray[Any]) -> LabelSet:
    """Number the cells of a label image from 1 on."""
    ids, places = np.unique(labels, return_inverse=True)
    numbers = np.where(ids < 0, -1, np.cumsum(ids > 0))
    cells = np.concatenate([[0], ids[ids > 0]])
    return LabelSet(name, numbers.astype(np.int32)[places].reshape(labels.shape), cells)

"""Which nucleus is in which cell; see `Nuclei` and `assign_nuclei`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamwise.labels import Labels
from seamwise.measure.field import Field, Ranks
from seamwise.types import Box


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Nuclei and the cells that they lie in.

    Attributes
    ----------
    field : Field
        The nuclei.
    owner : (m + 1,) int array
        Rank of the cell of each nucleus, by the nucleus' rank; 0 without a cell.
    pixels : (m + 1,) int64 array
        Pixels of each nucleus in its cell.
    """

    field: Field
    owner: Ranks
    pixels: NDArray[np.int64]

    def mask(self, box: Box, ranks: Ranks) -> NDArray[np.bool_]:
        """Return where in a box a nucleus lies within its cell; `ranks` are those of the cells."""
        owner = self.owner[np.maximum(self.field.ranks(box), 0)]
        is_inside: NDArray[np.bool_] = (owner > 0) & (owner == ranks)
        return is_inside

    @property
    def without_cell(self) -> int:
        """How many nuclei lie in no cell."""
        return int((self.owner[1:] == 0).sum())

    def per_cell(self, n: int) -> tuple[NDArray[np.int64], Labels, NDArray[np.int64]]:
        """Return for each of n cells the number of nuclei, the id of the largest, and their pixels.

        The pixels are those of all nuclei of the cell, as far as they lie in it. The id is 0
        without a nucleus.
        """
        owner = self.owner[1:]
        count = np.bincount(owner, minlength=n + 1)[1:]
        pixels = np.bincount(owner, self.pixels[1:], minlength=n + 1)[1:].astype(np.int64)
        largest = np.zeros(n + 1, self.field.ids.dtype if owner.size else np.int64)
        order = np.argsort(self.pixels[1:], kind="stable")
        largest[owner[order]] = self.field.ids[order]
        return count, largest[1:], pixels


def assign_nuclei(cells: Field, nuclei: Field) -> Nuclei:
    """Give each nucleus to the cell that holds more than half of its pixels.

    Parameters
    ----------
    cells, nuclei : Field
        Of the same shape.
    """
    m = len(nuclei.ids)
    area = np.zeros(m + 1, np.int64)
    keys, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in range(len(cells.blocks)):
        box = cells.blocks.box(block)
        inner = np.maximum(nuclei.ranks(box), 0).astype(np.int64)
        area += np.bincount(inner.ravel(), minlength=m + 1)
        outer = cells.ranks(box)
        both = (inner > 0) & (outer > 0)
        key, count = np.unique(outer[both] * np.int64(m + 1) + inner[both], return_counts=True)
        keys.append(key)
        counts.append(count)
    key, place = np.unique(np.concatenate(keys), return_inverse=True)
    shared = np.bincount(place, np.concatenate(counts), minlength=len(key)).astype(np.int64)
    cell, nucleus = key // (m + 1), key % (m + 1)
    is_inside = 2 * shared > area[nucleus]
    owner, pixels = np.zeros(m + 1, np.int32), np.zeros(m + 1, np.int64)
    owner[nucleus[is_inside]] = cell[is_inside]
    pixels[nucleus[is_inside]] = shared[is_inside]
    return Nuclei(nuclei, owner, pixels)

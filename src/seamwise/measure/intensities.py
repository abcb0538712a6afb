"""Intensities of every cell, its rim, its surroundings and its nucleus; see `intensities`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.measure.field import Field, Ranks
from seamwise.measure.nuclei import Nuclei
from seamwise.measure.statistics import Groups, Statistics, group_statistics
from seamwise.measure.survey import Survey
from seamwise.measure.zones import Zones


@dataclass(frozen=True, eq=False)
class Intensities:
    """Intensities of n cells in c channels.

    Attributes
    ----------
    cell : tuple of Statistics
        For each channel.
    background : (c, n) float64 array
        Median of the ring; NaN for a cell without one.
    rim, inside, nucleus, cytoplasm : (c, n) float64 arrays
        Means of the parts; NaN for a cell without such pixels.
    """

    cell: tuple[Statistics, ...]
    background: NDArray[np.float64]
    rim: NDArray[np.float64]
    inside: NDArray[np.float64]
    nucleus: NDArray[np.float64]
    cytoplasm: NDArray[np.float64]


class _PartMeans:
    """Sums over a part of each cell, block by block."""

    def __init__(self, n: int, channels: int) -> None:
        self.count = np.zeros(n + 1)
        self.total = np.zeros((channels, n + 1))

    def add(self, ranks: Ranks, values: NDArray[Any]) -> None:
        """Add the pixels of a block; `values` are `(c, p)`."""
        if not ranks.size:
            return
        # only the stretch of ranks that occurs: a block holds few of a million cells
        low = int(ranks.min())
        place = ranks - low
        count = np.bincount(place)
        stretch = slice(low, low + len(count))
        self.count[stretch] += count
        for total, channel in zip(self.total, values, strict=True):
            total[stretch] += np.bincount(place, channel)

    def mean(self) -> NDArray[np.float64]:
        """Mean of each cell, `(c, n)`."""
        return _share(self.total[:, 1:], self.count[1:])

    def mean_of_rest(self, cells: tuple[Statistics, ...]) -> NDArray[np.float64]:
        """Mean of what the part does not hold of each cell, `(c, n)`."""
        total = np.stack([cell.sum for cell in cells]) - self.total[:, 1:]
        return _share(total, cells[0].count - self.count[1:])


def intensities(field: Field, cells: Survey, zones: Zones, nuclei: Nuclei | None) -> Intensities:
    """Measure the channels of a field, block by block.

    Parameters
    ----------
    field : Field
    cells : Survey
    zones : Zones
    nuclei : Nuclei, optional
    """
    n, channels = len(field.ids), field.n_channels
    whole = tuple(Statistics.empty(n) for _ in range(channels))
    background = tuple(Statistics.empty(n) for _ in range(channels))
    rim, nucleus = _PartMeans(n, channels), _PartMeans(n, channels)
    waiting = Groups(field.blocks, cells.stop, channels)
    rings = Groups(field.blocks, cells.stop + zones.reach, channels)
    for block in range(len(field.blocks) if n else 0):
        box = field.blocks.box(block)
        ranks, pixels = field.ranks(box), field.channels(box)
        is_cell = ranks > 0
        inside, values = ranks[is_cell], pixels[:, is_cell]
        _put(whole, *waiting.complete(block, inside, tuple(values)))
        if not zones.is_empty:
            is_rim, owner = zones.of_block(field, box)
            part = is_rim[is_cell]
            rim.add(inside[part], values[:, part])
            is_ring = owner > 0
            around = tuple(pixels[:, is_ring])
            _put(background, *rings.complete(block, owner[is_ring], around))
        if nuclei is not None:
            part = nuclei.mask(box, ranks)[is_cell]
            nucleus.add(inside[part], values[:, part])
    return Intensities(
        whole,
        np.array([ring.median for ring in background]),
        rim.mean(),
        rim.mean_of_rest(whole),
        nucleus.mean(),
        nucleus.mean_of_rest(whole),
    )


def _put(
    statistics: tuple[Statistics, ...], ranks: Ranks, values: tuple[NDArray[Any], ...]
) -> None:
    """Fill in the cells that are complete."""
    if not ranks.size:
        return
    for target, channel in zip(statistics, values, strict=True):
        present, part = group_statistics(ranks, channel)
        target.put(present - 1, part)


def _share(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

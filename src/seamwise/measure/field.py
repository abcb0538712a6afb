"""One field of view: cells and channels, read block by block; see `Field`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.volume import Volume
from seamwise.labels import Labels
from seamwise.labels.runs import row_runs
from seamwise.tiling import Blocks
from seamwise.types import Box

Ranks = NDArray[np.int32]
"""Cells by their place among the ids: 1..n, 0 background, −1 ignored."""

BLOCK_PIXELS = 2**21
"""Pixels of a block. Measured: about 100 bytes of working memory each, and no faster above."""

HELD_BYTES = 2**29
"""A smaller image is read once and kept."""

_HUGE_CHUNK = 2**26  # pixels; an image in larger chunks is decoded once and kept, whatever its size

Reader = Callable[[Box], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Field:
    """The cells of one image at one time point, and their channels.

    Attributes
    ----------
    ids : (n,) integer array
        The labels that occur, ascending.
    ranks : function
        box → `Ranks` in it.
    channels : function
        box → `(C, *box)` array of integers or finite real numbers.
    n_channels : int
    blocks : Blocks
        How the image is cut for the work.
    """

    ids: Labels
    ranks: Callable[[Box], Ranks]
    channels: Reader
    n_channels: int
    blocks: Blocks

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each spatial axis."""
        return self.blocks.shape


def open_field(image: Reader, labels: Reader, n_channels: int, blocks: Blocks) -> Field:
    """Look for the ids, block by block, and return the field.

    Parameters
    ----------
    image : function
        box → `(C, *box)` array.
    labels : function
        box → labels in it.
    n_channels : int
    blocks : Blocks
    """
    numbers = (
        np.unique(row_runs(labels(blocks.box(block))).labels) for block in range(len(blocks))
    )
    everything = np.unique(np.concatenate([part[part > 0] for part in numbers]))
    return Field(
        ids=everything,
        ranks=lambda box: ranked(labels(box), everything),
        channels=lambda box: _finite(image(box)),
        n_channels=n_channels,
        blocks=blocks,
    )


def ranked(labels: Labels, ids: Labels) -> Ranks:
    """Replace each label by its place among the ids.

    Examples
    --------
    >>> ranked(np.array([[0, 70000, 300, -7]]), np.array([300, 70000])).tolist()
    [[0, 2, 1, -1]]
    """
    runs = row_runs(labels)
    places = np.searchsorted(ids, runs.labels).astype(np.int32) + np.int32(1)
    places = np.where(runs.labels > 0, places, np.sign(runs.labels)).astype(np.int32)
    return np.repeat(places, runs.lengths).reshape(labels.shape)


def plan(shape: Sequence[int], chunks: Sequence[int]) -> Blocks:
    """Cut an image into blocks of whole chunks, first along the last axis.

    Examples
    --------
    >>> plan((4096, 4096), (256, 256)).size, plan((5, 7), (1, 7)).size
    ((512, 4096), (5, 7))
    """
    size = [min(c, n) for c, n in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(size))):
        room = max(BLOCK_PIXELS // math.prod(size), 1)
        size[axis] = min(size[axis] * room, shape[axis])
    return Blocks(tuple(shape), tuple(size))


def reader(volume: Volume, time: int) -> Reader:
    """Return what reads boxes of a time point; a small image, or one in huge chunks, is held."""
    n_bytes = math.prod(volume.shape) * volume.channels * volume.dtype.itemsize
    if n_bytes > HELD_BYTES and math.prod(volume.chunks) <= _HUGE_CHUNK:
        return lambda box: volume.read(box, time=time)
    return held(volume.read(tuple(slice(0, n) for n in volume.shape), time=time))


def held(channels: NDArray[Any]) -> Reader:
    """Return what reads boxes of a `(C, *S)` array."""
    return lambda box: channels[(slice(None), *box)]


def chunks_to_read(chunks: Sequence[int]) -> tuple[int, ...]:
    """Chunk of an image, halved along its longest axis until it fits into a block.

    Examples
    --------
    >>> chunks_to_read((4096, 4096)), chunks_to_read((64, 64, 64))
    ((1024, 2048), (64, 64, 64))
    """
    size = list(chunks)
    while math.prod(size) > BLOCK_PIXELS:
        longest = size.index(max(size))
        size[longest] = -(-size[longest] // 2)
    return tuple(size)


def _finite(channels: NDArray[Any]) -> NDArray[Any]:
    if channels.dtype.kind == "f" and not np.isfinite(channels).all():
        count = int((~np.isfinite(channels)).sum())
        raise ValueError(
            f"the image has NaN or infinite pixels ({count} in one block): replace them "
            "(e.g. with numpy.nan_to_num) and save it again"
        )
    return channels

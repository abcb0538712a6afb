"""Connected components of an image that is seen block by block; see `Part` and `join`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from seamwise.labels import Labels, smallest_dtype
from seamwise.tiling import Blocks


@dataclass(frozen=True, eq=False)
class Part:
    """What the other blocks need to know of the components of one block.

    Attributes
    ----------
    count : int
        Components of the block, numbered 1..count within it.
    planes : tuple of (*S without one axis) arrays
        Their numbers on the sides of the block: the first and the last plane of axis 0, then of
        axis 1, …
    """

    count: int
    planes: tuple[Labels, ...]


def label_part(mask: NDArray[np.bool_], *, diagonal: bool = False) -> tuple[Labels, Part]:
    """Number the components of a block, and return what joining them with other blocks' takes.

    Parameters
    ----------
    mask : (*S) bool array
    diagonal : bool
        Pixels are neighbours over faces, edges and corners, not over faces alone.

    Returns
    -------
    numbers : (*S) integer array
        0 outside the mask, 1..count in scan order.
    part : Part

    Examples
    --------
    >>> numbers, part = label_part(np.array([[True, False, True], [False, True, True]]))
    >>> numbers.tolist(), part.count, [plane.tolist() for plane in part.planes]
    ([[1, 0, 2], [0, 2, 2]], 2, [[1, 0, 2], [0, 2, 2], [1, 0], [2, 2]])
    """
    structure = ndimage.generate_binary_structure(mask.ndim, mask.ndim if diagonal else 1)
    numbers, count = ndimage.label(mask, structure)
    return numbers, Part(count, sides(numbers))


def sides(array: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Copies of the first and last plane of each axis."""
    return tuple(
        np.asarray(np.take(array, end, axis)) for axis in range(array.ndim) for end in (0, -1)
    )


@dataclass(frozen=True, eq=False)
class Components:
    """Which components of the blocks are one.

    Attributes
    ----------
    first : (blocks + 1,) int64 array
        How many components the blocks before each have.
    number : (all components,) integer array
        The component, from 1, that each block's components are part of: those of block 0, of block
        1, …
    """

    first: NDArray[np.int64]
    number: Labels

    @property
    def count(self) -> int:
        """Number of components."""
        return int(self.number.max(initial=0))

    def table(self, block: int) -> Labels:
        """Number of each component 0, 1, … of a block."""
        numbers = self.number[self.first[block] : self.first[block + 1]]
        return np.concatenate([np.zeros(1, numbers.dtype), numbers])


def join(blocks: Blocks, part: Callable[[int], Part], *, diagonal: bool = False) -> Components:
    """Find which components of the blocks are one, by a disjoint-set union over their faces.

    Two components are one if pixels of them are neighbours across a face of their blocks, so that
    the result is that of labelling the whole image, whatever the size of the blocks. Numbers follow
    the blocks in scan order.

    Parameters
    ----------
    blocks : Blocks
    part : function
        number of a block → what `label_part` returned for it. Called several times for each, so
        that not all need be held.
    diagonal : bool
        As given to `label_part`.

    Notes
    -----
    Holds two planes of pixels across the whole image and a number for each component of each block,
    of which there may be fewer than 2³¹.

    Examples
    --------
    A row of eight pixels in blocks of three; the second component runs through all of them:

    >>> mask = np.array([1, 0, 1, 1, 1, 1, 1, 0], bool)
    >>> blocks = Blocks((8,), (3,))
    >>> components = join(blocks, lambda number: label_part(mask[blocks.box(number)])[1])
    >>> components.count, [components.table(number).tolist() for number in range(3)]
    (2, [[0, 1, 2], [0, 2], [0, 2]])
    """
    counts = [part(number).count for number in range(len(blocks))]
    first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def numbered_side(number: int, index: int) -> Labels:
        plane = part(number).planes[index]
        return np.where(plane > 0, plane + first[number], 0)

    offsets = list(product((-1, 0, 1) if diagonal else (0,), repeat=len(blocks.shape) - 1))
    pairs = [
        _pairs(low, high, offset) for low, high in cuts(blocks, numbered_side) for offset in offsets
    ]
    edges = np.concatenate([np.zeros((0, 2), np.int64), *pairs]) - 1
    total = int(first[-1])
    graph = sparse.coo_array(
        (np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(total, total)
    )
    # it visits the components in the order of their lowest number
    _, group = csgraph.connected_components(graph, directed=False)
    return Components(first, group.astype(smallest_dtype(0, max(total, 2**16))) + 1)


def cuts(
    blocks: Blocks, side: Callable[[int, int], NDArray[Any]]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield the two planes of pixels that face each other, for each cut between blocks.

    Parameters
    ----------
    blocks : Blocks
    side : function
        number of a block, index of a side in the order of `sides` → plane.
    """
    numbers = np.arange(len(blocks)).reshape(blocks.counts)
    for axis in range(len(blocks.shape)):
        for layer in range(blocks.counts[axis] - 1):
            low, high = (np.take(numbers, layer + k, axis) for k in (0, 1))
            yield _assemble(low, side, 2 * axis + 1), _assemble(high, side, 2 * axis)


def _assemble(
    numbers: NDArray[np.int64], side: Callable[[int, int], NDArray[Any]], index: int
) -> NDArray[Any]:
    """One plane from the sides of a layer of blocks."""
    if not numbers.ndim:
        return side(int(numbers), index)
    return np.concatenate([_assemble(row, side, index) for row in numbers], axis=-numbers.ndim)


def _pairs(low: Labels, high: Labels, offset: tuple[int, ...]) -> NDArray[np.int64]:
    """Each pair of numbers > 0 that face each other, once, the far plane shifted by an offset."""
    low_part = tuple(
        slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, low.shape, strict=True)
    )
    high_part = tuple(
        slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, low.shape, strict=True)
    )
    low, high = low[low_part], high[high_part]
    contact = (low > 0) & (high > 0)
    # as one number, which sorts many times faster than two; both are below 2³¹
    base = int(high.max(initial=0)) + 1
    pairs = np.unique(low[contact] * base + high[contact])
    return np.stack(np.divmod(pairs, base), 1)

"""Count and look up labels slab by slab, in bounded memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.types import Labels

_SLAB = 2**16  # pixels


def slabs(array: NDArray[Any]) -> Iterator[slice]:
    """Ranges of the first axis that hold about 65,000 pixels each.

    numpy turns each value that it counts, and each index, into 8 bytes. Slab by slab this stays
    small.

    Examples
    --------
    >>> list(slabs(np.zeros((3, 40000), bool)))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    rows = max(1, _SLAB // max(array[:1].size, 1))
    return (slice(start, start + rows) for start in range(0, len(array), rows))


def areas(labels: Labels) -> NDArray[np.int64]:
    """Number of pixels of each label 0, 1, …, of an array without negative labels.

    Examples
    --------
    >>> areas(np.array([[0, 2, 2], [0, 0, 3]])).tolist()
    [3, 0, 2, 1]
    """
    count = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for slab in slabs(labels):
        count += np.bincount(labels[slab].ravel(), minlength=len(count))
    return count


def look_up(table: NDArray[Any], labels: Labels) -> NDArray[Any]:
    """`table[labels]`, in bounded memory.

    Examples
    --------
    >>> look_up(np.array([0, 9, 7], np.uint8), np.array([[2, 1], [0, 2]]))
    array([[7, 9],
           [0, 7]], dtype=uint8)
    """
    result = np.empty(labels.shape, table.dtype)
    for slab in slabs(labels):
        result[slab] = np.take(table, labels[slab])  # twice as fast as table[…]
    return result

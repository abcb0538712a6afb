"""Boxes of an image, a slice for each axis: `check_box` and `chunk_boxes`."""

import itertools
from collections.abc import Iterator

from seamwise.types import Box


def check_box(box: Box, shape: tuple[int, ...], *, name: str) -> None:
    """Raise ValueError unless a box lies inside an image.

    Parameters
    ----------
    box : tuple of slice
        One per axis, with start and stop, not empty, without a step.
    shape : tuple of int
        Of the image.
    name : str
        Of the image, for the message.

    Examples
    --------
    >>> check_box((slice(0, 2), slice(3, 9)), (5, 7), name="x.tif")
    Traceback (most recent call last):
    ...
    ValueError: box must be one slice(start, stop) per axis of x.tif, inside its shape (5, 7), \
not (slice(0, 2, None), slice(3, 9, None))
    """
    if len(box) != len(shape) or not all(map(_lies_inside, box, shape)):
        raise ValueError(
            f"box must be one slice(start, stop) per axis of {name}, inside its shape {shape}, "
            f"not {box}"
        )


def _lies_inside(part: slice, length: int) -> bool:
    if part.start is None or part.stop is None or part.step not in (None, 1):
        return False
    return bool(0 <= part.start < part.stop <= length)


def chunk_boxes(
    shape: tuple[int, ...], chunk: tuple[int, ...], box: Box | None = None
) -> Iterator[tuple[tuple[int, ...], Box]]:
    """Yield the index of each chunk that a box meets, in scan order, and the part of the box in it.

    Parameters
    ----------
    shape, chunk : tuple of int
        Of the image and of its chunks.
    box : tuple of slice, optional
        The whole image by default.

    Examples
    --------
    >>> for index, part in chunk_boxes((5, 7), (4, 4), (slice(3, 5), slice(0, 4))):
    ...     print(index, part)
    (0, 0) (slice(3, 4, None), slice(0, 4, None))
    (1, 0) (slice(4, 5, None), slice(0, 4, None))
    """
    box = box or tuple(slice(0, n) for n in shape)
    ends = [part.indices(n)[:2] for part, n in zip(box, shape, strict=True)]
    ranges = [range(a // n, -(-b // n)) for (a, b), n in zip(ends, chunk, strict=True)]
    for index in itertools.product(*ranges):
        yield index, tuple(map(_part_in_chunk, index, chunk, ends))


def _part_in_chunk(number: int, length: int, ends: tuple[int, int]) -> slice:
    return slice(max(number * length, ends[0]), min((number + 1) * length, ends[1]))

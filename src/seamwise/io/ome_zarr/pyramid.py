"""From a level of an image to the next smaller one: see `build_level`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.boxes import chunk_boxes
from seamwise.io.ome_zarr.levels import Level
from seamwise.io.ome_zarr.pixels import Pixels, open_array
from seamwise.types import Box


def build_level(folder: Path, finer: Level, level: Level, *, labels: bool) -> None:
    """Fill the array of a level from the level above, chunk by chunk.

    In an image, a pixel is the mean of those that it stands for (2ⁿ of them, fewer at the far
    edge), rounded for integers. In labels, it is the first of them, which is where the scale says
    that the pixel lies, so no new numbers appear. Memory holds one chunk and what it is made from.

    Parameters
    ----------
    folder : Path
        Of the image.
    above, level : Level
        The array of `level` exists, empty.
    labels : bool
        Whether these are labels.

    Raises
    ------
    ValueError
        A chunk cannot be read back.
    OSError
        A chunk cannot be written.
    """
    source, target = Pixels(folder / finer.path), open_array(folder / level.path, "r+")
    steps = steps_between(finer, level)
    reduce = _first_pixels if labels else _means
    for _, box in chunk_boxes(level.shape, level.chunks):
        target[box] = reduce(source, box, steps)


def steps_between(finer: Level, level: Level) -> list[float]:
    """Return how many pixels of the level above one pixel stands for along each axis.

    Examples
    --------
    >>> steps_between(Level("0", (9, 9), (9, 9), (1, 0.325)), Level("1", (9, 5), (9, 5), (1, 0.65)))
    [1.0, 2.0]
    """
    if finer.scale and level.scale:
        steps = [b / a for a, b in zip(finer.scale, level.scale, strict=True)]
    else:
        steps = [m / n for m, n in zip(finer.shape, level.shape, strict=True)]
    # 0.65 / 0.325 is not quite 2
    return [float(round(s)) if abs(s - round(s)) < 1e-3 else s for s in steps]


def _first_pixels(source: Pixels, box: Box, steps: list[float]) -> NDArray[Any]:
    """The first of the pixels that each pixel of a box stands for."""
    places = [
        np.minimum((np.arange(part.start, part.stop) * step).astype(int), n - 1)
        for part, step, n in zip(box, steps, source.shape, strict=True)
    ]
    block = source[tuple(slice(int(place[0]), int(place[-1]) + 1) for place in places)]
    return block[np.ix_(*(place - place[0] for place in places))]


def _means(source: Pixels, box: Box, steps: list[float]) -> NDArray[Any]:
    """The mean of the pixels that each pixel of a box stands for."""
    parts = [
        slice(part.start * int(step), min(part.stop * int(step), n))
        for part, step, n in zip(box, steps, source.shape, strict=True)
    ]
    block = source[tuple(parts)]
    # up to 2^15 numbers of 8 and 16 bits sum exactly in 32
    is_small = source.dtype.kind in "iu" and source.dtype.itemsize <= 2
    total = block.astype(np.int32 if is_small else np.float64)
    count = np.ones((1,) * block.ndim)
    for axis, step in enumerate(map(int, steps)):
        along = [-1 if i == axis else 1 for i in range(block.ndim)]
        count = count * _sums(np.ones(block.shape[axis]), 0, step).reshape(along)
        total = _sums(total, axis, step)
    mean = np.divide(total, count)
    pixels: NDArray[Any] = np.rint(mean) if source.dtype.kind in "iu" else mean
    return pixels.astype(source.dtype)


def _sums(block: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """The sum of every `step` pixels along an axis, of fewer at its end.

    Nine times as fast as `numpy.add.reduceat`.
    """
    pixels = np.moveaxis(block, axis, 0)
    total = pixels[::step].copy()
    for first in range(1, step):
        summands = pixels[first::step]
        total[: len(summands)] += summands
    return np.moveaxis(total, 0, axis)

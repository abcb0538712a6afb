"""The fused planes of a stack in one file, written one by one: `write_planes`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.fusion.stack import TIFF, Stack
from seamwise.io.listing import SUFFIXES, ZARR
from seamwise.io.ome_zarr import create_image
from seamwise.io.tiff import save_tiff_pages


def is_volume(output: Path) -> bool:
    """Whether an output holds axes and pixel size: a TIFF or an OME-Zarr folder."""
    return output.suffix.lower() in (*TIFF, ZARR)


def write_planes(
    output: Path,
    images: Iterable[NDArray[Any]],
    stack: Stack,
    *,
    size: tuple[int, ...],
    dtype: np.dtype[Any],
    overwrite: bool,
) -> None:
    """Write the fused picture of each burst of a stack into one file, whole or not at all.

    The axes are those of `Stack.axes`, then Y and X; the pixel size is that of the planes. An image
    is written before the next one is drawn, so that few are held at a time.

    Parameters
    ----------
    output : Path
        Ends in .tif, .tiff or .zarr.
    images : iterable of (Y, X) arrays
        One per burst of the stack, in its order.
    stack : Stack
    size : (Y, X)
        Of each image.
    dtype : dtype
        Of each image.
    overwrite : bool
        Replace an OME-Zarr folder.

    Raises
    ------
    OSError
        The file cannot be written. What drawing an image raises stays as it is.
    """
    lengths = [n for n in (stack.times, stack.channels) if n > 1]
    shape, axes = (*lengths, *size), stack.axes + "YX"
    spacing, drawn = stack.bursts[0][0].spacing, _drawn(images)
    try:
        if output.suffix.lower() != ZARR:
            save_tiff_pages(output, drawn, shape=shape, dtype=dtype, axes=axes, spacing=spacing)
            return
        with create_image(
            output, shape, axes=axes, dtype=dtype, spacing=spacing, overwrite=overwrite
        ) as draft:
            for place, image in zip(np.ndindex(*lengths), drawn, strict=True):
                draft.array[(*place, ...)] = image
    except _DrawingError as error:
        raise error.reason from None


class _DrawingError(Exception):
    """An image could not be made: not an error of the file that it was for."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _drawn(images: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    try:
        yield from images
    except OSError as error:
        raise _DrawingError(error) from error


def check_volume_output(output: Path, stack: Stack | None) -> None:
    """Raise ValueError unless a file can hold what becomes of a stack, or of photographs."""
    suffix = output.suffix.lower()
    if stack is None and suffix == ZARR:
        raise ValueError(
            f"{output} holds planes of a stack, not a photograph: end its name in "
            f"{', '.join(SUFFIXES)}"
        )
    if stack is None:
        return
    plane = stack.bursts[0][0]
    is_colour = len(plane.shape) == 3
    if (stack.axes and not is_volume(output)) or (is_colour and (stack.axes or suffix == ZARR)):
        raise ValueError(
            f"{output} cannot hold {stack.times} time points of {stack.channels} channels"
            f"{' in colour' if is_colour else ''}: "
            + ("save each time point as a stack" if is_colour else "name it .tif or .ome.zarr")
        )
    dtype = plane.volume.dtype
    if dtype not in (np.uint8, np.uint16) and (is_colour or not is_volume(output)):
        raise ValueError(
            f"{output} cannot hold {dtype} pixels{' in colour' if is_colour else ''}: "
            + ("save the planes as uint8 or uint16" if is_colour else "name it .tif or .ome.zarr")
        )

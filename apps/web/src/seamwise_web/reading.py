"""How an image of a file becomes one of the page: `read_picture`, `open_image`."""

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import Volume, count_samples, open_volume, read_image, set_of_files
from seamwise.segmentation import as_channels
from seamwise_web.answers import RefusalError, for_the_page
from seamwise_web.folder import ZARR
from seamwise_web.levels import doubtful_axes
from seamwise_web.pictures import Limits, Picture
from seamwise_web.tiled import TiledImage, open_tiled

_IN_PARTS = (ZARR, ".tif", ".tiff")
"""Endings of what can be read part by part."""


def open_image(path: Path, limits: Limits, axes: str | None = None) -> Picture | TiledImage:
    """Read an image, or open a large one to look at it by tiles; see `read_picture`."""
    if path.name.lower().endswith(_IN_PARTS):
        check_no_links(path)
        if _is_large(path, limits, axes):
            return open_tiled(path, limits, axes)
    return read_picture(path, limits, axes)


def _is_large(path: Path, limits: Limits, axes: str | None) -> bool:
    """Whether an image is too large to be read as a whole."""
    if count_samples(path) > limits.samples:
        return True
    return prod(open_volume(path, axes=axes).shape) > limits.pixels


def read_picture(path: Path, limits: Limits, axes: str | None = None) -> Picture:
    """Read a plane, a stack or a time series, with one or more channels.

    `axes` says what the axes of the file are, instead of the file itself.

    Raises
    ------
    ValueError, OSError
        The file is not an image.
    RefusalError
        It is too large, or has a part that is a link.
    """
    check_no_links(path)
    if count_samples(path) > limits.samples:
        raise RefusalError(
            413,
            f"{path.name} has more than {limits.samples // 1_000_000} million numbers "
            "(pixels × channels × slices × time points): "
            "put it into the folder of the page as TIFF or OME-Zarr, where it opens by tiles",
        )
    volume = open_volume(path, axes=axes)
    if prod(volume.shape) > limits.pixels:
        raise RefusalError(
            413,
            f"{path.name} has more than {limits.pixels // 1_000_000} million pixels: put it into "
            "the folder of the page as TIFF or OME-Zarr, where it opens by tiles",
        )
    pixels = _series(volume) if volume.times > 1 else _one(path, axes)
    note = for_the_page(volume.note)
    return Picture(path.name, pixels, volume.spacing, note, axes=doubtful_axes(volume))


def _one(path: Path, axes: str | None) -> NDArray[Any]:
    """The only time point `(1, C, *S)`."""
    return as_channels(read_image(path, axes=axes))[np.newaxis]


def check_no_links(path: Path) -> None:
    """Raise RefusalError if a file of the image is a link."""
    parts = _files_below(path) if path.is_dir() else (path.parent / n for n in set_of_files(path))
    if any(part.is_symlink() for part in parts):
        raise RefusalError(403, f"a part of {path.name} is a link, which the page does not follow")


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place) / name for name in (*folders, *files))


def _series(volume: Volume) -> NDArray[Any]:
    """All time points `(T, C, *S)`; of equal channels one."""
    box = tuple(slice(0, length) for length in volume.shape)
    pixels = np.stack([volume.read(box, time=time) for time in range(volume.times)])
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError(f"{volume.path} has NaN or infinite pixels: export it again")
    is_grey = all(np.array_equal(pixels[:, 0], other) for other in pixels.swapaxes(0, 1)[1:])
    return pixels[:, :1] if is_grey else pixels

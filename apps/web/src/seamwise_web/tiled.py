"""Large images of the folder, looked at by tiles: `TiledImage`, `TiledImages`, `open_tiled`."""

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import open_ome_zarr
from seamwise_web.answers import RefusalError, for_the_page
from seamwise_web.display import in_16_bits, is_plain
from seamwise_web.folder import ZARR
from seamwise_web.jobs import Job
from seamwise_web.levels import FileLevels, Levels, ZarrLevels
from seamwise_web.pictures import Limits, Picture, choice_of
from seamwise_web.pyramid import TILE, Plane, Pyramid
from seamwise_web.whole import WholeCells, stored_cells

_MOST = 4  # that are open at a time: no pixels of theirs are kept
_MOST_PIXELS = 2_000_000_000  # of a plane without smaller levels, which are made from all of them


class TiledImage:
    """A large image on disk, of which only the tiles that are shown are read.

    Parameters
    ----------
    levels : Levels
    axes : str, optional
        Those that the user chose for the file.

    Attributes
    ----------
    key : str
    name : str
    cells : WholeCells or None
        Cells of all of it, that were found here or lie in the file.
    job : Job or None
        The last search for them.
    """

    def __init__(self, levels: Levels, axes: str | None = None) -> None:
        self.key = secrets.token_urlsafe(12)
        self.axes = axes
        self.levels, self.pyramid = levels, Pyramid(levels)
        self.name, self.path = levels.path.name, levels.path
        self.lock = Lock()
        self.cells, problem = stored_cells(levels)
        self._note = "; ".join(filter(None, [for_the_page(levels.note), problem]))
        self.job: Job | None = None
        self._facts: dict[int, dict[str, Any]] = {}

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return Path(self.name).stem.removesuffix(".ome")

    @property
    def is_busy(self) -> bool:
        """Whether its cells are looked for."""
        return self.job is not None and self.job.is_open

    @property
    def is_at_risk(self) -> bool:
        """Whether cells would be lost with it: some are looked for, or were not saved."""
        return self.is_busy or (self.cells is not None and not self.cells.is_saved)

    def length(self, axis: str) -> int:
        """How long an axis is, of T, C, Z, Y, X; 1 if the image does not have it."""
        return self.pyramid.length(axis)

    def tile(
        self, level: int, row: int, column: int, plane: Plane
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Return a tile in 8 or 16 bits, and bits, contrast, width and height.

        Raises
        ------
        RefusalError
            The image has no such tile.
        """
        self.pyramid.check(plane)
        rows, columns = self.pyramid.box(level, row, column)
        facts = self._facts_of(plane[0])
        pixels = self.pyramid.read(level, rows, columns, plane)
        size = {"width": pixels.shape[1], "height": pixels.shape[0]}
        plain = _plain(pixels, facts["range"])
        return plain.astype(plain.dtype.newbyteorder("<")), {**facts, **size}

    def part(self, rows: slice, columns: slice, *, time: int, z: int, limits: Limits) -> Picture:
        """Return a part as an image of its own: its whole stack if that is small enough.

        Raises
        ------
        RefusalError
            The part is empty or too large, or the plane does not exist.
        """
        self.pyramid.check((0, time, z))
        height, width = self.pyramid.sizes[0]
        rows, columns = slice(*rows.indices(height)), slice(*columns.indices(width))
        area = max(rows.stop - rows.start, 0) * max(columns.stop - columns.start, 0)
        if area == 0:
            raise RefusalError(400, "that part lies outside of the image: move the image")
        if area > limits.pixels or area * self.length("C") > limits.samples:
            most = limits.pixels // 1_000_000
            raise RefusalError(413, f"the page takes parts of {most} million pixels: zoom in")
        voxels = area * self.length("Z")
        is_stack = "Z" in self.levels.lengths and voxels <= limits.pixels
        is_stack = is_stack and voxels * self.length("C") <= limits.samples
        slices = slice(0, self.length("Z")) if is_stack else slice(z, z + 1)
        box = {"T": slice(time, time + 1), "Z": slices, "Y": rows, "X": columns}
        pixels = self.levels.read(0, box)
        pixels = pixels if is_stack else pixels[:, :, 0]
        name = f"{self.stem}_x{columns.start}_y{rows.start}.tif"
        spacing = self.levels.spacing
        if spacing is not None and not is_stack:
            spacing = spacing[-2:]
        note = f"columns {columns.start} to {columns.stop} and rows {rows.start} to {rows.stop}"
        return Picture(name, pixels, spacing, f"{note} of {self.name}")

    def keep(self, cells: WholeCells | None) -> None:
        """Take cells of all of it; those before are forgotten."""
        with self.lock:
            before, self.cells = self.cells, cells
        if before is not None:
            before.close()

    def close(self) -> None:
        """Cancel the work, and forget the cells that were found here."""
        if self.job is not None:
            self.job.cancel()
        self.keep(None)

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the image."""
        height, width = self.pyramid.sizes[0]
        cells = self.cells
        return {
            "picture": self.key,
            "name": self.name,
            "width": width,
            "height": height,
            "channels": self.length("C"),
            "times": self.length("T"),
            "slices": self.levels.lengths.get("Z", 0),
            "first_channel": 0,
            "spacing": self.levels.spacing,
            "note": self._note,
            "axes": choice_of(self.levels.doubtful),
            "found": [],
            "job": self.job.key if self.job is not None and self.is_busy else None,
            "tiled": {
                "side": TILE,
                "levels": self.pyramid.sizes,
                "cells": None if cells is None else cells.description(),
            },
        }

    def _facts_of(self, channel: int) -> dict[str, Any]:
        """Bits, range and contrast of a channel.

        The range is that of the middle plane of the coarsest level. Its contrast goes up to that of
        a tile in the middle of the image, as means over many pixels hide what is bright.
        """
        if channel not in self._facts:
            level = len(self.pyramid.sizes) - 1
            rows, columns = (slice(0, length) for length in self.pyramid.sizes[level])
            middle = channel, 0, self.length("Z") // 2
            pixels = self.pyramid.read(level, rows, columns, middle)
            limits = float(pixels.min()), float(pixels.max())
            plain = _plain(pixels, limits)
            tile = _plain(self._middle(middle), limits)
            low = float(np.percentile(plain, 1))
            high = max(float(np.percentile(part, 99.8)) for part in (plain, tile))
            bits = 8 * plain.dtype.itemsize
            facts = {"bits": bits, "low": low, "high": max(high, low + 1), "range": limits}
            self._facts[channel] = facts
        return self._facts[channel]

    def _middle(self, plane: Plane) -> NDArray[Any]:
        """The tile in the middle of a plane."""
        height, width = self.pyramid.sizes[0]
        top, left = max(0, (height - TILE) // 2), max(0, (width - TILE) // 2)
        rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
        return self.pyramid.read(0, rows, columns, plane)


class TiledImages:
    """The large images that are open; the oldest without new cells closes for a further one."""

    def __init__(self) -> None:
        self._images: OrderedDict[str, TiledImage] = OrderedDict()

    def add(self, image: TiledImage) -> None:
        """Keep an image open.

        Raises
        ------
        RefusalError
            All images have cells that would be lost.
        """
        while len(self._images) >= _MOST:
            images = list(self._images.values())
            oldest = next((one for one in images if not one.is_at_risk), None)
            if oldest is None:
                raise RefusalError(
                    409,
                    f"{_MOST} large images are open whose cells were not saved: save the labels "
                    f"of {images[0].name} in its tab, or start seamwise again",
                )
            self.close(oldest.key)
        self._images[image.key] = image

    def __contains__(self, key: str) -> bool:
        return key in self._images

    def find(self, key: str) -> TiledImage:
        """Return an image by its key.

        Raises
        ------
        RefusalError
            It is not open.
        """
        if key not in self._images:
            raise RefusalError(404, "this image was closed: open it again")
        self._images.move_to_end(key)
        return self._images[key]

    def close(self, key: str) -> None:
        """Forget an image."""
        if key in self._images:
            self._images.pop(key).close()

    def close_all(self) -> None:
        """Forget all images."""
        for key in list(self._images):
            self.close(key)


def open_tiled(path: Path, limits: Limits, axes: str | None = None) -> TiledImage:
    """Open an OME-Zarr image of any size, or a large TIFF, whose axes may be chosen.

    Raises
    ------
    ValueError, OSError
        The file is not such an image.
    RefusalError
        It is stored so that a part of it cannot be shown quickly; or axes are chosen for OME-Zarr,
        which tells its own.
    """
    if path.name.lower().endswith(ZARR):
        if axes is not None:
            raise RefusalError(400, f"{path.name} says itself what its axes are: choose none")
        image = open_ome_zarr(path)
        _check_chunks(path, [level.chunks for level in image.levels], limits)
        return TiledImage(ZarrLevels(image))
    levels = FileLevels(path, axes)
    _check_chunks(path, [levels.chunks], limits)
    if prod(levels.sizes[0]) > _MOST_PIXELS:
        raise RefusalError(
            413,
            f"{path.name} has more than {_MOST_PIXELS // 1_000_000} million pixels: save it as "
            "OME-Zarr with levels, or use `seamwise segment`",
        )
    return TiledImage(levels, axes)


def _check_chunks(path: Path, chunks: Iterable[tuple[int, ...]], limits: Limits) -> None:
    if max(map(prod, chunks)) > limits.samples:
        raise RefusalError(
            413,
            f"{path.name} is stored in chunks of more than {limits.samples // 1_000_000} "
            "million numbers: save it in smaller ones",
        )


def _plain(pixels: NDArray[Any], limits: tuple[float, float]) -> NDArray[Any]:
    return pixels if is_plain(pixels) else in_16_bits(pixels, *limits)

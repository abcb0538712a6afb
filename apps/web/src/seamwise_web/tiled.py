"""OME-Zarr images that are looked at by tiles: `TiledImage`, `TiledImages`, `open_tiled`."""

import secrets
from collections import OrderedDict
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import OmeImage, open_ome_zarr
from seamwise_web.answers import RefusalError
from seamwise_web.display import in_16_bits, is_plain
from seamwise_web.pictures import Limits, Picture

TILE = 512
"""Pixels of a tile along each side."""

_SMALL = 1024  # longest side of the coarsest level
_STRIP = 2**22  # pixels that are read at once to make a coarser level
_MOST = 4  # that are open at a time: no pixels of theirs are kept


class TiledImage:
    """A large image on disk, of which only the tiles that are shown are read.

    Where its own levels end with a large one, coarser ones are made by taking pixels at equal
    distances.

    Parameters
    ----------
    image : OmeImage
    """

    def __init__(self, image: OmeImage) -> None:
        self.key = secrets.token_urlsafe(12)
        self.name, self._image = image.path.name, image
        self._lengths = dict(zip(image.axes, image.levels[0].shape, strict=True))
        self._stored = [image.pixels(number) for number in range(len(image.levels))]
        sizes = [pixels.shape[-2:] for pixels in self._stored]
        while max(sizes[-1]) > _SMALL:
            sizes.append(tuple(ceil(length / 2) for length in sizes[-1]))
        self.sizes = sizes
        self._facts: dict[int, dict[str, Any]] = {}

    def length(self, axis: str) -> int:
        """How long an axis is, of T, C, Z, Y, X; 1 if the image does not have it."""
        return self._lengths.get(axis, 1)

    def check(self, channel: int, time: int, z: int) -> None:
        """Raise RefusalError unless there is such a plane."""
        for axis, number, word in (
            ("C", channel, "channel"),
            ("T", time, "time point"),
            ("Z", z, "slice"),
        ):
            if number >= self.length(axis):
                raise RefusalError(404, f"{self.name} has no {word} {number}: choose another")

    def tile(
        self, level: int, row: int, column: int, *, channel: int, time: int, z: int
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Return a tile in 8 or 16 bits, and bits, contrast, width and height.

        Raises
        ------
        RefusalError
            The image has no such tile.
        """
        self.check(channel, time, z)
        if level >= len(self.sizes):
            raise RefusalError(404, f"{self.name} has no level {level}")
        height, width = self.sizes[level]
        top, left = row * TILE, column * TILE
        if top >= height or left >= width:
            raise RefusalError(404, f"{self.name} has no tile {row}, {column} in level {level}")
        rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
        facts = self._facts_of(channel)
        pixels = self._plane(level, rows, columns, channel=channel, time=time, z=z)
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
        self.check(0, time, z)
        height, width = self.sizes[0]
        rows, columns = slice(*rows.indices(height)), slice(*columns.indices(width))
        area = max(rows.stop - rows.start, 0) * max(columns.stop - columns.start, 0)
        if area == 0:
            raise RefusalError(400, "that part lies outside of the image: move the image")
        if area > limits.pixels or area * self.length("C") > limits.samples:
            most = limits.pixels // 1_000_000
            raise RefusalError(413, f"the page takes parts of {most} million pixels: zoom in")
        voxels = area * self.length("Z")
        is_stack = "Z" in self._lengths and voxels <= limits.pixels
        is_stack = is_stack and voxels * self.length("C") <= limits.samples
        slices = slice(0, self.length("Z")) if is_stack else slice(z, z + 1)
        box = {"T": slice(time, time + 1), "Z": slices, "Y": rows, "X": columns}
        pixels = self._read(0, box)
        pixels = pixels if is_stack else pixels[:, :, 0]
        stem = self.name.removesuffix(".zarr").removesuffix(".ome")
        name = f"{stem}_x{columns.start}_y{rows.start}.tif"
        spacing = self._image.spacing
        if spacing is not None and not is_stack:
            spacing = spacing[-2:]
        note = f"columns {columns.start} to {columns.stop} and rows {rows.start} to {rows.stop}"
        return Picture(name, pixels, spacing, f"{note} of {self.name}")

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the image."""
        height, width = self.sizes[0]
        return {
            "picture": self.key,
            "name": self.name,
            "width": width,
            "height": height,
            "channels": self.length("C"),
            "times": self.length("T"),
            "slices": self._lengths.get("Z", 0),
            "first_channel": 0,
            "spacing": self._image.spacing,
            "note": self._image.note,
            "found": [],
            "job": None,
            "tiled": {"side": TILE, "levels": self.sizes},
        }

    def _facts_of(self, channel: int) -> dict[str, Any]:
        """Bits, range and contrast of a channel.

        The range is that of the middle plane of the coarsest level. Its contrast goes up to that of
        a tile in the middle of the image, as means over many pixels hide what is bright.
        """
        if channel not in self._facts:
            level = len(self.sizes) - 1
            rows, columns = (slice(0, length) for length in self.sizes[level])
            middle = self.length("Z") // 2
            pixels = self._plane(level, rows, columns, channel=channel, time=0, z=middle)
            limits = float(pixels.min()), float(pixels.max())
            plain = _plain(pixels, limits)
            tile = _plain(self._middle(channel, middle), limits)
            low = float(np.percentile(plain, 1))
            high = max(float(np.percentile(part, 99.8)) for part in (plain, tile))
            bits = 8 * plain.dtype.itemsize
            facts = {"bits": bits, "low": low, "high": max(high, low + 1), "range": limits}
            self._facts[channel] = facts
        return self._facts[channel]

    def _middle(self, channel: int, z: int) -> NDArray[Any]:
        """The tile in the middle of a plane."""
        height, width = self.sizes[0]
        top, left = max(0, (height - TILE) // 2), max(0, (width - TILE) // 2)
        rows, columns = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
        return self._plane(0, rows, columns, channel=channel, time=0, z=z)

    def _plane(
        self, level: int, rows: slice, columns: slice, *, channel: int, time: int, z: int
    ) -> NDArray[Any]:
        """Read a box of a plane of a level, which may be one that is not stored."""
        stored = min(level, len(self._stored) - 1)
        step = 2 ** (level - stored)
        height, width = self.sizes[stored]
        depth = dict(zip(self._image.axes, self._stored[stored].shape, strict=True)).get("Z", 1)
        slice_there = z * depth // self.length("Z")
        box = {
            "T": slice(time, time + 1),
            "C": slice(channel, channel + 1),
            "Z": slice(slice_there, slice_there + 1),
            "X": slice(columns.start * step, min(columns.stop * step, width)),
        }
        strip = max(1, _STRIP // (TILE * step * step))  # rows of the result
        parts = []
        for start in range(rows.start, rows.stop, strip):
            stop = min(start + strip, rows.stop)
            box["Y"] = slice(start * step, min(stop * step, height))
            parts.append(self._read(stored, box)[0, 0, 0, ::step, ::step])
        return np.concatenate(parts)

    def _read(self, level: int, box: dict[str, slice]) -> NDArray[Any]:
        """Read a box of a level, `(T, C, Z, Y, X)`; an axis that the box lacks is read whole."""
        pixels = self._stored[level]
        axes = self._image.axes
        lengths = zip(axes, pixels.shape, strict=True)
        place = tuple(box.get(axis, slice(0, length)) for axis, length in lengths)
        part = pixels[place]
        missing = tuple(number for number, axis in enumerate("TCZYX") if axis not in axes)
        return np.expand_dims(part, missing)


class TiledImages:
    """The large images that are open; the oldest is closed when there are too many."""

    def __init__(self) -> None:
        self._images: OrderedDict[str, TiledImage] = OrderedDict()

    def add(self, image: TiledImage) -> None:
        """Keep an image open."""
        self._images[image.key] = image
        while len(self._images) > _MOST:
            self._images.popitem(last=False)

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
        self._images.pop(key, None)


def open_tiled(path: Path, limits: Limits) -> TiledImage:
    """Open an OME-Zarr image of any size.

    Raises
    ------
    ValueError, OSError
        The folder is not such an image.
    RefusalError
        Its chunks are too large to show a part quickly, or hold what is not an intensity.
    """
    image = open_ome_zarr(path)
    if max(prod(level.chunks) for level in image.levels) > limits.samples:
        raise RefusalError(
            413,
            f"{path.name} is stored in chunks of more than {limits.samples // 1_000_000} million "
            "numbers: save it in smaller ones",
        )
    return TiledImage(image)


def _plain(pixels: NDArray[Any], limits: tuple[float, float]) -> NDArray[Any]:
    return pixels if is_plain(pixels) else in_16_bits(pixels, *limits)

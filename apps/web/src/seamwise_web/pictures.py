"""The images that are open in pages: `Picture` and `Pictures`."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io import count_samples, read_image, set_of_files
from seamwise.measure import Table, measure
from seamwise.segmentation import as_channels
from seamwise_web.answers import RefusalError
from seamwise_web.cells import Cells
from seamwise_web.jobs import Job

_SHOWN = 2**20  # pixels, at most, that the first contrast is measured on


@dataclass(frozen=True)
class Limits:
    """What the page takes.

    Attributes
    ----------
    upload : int
        Bytes of a file that is dropped.
    pixels : int
        Of an image.
    samples : int
        Pixels times channels.
    pictures : int
        Images that are open at a time, in all pages; they have at most twice `pixels` together.
    nbytes : int
        Of all of them together, with what the network computed.
    bursts : int
        Bursts that are open at a time, in all pages.
    frames : int
        Of a burst.
    frame_pixels : int
        Of each of them.
    burst_bytes : int
        Of the files of a burst that are dropped, together.
    label_sets : int
        Label images that are open at a time, in all pages.
    trainings : int
        Models that are trained at a time, in all pages.
    training : int
        Images that a model is trained on; they have at most five times `pixels` together.
    """

    upload: int = 256 * 2**20
    pixels: int = 20_000_000
    samples: int = 80_000_000
    pictures: int = 8
    nbytes: int = 4 * 2**30
    bursts: int = 3
    frames: int = 200
    frame_pixels: int = 60_000_000
    burst_bytes: int = 4 * 2**30
    label_sets: int = 8
    trainings: int = 2
    training: int = 100


class Picture:
    """An image that is open in a page, and its cells.

    Parameters
    ----------
    name : str
        Of the file, for the page and for downloads.
    channels : (C, Y, X) array
    spacing : tuple of float, optional
        Micrometres per pixel.
    note : str
        What the user should know about how the file was read.
    """

    def __init__(
        self,
        name: str,
        channels: NDArray[Any],
        spacing: tuple[float, ...] | None = None,
        note: str = "",
    ) -> None:
        self.key = secrets.token_urlsafe(12)
        self.name, self.channels, self.spacing, self.note = name, channels, spacing, note
        self.lock = Lock()
        self.cells: Cells | None = None
        self.job: Job | None = None
        self._first_channel = first_channel(channels)
        self._table: tuple[Cells, int, Table] | None = None

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return Path(self.name).name.removesuffix(Path(self.name).suffix).removesuffix(".ome")

    def corrected(self) -> Cells:
        """Return the cells.

        Raises
        ------
        RefusalError
            They were not looked for yet.
        """
        if self.cells is None:
            raise RefusalError(409, "the cells of this image were not looked for yet: find them")
        return self.cells

    def table(self) -> Table:
        """Return the measurements of all cells; measured again only if the cells changed."""
        with self.lock:
            cells = self.corrected()
            revision, labels = cells.revision, cells.labels.copy()
        if self._table is None or self._table[:2] != (cells, revision):
            table = measure(self.channels, labels, spacing=self.spacing)
            self._table = (cells, revision, table)
        return self._table[2]

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the image."""
        _, height, width = self.channels.shape
        return {
            "picture": self.key,
            "name": self.name,
            "width": width,
            "height": height,
            "channels": len(self.channels),
            "first_channel": self._first_channel,
            "spacing": self.spacing,
            "note": self.note,
            "has_cells": self.cells is not None,
            "job": self.job.key if self.job is not None and self.is_busy else None,
        }

    @property
    def is_busy(self) -> bool:
        """Whether its cells are looked for."""
        return self.job is not None and self.job.is_open

    @property
    def unsaved(self) -> int:
        """How many corrections would be lost with it."""
        return 0 if self.cells is None else self.cells.unsaved

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels, of what the network computed and of its labels."""
        own = self.channels.nbytes
        cells = self.cells
        return own if cells is None else own + cells.maps.maps.nbytes + cells.labels.nbytes


class Pictures:
    """The open images; the oldest without corrections is closed when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def add(self, picture: Picture) -> None:
        """Keep an image open.

        Raises
        ------
        RefusalError
            The memory is full of images whose corrections were not saved.
        """
        staying = list(self._pictures.values())
        while staying and self._is_too_much([*staying, picture]):
            oldest = next((one for one in staying if not one.unsaved), None)
            if oldest is None:
                raise RefusalError(
                    409,
                    "too many images are open whose corrections were not saved: save the labels "
                    f"of {staying[0].name} in its tab, or start seamwise again",
                )
            staying.remove(oldest)
        for key in set(self._pictures) - {one.key for one in staying}:
            self.close(key)
        self._pictures[picture.key] = picture

    def find(self, key: str) -> Picture:
        """Return an image by its key.

        Raises
        ------
        RefusalError
            It is not open.
        """
        if key not in self._pictures:
            raise RefusalError(404, "this image was closed: drop it again")
        self._pictures.move_to_end(key)
        return self._pictures[key]

    def close(self, key: str) -> None:
        """Forget an image and its cells; its work is cancelled."""
        if key in self._pictures:
            picture = self._pictures.pop(key)
            if picture.job is not None:
                picture.job.cancel()

    def _is_too_much(self, pictures: list[Picture]) -> bool:
        limits = self._limits
        return (
            len(pictures) > limits.pictures
            or sum(prod(one.channels.shape[1:]) for one in pictures) > 2 * limits.pixels
            or sum(one.nbytes for one in pictures) > limits.nbytes
        )


def read_picture(path: Path, limits: Limits) -> Picture:
    """Read a plane with one or more channels.

    Raises
    ------
    ValueError, OSError
        The file is not an image.
    RefusalError
        It is too large, a stack, or has a part that is a link.
    """
    check_no_links(path)
    if count_samples(path) > limits.samples:
        raise RefusalError(
            413,
            f"{path.name} has more than {limits.samples // 1_000_000} million numbers "
            "(pixels × channels × planes): "
            "`seamwise segment` takes it, block by block",
        )
    image = read_image(path)
    if "Z" in image.axes:
        raise RefusalError(
            400, f"{path.name} is a stack of {image.axes}: `seamwise segment` takes it"
        )
    channels = as_channels(image)
    if prod(channels.shape[1:]) > limits.pixels:
        raise RefusalError(413, f"{path.name} is too large: `seamwise segment` takes it")
    return Picture(path.name, channels, image.spacing, image.note)


def check_no_links(path: Path) -> None:
    """Raise RefusalError if a file of the image is a link."""
    if any((path.parent / name).is_symlink() for name in set_of_files(path)):
        raise RefusalError(403, f"a part of {path.name} is a link, which the page does not follow")


def first_channel(channels: NDArray[Any]) -> int:
    """Return the first channel with any contrast; 0 if none has."""
    has_contrast = [bool(channel.min() < channel.max()) for channel in channels]
    return has_contrast.index(True) if any(has_contrast) else 0


def plain_channel(channel: NDArray[Any]) -> NDArray[Any]:
    """Return a channel in 8 or 16 bits.

    Wider types are mapped from their smallest to their largest value to 0..65535.
    """
    if channel.dtype.kind == "u" and channel.dtype.itemsize <= 2:
        return channel
    values = channel.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    step = (high - low) / 65535 or 1.0
    return np.round((values - low) / step).astype(np.uint16)


def pixels_to_show(channel: NDArray[Any]) -> tuple[bytes, dict[str, Any]]:
    """Return a channel in 8 or 16 bits, little-endian, with the contrast to begin with.

    It is that of `plain_channel`. The contrast goes from the 1st to the 99.8th percentile.
    """
    shown = plain_channel(channel)
    few = shown.ravel()[:: max(1, shown.size // _SHOWN)]
    low, high = (float(value) for value in np.percentile(few, [1, 99.8]))
    bits = 8 * shown.dtype.itemsize
    facts = {"bits": bits, "low": low, "high": max(high, low + 1)}
    return shown.astype(shown.dtype.newbyteorder("<")).tobytes(), facts

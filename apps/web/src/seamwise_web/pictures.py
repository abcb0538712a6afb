"""The images that are open in pages: `Picture` and `Pictures`; a `Place` in them."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from itertools import permutations, product
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.measure import Table, joined, measure
from seamwise_web.answers import RefusalError
from seamwise_web.cells import Cells
from seamwise_web.display import Display
from seamwise_web.jobs import Job


@dataclass(frozen=True)
class Limits:
    """What the page takes.

    Attributes
    ----------
    upload : int
        Bytes of a file that is dropped.
    pixels : int
        Of a plane or stack.
    samples : int
        Pixels times channels and time points.
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


@dataclass(frozen=True, order=True)
class Place:
    """What is segmented at once: a plane, or a stack.

    Attributes
    ----------
    time : int
        Time point, counted from 0.
    z : int
        Slice of a stack, counted from 0; -1 for the whole stack, or if there are no slices.
    """

    time: int = 0
    z: int = -1

    @property
    def words(self) -> str:
        """What files of it are called, behind the name of the image, among several."""
        return f"_t{self.time + 1:03}" + (f"_z{self.z + 1:03}" if self.z >= 0 else "")


class Picture:
    """An image that is open in a page, and its cells.

    Parameters
    ----------
    name : str
        Of the file, for the page and for downloads.
    pixels : (T, C, Y, X) or (T, C, Z, Y, X) array
        Time points, channels, and slices of a stack.
    spacing : tuple of float, optional
        Micrometres per pixel along each axis of space.
    note : str
        What the user should know about how the file was read.
    axes : str
        Axes of the file as it was read, such as "TZYX", if they may be read in another way.

    Attributes
    ----------
    found : dict of Place to Cells
        No plane has an entry of its own if its stack has one.
    """

    def __init__(
        self,
        name: str,
        pixels: NDArray[Any],
        spacing: tuple[float, ...] | None = None,
        note: str = "",
        *,
        axes: str = "",
    ) -> None:
        self.key = secrets.token_urlsafe(12)
        self.name, self.pixels, self.spacing, self.note = name, pixels, spacing, note
        self.axes = axes
        self.lock = Lock()
        self.found: dict[Place, Cells] = {}
        self.job: Job | None = None
        self.show = Display(pixels)
        self._tables: dict[Place, tuple[int, Table]] = {}

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return Path(self.name).name.removesuffix(Path(self.name).suffix).removesuffix(".ome")

    def name_of(self, place: Place, ending: str = "") -> str:
        """Return what a file of a place is called: among several, with time point and slice."""
        is_alone = self.times == 1 and place.z < 0
        if not ending:
            return self.name if is_alone else f"{self.name}{place.words}"
        return f"{self.stem}{ending}" if is_alone else f"{self.stem}{place.words}{ending}"

    @property
    def times(self) -> int:
        """How many time points there are."""
        return len(self.pixels)

    @property
    def slices(self) -> int:
        """How many slices a stack has; 0 for planes."""
        return self.pixels.shape[2] if self.pixels.ndim == 5 else 0

    def place(self, time: int, z: int) -> Place:
        """Return what is shown at a time point and slice: the stack if its cells are found at once.

        Raises
        ------
        RefusalError
            The image has no such time point or slice.
        """
        if time >= self.times:
            raise RefusalError(404, f"{self.name} has no time point {time}: choose another")
        if z >= max(self.slices, 1):
            raise RefusalError(404, f"{self.name} has no slice {z + 1}: choose another")
        is_whole = not self.slices or Place(time) in self.found
        return Place(time) if is_whole else Place(time, z)

    def places(self, *, in_planes: bool) -> list[Place]:
        """Return all places, each a plane, or a stack if there are slices."""
        slices = range(self.slices) if in_planes and self.slices else (-1,)
        return [Place(time, z) for time, z in product(range(self.times), slices)]

    def part(self, place: Place) -> NDArray[Any]:
        """Return the channels of a place, `(C, Y, X)` or `(C, Z, Y, X)`."""
        part: NDArray[Any] = self.pixels[place.time]
        return part if place.z < 0 else part[:, place.z]

    def spacing_of(self, place: Place) -> tuple[float, ...] | None:
        """Return micrometres per pixel along each axis of a place."""
        is_plane = place.z >= 0
        return self.spacing[1:] if is_plane and self.spacing else self.spacing

    def measure_in(self, spacing: tuple[float, ...] | None) -> None:
        """Take another pixel size; cells that were found stay, and are measured again."""
        with self.lock:
            self.spacing = spacing
            self._tables.clear()

    def keep(self, cells: dict[Place, Cells]) -> None:
        """Take cells of places; those of a stack replace those of its planes, and reverse."""
        for place in cells:
            rivals = [one for one in self.found if one.time == place.time]
            for one in rivals:
                if place.z < 0 or one.z < 0:
                    del self.found[one]
        self.found |= cells

    def corrected(self, place: Place) -> Cells:
        """Return the cells of a place.

        Raises
        ------
        RefusalError
            They were not looked for yet.
        """
        if place not in self.found:
            raise RefusalError(409, "the cells of this image were not looked for yet: find them")
        return self.found[place]

    def table(self, place: Place) -> Table:
        """Return the measurements of the cells of a place; again only if the cells changed."""
        with self.lock:
            cells = self.corrected(place)
            revision, labels = cells.revision, cells.labels.copy()
        if self._tables.get(place, (0,))[0] != revision:
            table = measure(self.part(place), labels, spacing=self.spacing_of(place))
            self._tables[place] = revision, table
        return self._tables[place][1]

    def whole_table(self) -> Table:
        """Return the measurements of all cells, with time and slice where there are several.

        Raises
        ------
        RefusalError
            No cells were looked for yet.
        """
        places = sorted(self.found)
        if not places:
            self.corrected(Place())
        tables = []
        for place in places:
            columns = dict(self.table(place).columns)
            where = {"time": place.time} if self.times > 1 else {}
            where |= {"z": place.z} if place.z >= 0 else {}
            count = len(columns["id"])
            added = {name: np.full(count, value) for name, value in where.items()}
            tables.append(Table({"id": columns.pop("id"), **added, **columns}))
        return joined(tables)

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the image."""
        height, width = self.pixels.shape[-2:]
        return {
            "picture": self.key,
            "name": self.name,
            "width": width,
            "height": height,
            "channels": self.pixels.shape[1],
            "times": self.times,
            "slices": self.slices,
            "first_channel": self.show.first_channel,
            "spacing": self.spacing,
            "axes": choice_of(self.axes),
            "note": self.note,
            "found": [[place.time, place.z] for place in sorted(self.found)],
            "job": self.job.key if self.job is not None and self.is_busy else None,
        }

    @property
    def is_busy(self) -> bool:
        """Whether its cells are looked for."""
        return self.job is not None and self.job.is_open

    @property
    def unsaved(self) -> int:
        """How many corrections would be lost with it."""
        return sum(cells.unsaved for cells in list(self.found.values()))

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels, of what the network computed and of its labels."""
        return self.pixels.nbytes + sum(cells.nbytes for cells in list(self.found.values()))


def choice_of(axes: str) -> dict[str, Any] | None:
    """Return how the axes of a file are read, and all other ways; None for no axes."""
    return {"read": axes, "choices": other_axes(axes)} if axes else None


def other_axes(axes: str) -> list[str]:
    """Return all ways to read an image with as many axes, of which the last two are Y and X.

    Examples
    --------
    >>> other_axes("ZYX")
    ['TYX', 'ZYX', 'CYX']
    """
    return ["".join(letters) + "YX" for letters in permutations("TZC", len(axes) - 2)]


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
            or sum(prod(one.pixels.shape[2:]) for one in pictures) > 2 * limits.pixels
            or sum(one.nbytes for one in pictures) > limits.nbytes
        )

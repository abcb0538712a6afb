"""What is done with one block of an image on disk: the tasks of `segment_volume`, each a function of folder and number.

A work folder holds all that a task needs, so that it may run in any process that sees the folder: ``job.json`` (`Job`),
the arrays of the image that are not its result (`scratch`), and in a folder for each stage one file per finished block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.blockwise import Cells, Finish, assign, find_cores, flood_block, survey
from seamwise.decode.blockwise import finish as finish_labels
from seamwise.io.arrays import load_arrays, save_arrays
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import DecodeRule, WatershedPair
from seamwise.io.ome_zarr import Draft
from seamwise.io.scratch import open_scratch
from seamwise.io.stored import DamagedError
from seamwise.io.volume import Volume, open_volume
from seamwise.segmentation.decoding import pixelwise
from seamwise.segmentation.normalization import Normalization, measure
from seamwise.segmentation.predict import Model, load, tile_probabilities
from seamwise.tiling import Blocks, grown, within

if TYPE_CHECKING:
    import zarr

_LEAST = 64  # pixels per side below which a block is not halved when memory runs out

Box = Sequence[slice]


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that the result depends on, and where the image is; kept as ``job.json``.

    Attributes
    ----------
    image, axes, channel : str, str, int or list of int
        See `io.volume.open_volume`.
    model, model_sha256 : str
        Path of the model file, and what it held.
    rule : dict
        The `DecodeRule`.
    shape, block : list of int
        Of the image and of its blocks.
    halo, flood_halo : int
        Pixels around a block that the network, and a watershed, see with it.
    flips : bool
    device : str
    """

    image: str
    axes: str | None
    channel: Any
    model: str
    model_sha256: str
    rule: dict[str, Any]
    shape: tuple[int, ...]
    block: tuple[int, ...]
    halo: int
    flood_halo: int
    flips: bool
    device: str

    @property
    def blocks(self) -> Blocks:
        """The blocks of the image."""
        return Blocks(tuple(self.shape), tuple(self.block))

    @property
    def decode(self) -> DecodeRule:
        """How probabilities become labels."""
        return DecodeRule.model_validate(self.rule)

    def volume(self) -> Volume:
        """The image, to be read part by part."""
        channel = tuple(self.channel) if isinstance(self.channel, list) else self.channel
        return open_volume(self.image, axes=self.axes, channel=channel)


@dataclass(frozen=True)
class Place:
    """A work folder of one time point, as a task sees it."""

    folder: Path

    @cached_property
    def job(self) -> Job:
        """What is to be done."""
        return Job(**read_json(self.folder.parent / "job.json"))

    @property
    def time(self) -> int:
        """The time point."""
        return int(self.folder.name.removeprefix("t"))

    def done(self, stage: str, number: int) -> Path:
        """The file that says that a stage is done with a block, and what came of it."""
        return self.folder / stage / f"{number}.{'json' if stage == 'classify' else 'npz'}"

    def array(self, name: str) -> "zarr.Array[Any]":
        """One of the image's arrays: seeds (or classes), elevation, cores, labels."""
        return open_scratch(self.folder / f"{name}.zarr")


def sample(folder: Path, number: int) -> str:
    """Measure the intensities of a block; return what could not be read of it."""
    place = Place(folder)
    job, volume = place.job, place.job.volume()
    box = job.blocks.box(number)
    try:
        part = volume.read(box, time=place.time)
    except DamagedError as error:
        return str(error)
    if part.dtype.kind == "f" and not np.isfinite(part).all():
        raise ValueError(f"{volume.path} has NaN or infinite pixels, within {_words(box)}: replace them")
    save_arrays(place.done("sample", number), measure(part, [s.start for s in box], volume.shape))
    return ""


def classify(folder: Path, number: int) -> str:
    """Class of each pixel of a block, by the network; return what could not be read of it."""
    place = Place(folder)
    job, volume = place.job, place.job.volume()
    model = _model(job.model, job.device)
    normalise = load_arrays(folder / "normalization.npz", Normalization)

    def read(box: Box) -> NDArray[np.float32]:
        return normalise(volume.read(box, time=place.time))

    box = job.blocks.box(number)
    message = ""
    try:
        pixels = _classified(read, box, model, job)
    except DamagedError as error:
        message = str(error)
        pixels = tuple(np.zeros([s.stop - s.start for s in box], np.uint8) for _ in _names(job))
    for name, values in zip(_names(job), pixels, strict=True):
        place.array(name)[tuple(box)] = values
    write_json(place.done("classify", number), {"damaged": message})
    return message


def find(folder: Path, number: int) -> None:
    """Number the cell components of a block."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    numbers, cores = find_cores(place.array("classes")[tuple(box)])
    place.array("cores")[tuple(box)] = numbers
    save_arrays(place.done("find", number), cores)


def label(folder: Path, number: int) -> None:
    """Give every pixel of a block to its cell, and survey what that leaves."""
    place = Place(folder)
    job = place.job
    blocks, pair = job.blocks, job.decode.pair
    box = blocks.box(number)
    classes, cores = _reader(place, "classes"), _reader(place, "cores")
    cells = _tables(folder / "cells.npz", Cells)
    if isinstance(pair, WatershedPair):
        elevation = _reader(place, "elevation")
        labels = flood_block(
            number, blocks, classes, elevation, cores, cells, halo=job.flood_halo, background_as=pair.background_as
        )
    else:
        labels = assign(number, blocks, classes(box), cores, cells)
    place.array("labels")[tuple(box)] = labels
    save_arrays(place.done("label", number), survey(labels, box, blocks.shape))


def write(folder: Path, number: int, draft: Draft) -> None:
    """Write the labels of a block as they end."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    labels = finish_labels(number, place.array("labels")[tuple(box)], _tables(folder / "finish.npz", Finish))
    draft.write(box, labels, time=place.time)


def _classified(
    read: Callable[[Box], NDArray[np.float32]], box: Box, model: Model, job: Job
) -> tuple[NDArray[Any], ...]:
    """What the decode rule needs of each pixel of a box; in halves where memory runs out, and then on the CPU."""
    try:
        around = grown(box, job.halo, job.shape)
        probabilities = tile_probabilities(read(around), model, flips=job.flips)
        return pixelwise(probabilities[(slice(None), *within(box, around))], job.decode)
    except (MemoryError, RuntimeError) as error:  # torch has no error of its own for the CPU
        if not _is_out_of_memory(error):
            raise
        halves = _halves(box)
        if not halves and model.device.type == "cpu":
            raise MemoryError(f"not enough memory for {_words(box)}") from error
    if not halves:
        return _classified(read, box, _model(job.model, "cpu"), job)
    axis, parts = halves
    results = [_classified(read, part, model, job) for part in parts]
    return tuple(np.concatenate(values, axis) for values in zip(*results, strict=True))


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "memory" in str(error)


def _halves(box: Box) -> tuple[int, tuple[Box, Box]] | None:
    """A box in two along its longest axis, at a multiple of the network's; None if it is too small."""
    lengths = [s.stop - s.start for s in box]
    axis = int(np.argmax(lengths))
    if lengths[axis] < 2 * _LEAST:
        return None
    middle = box[axis].start + lengths[axis] // 2 // _LEAST * _LEAST
    first, second = list(box), list(box)
    first[axis], second[axis] = slice(box[axis].start, middle), slice(middle, box[axis].stop)
    return axis, (first, second)


def _names(job: Job) -> tuple[str, ...]:
    """The arrays that hold what `pixelwise` returns; seeds of a watershed are classes too."""
    return ("classes", "elevation") if isinstance(job.decode.pair, WatershedPair) else ("classes",)


def _reader(place: Place, name: str) -> Callable[[Box], NDArray[Any]]:
    array = place.array(name)

    def read(box: Box) -> NDArray[Any]:
        pixels: NDArray[Any] = np.asarray(array[tuple(box)])
        return pixels

    return read


def _words(box: Box) -> str:
    return "the box " + ", ".join(f"{s.start}:{s.stop}" for s in box)


# a process works on one job after another, each with many blocks


@lru_cache(maxsize=2)
def _model(path: str, device: str) -> Model:
    return load(path, device=device)


def _tables(path: Path, kind: Any) -> Any:
    return _read_tables(path, kind, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read_tables(path: Path, kind: Any, written: int) -> Any:
    return load_arrays(path, kind)

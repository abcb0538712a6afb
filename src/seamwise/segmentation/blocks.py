"""What is done with one block of an image on disk: the tasks of `segment_volume`, each a function of folder and number.

A work folder holds all that a task needs, so that it may run in any process that sees the folder: ``job.json`` (`Job`),
the arrays of the image that are not its result (`scratch`), and in a folder for each stage one file per finished block.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from seamwise.decode.blockwise import Cells, Finish, assign, find_cores, flood_block, survey
from seamwise.decode.blockwise import finish as finish_labels
from seamwise.io.arrays import load_arrays, save_arrays
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import DecodeRule, WatershedPair
from seamwise.io.ome_zarr_draft import Draft
from seamwise.io.scratch import open_scratch
from seamwise.io.stored import DamagedError
from seamwise.io.volume import Volume, open_volume
from seamwise.segmentation.decoding import pixelwise
from seamwise.segmentation.normalization import Normalization, Sample, measure, together
from seamwise.segmentation.predict import Model, load, tile_probabilities
from seamwise.tiling import Blocks, common, grown, within

if TYPE_CHECKING:
    import zarr

_LEAST = 32  # pixels per side below which a block is not halved when memory runs out

Box = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that the result depends on, and where the image is; kept as ``job.json``.

    Attributes
    ----------
    image, axes, channel : str, str, int or tuple of int
        See `io.volume.open_volume`.
    image_written : int
        When the image's file, or the metadata of its folder, was last written.
    model, model_sha256 : str
        Path of the model file, and what it held.
    rule : dict
        The `DecodeRule`.
    shape, block : tuple of int
        Of the image and of its blocks.
    halo, flood_halo : int
        Pixels around a block that the network, and a watershed, see with it.
    flips : bool
    device : str
    """

    image: str
    image_written: int
    axes: str | None
    channel: int | tuple[int, ...] | None
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
        return Blocks(self.shape, self.block)

    @property
    def decode(self) -> DecodeRule:
        """How probabilities become labels."""
        return DecodeRule.model_validate(self.rule)

    @property
    def arrays(self) -> tuple[str, ...]:
        """The arrays that hold what `pixelwise` returns; seeds of a watershed are classes too."""
        return (
            ("classes", "elevation")
            if isinstance(self.decode.pair, WatershedPair)
            else ("classes",)
        )


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote.

    Raises
    ------
    ValueError
        It is damaged or of another version of this package.
    """
    content: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in read_json(path).items()
    }
    try:
        return Job(**content)
    except TypeError as error:
        raise ValueError(
            f"{path} is of another version of seamwise: delete {path.parent}"
        ) from error


def write_job(path: Path, job: Job) -> None:
    """Write a job as JSON, whole or not at all."""
    write_json(path, asdict(job))


@dataclass(frozen=True)
class Place:
    """A work folder of one time point, as a task sees it."""

    folder: Path

    @cached_property
    def job(self) -> Job:
        """What is to be done."""
        return read_job(self.folder.parent / "job.json")

    @property
    def volume(self) -> Volume:
        """The image, to be read part by part."""
        job = self.job
        return _opened(job.image, job.image_written, job.axes, job.channel)

    @property
    def time(self) -> int:
        """The time point."""
        return int(self.folder.name.removeprefix("t"))

    def done(self, stage: str, number: int) -> Path:
        """The file that says that a stage is done with a block, and what came of it."""
        return self.folder / stage / f"{number}.{'json' if stage == 'classify' else 'npz'}"

    def array(self, name: str) -> "zarr.Array[Any]":
        """One of the image's arrays: classes (or seeds), elevation, cores, labels."""
        return open_scratch(self.folder / f"{name}.zarr")

    def reader(self, name: str) -> Callable[[Sequence[slice]], NDArray[Any]]:
        """Return what reads a box of one of the arrays."""
        array = self.array(name)

        def read(box: Sequence[slice]) -> NDArray[Any]:
            return np.asarray(array[tuple(box)])

        return read


def sample(folder: Path, number: int) -> None:
    """Measure the intensities of a block, as far as it can be read.

    Raises
    ------
    ValueError
        It has NaN or infinite pixels.
    """
    place = Place(folder)
    volume = place.volume
    samples: list[Sample] = []
    for part, pixels in _readable(volume, place.job.blocks.box(number), place.time):
        if isinstance(pixels, str):
            continue
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ValueError(
                f"{volume.path} has NaN or infinite pixels, within {_words(part)}: replace them"
            )
        samples.append(measure(pixels, [s.start for s in part], volume.shape))
    if samples:
        save_arrays(place.done("sample", number), together(samples))


def classify(folder: Path, number: int) -> None:
    """Class of each pixel of a block, by the network; background, and a line, where the image cannot be read."""
    place = Place(folder)
    job, volume = place.job, place.volume
    normalise = load_arrays(folder / "normalization.npz", Normalization)
    box = job.blocks.box(number)
    damaged: list[tuple[str, Box]] = []

    def read(wanted: Box) -> NDArray[np.float32]:
        normalised = np.zeros((volume.channels, *_lengths(wanted)), np.float32)
        for part, pixels in _readable(volume, wanted, place.time):
            if isinstance(pixels, str):
                damaged.append((pixels, part))
            else:
                normalised[(slice(None), *within(part, wanted))] = normalise(pixels)
        return normalised

    if normalise.scale.any():
        pixels = _classified(read, box, _model(job.model, job.model_sha256, job.device), job)
    else:  # one time point of several that holds nothing
        read(box)
        pixels = tuple(np.zeros(_lengths(box), np.uint8) for _ in job.arrays)
    lines = _blanked(pixels, box, damaged)
    for name, values in zip(job.arrays, pixels, strict=True):
        place.array(name)[box] = values
    write_json(place.done("classify", number), {"damaged": lines})


def find(folder: Path, number: int) -> None:
    """Number the cell components of a block."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    numbers, cores = find_cores(place.reader("classes")(box))
    place.array("cores")[box] = numbers
    save_arrays(place.done("find", number), cores)


def label(folder: Path, number: int) -> None:
    """Give every pixel of a block to its cell, and survey what that leaves."""
    place = Place(folder)
    job = place.job
    blocks, pair = job.blocks, job.decode.pair
    box = blocks.box(number)
    classes, cores = place.reader("classes"), place.reader("cores")
    cells = _cells(folder)
    if isinstance(pair, WatershedPair):
        elevation = place.reader("elevation")
        labels = flood_block(
            number,
            blocks,
            classes,
            elevation,
            cores,
            cells,
            halo=job.flood_halo,
            background_as=pair.background_as,
        )
    else:
        labels = assign(number, blocks, classes(box), cores, cells)
    place.array("labels")[box] = labels
    save_arrays(place.done("label", number), survey(labels, box, blocks.shape))


def write(folder: Path, number: int, draft: Draft) -> None:
    """Write the labels of a block as they end."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    labels = finish_labels(number, place.reader("labels")(box), _finish(folder))
    draft.write(box, labels, time=place.time)


def _readable(volume: Volume, box: Box, time: int) -> Iterator[tuple[Box, NDArray[Any] | str]]:
    """The pixels of a box: of all of it, or where that fails of its chunks, or what is wrong with a chunk."""
    try:
        yield box, volume.read(box, time=time)
    except DamagedError:
        chunks = Blocks(volume.shape, volume.chunks)
        parts = (common(box, chunks.box(chunk)) for chunk in chunks.meeting(box))
    else:
        return
    for part in parts:
        try:
            yield part, volume.read(part, time=time)
        except DamagedError as error:
            yield part, str(error)


def _blanked(
    pixels: Sequence[NDArray[Any]], box: Box, damaged: Sequence[tuple[str, Box]]
) -> list[str]:
    """Make the damaged parts of a box background, in place; return what is said of those that lie in it."""
    clipped = [(line, common(part, box)) for line, part in damaged]
    inside = [(line, part) for line, part in clipped if min(_lengths(part)) > 0]
    for _, part in inside:
        for values in pixels:
            values[within(part, box)] = 0
    return list(dict.fromkeys(line for line, _ in inside))


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
            raise MemoryError(
                f"not enough memory for {_words(box)} of {job.image}: allow more, or free some"
            ) from None
    if model.device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()  # not before the error is gone, which holds what it met
    if not halves:
        return _classified(read, box, _model(job.model, job.model_sha256, "cpu"), job)
    axis, parts = halves
    results = [_classified(read, part, model, job) for part in parts]
    return tuple(np.concatenate(values, axis) for values in zip(*results, strict=True))


def _is_out_of_memory(error: Exception) -> bool:
    # an illegal memory access is none
    return isinstance(error, MemoryError) or any(
        words in str(error)
        for words in ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED")
    )


def _halves(box: Box) -> tuple[int, tuple[Box, Box]] | None:
    """A box in two along its longest axis, at a multiple of the network's; None if it is too small."""
    lengths = _lengths(box)
    axis = int(np.argmax(lengths))
    if lengths[axis] < 2 * _LEAST:
        return None
    middle = box[axis].start + lengths[axis] // 2 // _LEAST * _LEAST
    first, second = list(box), list(box)
    first[axis], second[axis] = slice(box[axis].start, middle), slice(middle, box[axis].stop)
    return axis, (tuple(first), tuple(second))


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in box)


def _words(box: Box) -> str:
    return "the box " + ", ".join(f"{s.start}:{s.stop}" for s in box)


# a process works on one job after another, each with many blocks


@lru_cache(maxsize=1)
def _opened(
    path: str, written: int, axes: str | None, channel: int | tuple[int, ...] | None
) -> Volume:
    return open_volume(path, axes=axes, channel=channel)


@lru_cache(maxsize=2)
def _model(path: str, sha256: str, device: str) -> Model:
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != sha256:
        raise ValueError(
            f"{path} is not the model that the work has begun with: put that back, or start anew with --overwrite"
        )
    return load(path, device=device)


def _cells(folder: Path) -> Cells:
    path = folder / "cells.npz"
    return _read_cells(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read_cells(path: Path, written: int) -> Cells:
    return load_arrays(path, Cells)


def _finish(folder: Path) -> Finish:
    path = folder / "finish.npz"
    return _read_finish(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read_finish(path: Path, written: int) -> Finish:
    return load_arrays(path, Finish)

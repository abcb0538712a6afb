"""The tasks of `segment_volume`, each for one block of an image on disk.

A task is a function of a work folder and the number of a block. The folder holds all that a task
needs, so that it can run in any process that sees the folder: ``job.json`` (`BlockJob`), the arrays
between the stages (`io.scratch`), and in a folder for each stage one file per finished block.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamwise.decode.blockwise import Cells, Finish, assign, find_cores, flood_block, survey
from seamwise.decode.blockwise import finish as finish_labels
from seamwise.decode.meetings import meet
from seamwise.engine.memory import is_out_of_memory
from seamwise.io.arrays import load_arrays, save_arrays
from seamwise.io.errors import DamagedError
from seamwise.io.jsonfile import write_json
from seamwise.io.models import ReliefPair, WatershedPair
from seamwise.io.ome_zarr import Draft
from seamwise.io.scratch import open_scratch
from seamwise.io.volume import Volume, open_volume
from seamwise.labels.slabs import look_up
from seamwise.metrics.seams import SeamSums, sum_seams
from seamwise.segmentation.big.job import BlockJob, read_job
from seamwise.segmentation.big.network import shared_network
from seamwise.segmentation.decoding import pixelwise
from seamwise.segmentation.fit import Look, look_at
from seamwise.segmentation.normalization import Normalization, Sample, measure, merge_samples
from seamwise.segmentation.predict import Model
from seamwise.segmentation.tile_maps import tile_probabilities
from seamwise.tiling import Blocks, grow, intersect, relative_to
from seamwise.types import Box

if TYPE_CHECKING:
    import zarr

_LEAST = 32  # pixels per side; smaller blocks are not halved when memory runs out


@dataclass(frozen=True, eq=False)
class Same:
    """Which cells are one.

    Attributes
    ----------
    number : (cells + 1,) array
        Of each cell, the number that it shares with those that are one with it.
    """

    number: NDArray[Any]


@dataclass(frozen=True, eq=False)
class BlockSeams:
    """What a block tells of the seams between its cells.

    Attributes
    ----------
    sums : SeamSums
    labels : (L,) array
        The labels in it, in ascending order.
    """

    sums: SeamSums
    labels: NDArray[Any]


@dataclass(frozen=True)
class Place:
    """The work folder of one time point, as a task sees it."""

    folder: Path

    @cached_property
    def job(self) -> BlockJob:
        """How the blocks are segmented."""
        return read_job(self.folder.parent / "job.json")

    @property
    def volume(self) -> Volume:
        """The image, which is read part by part."""
        job = self.job
        return _open_image(job.image, job.image_written, job.options.axes, job.options.channel)

    @property
    def time(self) -> int:
        """The time point."""
        return int(self.folder.name.removeprefix("t"))

    def done(self, stage: str, number: int) -> Path:
        """Return the file that a stage leaves for a block; without it, the block is not done."""
        return self.folder / stage / f"{number}.{'json' if stage == 'classify' else 'npz'}"

    def array(self, name: str) -> "zarr.Array[Any]":
        """Open an array between the stages: classes (or seeds), elevation, cores, labels, maps."""
        return open_scratch(self.folder / f"{name}.zarr")

    def reader(self, name: str) -> Callable[[Sequence[slice]], NDArray[Any]]:
        """Return a function that reads a box of one of the arrays."""
        array = self.array(name)

        def read(box: Sequence[slice]) -> NDArray[Any]:
            return np.asarray(array[tuple(box)])

        return read


def sample(folder: Path, number: int) -> None:
    """Measure the intensities of the parts of a block that can be read.

    Raises
    ------
    ValueError
        The block has NaN or infinite pixels.
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
        save_arrays(place.done("sample", number), merge_samples(samples))


def classify(folder: Path, number: int) -> None:
    """Find the class of each pixel of a block with the network.

    Where the image cannot be read, the class is background, and a line reports it.
    """
    place = Place(folder)
    job, volume = place.job, place.volume
    normalise = load_arrays(folder / "normalization.npz", Normalization)
    box = job.blocks.box(number)
    damage: list[tuple[str, Box]] = []

    def read(region: Box) -> NDArray[np.float32]:
        values = np.zeros((volume.channels, *_lengths(region)), np.float32)
        for part, pixels in _readable(volume, region, place.time):
            if isinstance(pixels, str):
                damage.append((pixels, part))
            else:
                values[(slice(None), *relative_to(part, region))] = normalise(pixels)
        return values

    look = Look()
    if normalise.scale.any():
        pixels, look = _classify_box(read, box, _model_of(job, job.device), job)
    else:  # a constant time point
        read(box)
        pixels = tuple(np.zeros(_lengths(box), np.uint8) for _ in job.arrays)
        if job.maps:
            pixels = (*pixels, np.zeros((job.maps, *_lengths(box)), np.float16))
            pixels[-1][0] = 1
    lines = _blank(pixels, box, damage)
    for name, values in zip(job.stored, pixels, strict=True):
        place.array(name)[_inside(box)] = values
    write_json(place.done("classify", number), {"damaged": lines, "look": astuple(look)})


def find(folder: Path, number: int) -> None:
    """Number the cell components of a block."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    classes, pair = place.reader("classes")(box), place.job.rule.pair
    height = place.reader("elevation")(box) if isinstance(pair, ReliefPair) else None
    numbers, cores = find_cores(classes, height)
    place.array("cores")[box] = numbers
    save_arrays(place.done("find", number), cores)


def label(folder: Path, number: int) -> None:
    """Assign every pixel of a block to its cell, and survey the result for `join_surveys`."""
    place = Place(folder)
    job = place.job
    blocks, pair = job.blocks, job.rule.pair
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
            halo=job.options.flood_halo,
            background_as=pair.background_as,
        )
    else:
        labels = assign(number, blocks, classes(box), cores, cells)
    if place.done("label", number).exists():
        # a worker that came back late: others did the block, and may have united its cells. One
        # that stops between this line and the next still writes
        return
    place.array("labels")[box] = labels
    if isinstance(pair, ReliefPair):
        save_arrays(place.done("label", number), meet(labels, place.reader("elevation")(box)))
    else:
        save_arrays(place.done("label", number), survey(labels, box, blocks.shape))


def unite(folder: Path, number: int) -> None:
    """Give one number to the cells of a block that are one, and survey what that leaves."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    unions = load_arrays(folder / "same.npz", Same)
    # where the work was interrupted the numbers may be united already: that changes nothing
    labels = look_up(unions.number, place.reader("labels")(box))
    place.array("labels")[box] = labels
    save_arrays(place.done("unite", number), survey(labels, box, place.job.shape))


def write(folder: Path, number: int, draft: Draft) -> None:
    """Write the final labels of a block."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    labels = finish_labels(number, place.reader("labels")(box), _finish(folder))
    draft.write(box, labels, time=place.time)


def write_maps(folder: Path, number: int, draft: Draft) -> None:
    """Write the probabilities of a block."""
    place = Place(folder)
    box = place.job.blocks.box(number)
    draft.write(box, np.asarray(place.array("maps")[_inside(box)]), time=place.time)


def sum_block_seams(folder: Path, number: int, labels: Draft | Volume, classes: int) -> None:
    """Sum the doubt along the seams of a block, in labels that are final.

    Its probabilities are read with one pixel more behind its end along each axis, block by block:
    so no more than two blocks of them are held.
    """
    place = Place(folder)
    blocks = place.job.blocks
    box = blocks.box(number)
    ends = (min(s.stop + 1, length) for s, length in zip(box, blocks.shape, strict=True))
    around = tuple(slice(s.start, end) for s, end in zip(box, ends, strict=True))
    cells = labels.read(around, time=place.time).reshape(_lengths(around))
    maps, read = np.zeros((classes, *cells.shape), np.float16), place.array("maps")
    for block in blocks.meeting(around):
        part = intersect(around, blocks.box(block))
        maps[_inside(relative_to(part, around))] = read[(slice(classes), *part)]
    sums = sum_seams(maps, cells, size=_lengths(box))
    save_arrays(place.done("seams", number), BlockSeams(sums, np.unique(cells[cells > 0])))


def _readable(volume: Volume, box: Box, time: int) -> Iterator[tuple[Box, NDArray[Any] | str]]:
    """Yield the pixels of a box: all at once or, if that fails, chunk by chunk.

    For a chunk that cannot be read the error comes instead of the pixels.
    """
    try:
        yield box, volume.read(box, time=time)
    except DamagedError:
        chunks = Blocks(volume.shape, volume.chunks)
        parts = (intersect(box, chunks.box(chunk)) for chunk in chunks.meeting(box))
    else:
        return
    for part in parts:
        try:
            yield part, volume.read(part, time=time)
        except DamagedError as error:
            yield part, str(error)


def _blank(
    pixels: Sequence[NDArray[Any]], box: Box, damage: Sequence[tuple[str, Box]]
) -> list[str]:
    """Set the damaged parts of a box to background, in place; return their errors.

    Maps have channels first, and background is the first of them.
    """
    intersections = [(line, intersect(part, box)) for line, part in damage]
    overlaps = [(line, part) for line, part in intersections if min(_lengths(part)) > 0]
    for _, part in overlaps:
        for values in pixels:
            inner: tuple[Any, ...] = relative_to(part, box)
            values[(..., *inner)] = 0
            if values.ndim > len(box):
                values[(0, *inner)] = 1
    return list(dict.fromkeys(line for line, _ in overlaps))


def _classify_box(
    read: Callable[[Box], NDArray[np.float32]], box: Box, model: Model, job: BlockJob
) -> tuple[tuple[NDArray[Any], ...], Look]:
    """What the decode rule needs of each pixel of a box, and how sure the network is.

    Where memory runs out, the box is computed in halves, and the smallest boxes on the CPU.
    """
    try:
        around = grow(box, job.halo, job.shape)
        classes = model.info.architecture.out_channels
        probabilities = tile_probabilities(
            read(around),
            model,
            flips=job.options.flips,
            guides=job.rule.is_guided,
            offsets=bool(job.maps),
            factors=job.factors,
        )
        inner = probabilities[(slice(None), *relative_to(box, around))]
        look = look_at(inner, classes)
        maps = [inner.astype(np.float16)] if job.maps else []
        return (*pixelwise(inner, job.rule, classes=classes), *maps), look
    except (MemoryError, RuntimeError) as error:  # torch has no error of its own for the CPU
        if not is_out_of_memory(error):
            raise
        halves = _halves(box)
        if not halves and model.device == "cpu":
            raise MemoryError(
                f"not enough memory for {_words(box)} of {job.image}: raise the limit, or free some"
            ) from None
    if model.device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()  # only now: the error held tensors
    if not halves:
        return _classify_box(read, box, _model_of(job, "cpu"), job)
    axis, parts = halves
    results = [_classify_box(read, part, model, job) for part in parts]
    arrays = zip(*(pixels for pixels, _ in results), strict=True)
    looks = [look for _, look in results]
    from_end = axis - len(box)  # maps have channels first
    return tuple(np.concatenate(values, from_end) for values in arrays), sum(looks, Look())


def _halves(box: Box) -> tuple[int, tuple[Box, Box]] | None:
    """The longest axis of a box and its halves along it; None if the box is too small.

    They are cut at a multiple of `_LEAST`, which every network divides.
    """
    lengths = _lengths(box)
    axis = int(np.argmax(lengths))
    if lengths[axis] < 2 * _LEAST:
        return None
    middle = box[axis].start + lengths[axis] // 2 // _LEAST * _LEAST
    first, second = list(box), list(box)
    first[axis], second[axis] = slice(box[axis].start, middle), slice(middle, box[axis].stop)
    return axis, (tuple(first), tuple(second))


def _inside(box: Box) -> tuple[Any, ...]:
    """The index of a box in an array that may have channels first."""
    return (..., *box)


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in box)


def _words(box: Box) -> str:
    return "the box " + ", ".join(f"{s.start}:{s.stop}" for s in box)


# Caches: a process works on one job after another, each with many blocks.


@lru_cache(maxsize=1)
def _open_image(
    path: str, write_time: int, axes: str | None, channel: int | tuple[int, ...] | None
) -> Volume:
    return open_volume(path, axes=axes, channel=channel)


def _model_of(job: BlockJob, device: str) -> Model:
    path, runtime = str(job.options.model), job.options.runtime
    return shared_network(path, job.model_sha256, device, runtime)


def _cells(folder: Path) -> Cells:
    """The cells of a time point, which `find` numbered block by block."""
    cells: Cells = _record(folder / "cells.npz", Cells)
    return cells


def _finish(folder: Path) -> Finish:
    """How the labels of a time point end."""
    finish: Finish = _record(folder / "finish.npz", Finish)
    return finish


def _record(path: Path, kind: Hashable) -> Any:
    """A record for all blocks of a time point; read once, unless it is written again."""
    return _load_record(path, path.stat().st_mtime_ns, kind)


@lru_cache(maxsize=2)
def _load_record(path: Path, write_time: int, kind: Any) -> Any:
    return load_arrays(path, kind)

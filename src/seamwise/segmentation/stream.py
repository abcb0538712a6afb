"""Cells of an image that is larger than memory, from disk to disk; see `segment_volume`."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.decode.blockwise import Cells, Cores, Finish, Survey, join_cores, join_surveys
from seamwise.engine.cluster import Runner, Task, task_runner
from seamwise.io.arrays import load_arrays, save_arrays
from seamwise.io.atomic import make_folder
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import WatershedPair, model_path
from seamwise.io.ome_zarr import (
    Draft,
    build_pyramid,
    create_image,
    create_labels,
    discard,
    finish,
    is_ome_zarr,
    label_names,
)
from seamwise.io.scratch import create_scratch
from seamwise.io.volume import Volume, open_volume
from seamwise.labels import smallest_dtype
from seamwise.segmentation import blocks as tasks
from seamwise.segmentation.blocks import Job, Place
from seamwise.segmentation.memory import CHUNK, Plan, plan_blocks
from seamwise.segmentation.normalization import Normalization, Sample, joined
from seamwise.segmentation.predict import check_shape, decode_rule, load


@dataclass(frozen=True)
class Progress:
    """`done` of `total` blocks went through a stage."""

    stage: str
    done: int
    total: int


LABELS = "cells"  # name of the labels within an image

_HELD = 64  # blocks: what they tell is read several times, layer by layer, and may be too much to hold


@dataclass(frozen=True)
class Segmented:
    """What `segment_volume` wrote.

    Attributes
    ----------
    path : Path
        The OME-Zarr folder of the label image.
    cells : tuple of int
        Number of cells of each time point.
    damaged : tuple of str
        What could not be read of the image, a line for each block; there the labels are 0.
    note : str
        How the image was read.
    """

    path: Path
    cells: tuple[int, ...]
    damaged: tuple[str, ...]
    note: str


def segment_volume(
    path: str | Path,
    output: str | Path,
    *,
    model: str | Path = "nuclei-2d",
    axes: str | None = None,
    channel: int | tuple[int, ...] | None = None,
    decode: str | None = None,
    min_size: int | None = None,
    tile: int | None = None,
    flips: bool = False,
    flood_halo: int = 64,
    name: str = LABELS,
    version: str = "0.5",
    memory: int | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    announce: Callable[[str], None] = lambda text: None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Segmented:
    """Find the cells of an image on disk block by block, in bounded memory, and write them as OME-Zarr.

    The network sees each block with a halo around it and leaves one class per pixel on the disk; the labels are those
    that decoding the whole class map would give, whatever the size of the blocks (see `decode.blockwise`).

    Parameters
    ----------
    path : str or Path
        An OME-Zarr folder, or a TIFF, OME-TIFF, PNG or JPEG file. Each time point is segmented on its own.
    output : str or Path
        The OME-Zarr folder to write; if it is the image itself, its labels ``labels/<name>``, with the same scales.
    model, decode, min_size, flips, device
        See `predict.segment`.
    axes, channel
        See `io.images.read_image`.
    tile : int, optional
        Size of the blocks along each axis, rounded up to a multiple of 512 in 2D and 64 in 3D; by default what
        `memory` allows.
    flood_halo : int
        Of a watershed: pixels around a block that are flooded with it, see `decode.blockwise.flood_block`.
    name : str
        Of the labels within the image.
    version : {"0.5", "0.4"}
        Of the OME-Zarr to write; labels within an image have that of the image.
    memory : int, optional
        Limit of resident memory in bytes, of all workers together; by default 70 % of what is free.
    workers, scheduler
        See `engine.cluster.task_runner`.
    overwrite : bool
        Replace labels that are there, and start anew what was begun with other options.
    announce : function
        Called with a line for the user before the work begins.
    report : function
        Called after each block.

    Returns
    -------
    Segmented

    Raises
    ------
    ValueError
        Wrong number of axes or channels, NaN or infinite pixels, a constant image, too little memory; an interrupted
        run with other options is there.
    OSError
        The image is not there, labels are there already, or the disk is full: what is done so far stays.

    Notes
    -----
    Interrupted, the same call goes on: finished blocks are in a hidden folder beside the output, which is removed
    at the end. If memory runs out all the same, a block is computed in halves, on a GPU down to the smallest and then
    on the CPU. A part of the image that cannot be read is left out and named.
    """
    volume = open_volume(path, axes=axes, channel=channel)
    output = Path(output)
    inside = is_ome_zarr(volume.path) and output.resolve() == volume.path.resolve()
    if not overwrite and (name in label_names(output) if inside else output.exists()):
        raise FileExistsError(f"{output / 'labels' / name if inside else output} is there already: use --overwrite")
    ready = load(model, device=device)
    check_shape((volume.channels, *volume.shape), ready.info)
    rule = decode_rule(ready.info, decode, min_size)
    planned = plan_blocks(
        volume.shape,
        ready.info.architecture,
        memory=memory,
        workers=workers,
        number_bytes=ready.dtype.itemsize,
        pixel_bytes=volume.dtype.itemsize,
        flood_halo=flood_halo if isinstance(rule.pair, WatershedPair) else None,
        block=tile,
    )
    job = Job(
        image=str(volume.path.resolve()),
        axes=axes,
        channel=channel,
        model=str(model_path(model).resolve()),
        model_sha256=hashlib.sha256(model_path(model).read_bytes()).hexdigest(),
        rule=rule.model_dump(mode="json"),
        shape=volume.shape,
        block=planned.blocks.size,
        halo=planned.halo,
        flood_halo=flood_halo,
        flips=flips,
        device=device,
    )
    work = output.parent / f".{output.name}.{name}.work"
    job = _begin(work, job, overwrite=overwrite)
    announce(_announcement(volume, planned, job))
    with task_runner(workers=workers, scheduler=scheduler) as run:
        stages = [_Stages(work / f"t{time}", job, run, report) for time in range(volume.times)]
        results = [stage.decode(volume) for stage in stages]
        most = max(result.count for result in results)
        with _drafted(
            volume, output, job, inside=inside, name=name, most=most, version=version, new=not overwrite
        ) as draft:
            for stage in stages:
                stage.run_all("write", partial(tasks.write, draft=draft))
    damaged = [line for stage in stages for line in stage.damaged()]
    shutil.rmtree(work)
    return Segmented(output, tuple(result.count for result in results), tuple(damaged), volume.note)


def _begin(work: Path, job: Job, *, overwrite: bool) -> Job:
    """Make the work folder, or go on with one of the same job, in its blocks; return the job to do."""
    record = work / "job.json"
    if record.exists():
        before = Job(**read_json(record))
        if _same(before, job):
            return before
        if not overwrite:
            raise ValueError(f"{work} holds an interrupted run with other options: repeat them, or use --overwrite")
        shutil.rmtree(work)
    make_folder(work)
    write_json(record, asdict(job))
    return Job(**read_json(record))


def _same(before: Job, now: Job) -> bool:
    """Whether a run may go on: its blocks, chosen for the memory and device of that time, are kept."""
    free = {"block": (), "device": ""}
    return replace(before, **free) == replace(Job(**json.loads(json.dumps(asdict(now)))), **free)


def _announcement(volume: Volume, planned: Plan, job: Job) -> str:
    size = " × ".join(map(str, volume.shape))
    times = f", {volume.times} time points" if volume.times > 1 else ""
    again = "" if tuple(job.block) == planned.blocks.size else "; goes on with the blocks of an interrupted run"
    return f"{volume.path}: {size} {volume.axes}{times}; {planned}{again}"


@contextmanager
def _drafted(
    volume: Volume, output: Path, job: Job, *, inside: bool, name: str, most: int, version: str, new: bool
) -> Iterator[Draft]:
    """The label image as it is written; whole in the end, or not there at all."""
    dtype = smallest_dtype(0, most)
    chunks = [min(CHUNK[len(volume.shape)], n) for n in volume.shape]
    if inside:
        draft = create_labels(output, name, dtype=dtype, chunks=chunks, overwrite=not new)
    else:
        axes, shape = volume.axes, volume.shape
        if volume.times > 1:
            axes, shape = f"T{axes}", (volume.times, *shape)
        draft = create_image(
            output,
            shape,
            axes=axes,
            dtype=dtype,
            spacing=volume.spacing,
            version=version,
            chunks=chunks,
            labels=True,
            overwrite=not new,
        )
    try:
        yield draft
        build_pyramid(draft)
        finish(draft)
    except BaseException:
        discard(draft)
        raise


@dataclass(frozen=True)
class _Stages:
    """The stages of one time point."""

    folder: Path
    job: Job
    run: Runner[Any]
    report: Callable[[Progress], None]

    def decode(self, volume: Volume) -> Finish:
        """All up to the labels as they are before the last step."""
        blocks, rule, place = self.job.blocks, self.job.decode, Place(self.folder)
        make_folder(self.folder)
        if not (self.folder / "normalization.npz").exists():
            self.run_missing("sample", tasks.sample)
            save_arrays(self.folder / "normalization.npz", self._normalization(volume))
        self._array("classes", np.uint8)
        if isinstance(rule.pair, WatershedPair):
            self._array("elevation", np.float32)
        self.run_missing("classify", tasks.classify)
        self._array("cores", np.uint32)
        self.run_missing("find", tasks.find)
        if not (self.folder / "cells.npz").exists():
            cores = lru_cache(_HELD)(lambda number: load_arrays(place.done("find", number), Cores))
            save_arrays(self.folder / "cells.npz", join_cores(blocks, cores, min_core=rule.min_core))
        cells = load_arrays(self.folder / "cells.npz", Cells)
        self._array("labels", cells.number.dtype)
        self.run_missing("label", tasks.label)
        surveys = lru_cache(_HELD)(lambda number: load_arrays(place.done("label", number), Survey))
        result = join_surveys(blocks, surveys, cells=len(cells.region_of) - 1, min_size=rule.min_size)
        save_arrays(self.folder / "finish.npz", result)
        return result

    def damaged(self) -> list[str]:
        """What could not be read, a line for each block."""
        records = (read_json(Place(self.folder).done("classify", n)) for n in range(len(self.job.blocks)))
        return [record["damaged"] for record in records if record["damaged"]]

    def run_missing(self, stage: str, task: Task[Any]) -> None:
        """Run a stage on the blocks that it has not finished."""
        make_folder(self.folder / stage)
        place = Place(self.folder)
        self.run_all(stage, task, [n for n in range(len(self.job.blocks)) if not place.done(stage, n).exists()])

    def run_all(self, stage: str, task: Task[Any], numbers: Sequence[int] | None = None) -> None:
        """Run a stage on some blocks, by default on all."""
        total = len(self.job.blocks)
        numbers = range(total) if numbers is None else numbers
        for done, _ in enumerate(self.run(task, self.folder, numbers), start=total - len(numbers) + 1):
            self.report(Progress(stage, done, total))

    def _array(self, name: str, dtype: Any) -> None:
        path = self.folder / f"{name}.zarr"
        if not path.exists():
            create_scratch(path, self.job.shape, block=self.job.block, dtype=dtype)

    def _normalization(self, volume: Volume) -> Normalization:
        place = Place(self.folder)
        files = [place.done("sample", number) for number in range(len(self.job.blocks))]
        samples = [load_arrays(path, Sample) for path in files if path.exists()]
        if not samples:
            raise ValueError(f"{volume.path} cannot be read: every block is damaged")
        rule = load(self.job.model, device="cpu").info.normalization
        normalise = joined(samples, rule)
        if not normalise.scale.any():
            raise ValueError(f"{volume.path} is constant or nearly so: there is nothing to segment")
        return normalise

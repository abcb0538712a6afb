"""Cells of an image that is larger than memory, from disk to disk; see `segment_volume`."""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from numpy.typing import DTypeLike

from seamwise.engine.cluster import task_runner
from seamwise.io.atomic import make_folder
from seamwise.io.lock import locked
from seamwise.io.models import DecodeRule, SegmentationInfo, WatershedPair, model_path
from seamwise.io.ome_zarr import is_ome_zarr, label_names, open_ome_zarr
from seamwise.io.ome_zarr_draft import (
    Draft,
    build_pyramid,
    check_version,
    create_image,
    create_labels,
    discard,
    finish,
)
from seamwise.io.volume import Volume, open_volume
from seamwise.labels import smallest_dtype
from seamwise.segmentation.blocks import Job, read_job, write_job
from seamwise.segmentation.memory import CHUNK, HALO, Plan, plan_blocks
from seamwise.segmentation.predict import check_shape, decode_rule, load
from seamwise.segmentation.stages import Progress, Stages

LABELS = "cells"  # name of the labels within an image


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
        What could not be read of the image, a line for each part: background, filled where it is a hole in a cell.
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
        Limit of resident memory in bytes, of all workers together; by default 70 % of what is free. With `scheduler`
        of each worker; by default 70 % of what dask allows them.
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
        Wrong number of axes or channels, NaN or infinite pixels, a constant image; too little memory; an option out of
        range; an interrupted run with other options is there.
    OSError
        The image is not there, labels are there already, another process is at them, or the disk is full: what is
        done so far stays. What `engine.cluster.task_runner` raises.
    MemoryError
        Memory runs out in the smallest part of a block.

    Notes
    -----
    Interrupted, the same call goes on, in the same blocks: what is finished is in a hidden folder beside the output,
    ``.<output>.<name>.work``, which takes 9 bytes (with a watershed 13) per pixel before compression and is removed at
    the end. Nothing is at the output before it is whole.

    If memory runs out all the same, a block is computed in halves, down to 32 pixels and then, if it was on a GPU, on
    the CPU. A chunk, page or tile of the image that cannot be read is left out and named. A time point that is constant
    has no cells.

    Examples
    --------
    >>> import tempfile
    >>> from seamwise.io.ome_zarr_draft import write_image
    >>> from seamwise.synth import crowded_cells
    >>> image = Path(tempfile.mkdtemp()) / "a.ome.zarr"
    >>> write_image(image, crowded_cells((128, 160), cells=12, rng=0).image, axes="YX")
    >>> segment_volume(image, image).path.relative_to(image).as_posix()
    'labels/cells'
    """
    volume = open_volume(path, axes=axes, channel=channel)
    target = _Target(volume, Path(output), name, version, overwrite)
    target.check()
    # workers elsewhere have devices of their own
    info, number_bytes = _checked_model(model, "cpu" if scheduler else device, volume)
    rule = decode_rule(info, decode, min_size)
    plan = partial(
        plan_blocks,
        volume.shape,
        info.architecture,
        workers=workers,
        number_bytes=4 if scheduler else number_bytes,
        pixel_bytes=volume.dtype.itemsize,
        flood_halo=_flood_halo(rule, flood_halo),
    )
    job = Job(
        image=str(volume.path.resolve()),
        image_written=_written(volume.path),
        axes=axes,
        channel=tuple(channel) if isinstance(channel, Sequence) else channel,
        model=str(model_path(model).resolve()),
        model_sha256=hashlib.sha256(model_path(model).read_bytes()).hexdigest(),
        rule=rule.model_dump(mode="json"),
        shape=volume.shape,
        block=(),
        halo=HALO[len(volume.shape)],
        flood_halo=flood_halo,
        flips=flips,
        device=device,
    )
    with (
        target.alone(),
        task_runner(workers=workers, scheduler=scheduler, announce=announce) as runner,
    ):
        if memory is None and runner.memory is not None:
            memory = int(0.7 * runner.memory)
        job, planned, again = _begin(
            target.work, job, plan, memory=memory, tile=tile, overwrite=overwrite
        )
        announce(_announcement(volume, planned, again))
        stages = Stages(target.work, job, volume.times, runner, report)
        try:
            stages.measure(volume.channels, info.normalization)
        except ValueError:  # there is nothing to go on with
            _remove(target.work)
            raise
        cells = stages.decode()
        with target.draft(max(cells)) as draft:
            stages.write(draft)
        damaged = stages.damaged()
        _remove(target.work)
    return Segmented(target.path, cells, damaged, volume.note)


@dataclass(frozen=True)
class _Target:
    """Where the labels go: into the image, or into a folder of their own."""

    volume: Volume
    output: Path
    name: str
    version: str
    overwrite: bool

    @property
    def inside(self) -> bool:
        return is_ome_zarr(self.volume.path) and self.output.resolve() == self.volume.path.resolve()

    @property
    def path(self) -> Path:
        return self.output / "labels" / self.name if self.inside else self.output

    @property
    def work(self) -> Path:
        return work_folder(self.output, self.name)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from the same work: two of them would mix what they write."""
        make_folder(self.work.parent)
        with locked(self.work.with_suffix(".lock"), name=str(self.path)):
            yield

    def check(self) -> None:
        """Raise what would stop the job only at its end."""
        if not self.name or self.name != Path(self.name).name or self.name.startswith((".", "__")):
            raise ValueError(
                f"name must be a plain name, without slashes and no dot first, not {self.name!r}"
            )
        check_version(self.version)
        if not self.overwrite and (
            self.name in label_names(self.output) if self.inside else self.output.exists()
        ):
            raise FileExistsError(f"{self.path} is there already: use --overwrite")
        if self.inside:
            self._check_axes()
            return
        image, output = self.volume.path.resolve(), self.output.resolve()
        if image == output or image in output.parents or output in image.parents:
            raise ValueError(
                f"cannot write {self.output}: the image is {self.volume.path}; choose another folder"
            )
        if self.output.exists() and not is_ome_zarr(self.output):
            raise FileExistsError(
                f"cannot replace {self.output}: it is no OME-Zarr folder; choose another name"
            )

    def _check_axes(self) -> None:
        """Labels in an image have its axes, so they cannot be read as others."""
        lengths = self._lengths()
        depth = lengths.get("Z", 1) if "Z" in self.volume.axes else 1
        spatial = tuple(lengths[a] for a in self.volume.axes if a in lengths)
        if (spatial, lengths.get("T", 1), lengths.get("Z", 1)) != (
            self.volume.shape,
            self.volume.times,
            depth,
        ):
            raise ValueError(
                f"{self.output} is read as {self.volume.axes} {self.volume.shape} with {self.volume.times} time "
                "points, which are not its own axes: write the labels into another folder"
            )

    def _lengths(self) -> dict[str, int]:
        image = open_ome_zarr(self.output)
        return dict(zip(image.axes, image.levels[0].shape, strict=True))

    @contextmanager
    def draft(self, most: int) -> Iterator[Draft]:
        """The label image as it is written; whole in the end, or not there at all."""
        draft = self._created(smallest_dtype(0, most))
        try:
            yield draft
            build_pyramid(draft)
            finish(draft)
        except BaseException:
            discard(draft)
            raise

    def _created(self, dtype: DTypeLike) -> Draft:
        axes, shape, output = self.volume.axes, self.volume.shape, self.output.resolve()
        chunks = {a: min(CHUNK[len(shape)], n) for a, n in zip(axes, shape, strict=True)}
        if self.inside:
            cut = [chunks.get(a, 1) for a in self._lengths() if a in "ZYX"]
            return create_labels(
                output, self.name, dtype=dtype, chunks=cut, overwrite=self.overwrite
            )
        if self.volume.times > 1:
            axes, shape = f"T{axes}", (self.volume.times, *shape)
        return create_image(
            output,
            shape,
            axes=axes,
            dtype=dtype,
            spacing=self.volume.spacing,
            version=self.version,
            chunks=list(chunks.values()),
            labels=True,
            overwrite=self.overwrite,
        )


def work_folder(output: Path, name: str = LABELS) -> Path:
    """Where `segment_volume` works: hidden, beside the output; absolute, for workers that run in another folder."""
    output = output.resolve()
    return output.parent / f".{output.name}.{name}.work"


def _checked_model(model: str | Path, device: str, volume: Volume) -> tuple[SegmentationInfo, int]:
    """What a model is, and the bytes of a number in it; raise if it does not fit the image."""
    ready = load(model, device=device)
    check_shape((volume.channels, *volume.shape), ready.info)
    return ready.info, ready.dtype.itemsize


def _flood_halo(rule: DecodeRule, flood_halo: int) -> int | None:
    if flood_halo < 0:
        raise ValueError(f"flood_halo must be 0 or more, not {flood_halo}")
    return flood_halo if isinstance(rule.pair, WatershedPair) else None


def _written(path: Path) -> int:
    """When an image's file, or the metadata of its folder, was last written."""
    files = (
        [path] if path.is_file() else [path / name for name in ("zarr.json", ".zattrs", ".zgroup")]
    )
    return max(file.stat().st_mtime_ns for file in files if file.is_file())


def _begin(
    work: Path,
    job: Job,
    plan: Callable[..., Plan],
    *,
    memory: int | None,
    tile: int | None,
    overwrite: bool,
) -> tuple[Job, Plan, bool]:
    """Make the work folder, or go on with one of the same job in its blocks; the job, its plan and which it is."""
    planned = _resumed(work, job, plan, memory=memory, overwrite=overwrite)
    again = planned is not None
    if planned is None:
        planned = plan(memory=memory, block=tile)
        _remove(work)
        make_folder(work)
    job = replace(job, block=planned.blocks.size)
    write_job(work / "job.json", job)
    return job, planned, again


def _resumed(
    work: Path, job: Job, plan: Callable[..., Plan], *, memory: int | None, overwrite: bool
) -> Plan | None:
    """The plan of an interrupted run that may go on; None if there is none to."""
    if not (work / "job.json").exists():
        return None
    try:
        before = read_job(work / "job.json")
        # its blocks, chosen for the memory and device of that time, are kept
        if replace(before, block=(), device="") != replace(job, block=(), device=""):
            raise ValueError(f"{work} holds an interrupted run with other options")
        planned: Plan = plan(memory=sys.maxsize if memory is None else memory, block=before.block)
    except ValueError as error:
        if overwrite:
            return None
        raise ValueError(
            f"{error}: repeat the interrupted run as it was, or start anew with --overwrite"
        ) from error
    return planned


def _remove(work: Path) -> None:
    """Remove a work folder; interrupted, nothing goes on with the rest of it."""
    (work / "job.json").unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)


def _announcement(volume: Volume, planned: Plan, again: bool) -> str:
    size = " × ".join(map(str, volume.shape))
    times = f", {volume.times} time points" if volume.times > 1 else ""
    return f"{volume.path}: {size} {volume.axes}{times}; {planned}{'; goes on after an interruption' * again}"

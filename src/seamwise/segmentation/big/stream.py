"""The cells of an image that is larger than memory, from disk to disk; see `segment_volume`."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from seamwise.engine.cluster import task_runner
from seamwise.engine.listener import Listener
from seamwise.engine.resources import Resources
from seamwise.engine.runtime import kept_runtime, runtime_of_record
from seamwise.io.atomic import make_folder
from seamwise.io.jsonfile import read_json
from seamwise.io.lock import lock_file
from seamwise.io.models import DecodeRule, SegmentationInfo, WatershedPair, model_path
from seamwise.io.ome_zarr import (
    Draft,
    ZarrStorage,
    create_image,
    create_labels,
    is_ome_zarr,
    label_names,
    open_ome_zarr,
    read_record,
)
from seamwise.io.provenance import Provenance
from seamwise.io.volume import Volume, open_volume
from seamwise.labels import smallest_dtype
from seamwise.segmentation.big.job import BlockJob, read_job, write_job, write_time
from seamwise.segmentation.big.memory import CHUNK, NetworkLoad, Plan, halo_of, plan_blocks
from seamwise.segmentation.big.network import check_origin, share_network
from seamwise.segmentation.big.stages import Stages
from seamwise.segmentation.model_input import check_shape
from seamwise.segmentation.options import OutputOptions, SegmentOptions
from seamwise.segmentation.predict import Model, decode_rule, load_for
from seamwise.segmentation.zoom import Zoom


@dataclass(frozen=True)
class LabelsOnDisk:
    """What `segment_volume` wrote.

    Attributes
    ----------
    path : Path
        The OME-Zarr folder of the label image.
    cells : tuple of int
        Number of cells of each time point.
    damaged : tuple of str
        Parts of the image that could not be read, a line for each. They are background, or are
        filled where they are a hole in a cell.
    note : str
        How the image was read.
    caution : str
        Why the image may not fit the model, in one line; empty if nothing speaks against it.
    """

    path: Path
    cells: tuple[int, ...]
    damaged: tuple[str, ...]
    note: str
    caution: str = ""


def segment_volume(
    path: str | Path,
    output: str | Path,
    options: SegmentOptions = SegmentOptions(),
    resources: Resources = Resources(),
    *,
    files: OutputOptions = OutputOptions(),
    listener: Listener = Listener(),
    model: Model | None = None,
) -> LabelsOnDisk:
    """Find the cells of an image on disk block by block, and write them as OME-Zarr.

    Memory is bounded. The network sees each block with a halo around it and leaves one class per
    pixel on the disk. The labels are those that decoding the whole class map would give, whatever
    the size of the blocks (see `decode.blockwise`).

    Parameters
    ----------
    path : str or Path
        An OME-Zarr folder, or a TIFF, OME-TIFF, PNG or JPEG file. Each time point is segmented on
        its own.
    output : str or Path
        The OME-Zarr folder to write; if it is the image itself, its labels ``labels/<name>``,
        with the same scales.
    options : SegmentOptions
        How to segment; mode "2d-stitch" is not for this function.
    resources : Resources
        What may be used. With `scheduler`, the default memory is 70 % of what dask allows each
        worker.
    files : OutputOptions
        What to write; there is no overlay.
    listener : Listener
    model : Model, optional
        What `load_for` returned for these options and resources, to load it only once. It must
        come from the file that is `options.model` now.

    Returns
    -------
    LabelsOnDisk

    Raises
    ------
    ValueError
        Wrong number of axes or channels, NaN or infinite pixels; too little memory; an
        interrupted run with other options exists; `model` comes from another file.
    OSError
        The image does not exist, labels already exist, another process writes them, or the disk
        is full: finished blocks are kept. Also what `engine.cluster.task_runner` raises.
    MemoryError
        Memory runs out in the smallest part of a block.

    Notes
    -----
    The same call resumes an interrupted run, in the same blocks. Finished blocks are
    in a hidden folder next to the output, ``.<output>.<name>.work``. It takes 9 bytes (with a
    watershed 13) per pixel before compression and is removed at the end. Nothing appears at the
    output before it is whole. The metadata of the labels keep the options, the hash of the model
    and the resources.

    If memory runs out anyway, a block is computed in halves, down to 32 pixels and then, if
    it was on a GPU, on the CPU. A chunk, page or tile of the image that cannot be read is skipped
    and reported. A time point that is constant has no cells.

    Examples
    --------
    >>> import tempfile
    >>> from seamwise.io.ome_zarr import write_image
    >>> from seamwise.synth import crowded_cells
    >>> image = Path(tempfile.mkdtemp()) / "a.ome.zarr"
    >>> write_image(image, crowded_cells((128, 160), cells=12, rng=0).image, axes="YX")
    >>> segment_volume(image, image).path.relative_to(image).as_posix()
    'labels/cells'
    """
    if options.mode == "2d-stitch":
        raise ValueError("mode 2d-stitch does not work block by block: use segment_slices")
    volume = open_volume(path, axes=options.axes, channel=options.channel)
    model_file = model_path(options.model)
    target = _Target(volume, Path(output), files)
    runtime = kept_runtime(options.runtime, target.record(), model=model_file)
    with runtime_of_record(target.path, runtime, asked=options.runtime):
        ready = model or load_for(options.model, runtime, resources)
    check_origin(ready, model_file)
    if ready.note and model is None:
        listener.announce(ready.note)
    options = replace(options, runtime=ready.runtime.name)
    is_elsewhere = resources.scheduler is not None
    provenance = options.provenance(
        ready.sha256, resources, None if is_elsewhere else ready.precision
    )
    target.check(provenance)
    info = ready.info
    check_shape((volume.channels, *volume.shape), info)
    zoom = options.zoom(info, volume.spacing)
    rule = decode_rule(info, options.decode, options.min_size, pixels=zoom.pixels)
    make_plan = partial(
        plan_blocks,
        volume.shape,
        NetworkLoad(
            info.architecture,
            number_bytes=4 if is_elsewhere else ready.number_bytes,
            pixel_bytes=volume.dtype.itemsize,
            factors=zoom.factors,
            runtime=options.runtime,
        ),
        workers=resources.workers,
        flood_halo=options.flood_halo if isinstance(rule.pair, WatershedPair) else None,
    )
    job = BlockJob(
        options=replace(options, model=str(model_file.resolve())),
        model_sha256=ready.sha256,
        rule=rule,
        image=str(volume.path.resolve()),
        image_written=write_time(volume.path),
        shape=volume.shape,
        block=(),
        factors=zoom.factors,
        halo=halo_of(zoom.factors),
        device=resources.device,
        maps=_map_channels(info, rule) if target.maps is not None else 0,
    )
    if not is_elsewhere and resources.workers == 1:
        share_network(ready, str(job.options.model), ready.sha256, job.device, options.runtime)
    with target.lock(), task_runner(resources, announce=listener.announce) as runner:
        memory = resources.memory
        if memory is None and runner.memory is not None:
            memory = int(0.7 * runner.memory)
        job, plan, is_resumed = _begin(
            target.work, job, make_plan, memory=memory, overwrite=files.overwrite
        )
        listener.announce(_announcement(volume, plan, zoom, is_resumed))
        stages = Stages(target.work, job, volume.times, runner, listener.report)
        try:
            stages.measure(volume.channels, info.normalization)
        except ValueError:  # nothing can be resumed
            _remove(target.work)
            raise
        cells = stages.decode()
        with target.draft(max(cells), provenance) as draft:
            stages.write(draft)
            if job.maps:
                with target.draft_maps(job.maps, provenance) as maps:
                    stages.write_maps(maps)
        damaged = stages.damaged()
        caution = stages.caution(ready, zoom, cells)
        _remove(target.work)
    return LabelsOnDisk(target.path, cells, damaged, volume.note, caution)


@dataclass(frozen=True)
class _Target:
    """Where the labels go: into the image, or into a folder of their own."""

    volume: Volume
    output: Path
    files: OutputOptions

    @property
    def is_inside(self) -> bool:
        return is_ome_zarr(self.volume.path) and self.output.resolve() == self.volume.path.resolve()

    @property
    def path(self) -> Path:
        return self.output / "labels" / self.files.name if self.is_inside else self.output

    @property
    def maps(self) -> Path | None:
        """Where the probabilities go; None without them."""
        return maps_path(self.output) if self.files.probabilities and not self.is_inside else None

    @property
    def work(self) -> Path:
        return work_folder(self.output, self.files.name)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out: two of them would mix their results."""
        make_folder(self.work.parent)
        with lock_file(self.work.with_suffix(".lock"), name=str(self.path)):
            yield

    def record(self) -> dict[str, Any] | None:
        """Return how the labels or an interrupted run were made; None if they are replaced."""
        return None if self.files.overwrite else record_of_labels(self.path, self.work)

    def check(self, provenance: Provenance) -> None:
        """Raise errors now that would stop the job only at its end."""
        exists = self.output.exists()
        if self.is_inside:
            exists = self.files.name in label_names(self.output)
        if exists and not self.files.overwrite:
            raise self._exists_error(provenance)
        if self.is_inside:
            self._check_axes()
            return
        image, output = self.volume.path.resolve(), self.output.resolve()
        if image == output or image in output.parents or output in image.parents:
            raise ValueError(
                f"cannot write {self.output}: the image is {self.volume.path}; "
                "choose another folder"
            )
        if self.output.exists() and not is_ome_zarr(self.output):
            raise FileExistsError(
                f"cannot replace {self.output}: it is not an OME-Zarr folder; choose another name"
            )

    def _exists_error(self, provenance: Provenance) -> FileExistsError:
        difference = difference_of_labels(self.path, provenance)
        detail = f", {difference}" if difference else ""
        other = "another --name" if self.is_inside else "another folder"
        return FileExistsError(
            f"{self.path} already exists{detail}: choose {other}, or --overwrite it"
        )

    def _check_axes(self) -> None:
        """Labels within an image have its axes: it must not be read with others."""
        volume, lengths = self.volume, self._lengths()
        spatial = tuple(lengths[a] for a in volume.axes if a in lengths)
        has_depth = "Z" in volume.axes or lengths.get("Z", 1) == 1
        if (spatial, lengths.get("T", 1), has_depth) != (volume.shape, volume.times, True):
            raise ValueError(
                f"{self.output} is read as {volume.axes} {volume.shape} with {volume.times} time "
                "points, which are not its own axes: write the labels into another folder"
            )

    def _lengths(self) -> dict[str, int]:
        image = open_ome_zarr(self.output)
        return dict(zip(image.axes, image.levels[0].shape, strict=True))

    def draft(self, cell_count: int, provenance: Provenance) -> Draft:
        """Begin the label image; it appears whole, or not at all."""
        dtype = smallest_dtype(0, cell_count)
        axes, shape, output = self.volume.axes, self.volume.shape, self.output.resolve()
        chunks = self._chunks
        if self.is_inside:
            chunk_sizes = [chunks.get(a, 1) for a in self._lengths() if a in "ZYX"]
            draft = create_labels(
                output,
                self.files.name,
                dtype=dtype,
                chunks=chunk_sizes,
                overwrite=self.files.overwrite,
            )
            return replace(draft, record=provenance.record())
        times = self.volume.times
        draft = create_image(
            output,
            (times, *shape) if times > 1 else shape,
            axes=f"T{axes}" if times > 1 else axes,
            dtype=dtype,
            spacing=self.volume.spacing,
            labels=True,
            storage=ZarrStorage(self.files.zarr_version, list(chunks.values())),
            overwrite=self.files.overwrite,
        )
        return replace(draft, record=provenance.record())

    def draft_maps(self, channels: int, provenance: Provenance) -> Draft:
        """Begin the image of the probabilities; it appears whole, or not at all."""
        volume, path = self.volume, maps_path(self.output)
        times = [volume.times] if volume.times > 1 else []
        make_folder(path.parent)
        draft = create_image(
            path.resolve(),
            (*times, channels, *volume.shape),
            axes=f"{'T' * len(times)}C{volume.axes}",
            dtype=np.float16,
            spacing=volume.spacing,
            storage=ZarrStorage(self.files.zarr_version, list(self._chunks.values())),
            overwrite=True,
        )
        return replace(draft, record=provenance.record())

    @property
    def _chunks(self) -> dict[str, int]:
        axes, shape = self.volume.axes, self.volume.shape
        return {a: min(CHUNK[len(shape)], n) for a, n in zip(axes, shape, strict=True)}


def maps_path(labels: Path) -> Path:
    """Return where the probabilities are of which an OME-Zarr folder holds the labels."""
    return labels.parent / "probabilities" / labels.name


def _map_channels(info: SegmentationInfo, rule: DecodeRule) -> int:
    net = info.architecture
    return net.output_channels if rule.is_guided else net.out_channels


def difference_of_labels(labels: Path, provenance: Provenance) -> str:
    """Return how existing labels were made otherwise; empty if they were not, or keep no record."""
    record = read_record(labels)
    return provenance.difference(record) if record else ""


def record_of_labels(labels: Path, work: Path) -> dict[str, Any] | None:
    """Return how labels, or an interrupted run towards them, were made; None without a record."""
    job = work / "job.json"
    return read_record(labels) or (read_json(job) if job.exists() else None)


def work_folder(output: Path, name: str = OutputOptions.name) -> Path:
    """Return where `segment_volume` works: hidden, next to the output.

    The path is absolute, for workers that run in another folder.
    """
    output = output.resolve()
    return output.parent / f".{output.name}.{name}.work"


def _begin(
    work: Path,
    job: BlockJob,
    make_plan: Callable[..., Plan],
    *,
    memory: int | None,
    overwrite: bool,
) -> tuple[BlockJob, Plan, bool]:
    """Make the work folder, or resume one of the same job in its blocks.

    Returns the job, its plan, and whether it is resumed.
    """
    plan = _interrupted_plan(work, job, make_plan, memory=memory, overwrite=overwrite)
    is_resumed = plan is not None
    if plan is None:
        plan = make_plan(memory=memory, block=job.options.tile)
        _remove(work)
        make_folder(work)
    job = replace(job, block=plan.blocks.size)
    write_job(work / "job.json", job)
    return job, plan, is_resumed


def _interrupted_plan(
    work: Path,
    job: BlockJob,
    make_plan: Callable[..., Plan],
    *,
    memory: int | None,
    overwrite: bool,
) -> Plan | None:
    """The plan of the interrupted run; None if there is none, or it is replaced."""
    path = work / "job.json"
    if not path.exists():
        return None
    try:
        # its blocks, chosen for the memory of that time, are kept
        block = read_job(path).block
    except ValueError:
        if overwrite:
            return None
        raise
    try:
        difference = job.provenance.difference(read_json(path))
        if difference:
            raise ValueError(f"{work} holds an interrupted run {difference}")
        plan: Plan = make_plan(memory=sys.maxsize if memory is None else memory, block=block)
    except ValueError as error:
        if overwrite:
            return None
        raise ValueError(
            f"{error}: repeat the interrupted run as it was, or start again with --overwrite"
        ) from error
    return plan


def _remove(work: Path) -> None:
    """Remove a work folder. If this is interrupted, the rest of the folder is never resumed."""
    (work / "job.json").unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)


def _announcement(volume: Volume, plan: Plan, zoom: Zoom, is_resumed: bool) -> str:
    size = " × ".join(map(str, volume.shape))
    times = f", {volume.times} time points" if volume.times > 1 else ""
    resume_note = "; resumes an interrupted run" if is_resumed else ""
    zoom_note = f"; {zoom.note}" if zoom.note else ""
    return f"{volume.path}: {size} {volume.axes}{times}; {plan}{zoom_note}{resume_note}"

"""The cells of an image that is larger than memory, from disk to disk; see `segment_volume`."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from seamwise.engine.cluster import task_runner
from seamwise.engine.listener import Listener
from seamwise.engine.resources import Resources
from seamwise.engine.runtime_record import kept_runtime, runtime_of_record
from seamwise.io.atomic import make_folder, remove_file
from seamwise.io.jsonfile import read_json
from seamwise.io.links import real_path
from seamwise.io.models import DecodeRule, SegmentationInfo, WatershedPair, model_path
from seamwise.io.provenance import Provenance
from seamwise.io.volume import Volume, open_volume
from seamwise.segmentation.big.job import BlockJob, read_job, write_job, write_time
from seamwise.segmentation.big.memory import NetworkLoad, Plan, halo_of, plan_blocks
from seamwise.segmentation.big.network import check_origin, share_network
from seamwise.segmentation.big.stages import Stages
from seamwise.segmentation.big.target import Target
from seamwise.segmentation.model_input import check_shape
from seamwise.segmentation.options import OutputOptions, SegmentOptions
from seamwise.segmentation.predict import Model, decode_rule, load_for
from seamwise.segmentation.rule_files import write_rule
from seamwise.segmentation.seam_files import write_seams
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
    watershed 13) per pixel before compression, 2 more per class for seams or probabilities, and is
    removed at the end. Nothing appears at the output before it is whole. The metadata of the labels
    keep the options, the hash of the model and the resources.

    If only the seams of existing labels are missing, the network sees the image again; the labels
    stay, with what a person changed.

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
    target = Target(volume, Path(output), files)
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
    existing = target.labels() if target.lacks_seams_only(provenance) else None
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
        options=replace(options, model=str(real_path(model_file))),
        model_sha256=ready.sha256,
        rule=rule,
        image=str(real_path(volume.path)),
        image_written=write_time(volume.path),
        shape=volume.shape,
        block=(),
        factors=zoom.factors,
        halo=halo_of(zoom.factors),
        device=resources.device,
        maps=_map_channels(info, rule) if target.needs_maps else 0,
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
        need = plan.bytes if is_elsewhere else 0
        stages = Stages(target.work, job, volume.times, runner, listener.report, need)
        try:
            stages.measure(volume.channels, info.normalization)
        except ValueError:  # nothing can be resumed
            _remove(target.work)
            raise
        if existing is None:
            cells = _write_all(stages, target, provenance, info)
        else:
            stages.classify()
            seams, cells = stages.seams(existing, info.architecture.out_channels)
            write_seams(target.seams, seams)
            if target.maps is not None and not target.maps.exists():
                _write_maps(stages, target, provenance)
        damaged = stages.damaged()
        caution = stages.caution(ready, zoom, cells)
        _remove(target.work)
    return LabelsOnDisk(target.path, cells, damaged, volume.note, caution)


def _write_all(
    stages: Stages, target: Target, provenance: Provenance, info: SegmentationInfo
) -> tuple[int, ...]:
    """Decode, and write labels, seams and maps; return the number of cells of each time point."""
    cells = stages.decode(info)
    classes = info.architecture.out_channels
    with target.draft(max(cells), provenance) as draft:
        stages.write(draft)
        seams = stages.seams(draft, classes)[0] if target.files.seams else None
        _write_maps(stages, target, provenance)
    # those of older labels stay as long as these labels do
    remove_file(target.seams)
    if seams is not None:
        write_seams(target.seams, seams)
    return cells


def _write_maps(stages: Stages, target: Target, provenance: Provenance) -> None:
    """Write the probabilities and the rule of the labels, if they are wanted."""
    if target.maps is None:
        return
    with target.draft_maps(stages.job.maps, provenance) as maps:
        stages.write_maps(maps)
        write_rule(target.maps, stages.job.rule)


def _map_channels(info: SegmentationInfo, rule: DecodeRule) -> int:
    net = info.architecture
    return net.output_channels if rule.is_guided else net.out_channels


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

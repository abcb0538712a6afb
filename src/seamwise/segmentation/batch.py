"""Segment many files into a folder of label images; see `segment_files`."""

import errno
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from numpy.typing import NDArray

from seamwise.engine.listener import Listener
from seamwise.engine.memory import free_memory
from seamwise.engine.prefetch import prefetch
from seamwise.engine.resources import Resources
from seamwise.engine.runtime import STREAMS
from seamwise.engine.runtime_record import kept_runtime, runtime_of_record
from seamwise.io.atomic import has_long_name, make_folder, remove_file
from seamwise.io.errors import error_line
from seamwise.io.images import (
    Image,
    read_image,
    read_labels,
    write_labels,
    write_png,
    write_probabilities,
)
from seamwise.io.links import real_path
from seamwise.io.listing import find_images, first_bytes, stem, unread_files
from seamwise.io.models import renamed_note
from seamwise.io.ome_zarr import is_ome_zarr, label_names
from seamwise.io.outcome import Outcome, amount
from seamwise.io.provenance import Provenance
from seamwise.io.raster import count_pixels, raster_kind
from seamwise.io.result_folder import open_results
from seamwise.io.volume import open_volume
from seamwise.metrics import cell_doubt, seam_doubt
from seamwise.segmentation.big.memory import are_even, whole_image_bytes
from seamwise.segmentation.big.stream import segment_volume
from seamwise.segmentation.big.target import (
    difference_of_labels,
    work_folder,
)
from seamwise.segmentation.channels import as_channels
from seamwise.segmentation.doubt_files import write_doubts
from seamwise.segmentation.image_job import ImageJob
from seamwise.segmentation.model_input import check_depth
from seamwise.segmentation.options import OutputOptions, SegmentOptions
from seamwise.segmentation.outputs import (
    all_maps,
    check_output_folder,
    check_outputs,
    labels_in,
    no_contrast,
    other_results,
    result_record,
)
from seamwise.segmentation.overlay import overlay as draw
from seamwise.segmentation.predict import (
    Model,
    Prediction,
    check_tile,
    decode_rule,
    load_for,
    segment_image,
)
from seamwise.segmentation.rule_files import rule_path, write_rule
from seamwise.segmentation.seam_files import seams_path, write_seams
from seamwise.segmentation.stitch import segment_slices
from seamwise.words import Precision

_PICTURE_BYTES = 3  # of a pixel of a PNG or JPEG, at most
_MANY = 6  # images
_QUEUE = 4  # images in work, or done while an earlier one is in work

_Result = tuple[tuple[str, ...], bool]  # messages for the user, and whether the image failed


def segment_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: SegmentOptions = SegmentOptions(),
    resources: Resources = Resources(),
    *,
    files: OutputOptions = OutputOptions(),
    listener: Listener = Listener(),
    model: Model | None = None,
) -> Iterator[Outcome]:
    """Segment files one by one and write ``<stem>.tif`` label images as they are ready.

    OME-Zarr images, time series and images that do not fit the memory are segmented block by
    block (see `segment_volume`) and become ``<stem>.ome.zarr``. If `output` is the one image to
    segment, its own labels are written; those that were made with other options, or with another
    model, are reported and count as failed.

    Everything that would stop the whole job is checked at the call. The work is done as the
    outcomes are drawn. Two or three images are in work at a time wherever they fit the memory: of
    images of about one size, two go through the network, each on half of the cores; else one is
    read, decoded or written while the network sees another. The labels are the same either way.
    Files whose labels already exist are skipped, unless `files.overwrite`; a missing overlay is
    drawn from them. Files that cannot be read or segmented are reported and skipped.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, glob patterns and folders.
    output : Path
        A folder, made if it does not exist. ``seamwise.json`` in it records how its labels were
        made: it holds the results of one way only.
    options : SegmentOptions
    resources : Resources
        Labels that were made with other resources are kept.
    files : OutputOptions
        If labels are overwritten with other options, the old results of these inputs are deleted
        first, so that an interrupted run leaves no mixture.
    listener : Listener
        Told about images that are segmented block by block.
    model : Model, optional
        Used in place of `options.model` and `options.runtime`: what `load` or `Model.from_network`
        returned. The record names the file that `load` read. Nothing tells whether labels come from
        a network in memory: those in a folder are overwritten or refused. A network in memory
        segments no image block by block.

    Raises
    ------
    ValueError
        Two inputs would write the same file, an output would replace an input, the folder holds
        labels made with other options or by something else, the model has no thresholds for the
        rule, or an option does not fit the model.
    OSError
        An input does not exist, the output cannot be written, or another process writes there with
        other options; while the outcomes are drawn: the disk is full, or the scheduler is lost.
    """
    paths = [real_path(path) for path in inputs]
    is_inside = is_ome_zarr(output) and paths == [real_path(output)]
    source = "" if model is None else model.source
    options = replace(options, model=source or options.model)
    asked = options.runtime
    if not files.overwrite or (not is_inside and other_results(output, inputs)):
        record = result_record(output, files.name if is_inside else None)
        runtime = kept_runtime(asked, record, model=options.model)
        options = replace(options, runtime=runtime)
    if files.probabilities and options.mode == "2d-stitch":
        raise ValueError("mode 2d-stitch keeps no probabilities: remove one of the two")
    files = replace(files, seams=files.seams and options.mode != "2d-stitch")
    with runtime_of_record(output, options.runtime, asked=asked):
        model = _checked_model(options, resources, model)
    for note in (renamed_note(options.model), model.note, unread_files(inputs)):
        if note:
            listener.announce(note)
    options = replace(options, runtime=model.runtime.name)
    precision = model.precision if resources.scheduler is None else None
    provenance = _provenance(options, resources, model, precision)
    if is_inside:
        if options.mode == "2d-stitch":
            raise ValueError(
                f"mode 2d-stitch writes a TIFF, which {output} cannot hold: choose a folder"
            )
        jobs = [ImageJob(output, output, output, by_block=True)]
        results = ExitStack()  # the labels have a lock of their own
    else:
        check_output_folder(output, inputs)
        net = model.info.architecture
        whole_bytes = partial(
            whole_image_bytes,
            runtime=options.runtime,
            tile=options.tile and options.tile**net.ndim,
            maps=net.output_channels * (files.probabilities or files.seams)
            + (files.seams and options.flips),
            slab_maps=net.out_channels + net.guides,
            ndim=net.ndim,
        )
        jobs = _jobs(find_images(inputs), output, options, resources, files, whole_bytes)
        results = open_results(
            output,
            provenance,
            list_results=partial(labels_in, output),
            targets={job.labels for job in jobs},
            overwrite=files.overwrite,
            remove_targets=partial(_remove_results, jobs),
        )

    def outcomes() -> Iterator[Outcome]:
        by_block = partial(_run_by_block, provenance, model, options, resources, files, listener)
        limit = resources.memory or free_memory()
        in_streams = are_even([job.memory for job in jobs if not job.by_block], limit)
        # as many as the network sees at once, and one that is read, decoded or written; with few
        # images the last one would be left alone on half of the cores
        has_many = in_streams and len(jobs) >= _MANY
        threads = STREAMS + 1 if has_many else max(min(len(jobs), 2), 1)
        sharing = model.shared(in_streams=in_streams)
        with results, sharing if threads > 1 else nullcontext(model) as shared:

            def run(job: ImageJob) -> _Result:
                if job.refusal(files):
                    return (job.refusal(files),), True
                if job.by_block:
                    return by_block(job)
                return _run(job, options, shared, files)

            done = prefetch(
                run,
                jobs,
                threads=threads,
                queue=_QUEUE,
                cost=lambda job: math.inf if job.by_block else job.memory,
                limit=limit,
                stop=shared.stop,  # Ctrl-C need not wait for whole images
            )
            for job, (messages, has_failed) in zip(jobs, done, strict=True):
                yield Outcome(job.image, len(jobs), has_failed, messages)

    return outcomes()


def _provenance(
    options: SegmentOptions, resources: Resources, model: Model, precision: Precision | None
) -> Provenance:
    """What labels depend on; those of a network in memory equal no others."""
    if model.sha256:
        return options.provenance(model.sha256, resources, precision)
    name = f"{model.info.architecture.name} network in memory"
    return replace(options, model=name).provenance(uuid4().hex, resources, precision)


def _checked_model(options: SegmentOptions, resources: Resources, model: Model | None) -> Model:
    """Load the model unless it is there, or raise what would stop the whole job."""
    if options.mode == "2d-stitch" and (resources.workers > 1 or resources.scheduler is not None):
        raise ValueError("mode 2d-stitch runs in one process: remove workers and scheduler")
    model = model or load_for(options.model, options.runtime, resources)
    ndim = model.info.architecture.ndim
    if (options.mode == "3d" and ndim != 3) or (options.mode == "2d-stitch" and ndim != 2):
        raise ValueError(
            f"mode {options.mode} does not fit {options.model}, a model for {ndim} spatial axes: "
            "choose another of the two"
        )
    if options.decode is not None:
        decode_rule(model.info, options.decode)
    if options.tile is not None:
        check_tile(options.tile, model)
    options.zoom(model.info)
    return model


def _jobs(
    images: Sequence[Path],
    output: Path,
    options: SegmentOptions,
    resources: Resources,
    files: OutputOptions,
    whole_bytes: Callable[..., int],
) -> list[ImageJob]:
    jobs = []
    limit = resources.memory or free_memory()
    is_distributed = resources.workers > 1 or resources.scheduler is not None
    for path in images:
        whole, parts = (output / f"{stem(path)}{ending}" for ending in (".tif", ".ome.zarr"))
        job = ImageJob(path, whole, output / f"{stem(path)}_overlay.png")
        if job.refusal(files):
            jobs.append(job)
            continue
        has_parts = any(p.exists() for p in (parts, work_folder(parts)) if not has_long_name(p))
        if not has_parts and job.is_done(files):
            jobs.append(job)
            continue
        memory, is_in_parts = _whole_image(path, options, whole_bytes)
        is_settled = not files.overwrite and whole.exists() != has_parts
        # what is begun stays as it was, though with another limit of memory it would change
        by_block = options.mode != "2d-stitch" and (
            has_parts if is_settled else is_in_parts or is_distributed or memory > limit
        )
        labels = parts if by_block else whole
        jobs.append(replace(job, labels=labels, by_block=by_block, memory=memory))
    check_outputs(
        {job.image: (job.labels, job.overlay, job.maps, job.seams, job.doubts) for job in jobs}
    )
    return jobs


def _whole_image(
    path: Path, options: SegmentOptions, whole_bytes: Callable[..., int]
) -> tuple[int, bool]:
    """Peak of memory for an image in one piece, and whether it is a time series or in chunks.

    0 bytes for a file that cannot be read: it is reported when its turn comes.
    """
    try:
        kind = raster_kind(first_bytes(path)) if path.is_file() else None
        if kind:
            return whole_bytes(count_pixels(path, kind), pixel_bytes=_PICTURE_BYTES), False
        volume = open_volume(path, axes=options.axes, channel=options.channel)
    except (ValueError, OSError):
        return 0, is_ome_zarr(path)
    size = volume.channels * volume.dtype.itemsize
    longest = None if options.mode == "2d-stitch" else max(volume.shape)  # of one tiled image
    memory = whole_bytes(math.prod(volume.shape), pixel_bytes=size, longest=longest)
    return memory, volume.times > 1 or is_ome_zarr(path)


def _remove_results(jobs: Sequence[ImageJob]) -> None:
    """Delete what earlier runs made of the images."""
    for job in jobs:
        remove = partial(shutil.rmtree, ignore_errors=True) if job.by_block else remove_file
        for path in (job.labels, job.maps):
            remove(path)
        for path in (job.overlay, job.seams, job.doubts, rule_path(job.maps)):
            remove_file(path)


def _run(job: ImageJob, options: SegmentOptions, model: Model, files: OutputOptions) -> _Result:
    """Make the files of one job. Errors of writing are raised."""
    if job.is_done(files):
        return (f"{job.image}: {job.labels} already exists",), False
    has_labels = job.labels.exists() and not files.overwrite
    needs_maps = files.probabilities and not job.maps.exists()
    needs_seams = files.seams and not (job.seams.exists() and job.doubts.exists())
    needs_network = not has_labels or needs_maps or needs_seams
    notes: tuple[str, ...] = ()
    try:
        image = read_image(job.image, axes=options.axes, channel=options.channel)
        notes = (image.note,) if image.note else ()
        channels = as_channels(image, keep_all=options.channel is not None)
        if needs_network:
            prediction, cautions = _predict(image, channels, options, model, files)
        else:
            prediction, cautions = Prediction(read_labels(job.labels), None), ()
        width, numbers = files.outline_width, files.numbers
        # labels that exist may have been edited
        cells = read_labels(job.labels) if has_labels else prediction.labels
        picture = draw(channels, cells, width=width, numbers=numbers) if files.overlay else None
        maps = prediction.probabilities
        seams = doubts = None
        if files.seams and maps is not None:
            seams = seam_doubt(maps, cells)
            doubts = cell_doubt(maps, cells, disagreement=prediction.disagreement)
    except (ValueError, TypeError, OSError, MemoryError) as error:
        return (*notes, error_line(job.image, error)), True
    # the labels come last: while they are missing, the image counts as not done
    if picture is not None or not has_labels:
        remove_file(job.overlay)
    if picture is not None:
        write_png(job.overlay, picture)
    if seams is not None and doubts is not None:
        write_seams(job.seams, seams)
        write_doubts(job.doubts, doubts)
    if files.probabilities and maps is not None:
        make_folder(job.maps.parent)
        pixels = options.zoom(model.info, image.spacing).pixels
        rule = decode_rule(model.info, options.decode, options.min_size, pixels=pixels)
        write_rule(job.maps, rule)
        write_probabilities(job.maps, all_maps(prediction), spacing=image.spacing)
    if not has_labels:
        write_labels(job.labels, prediction.labels, spacing=image.spacing)
    notes = (*notes, *(f"{job.image}: {caution}" for caution in cautions))
    return (*notes, f"{job.image}: {amount(cells.max(), 'cell')}{no_contrast(channels)}"), False


def _predict(
    image: Image,
    channels: NDArray[Any],
    options: SegmentOptions,
    model: Model,
    files: OutputOptions,
) -> tuple[Prediction, tuple[str, ...]]:
    """Segment an image; with the cells come lines about how it was seen and whether it fits."""
    check_depth(image, model.info, is_stitched=options.mode == "2d-stitch")
    spacing = image.spacing
    note = options.zoom(model.info, spacing).note
    if options.mode == "2d-stitch":
        prediction = segment_slices(channels, options, model=model, spacing=spacing)
    else:
        keep = files.probabilities or files.seams
        prediction = segment_image(
            channels,
            options,
            model=model,
            spacing=spacing,
            keep_probabilities=keep,
            disagreement=files.seams,
        )
    caution = prediction.caution
    if channels.min() == channels.max():
        caution = ""  # the count says so
    return prediction, tuple(line for line in (note, caution) if line)


def _run_by_block(
    provenance: Provenance,
    model: Model,
    options: SegmentOptions,
    resources: Resources,
    files: OutputOptions,
    listener: Listener,
    job: ImageJob,
) -> _Result:
    """Segment one image from disk to disk."""
    is_inside = job.labels == job.image
    labels = job.labels / "labels" / files.name if is_inside else job.labels
    exists = files.name in label_names(job.image) if is_inside else labels.exists()
    try:
        has_seams = not files.seams or seams_path(labels, job.image).exists()
        is_same = exists and not files.overwrite and not difference_of_labels(labels, provenance)
        if is_same and has_seams:
            lacks_maps = files.probabilities and not is_inside and not job.maps.exists()
            hint = ", without probabilities: --overwrite makes both" if lacks_maps else ""
            return (f"{job.image}: {labels} already exists{hint}",), False
        # this refuses labels that were made otherwise
        segment = partial(segment_volume, files=files, listener=listener, model=model)
        result = segment(job.image, job.labels, options, resources)
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # without scheduler or space no other image can be segmented either
        return (error_line(job.image, error),), True
    except (ValueError, TypeError, MemoryError) as error:
        return (error_line(job.image, error),), True
    notes = [result.note] if result.note else []
    if result.caution:
        notes.append(f"{job.image}: {result.caution}")
    if files.overlay:
        notes.append(f"{job.image}: block by block, without an overlay")
    if files.probabilities and is_inside:
        notes.append(f"{job.image}: no probabilities within an image: choose a folder for them")
    cells = f"{job.image}: {amount(result.cells, 'cell')}"
    return (*notes, *result.damaged, cells), bool(result.damaged)

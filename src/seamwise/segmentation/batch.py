"""Segment many files into a folder of label images; see `segment_files`."""

import errno
import hashlib
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from seamwise.io.atomic import make_folder
from seamwise.io.axes import check_axes
from seamwise.io.images import (
    find_images,
    first_bytes,
    read_image,
    read_labels,
    stem,
    write_labels,
    write_png,
)
from seamwise.io.jsonfile import read_json, write_json
from seamwise.io.models import model_path
from seamwise.io.ome_zarr import is_ome_zarr, label_names
from seamwise.io.ome_zarr_draft import check_version
from seamwise.io.outcome import Outcome, naming
from seamwise.io.raster import count_pixels, raster_kind
from seamwise.io.volume import open_volume
from seamwise.labels import Labels
from seamwise.segmentation.data import as_channels
from seamwise.segmentation.memory import free_memory, whole_image_bytes
from seamwise.segmentation.overlay import overlay as draw
from seamwise.segmentation.predict import Model, check_tile, decode_rule, load, segment
from seamwise.segmentation.stages import Progress
from seamwise.segmentation.stitch import IOU, check_iou, segment_slices
from seamwise.segmentation.stream import LABELS, segment_volume, work_folder

_RECORD = "seamwise.json"
_PICTURE_BYTES = 3  # of a pixel of a PNG or JPEG, at most

Mode = Literal["3d", "2d-stitch"]


@dataclass(frozen=True)
class Options:
    """How to segment. All of it is recorded in the output folder, which holds the results of one way only."""

    model: str = "nuclei-2d"
    channel: int | tuple[int, ...] | None = None
    axes: str | None = None
    decode: str | None = None
    min_size: int | None = None
    tile: int | None = None
    flips: bool = False
    mode: Mode | None = None
    stitch_iou: float | None = None
    zarr_version: str | None = None


@dataclass(frozen=True)
class Resources:
    """What the work may use; the result does not depend on it.

    Attributes
    ----------
    memory : int, optional
        Limit in bytes; images that would take more are segmented block by block. By default 70 % of what is free.
    workers, scheduler
        See `engine.cluster.task_runner`; images go through them block by block.
    device : str
        See `devices.choose_device`.
    """

    memory: int | None = None
    workers: int = 1
    scheduler: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Follow:
    """Whom to tell while an image goes through block by block: a line before it begins, and each finished block."""

    announce: Callable[[str], None] = lambda text: None
    report: Callable[[Progress], None] = lambda progress: None


@dataclass(frozen=True)
class _Job:
    """One image and the files it becomes; block by block it becomes an OME-Zarr folder, without an overlay."""

    image: Path
    labels: Path
    overlay: Path
    by_block: bool = False


def segment_files(
    inputs: Sequence[str | Path],
    output: Path,
    options: Options,
    *,
    overlay: bool = False,
    overwrite: bool = False,
    resources: Resources = Resources(),
    follow: Follow = Follow(),
) -> Iterator[Outcome]:
    """Segment files one by one and write ``<stem>.tif`` label images as they are ready.

    OME-Zarr images, time series and images that do not fit the memory go through block by block (see
    `stream.segment_volume`) and become ``<stem>.ome.zarr``; if `output` is the one image to segment, its own labels.

    Everything that would stop the whole job is checked at the call; the work is done as the outcomes are
    drawn. Files whose labels are there already are passed over, unless `overwrite`; a missing overlay is
    drawn from them. A file that cannot be read or segmented is reported and left out; the others go on.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, glob patterns and folders.
    output : Path
        A folder, made if it is not there.
    options : Options
    overlay : bool
        Also write ``<stem>_overlay.png``; not of images that go through block by block.
    overwrite : bool
        Segment again what is there. If the options have changed, the old results of these inputs are
        deleted first, so that an interrupted run leaves no mixture.
    resources : Resources
    follow : Follow

    Raises
    ------
    ValueError
        Two inputs would write the same file, an output would replace an input, the folder holds labels made
        with other options or by something else, the model has no thresholds for the rule asked for, or an option
        is out of range or does not go with another.
    OSError
        An input is not there, or the output cannot be written; while the outcomes are drawn: the disk is full, or the
        scheduler does not answer or is lost.
    """
    model = _checked(options, resources)
    if is_ome_zarr(output) and [Path(path).resolve() for path in inputs] == [output.resolve()]:
        if options.mode == "2d-stitch":
            raise ValueError(
                f"mode 2d-stitch writes a TIFF, which {output} cannot hold: choose a folder"
            )
        jobs = [_Job(output, output, output, by_block=True)]
    else:
        _check_folder(output, inputs)
        jobs = _jobs(find_images(inputs), output, options, resources, overwrite=overwrite)
        digest = hashlib.sha256(model_path(options.model).read_bytes()).hexdigest()
        _prepare(output, jobs, asdict(options) | {"model_sha256": digest}, overwrite)

    def outcomes() -> Iterator[Outcome]:
        for job in jobs:
            if job.by_block:
                result = _run_by_block(
                    job, options, resources, follow, overlay=overlay, overwrite=overwrite
                )
            else:
                result = _run(job, options, model, overlay=overlay, overwrite=overwrite)
            yield _outcome(job, len(jobs), *result)

    return outcomes()


def _check_folder(output: Path, inputs: Sequence[str | Path]) -> None:
    if any(Path(path).resolve() == output.resolve() for path in inputs):
        raise ValueError(f"{output} is the input folder: choose another one for the labels")
    if output.suffix.lower() == ".zarr":
        raise ValueError(
            f"{output} must be a folder for the labels, or the one OME-Zarr image to segment: leave .zarr out"
        )


def _checked(options: Options, resources: Resources) -> Model:
    """Load the model, or raise what would stop the whole job."""
    if options.axes is not None:
        check_axes(options.axes)
    if options.zarr_version is not None:
        check_version(options.zarr_version)
    if options.mode not in (None, *get_args(Mode)):
        raise ValueError(f"mode must be {' or '.join(get_args(Mode))}, not {options.mode!r}")
    if options.mode == "2d-stitch" and (resources.workers > 1 or resources.scheduler is not None):
        raise ValueError("mode 2d-stitch runs in one process: leave out workers and scheduler")
    if options.stitch_iou is not None:
        if options.mode != "2d-stitch":
            raise ValueError("stitch_iou is for mode 2d-stitch: name that mode, or leave it out")
        check_iou("stitch_iou", options.stitch_iou)
    # workers elsewhere have devices of their own
    model = load(options.model, device="cpu" if resources.scheduler else resources.device)
    ndim = model.info.architecture.ndim
    if (options.mode == "3d" and ndim != 3) or (options.mode == "2d-stitch" and ndim != 2):
        raise ValueError(
            f"mode {options.mode} does not go with {options.model}, a model for {ndim} spatial axes"
        )
    if options.decode is not None:
        decode_rule(model.info, options.decode)
    if options.tile is not None:
        check_tile(options.tile, model)
    return model


def _outcome(job: _Job, total: int, messages: tuple[str, ...], failed: bool) -> Outcome:
    return Outcome(job.image, total, failed, messages)


def _run(
    job: _Job, options: Options, model: Model, *, overlay: bool, overwrite: bool
) -> tuple[tuple[str, ...], bool]:
    """Make the files of one job; return messages and whether it failed. Errors of writing are raised."""
    labelled = job.labels.exists() and not overwrite
    if labelled and (job.overlay.exists() or not overlay):
        return (f"{job.image}: {job.labels} is there already",), False
    notes: tuple[str, ...] = ()
    try:
        image = read_image(job.image, axes=options.axes, channel=options.channel)
        notes = (image.note,) if image.note else ()
        channels = as_channels(image, chosen=options.channel is not None)
        labels = read_labels(job.labels) if labelled else _segment(channels, options, model)
        picture = draw(channels, labels) if overlay else None
    except (ValueError, TypeError, OSError, MemoryError) as error:
        return (*notes, naming(job.image, error)), True
    # the labels come last: while they are missing, the image counts as not done
    job.overlay.unlink(missing_ok=True)
    if picture is not None:
        write_png(job.overlay, picture)
    if not labelled:
        write_labels(job.labels, labels, spacing=image.spacing)
    return (*notes, f"{job.image}: {labels.max()} cells"), False


def _segment(channels: NDArray[Any], options: Options, model: Model) -> Labels:
    given: dict[str, Any] = {
        "model": model,
        "decode": options.decode,
        "min_size": options.min_size,
        "tile": options.tile,
        "flips": options.flips,
    }
    if options.mode == "2d-stitch":
        return segment_slices(
            channels, threshold=IOU if options.stitch_iou is None else options.stitch_iou, **given
        )
    return segment(channels, keep_probabilities=False, **given).labels


def _run_by_block(
    job: _Job,
    options: Options,
    resources: Resources,
    follow: Follow,
    *,
    overlay: bool,
    overwrite: bool,
) -> tuple[tuple[str, ...], bool]:
    """Segment one image from disk to disk; return messages and whether any of it failed."""
    inside = job.labels == job.image
    if not overwrite and (LABELS in label_names(job.image) if inside else job.labels.exists()):
        there = job.labels / "labels" / LABELS if inside else job.labels
        return (f"{job.image}: {there} is there already",), False
    try:
        result = segment_volume(
            job.image,
            job.labels,
            model=options.model,
            axes=options.axes,
            channel=options.channel,
            decode=options.decode,
            min_size=options.min_size,
            tile=options.tile,
            flips=options.flips,
            version=options.zarr_version or "0.5",
            memory=resources.memory,
            workers=resources.workers,
            scheduler=resources.scheduler,
            device=resources.device,
            overwrite=overwrite,
            announce=follow.announce,
            report=follow.report,
        )
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # without scheduler or space no other image can be segmented either
        return (naming(job.image, error),), True
    except (ValueError, TypeError, MemoryError) as error:
        return (naming(job.image, error),), True
    notes = tuple(
        filter(None, (result.note, f"{job.image}: block by block, without an overlay" * overlay))
    )
    counts = " + ".join(map(str, result.cells))
    return (*notes, *result.damaged, f"{job.image}: {counts} cells"), bool(result.damaged)


def _goes_by_block(path: Path, options: Options, resources: Resources) -> bool:
    if options.mode == "2d-stitch":
        return False
    if is_ome_zarr(path) or resources.workers > 1 or resources.scheduler is not None:
        return True
    limit = resources.memory or free_memory()
    try:
        kind = raster_kind(first_bytes(path))
        if kind:
            return whole_image_bytes(count_pixels(path, kind), pixel_bytes=_PICTURE_BYTES) > limit
        volume = open_volume(path, axes=options.axes, channel=options.channel)
    except (ValueError, OSError):
        return False  # it is reported when its turn comes
    size = volume.channels * volume.dtype.itemsize
    return volume.times > 1 or whole_image_bytes(math.prod(volume.shape), pixel_bytes=size) > limit


def _jobs(
    images: Sequence[Path], output: Path, options: Options, resources: Resources, *, overwrite: bool
) -> list[_Job]:
    jobs = []
    for path in images:
        whole, parts = (output / f"{stem(path)}{ending}" for ending in (".tif", ".ome.zarr"))
        begun = parts.exists() or work_folder(parts).exists()
        settled = options.mode != "2d-stitch" and not overwrite and whole.exists() != begun
        # what is done or begun goes on as it was, though with another limit of memory it would go the other way
        by_block = begun if settled else _goes_by_block(path, options, resources)
        jobs.append(
            _Job(path, parts if by_block else whole, output / f"{stem(path)}_overlay.png", by_block)
        )
    check_outputs({job.image: (job.labels, job.overlay) for job in jobs})
    return jobs


def check_outputs(outputs: Mapping[Path, Sequence[Path]]) -> None:
    """Raise ValueError if two inputs would write the same file, or one would replace or lie beside an input."""
    inputs = {path.resolve() for path in outputs}
    folders = {path.parent for path in inputs}
    writers: dict[Path, Path] = {}
    for image, written in outputs.items():
        for path in written:
            if path in writers:
                raise ValueError(
                    f"{writers[path]} and {image} would both write {path}: give them two output folders"
                )
            if path.resolve() in inputs:
                raise ValueError(
                    f"the results of {image} would replace {path}: choose another output folder"
                )
            writers[path] = image
    for path in writers:
        if path.resolve().parent in folders:
            raise ValueError(f"{path} would lie among the inputs: choose another output folder")


def _prepare(output: Path, jobs: Sequence[_Job], record: dict[str, Any], overwrite: bool) -> None:
    """Make a folder that holds results of these options only, or refuse."""
    make_folder(output)
    path = output / _RECORD
    ours = {job.labels for job in jobs}
    if path.exists():
        difference = _difference(read_json(path), record)
        there = [*output.glob("*.tif"), *output.glob("*.ome.zarr")]
        kept = {labels for labels in there if not overwrite or labels not in ours}
    else:
        difference = "not by seamwise"
        kept = set() if overwrite else {labels for labels in ours if labels.exists()}
    if difference and kept:
        raise ValueError(
            f"{output} holds {min(kept).name}, made {difference}: choose another folder, or --overwrite all of them"
        )
    if difference:
        for job in jobs:
            if job.by_block:
                shutil.rmtree(job.labels, ignore_errors=True)
            else:
                job.labels.unlink(missing_ok=True)
            job.overlay.unlink(missing_ok=True)
    write_json(path, record)


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """How results of two records differ, or nothing. A model is what its file holds, not what it is called."""
    if before.get("model_sha256") != now["model_sha256"]:
        return "with another model file"
    for name, value in now.items():
        then = before.get(name)
        if name != "model" and then != (list(value) if isinstance(value, tuple) else value):
            return f"with {name} = {then}, not {value}"
    return ""
